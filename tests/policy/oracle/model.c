/* SPDX-License-Identifier: MPL-2.0
 *
 * The reference model: see model.h.
 */
#include "tests/policy/oracle/model_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS          4096
#define RESERVATION_LIFE (15 * 60 * WORLD_SECOND)
#define LOOP_DELAY_MS    1000
#define MOST_TOKENS      (INT64_C(1) << 32)

struct entry {
    char key[sizeof(((struct model_demand *)NULL)->key)];
    char policy[8];
    struct world_rule rule; /* as it was: name, algorithm and keys find it again; of a breaker: the first of its policy */
    bool is_breaker;
    int64_t kept;    /* breaker: what no settlement changes */
    int costs, from; /* breaker: it counts the largest of so many entries from there on */
    bool is_day;
    int64_t cost, end_s, begun_ns, layout_ns;
};

struct reservation {
    bool is_made, is_settled, has_price;
    struct world_price price; /* of the model asked for */
    int64_t boot_ns, wall_ns;
    int entry_count;
    struct entry *entries;
};

struct model {
    struct model_slot *slots[BUCKETS];
    int step_count;
    struct reservation *reservations; /* one per step */
};

struct model *model_new(int steps)
{
    struct model *model = calloc(1, sizeof(*model));

    if (!model || !(model->reservations = calloc((size_t)steps, sizeof(*model->reservations))))
        abort();
    model->step_count = steps;
    return model;
}

void model_free(struct model *model)
{
    for (int i = 0; i < BUCKETS; i++)
        for (struct model_slot *slot = model->slots[i], *next; slot; slot = next) {
            next = slot->next;
            free(slot->key);
            free(slot);
        }
    for (int i = 0; i < model->step_count; i++)
        free(model->reservations[i].entries);
    free(model->reservations);
    free(model);
}

/* ---- slots ---------------------------------------------------------------------------------------------------------
 */

