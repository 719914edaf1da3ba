/* SPDX-License-Identifier: MPL-2.0
 *
 * Sums of a replay: see tally.h. Identities are told apart by a keyed 128-bit hash; their texts are made once.
 */
#include "cli/tally.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "shm/siphash.h"

#define FIRST_ROOM   4096
#define SPELL_GAP_NS (60 * NANOSECONDS_PER_SECOND)

bool tally_init(struct tally *tally, const struct bundle *bundle, int64_t from_ns, int64_t to_ns)
{
    uint32_t rules = 0;

    memset(tally, 0, sizeof(*tally));
    tally->bundle = bundle;
    tally->from_ns = from_ns;
    tally->span_ns = to_ns - from_ns + 1;
    tally->region = region_new();
    tally->by_rule = calloc((size_t)bundle->rule_count + 1, sizeof(struct tally_row *));
    tally->first_rules = calloc((size_t)bundle->policy_count + 1, sizeof(*tally->first_rules));
    tally->room = FIRST_ROOM;
    tally->table = calloc(tally->room, sizeof(struct tally_identity *));
    if (!tally->region || !tally->by_rule || !tally->first_rules || !tally->table)
        return false;
    for (uint32_t i = 0; i < bundle->policy_count; i++) {
        tally->first_rules[i] = rules;
        rules += bundle->policies[i].rule_count + (bundle->policies[i].fallback ? 1 : 0);
    }
    return true;
}

void tally_fini(struct tally *tally)
{
    region_free(tally->region);
    free(tally->by_rule);
    free(tally->first_rules);
    free(tally->table);
}

struct slice tally_rule_name(const struct tally_row *row)
{
    if (!row->rule)
        return slice_of(row->guard);
    return row->rule->name;
}

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

static struct tally_row *find_guard_row(struct tally *tally, const struct policy *policy, const char *guard)
{
    for (struct tally_row *row = tally->rows; row; row = row->next)
        if (!row->rule && row->policy == policy && strcmp(row->guard, guard) == 0)
            return row;
    return add_row(tally, policy, NULL, guard);
}

static struct tally_row *find_rule_row(struct tally *tally, const struct policy *policy, const struct rule *rule)
{
    uint32_t index = tally->first_rules[policy - tally->bundle->policies] +
                     (rule->is_fallback ? policy->rule_count : (uint32_t)(rule - policy->rules));

    if (!tally->by_rule[index])
        tally->by_rule[index] = add_row(tally, policy, rule, NULL);
    return tally->by_rule[index];
}

/* ---- identities -------------------------------------------------------------------------------------------------- */

static bool grow(struct tally *tally)
{
    size_t room = 2 * tally->room;
    struct tally_identity **larger = calloc(room, sizeof(struct tally_identity *));

    if (!larger)
        return false;
    for (size_t i = 0; i < tally->room; i++) {
        size_t at;

        if (!tally->table[i])
            continue;
        for (at = tally->table[i]->key[0] & (room - 1); larger[at];)
            at = (at + 1) & (room - 1);
        larger[at] = tally->table[i];
    }
    free(tally->table);
    tally->table = larger;
    tally->room = room;
    return true;
}

static size_t find_place(const struct tally *tally, const uint64_t key[2])
{
    size_t at = key[0] & (tally->room - 1);

    while (tally->table[at] && memcmp(tally->table[at]->key, key, sizeof(tally->table[at]->key)) != 0)
        at = (at + 1) & (tally->room - 1);
    return at;
}

static char *put(char *at, struct slice text)
{
    if (text.size > 0)
        memcpy(at, text.data, text.size);
    return at + text.size;
}

/* "key=value, key=value" of the keys of RULE in the request at hand. Measures when OUT is NULL. */
static size_t tell_keys(struct tally *tally, const struct rule *rule, char *out)
{
    size_t size = 0;

    for (uint32_t i = 0; i < rule->key_count; i++) {
        struct slice value;
        const struct slice parts[] = {i > 0 ? SLICE(", ") : SLICE(""), tally->bundle->descriptors[rule->keys[i]].text,
                                      SLICE("="), {NULL, 0}};

        if (!decide_key(tally->decider, rule->keys[i], &value))
            value = SLICE("(missing)");
        for (size_t j = 0; j < 3; j++) {
            out = out ? put(out, parts[j]) : NULL;
            size += parts[j].size;
        }
        out = out ? put(out, value) : NULL;
        size += value.size;
    }
    return size;
}

static struct slice copy_text(struct tally *tally, struct slice text)
{
    struct slice copy = {NULL, 0};

    if (!region_copy(tally->region, text, &copy))
        tally->is_out_of_memory = true;
    return copy;
}

static struct slice identity_of_rule(struct tally *tally, const struct rule *rule)
{
    size_t size = tell_keys(tally, rule, NULL);
    char *text;

    if (rule->key_count == 0)
        return SLICE("(all requests together)");
    text = region_take(tally->region, size + 1, 1);
    if (!text) {
        tally->is_out_of_memory = true;
        return SLICE("");
    }
    tell_keys(tally, rule, text);
    return (struct slice){text, size};
}

static void hash_rule(struct tally *tally, const struct tally_row *row, uint64_t key[2])
{
    static const uint64_t no_key[2];
    struct siphash hash;

    siphash_init(&hash, no_key);
    siphash_update(&hash, &row, sizeof(row));
    for (uint32_t i = 0; i < row->rule->key_count; i++) {
        struct slice value = {NULL, 0};

        decide_key(tally->decider, row->rule->keys[i], &value);
        siphash_update_value(&hash, value);
    }
    siphash_final(&hash, key);
}

