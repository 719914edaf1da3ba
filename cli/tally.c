/* SPDX-License-Identifier: MPL-2.0
 *
 * Sums of a replay: see tally.h.
 */
#include "cli/tally.h"

#include <stdlib.h>
#include <string.h>

#include "cli/tally_identity.h"

#define FIRST_ROOM   4096
#define SPELL_GAP_NS (60 * NANOSECONDS_PER_SECOND)

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static struct tally_row *add_row(struct tally *tally, const struct policy *policy, const struct rule *rule,
                                 const char *guard)
{
    struct tally_row *row = region_take(tally->region, 1, sizeof(*row));

    if (!row) {
        tally->is_out_of_memory = true;
        return NULL;
    }
    *row = (struct tally_row){.policy = policy, .rule = rule, .guard = guard, .next = tally->rows};
    tally->rows = row;
    return row;
}

/* A rule has its row from the beginning: one that never applies is worth knowing. */
static bool add_rule_row(struct tally *tally, const struct policy *policy, const struct rule *rule, uint32_t index)
{
    const struct descriptor *descriptors = tally->bundle->descriptors;
    struct tally_row *row = add_row(tally, policy, rule, NULL);
    struct tally_key *keys = region_take(tally->region, rule->key_count + rule->condition_count, sizeof(*keys));

    if (!row || !keys)
        return false;
    for (uint32_t i = 0; i < rule->key_count; i++)
        keys[row->key_count++].descriptor = &descriptors[rule->keys[i]];
    for (uint32_t i = 0; i < rule->condition_count; i++)
        keys[row->key_count++] =
            (struct tally_key){.descriptor = &descriptors[rule->conditions[i].descriptor], .is_condition = true};
    row->keys = keys;
    tally->by_rule[index] = row;
    return true;
}

static bool add_rule_rows(struct tally *tally)
{
    uint32_t index = 0;

    for (uint32_t i = 0; i < tally->bundle->policy_count; i++) {
        const struct policy *policy = &tally->bundle->policies[i];

        tally->first_rules[i] = index;
        for (uint32_t j = 0; j < policy->rule_count; j++)
            if (!add_rule_row(tally, policy, &policy->rules[j], index++))
                return false;
        if (policy->fallback && !add_rule_row(tally, policy, policy->fallback, index++))
            return false;
    }
    return true;
}

static struct tally_row *find_rule_row(const struct tally *tally, const struct policy *policy, const struct rule *rule)
{
    uint32_t index = tally->first_rules[policy - tally->bundle->policies] +
                     (rule->is_fallback ? policy->rule_count : (uint32_t)(rule - policy->rules));

    return tally->by_rule[index];
}

static struct tally_row *find_guard_row(struct tally *tally, const struct policy *policy, const char *guard)
{
    for (struct tally_row *row = tally->rows; row; row = row->next)
        if (!row->rule && row->policy == policy && strcmp(row->guard, guard) == 0)
            return row;
    return add_row(tally, policy, NULL, guard);
}

struct slice tally_rule_name(const struct tally_row *row)
{
    if (!row->rule)
        return slice_of(row->guard);
    return row->rule->name;
}

/* ---- the tally --------------------------------------------------------------------------------------------------- */

bool tally_init(struct tally *tally, const struct bundle *bundle, int64_t from_ns, int64_t to_ns)
{
    memset(tally, 0, sizeof(*tally));
    tally->bundle = bundle;
    tally->from_ns = from_ns;
    tally->span_ns = to_ns - from_ns + 1;
    tally->region = region_new();
    tally->by_rule = calloc((size_t)bundle->rule_count + 1, sizeof(struct tally_row *));
    tally->first_rules = calloc((size_t)bundle->policy_count + 1, sizeof(*tally->first_rules));
    tally->room = FIRST_ROOM;
    tally->table = calloc(tally->room, sizeof(struct tally_identity *));
    return tally->region && tally->by_rule && tally->first_rules && tally->table && add_rule_rows(tally);
}

void tally_fini(struct tally *tally)
{
    region_free(tally->region);
    free(tally->by_rule);
    free(tally->first_rules);
    free(tally->table);
}

/* ---- one request ------------------------------------------------------------------------------------------------- */