static struct model_slot **place_of(struct model *model, const char *key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    struct model_slot **place;

    for (const char *c = key; *c; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    for (place = &model->slots[hash % BUCKETS]; *place && strcmp((*place)->key, key) != 0;)
        place = &(*place)->next;
    return place;
}

/* The slot of KEY brought up to now, a new one when there is none. */
static struct model_slot *touch(struct model *model, const char *key, const struct model_limit *limit,
                                const struct world_step *now)
{
    struct model_slot **place = place_of(model, key);

    if (!*place) {
        *place = calloc(1, sizeof(**place));
        if (!*place || !((*place)->key = strdup(key)))
            abort();
        model_slot_init(*place, limit, now->boot_ns);
    }
    model_slot_touch(*place, limit, now->boot_ns, now->wall_ns);
    return *place;
}

/* ---- judging -------------------------------------------------------------------------------------------------------
 */

static void judge(struct model *model, const struct world_step *step, struct model_verdict *verdict)
{
    for (int i = 0; i < verdict->demand_count; i++) {
        struct model_demand *demand = &verdict->demands[i];
        struct model_demand *excuse = demand->excuse ? &verdict->demands[demand->excuse - 1] : NULL;

        model_slot_judge(*place_of(model, demand->key), demand, step->boot_ns, step->wall_ns);
        demand->refuses = !demand->fits && !demand->never_refuses;
        if (!excuse)
            continue;
        /* A retry that is excused is not counted; one that is not, is. */
        demand->is_idle = excuse->fits;
        excuse->is_idle = !excuse->fits;
        demand->refuses = demand->refuses && !demand->is_idle;
    }
}

static bool group_refuses(const struct model_verdict *verdict, int shadow)
{
    for (int i = 0; i < verdict->demand_count; i++)
        if (verdict->demands[i].shadow == shadow && verdict->demands[i].refuses)
            return true;
    return false;
}

/* Warnings, delays and the count of the loop, of an enforced limit. */
static void gather(struct model_verdict *verdict, const struct model_demand *demand)
{
    const struct world_rule *rule = demand->of_rule;
    int64_t spent = demand->limit.capacity - demand->remaining + demand->cost;

    for (int i = 0; rule && rule->algorithm == WORLD_BUDGET && i < rule->stage_count; i++) {
        const struct world_stage *stage = &rule->stages[i];

        if ((__int128)spent * 100 * WORLD_ONE < (__int128)rule->budget * stage->percent)
            continue;
        verdict->warns = verdict->warns || stage->action == WORLD_WARN;
        verdict->throttles = verdict->throttles || stage->action == WORLD_THROTTLE;
        if (stage->delay_ms > verdict->delay_ms)
            verdict->delay_ms = stage->delay_ms;
    }
    if (!demand->is_loop || demand->is_idle)
        return;
    if (spent / WORLD_ONE > verdict->loop_count)
        verdict->loop_count = spent / WORLD_ONE;
    if (demand->fits || demand->of_policy->loop_action == WORLD_LOOP_REJECT)
        return;
    verdict->loop_warns = true;
    if (demand->of_policy->loop_action == WORLD_LOOP_THROTTLE && verdict->delay_ms < LOOP_DELAY_MS)
        verdict->delay_ms = LOOP_DELAY_MS;
}

/* ---- charging ------------------------------------------------------------------------------------------------------
 */

static struct entry *reserve(struct reservation *reservation, const struct model_demand *demand,
                             const struct world_rule *rule, const struct model_slot *slot, const struct world_step *step)
{
    struct entry *entry;

    if (!reservation->entries && !(reservation->entries = calloc(MODEL_DEMANDS, sizeof(*entry))))
        abort();
    entry = &reservation->entries[reservation->entry_count++];
    snprintf(entry->key, sizeof(entry->key), "%s", demand->key);
    snprintf(entry->policy, sizeof(entry->policy), "%s", demand->policy);
    entry->rule = *rule;
    entry->is_day = rule->algorithm == WORLD_TOKENS && demand->limit.kind == MODEL_WINDOW;
    entry->cost = demand->cost;
    entry->end_s = slot->end_s;
    entry->begun_ns = step->boot_ns;
    entry->layout_ns = slot->layout_ns;
    reservation->is_made = true;
    reservation->boot_ns = step->boot_ns;
    reservation->wall_ns = step->wall_ns;
    return entry;
}

/* A breaker that counted what is settled later is set right with it: its charge is the last of its policy. */
static void reserve_breaker(struct reservation *reservation, const struct model_verdict *verdict,
                            const struct model_demand *demand, const struct model_slot *slot, const struct world_step *step)
{
    const struct world_policy *policy = demand->of_policy;
    int64_t kept = 0;
    int costs = 0;
    struct entry *entry;

    for (const struct model_demand *other = &verdict->demands[demand->first]; other < demand; other++)
        if (other->is_settled)
            costs++;
        else if (other->rule && other->of_rule->algorithm != WORLD_FLIGHT && other->cost > kept)
            kept = other->cost;
    if (costs == 0)
        return;
    entry = reserve(reservation, demand, &policy->rules[policy->rule_count ? 0 : WORLD_RULES], slot, step);
    entry->is_breaker = true;
    entry->kept = kept;
    entry->costs = costs;
    entry->from = reservation->entry_count - 1 - costs;
}

static void charge(struct model *model, const struct world_step *step, struct model_verdict *verdict, bool is_admitted)
{
    struct reservation *reservation = &model->reservations[step->number];

    for (int i = 0; i < verdict->demand_count; i++) {
        struct model_demand *demand = &verdict->demands[i];
        struct model_slot *slot;

        demand->is_held_back = !is_admitted || group_refuses(verdict, demand->shadow);
        if (demand->is_idle || (demand->is_held_back && !demand->trips))
            continue;
        slot = touch(model, demand->key, &demand->limit, step);
        if (demand->trips) {
            /* A breaker that has to open does so whatever becomes of the request. */
            slot->opened = step->boot_ns;
            continue;
        }
        model_slot_charge(slot, &demand->limit, demand->cost, step->boot_ns);
        if (demand->limit.kind == MODEL_FLIGHT &&
            model_slot_young(slot, step->boot_ns) > demand->limit.capacity / WORLD_ONE)
            verdict->overfills = true;
        if (demand->is_settled)
            reserve(reservation, demand, demand->of_rule, slot, step);
        else if (demand->limit.kind == MODEL_BREAKER)
            reserve_breaker(reservation, verdict, demand, slot, step);
    }
    verdict->has_reservation = reservation->entry_count > 0;
    reservation->has_price = verdict->price != NULL;
    if (verdict->price)
        reservation->price = *verdict->price;
}

static void conclude(struct model *model, const struct world_step *step, struct model_verdict *verdict)
{
    bool is_admitted = verdict->refusal_count == 0 && !group_refuses(verdict, 0);

    for (int i = 0; i < verdict->demand_count; i++) {
        const struct model_demand *demand = &verdict->demands[i];

        if (demand->shadow == 0)
            gather(verdict, demand);
        else
            verdict->would_reject = verdict->would_reject || demand->refuses;
    }
    verdict->is_allowed = is_admitted;
    if (verdict->refusal_count == 0)
        charge(model, step, verdict, is_admitted);
    if (is_admitted)
        return;
    verdict->warns = verdict->throttles = verdict->loop_warns = false;
    verdict->delay_ms = 0;
}

void model_ask(struct model *model, const struct world_bundle *bundle, const struct world_step *step,
               struct model_verdict *verdict)
{
    bool shadows_all = model_match_holds(&bundle->shadow, step->wall_ns);
    int shadows = 0;

    memset(verdict, 0, offsetof(struct model_verdict, demands));
    memset((char *)verdict + offsetof(struct model_verdict, would_reject), 0,
           sizeof(*verdict) - offsetof(struct model_verdict, would_reject));
    verdict->is_allowed = true;
    verdict->price = step->ask.has_body ? model_money_price(bundle, step->ask.model) : NULL;
    if (model_match_switch(bundle, step) && !model_match_holds(&bundle->no_switches, step->wall_ns)) {
        verdict->is_allowed = false;
        verdict->reason = "kill_switch_active";
        return;
    }
    for (int i = 0; i < bundle->policy_count; i++) {
        const struct world_policy *policy = &bundle->policies[i];

        if (!model_match_policy(policy, &step->ask))
            continue;
        verdict->matched++;
        model_demand_policy(policy, step, policy->is_shadow || shadows_all ? ++shadows : 0, verdict);
    }
    if (verdict->matched == 0 && bundle->rejects_unmatched && !shadows_all) {
        verdict->is_allowed = false;
        verdict->reason = "no_policy_matched";
        return;
    }
    judge(model, step, verdict);
    conclude(model, step, verdict);
}

/* ---- settling ------------------------------------------------------------------------------------------------------
 */

static bool is_same_rule(const struct world_rule *a, const struct world_rule *b)
{
    if (strcmp(a->name, b->name) != 0 || a->algorithm != b->algorithm || a->key_count != b->key_count)
        return false;
    for (int i = 0; i < a->key_count; i++)
        if (a->keys[i] != b->keys[i])
            return false;
    return true;
}

/* The rule of ENTRY as it is now, or NULL when a reload took it away. */
static const struct world_rule *find_rule(const struct world_bundle *bundle, const struct entry *entry)
{
    for (int i = 0; i < bundle->policy_count; i++) {
        const struct world_policy *policy = &bundle->policies[i];

        if (!policy->is_present || strcmp(policy->id, entry->policy) != 0)
            continue;
        for (int j = 0; j < policy->rule_count; j++)
            if (is_same_rule(&policy->rules[j], &entry->rule))
                return &policy->rules[j];
        if (policy->has_fallback && is_same_rule(&policy->rules[WORLD_RULES], &entry->rule))
            return &policy->rules[WORLD_RULES];
    }
    return NULL;
}

/* What ENTRY should have been charged. */
static int64_t owed(const struct world_bundle *bundle, const struct world_step *step, const struct reservation *reservation,
                    const struct entry *entry)
{
    const struct world_price *price = model_money_price(bundle, step->model);

    if (entry->rule.algorithm != WORLD_BUDGET)
        return (step->prompt + step->completion) * WORLD_ONE;
    if (!price && reservation->has_price)
        price = &reservation->price;
    return price ? model_money_cost(price, step->prompt, step->cached, step->completion) : entry->cost;
}

/* The breaker of ENTRY, found by its policy's first rule. */
static bool find_breaker(const struct world_bundle *bundle, const struct entry *entry, struct model_limit *limit)
{
    for (int i = 0; i < bundle->policy_count; i++) {
        const struct world_policy *policy = &bundle->policies[i];

        if (strcmp(policy->id, entry->policy) != 0 || !policy->has_breaker || !find_rule(bundle, entry))
            continue;
        *limit = (struct model_limit){.kind = MODEL_BREAKER,
                                      .capacity = policy->breaker_threshold,
                                      .length_ns = policy->breaker_minutes * 60 * WORLD_SECOND};
        return true;
    }
    return false;
}

/* A limit that a reload took away: corrected by COST where it was counted. */
static enum model_settlement correct_unserved(struct model *model, const struct world_step *step,
                                              const struct entry *entry, int64_t cost)
{
    struct model_slot *slot = *place_of(model, entry->key);

    if (cost < 0 && slot->kind == MODEL_WINDOW && slot->end_s != entry->end_s)
        return MODEL_UNSERVED;
    return model_slot_correct(slot, cost, entry->begun_ns, entry->layout_ns, step->boot_ns, step->wall_ns)
               ? MODEL_UNSERVED
               : MODEL_IN_PART;
}

static enum model_settlement correct_breaker(struct model *model, const struct world_bundle *bundle,
                                             const struct world_step *step, const struct reservation *reservation,
                                             const struct entry *entry)
{
    int64_t cost = entry->kept;
    struct model_limit limit;
    struct model_slot *slot;

    for (int i = entry->from; i < entry->from + entry->costs; i++)
        if (reservation->entries[i].rule.algorithm != WORLD_FLIGHT &&
            owed(bundle, step, reservation, &reservation->entries[i]) > cost)
            cost = owed(bundle, step, reservation, &reservation->entries[i]);
    cost -= entry->cost;
    if (cost == 0)
        return MODEL_SETTLED;
    if (!find_breaker(bundle, entry, &limit))
        return correct_unserved(model, step, entry, cost);
    slot = touch(model, entry->key, &limit, step);
    if (cost > 0)
        model_slot_charge(slot, &limit, cost, step->boot_ns);
    else
        model_slot_unspend(slot, -cost, entry->begun_ns);
    return MODEL_SETTLED;
}

static enum model_settlement correct(struct model *model, const struct world_bundle *bundle,
                                     const struct world_step *step, const struct reservation *reservation,
                                     const struct entry *entry)
{
    const struct world_rule *rule = find_rule(bundle, entry);
    struct model_slot *slot = *place_of(model, entry->key);
    int64_t cost = owed(bundle, step, reservation, entry) - entry->cost;
    struct model_limit limit;

    if (entry->is_breaker)
        return correct_breaker(model, bundle, step, reservation, entry);
    if (cost == 0 && slot->kind != MODEL_FLIGHT)
        return MODEL_SETTLED;
    if (!rule || !model_demand_limit(rule, entry->is_day, step->wall_ns, &limit))
        return correct_unserved(model, step, entry, cost);
    if (limit.kind == MODEL_FLIGHT) {
        model_slot_touch(slot, &limit, step->boot_ns, step->wall_ns);
        model_slot_land(slot, entry->begun_ns, entry->layout_ns);
        return MODEL_SETTLED;
    }
    /* A window that is over took its reservation with it. */
    if (cost < 0 && limit.kind == MODEL_WINDOW && slot->end_s != entry->end_s)
        return MODEL_SETTLED;
    slot = touch(model, entry->key, &limit, step);
    /* Since the bucket was whole, what is owed to it is others' debt. */
    if (cost < 0 && limit.kind == MODEL_BUCKET && entry->begun_ns < slot->whole_ns)
        return MODEL_SETTLED;
    model_slot_charge(slot, &limit, cost, step->boot_ns);
    return MODEL_SETTLED;
}

enum model_settlement model_settle(struct model *model, const struct world_bundle *bundle,
                                   const struct world_step *step)
{
    struct reservation *reservation = &model->reservations[step->settles];
    enum model_settlement result = MODEL_SETTLED, part;

    if (step->is_forged || !reservation->is_made || step->prompt < 0 || step->completion < 0 ||
        step->prompt > MOST_TOKENS || step->completion > MOST_TOKENS)
        return MODEL_UNKNOWN;
    if (step->wall_ns / WORLD_SECOND >= (reservation->wall_ns + RESERVATION_LIFE) / WORLD_SECOND ||
        step->boot_ns >= reservation->boot_ns + RESERVATION_LIFE)
        return MODEL_EXPIRED;
    if (reservation->is_settled)
        return MODEL_BEFORE;
    reservation->is_settled = true;
    for (int i = 0; i < reservation->entry_count; i++)
        if ((part = correct(model, bundle, step, reservation, &reservation->entries[i])) > result)
            result = part;
    return result;
}