/* Whom a guard refused: its client's address. */
static struct slice client_of(struct tally *tally, char text[ADDRESS_TEXT_SIZE])
{
    size_t size = address_print(&tally->facts->client, text);

    return size > 0 ? (struct slice){text, size} : SLICE("(unknown client)");
}

static void hash_text(const struct tally_row *row, struct slice text, uint64_t key[2])
{
    static const uint64_t no_key[2];
    struct siphash hash;

    siphash_init(&hash, no_key);
    siphash_update(&hash, &row, sizeof(row));
    siphash_update_value(&hash, text);
    siphash_final(&hash, key);
}

static struct tally_identity *add_identity(struct tally *tally, size_t place, struct tally_row *row,
                                           const uint64_t key[2], struct slice text)
{
    struct tally_identity *identity = region_take(tally->region, 1, sizeof(*identity));

    if (!identity) {
        tally->is_out_of_memory = true;
        return NULL;
    }
    memcpy(identity->key, key, sizeof(identity->key));
    identity->row = row;
    identity->text = text;
    tally->table[place] = identity;
    tally->count++;
    row->identities++;
    if (tally->count * 2 > tally->room && !grow(tally))
        tally->is_out_of_memory = true;
    return identity;
}

/* NULL: not told apart any more. TEXT is used when there is no rule. */
static struct tally_identity *find_identity(struct tally *tally, struct tally_row *row, struct slice text)
{
    uint64_t key[2];
    size_t place;

    if (row->rule)
        hash_rule(tally, row, key);
    else
        hash_text(row, text, key);
    place = find_place(tally, key);
    if (tally->table[place])
        return tally->table[place];
    if (tally->count >= TALLY_MAX_IDENTITIES || tally->is_out_of_memory) {
        tally->untold++;
        return NULL;
    }
    return add_identity(tally, place, row, key,
                        row->rule ? identity_of_rule(tally, row->rule) : copy_text(tally, text));
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

static void touch(struct tally *tally, struct tally_identity *identity)
{
    if (!identity || identity->seen == tally->number)
        return;
    identity->seen = tally->number;
    identity->requests++;
    identity->row->requests++;
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

static void hit(struct tally *tally, struct tally_row *row, struct tally_identity *identity, bool is_shadow)
{
    if (!row || (identity && identity->hit == tally->number))
        return;
    *(is_shadow ? &row->would : &row->refused) += 1;
    row->slots[slot_of(tally)]++;
    if (!identity)
        return;
    identity->hit = tally->number;
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

/* Of a guard only refusals are known: it applied to as many requests as it refused. */
static void hit_guard(struct tally *tally, const struct policy *policy, const char *guard, struct slice text,
                      enum reason reason, bool is_shadow)
{
    struct tally_row *row = find_guard_row(tally, policy, guard);
    struct tally_identity *identity = row ? find_identity(tally, row, text) : NULL;

    if (!row)
        return;
    if (!is_shadow)
        row->by_reason[reason]++;
    touch(tally, identity);
    hit(tally, row, identity, is_shadow);
}

void tally_observe(void *context, const struct decide_note *note)
{
    struct tally *tally = context;
    char client[ADDRESS_TEXT_SIZE];
    struct tally_row *row;

    if (note->step == DECIDE_LIMIT && note->rule) {
        row = find_rule_row(tally, note->policy, note->rule);
        if (row)
            touch(tally, find_identity(tally, row, SLICE("")));
    } else if (note->step == DECIDE_WOULD_REJECT && note->rule) {
        row = find_rule_row(tally, note->policy, note->rule);
        if (row)
            hit(tally, row, find_identity(tally, row, SLICE("")), true);
    } else if (note->step == DECIDE_WOULD_REJECT) {
        hit_guard(tally, note->policy, strcmp(note->role, "breaker") == 0 ? "circuit_breaker" : "loop_detection",
                  client_of(tally, client), REASON_NONE, true);
    }
}

static struct slice tell_kill_switch(struct tally *tally, const struct kill_switch *kill, char *text, size_t size)
{
    struct slice key = tally->bundle->descriptors[kill->descriptor].text;
    char *at = text;

    if (key.size + 1 + kill->value.size > size)
        return key;
    at = put(at, key);
    at = put(at, SLICE("="));
    at = put(at, kill->value);
    return (struct slice){text, (size_t)(at - text)};
}

static void hit_verdict(struct tally *tally, const struct verdict *verdict)
{
    char client[ADDRESS_TEXT_SIZE], kill[2048];
    struct tally_row *row;

    if (verdict->policy && verdict->rule) {
        row = find_rule_row(tally, verdict->policy, verdict->rule);
        if (!row)
            return;
        row->by_reason[verdict->reason]++;
        hit(tally, row, find_identity(tally, row, SLICE("")), false);
    } else if (verdict->kill_switch) {
        hit_guard(tally, NULL, "kill switch", tell_kill_switch(tally, verdict->kill_switch, kill, sizeof(kill)),
                  verdict->reason, false);
    } else {
        const char *guard = verdict->reason == REASON_loop_detected             ? "loop_detection"
                            : verdict->reason == REASON_circuit_breaker_open ? "circuit_breaker"
                                                                                : "no policy";

        hit_guard(tally, verdict->policy, guard, client_of(tally, client), verdict->reason, false);
    }
}

void tally_verdict(struct tally *tally, const struct verdict *verdict)
{
    size_t slot = slot_of(tally);

    tally->unmatched += verdict->matched_policies == 0 && !verdict->kill_switch;
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