static size_t slot_of(const struct tally *tally)
{
    return (size_t)((__int128)(tally->now_ns - tally->from_ns) * TALLY_SLOTS / tally->span_ns);
}

void tally_begin(struct tally *tally, struct decider *decider, const struct facts *facts, int64_t now_ns)
{
    tally->decider = decider;
    tally->facts = facts;
    tally->now_ns = now_ns;
    tally->number++;
}

/* ROW has a say in the request at hand, which is from whom its keys or TEXT say. Counted once, however many limits it has. */
static void enter(struct tally *tally, struct tally_row *row, struct slice text)
{
    if (!row || row->seen == tally->number)
        return;
    row->seen = tally->number;
    row->requests++;
    row->current = tally_identity_find(tally, row, text);
    if (row->current)
        row->current->requests++;
}

static void end_spell(struct tally_identity *identity)
{
    int64_t length_ns = identity->last_ns - identity->began_ns;

    if (identity->began_ns == 0)
        return;
    identity->all_ns += length_ns;
    if (length_ns > identity->longest_ns)
        identity->longest_ns = length_ns;
    identity->began_ns = 0;
}

static void hit_identity(const struct tally *tally, struct tally_identity *identity, bool is_shadow)
{
    struct tally_row *row = identity->row;

    row->identities_refused += identity->refused + identity->would == 0;
    *(is_shadow ? &identity->would : &identity->refused) += 1;
    if (identity->refused + identity->would == 1)
        identity->first_ns = tally->now_ns;
    if (tally->now_ns - identity->last_ns > SPELL_GAP_NS)
        end_spell(identity);
    identity->last_ns = tally->now_ns;
    if (identity->began_ns == 0)
        identity->began_ns = tally->now_ns;
}

/* ROW refused the request at hand, or would have. */
static void hit(struct tally *tally, struct tally_row *row, struct slice text, enum reason reason, bool is_shadow)
{
    enter(tally, row, text);
    if (!row || row->hit == tally->number)
        return;
    row->hit = tally->number;
    *(is_shadow ? &row->would : &row->refused) += 1;
    row->by_reason[reason]++;
    row->slots[slot_of(tally)]++;
    if (row->current)
        hit_identity(tally, row->current, is_shadow);
}

static void count_key(const struct tally *tally, const struct decide_note *note)
{
    struct tally_row *row = find_rule_row(tally, note->policy, note->rule);
    bool is_condition = note->step == DECIDE_RULE_NOT_APPLICABLE;

    for (uint32_t i = 0; i < row->key_count; i++)
        if (row->keys[i].is_condition == is_condition && row->keys[i].descriptor->text.data == note->detail.data)
            *(note->value.size > 0 ? &row->keys[i].found : &row->keys[i].lacking) += 1;
}

/* Whom a guard looks at: the client. */
static struct slice client_of(const struct tally *tally, char text[ADDRESS_TEXT_SIZE])
{
    size_t size = address_print(&tally->facts->client, text);

    return size > 0 ? (struct slice){text, size} : SLICE("(unknown client)");
}

/* The row that NOTE is about; *TEXT: who the request is to a guard, in ROOM. */
static struct tally_row *row_of_note(struct tally *tally, const struct decide_note *note, char room[ADDRESS_TEXT_SIZE],
                                     struct slice *text)
{
    *text = SLICE("");
    if (note->rule)
        return find_rule_row(tally, note->policy, note->rule);
    *text = client_of(tally, room);
    return find_guard_row(tally, note->policy, strcmp(note->role, "breaker") == 0 ? "circuit_breaker" : "loop_detection");
}

void tally_observe(void *context, const struct decide_note *note)
{
    struct tally *tally = context;
    char room[ADDRESS_TEXT_SIZE];
    struct tally_row *row;
    struct slice text;

    switch (note->step) {
    case DECIDE_RULE_NOT_APPLICABLE:
    case DECIDE_KEY_FOUND:
    case DECIDE_KEY_MISSING:
        count_key(tally, note);
        break;
    case DECIDE_LIMIT:
        row = row_of_note(tally, note, room, &text);
        enter(tally, row, text);
        break;
    case DECIDE_WOULD_REJECT:
        row = row_of_note(tally, note, room, &text);
        hit(tally, row, text, note->reason, true);
        break;
    case DECIDE_KILL_SWITCH:
    case DECIDE_KILL_KEY_MISSING:
    case DECIDE_KILL_SWITCHES_PASSED:
    case DECIDE_KILL_SWITCH_ELSEWHERE:
    case DECIDE_KILL_SWITCH_ENDED:
    case DECIDE_POLICY_MATCHED:
    case DECIDE_RULE_SKIPPED:
    case DECIDE_RULE_SHARED:
    case DECIDE_FALLBACK_USED:
        break;
    }
}

static struct slice tell_kill_switch(const struct tally *tally, const struct kill_switch *kill, char *text, size_t size)
{
    struct slice key = tally->bundle->descriptors[kill->descriptor].text;

    if (key.size + 1 + kill->value.size > size)
        return key;
    memcpy(text, key.data, key.size);
    text[key.size] = '=';
    memcpy(text + key.size + 1, kill->value.data, kill->value.size);
    return (struct slice){text, key.size + 1 + kill->value.size};
}

static const char *guard_of(enum reason reason)
{
    static const struct {
        enum reason reason;
        const char *guard;
    } rows[] = {{REASON_loop_detected, "loop_detection"},
                {REASON_circuit_breaker_open, "circuit_breaker"},
                {REASON_jwt_invalid, "token"},
                {REASON_no_policy_matched, "no policy"}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].reason == reason)
            return rows[i].guard;
    return verdict_reasons[reason].name;
}

static void hit_verdict(struct tally *tally, const struct verdict *verdict)
{
    char text[2048];

    if (verdict->policy && verdict->rule)
        hit(tally, find_rule_row(tally, verdict->policy, verdict->rule), SLICE(""), verdict->reason, false);
    else if (verdict->kill_switch)
        hit(tally, find_guard_row(tally, NULL, "kill switch"),
            tell_kill_switch(tally, verdict->kill_switch, text, sizeof(text)), verdict->reason, false);
    else
        hit(tally, find_guard_row(tally, verdict->policy, guard_of(verdict->reason)), client_of(tally, text),
            verdict->reason, false);
}

void tally_verdict(struct tally *tally, const struct verdict *verdict)
{
    size_t slot = slot_of(tally);

    tally->unmatched += verdict->matched_policies == 0 && (verdict->is_allowed || verdict->reason == REASON_no_policy_matched);
    if (verdict->is_allowed) {
        tally->allowed++;
        tally->slots_allowed[slot]++;
    } else {
        tally->refused++;
        tally->slots_refused[slot]++;
        hit_verdict(tally, verdict);
    }
    tally->would += verdict->would_reject;
    tally->slots_would[slot] += verdict->would_reject;
}

int64_t tally_slot_ns(const struct tally *tally, size_t slot)
{
    return tally->from_ns + (int64_t)((__int128)tally->span_ns * (int64_t)slot / TALLY_SLOTS);
}

/* ---- afterwards -------------------------------------------------------------------------------------------------- */

void tally_finish(struct tally *tally)
{
    for (size_t i = 0; i < tally->room; i++)
        if (tally->table[i])
            end_spell(tally->table[i]);
}

static int compare_identities(const void *left, const void *right)
{
    const struct tally_identity *a = *(struct tally_identity *const *)left, *b = *(struct tally_identity *const *)right;
    uint64_t hits_a = a->refused + a->would, hits_b = b->refused + b->would;
    size_t shorter = a->text.size < b->text.size ? a->text.size : b->text.size;
    int order;

    if (hits_a != hits_b)
        return hits_a > hits_b ? -1 : 1;
    order = shorter > 0 ? memcmp(a->text.data, b->text.data, shorter) : 0;
    return order ? order : (a->text.size > b->text.size) - (a->text.size < b->text.size);
}

struct tally_identity **tally_worst(const struct tally *tally, size_t most, size_t *count, size_t *all)
{
    struct tally_identity **found = calloc(tally->count + 1, sizeof(struct tally_identity *));

    *all = 0;
    for (size_t i = 0; i < tally->room && found; i++)
        if (tally->table[i] && tally->table[i]->refused + tally->table[i]->would > 0)
            found[(*all)++] = tally->table[i];
    if (found)
        qsort(found, *all, sizeof(*found), compare_identities);
    *count = *all < most ? *all : most;
    return found;
}
