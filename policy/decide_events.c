/* SPDX-License-Identifier: MPL-2.0
 *
 * Decisions of interest as events in the arena's ring: every refusal, what shadow rules would have refused, every warning, and of
 * the allowed requests all or a sample. Values of keys that are credentials are replaced by their hash before they leave this
 * process. Without decide_events_open nothing happens.
 */
#include "policy/decide_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/model.h"

#define SAMPLE_SHIFT 7 /* the first 1 << 7 allows of a second are all recorded, then one of 2, one of 3, ... */

#define SAME_WARNING(bit, name) \
    _Static_assert((bit) == VERDICT_BUDGET_WARN || (bit) == VERDICT_BUDGET_THROTTLE || (bit) == VERDICT_LOOP_WARN, name);
EVENT_WARNING_ROWS(SAME_WARNING)

bool decide_events_open(struct decider *decider, const struct decide_recording *recording)
{
    struct decide_events *events = &decider->events;

    events->hidden = calloc((size_t)decider->bundle->descriptor_count + 1, sizeof(*events->hidden));
    if (!events->hidden)
        return false;
    events->recording = *recording;
    for (uint32_t i = 0; i < decider->bundle->descriptor_count; i++)
        events->hidden[i] = decide_redact_hides(recording->redact, &decider->bundle->descriptors[i]);
    events->chance = decider->nonce | 1;
    events_open(&events->writer, decider->arena, recording->writer);
    events->is_open = true;
    return true;
}

void decide_events_close(struct decider *decider)
{
    free(decider->events.hidden);
}

/* ---- one event ---------------------------------------------------------------------------------------------------- */

static void add_hashed(struct decision *decision, const struct descriptor *descriptor, struct slice value)
{
    struct event *event = &decision->decider->events.event;
    char room[DECIDE_REDACT_SIZE];

    event_add_key(event, descriptor->text, decide_redact_hash(decision->decider->arena, descriptor->text, value, room));
    event->flags |= EVENT_IS_HASHED;
}

static void add_key(struct decision *decision, uint32_t index)
{
    const struct decider *decider = decision->decider;
    const struct descriptor *descriptor = descriptor_cache_at(&decider->descriptors, index);
    /* A key behind those of the bundle is of a kill switch that was set by hand. */
    bool hides = index < decider->bundle->descriptor_count
                     ? decider->events.hidden[index]
                     : decide_redact_hides(decider->events.recording.redact, descriptor);
    struct slice value;

    if (!descriptor_value(&decision->decider->descriptors, index, &value))
        return;
    if (hides)
        add_hashed(decision, descriptor, value);
    else
        event_add_key(&decision->decider->events.event, descriptor->text, value);
}

/* Who the request is to the rule that decided; to a loop or a breaker: to all rules of its policy. */
static const uint32_t *identity_keys(const struct decision *decision, const struct policy *policy, const struct rule *rule,
                                     uint32_t *count)
{
    const struct decider *decider = decision->decider;
    const struct prepared_policy *prepared = policy ? &decider->policies[policy - decider->bundle->policies] : NULL;

    *count = rule ? rule->key_count : prepared ? prepared->key_count : 0;
    return rule ? rule->keys : prepared ? prepared->keys : NULL;
}

static void add_model(struct decision *decision)
{
    char text[sizeof("model ") + ESTIMATE_MODEL_MAX];
    struct slice model = model_of(decision->facts->path, &decision->estimate);
    int size = snprintf(text, sizeof(text), "%s%.*s", model.size > 0 ? "model " : "no model is named", (int)model.size,
                        model.data ? model.data : "");

    event_add(&decision->decider->events.event, EVENT_TEXT_NOTE,
              (struct slice){text, (size_t)size < sizeof(text) ? (size_t)size : sizeof(text) - 1});
}

/* Which key, or else whoever is refused has to guess. It is a name in the bundle and nothing of the client's. */
static void add_missing(struct decision *decision, const struct rule *rule)
{
    static const struct slice lacks = {"lacks ", 6};
    struct slice key = decide_rules_missing(decision, rule);
    char text[256];
    size_t size = key.size < sizeof(text) - lacks.size ? key.size : sizeof(text) - lacks.size;

    if (key.size == 0)
        return;
    memcpy(text, lacks.data, lacks.size);
    memcpy(text + lacks.size, key.data, size);
    event_add(&decision->decider->events.event, EVENT_TEXT_NOTE, (struct slice){text, lacks.size + size});
}

static void begin(struct decision *decision, enum event_action action, enum reason reason)
{
    struct event *event = &decision->decider->events.event;

    event_begin(event, action, decision->now.wall_ns);
    event->generation = decision->decider->events.recording.generation;
    if (reason != REASON_NONE) {
        event->status = verdict_reasons[reason].status;
        event_add(event, EVENT_TEXT_REASON, slice_of(verdict_reasons[reason].name));
    }
    if (reason == REASON_model_unpriced)
        add_model(decision);
}

/* The other keys that this decision has looked at: with them the request can be judged again. */
static void add_other_keys(struct decision *decision, const uint32_t *keys, uint32_t count)
{
    const struct descriptor_cache *cache = &decision->decider->descriptors;

    for (uint32_t i = 0; i < decision->decider->bundle->descriptor_count; i++) {
        bool is_told = cache->entries[i].request != cache->request;

        for (uint32_t j = 0; j < count; j++)
            is_told |= keys[j] == i;
        if (!is_told)
            add_key(decision, i);
    }
}

static void end(struct decision *decision, const struct policy *policy, const struct rule *rule, enum reason reason)
{
    const struct facts *facts = decision->facts;
    struct decide_events *events = &decision->decider->events;
    struct event *event = &events->event;
    uint32_t count;
    const uint32_t *keys = identity_keys(decision, policy, rule, &count);

    if (policy)
        event_add(event, EVENT_TEXT_POLICY, policy->id);
    if (rule)
        event_add(event, EVENT_TEXT_RULE, rule->name);
    if (reason == REASON_identity_missing)
        add_missing(decision, rule);
    for (uint32_t i = 0; i < count; i++)
        add_key(decision, keys[i]);
    event_add(event, EVENT_TEXT_METHOD, facts->method);
    event_add(event, EVENT_TEXT_PATH, facts->path);
    event_add(event, EVENT_TEXT_HOST, facts->host);
    event->rule_keys = event->key_count;
    if (policy && event->action != EVENT_CHARGE)
        add_other_keys(decision, keys, count);
    if (events->recording.redact != SETTINGS_REDACT_ALL)
        event->client = facts->client;
    decide_counts_one(decision, events_write(&events->writer, event) ? COUNTER_events_written : COUNTER_events_dropped);
}

static void set_numbers(struct event *event, const struct charge *charge, int64_t remaining)
{
    event_set_numbers(event, charge->limit.capacity, remaining, charge->cost, charge->view.fits ? 0 : charge->view.wait_ns);
}

/* The charge whose numbers the verdict shows; NULL when it shows none. */
static const struct charge *shown_charge(const struct decision *decision, const struct verdict *verdict)
{
    for (uint32_t i = 0; verdict->has_limit && i < decision->charge_count; i++) {
        const struct charge *charge = &decision->decider->charges[i];
        const struct charge_source *source = &decision->decider->sources[i];

        if (charge->group == 0 && source->rule == verdict->rule && source->policy == verdict->policy &&
            charge->limit.capacity == verdict->limit.limit && decide_limits_roles[source->role].is_limit)
            return charge;
    }
    return NULL;
}

static void add_kill_switch(struct decision *decision, const struct kill_switch *kill)
{
    add_key(decision, kill->descriptor);
    event_add(&decision->decider->events.event, EVENT_TEXT_NOTE, kill->reason);
}

/* Where the rule, or the breaker of a policy, counts the identity that the event is about. */
static void add_cells(struct decision *decision, const struct policy *policy, const struct rule *rule, uint32_t group)
{
    const struct decider *decider = decision->decider;

    for (uint32_t i = 0; i < decision->charge_count; i++) {
        const struct charge_source *source = &decider->sources[i];
        bool is_meant = rule ? decide_limits_roles[source->role].is_limit : source->role == CHARGE_BREAKER;

        if (is_meant && source->rule == rule && source->policy == policy && decider->charges[i].group == group)
            event_add_cell(&decision->decider->events.event, source->role, decider->charges[i].key);
    }
}

static void record_verdict(struct decision *decision, const struct verdict *verdict, uint32_t weight)
{
    const struct charge *charge = shown_charge(decision, verdict);
    struct event *event = &decision->decider->events.event;

    begin(decision, verdict->is_allowed ? EVENT_ALLOW : EVENT_REJECT, verdict->reason);
    event->weight = weight;
    event->warnings = (uint8_t)verdict->warnings;
    event->delay_ms = (uint32_t)verdict->delay_ms;
    if (charge)
        set_numbers(event, charge, verdict->limit.remaining);
    if (verdict->kill_switch)
        add_kill_switch(decision, verdict->kill_switch);
    if (verdict->policy)
        add_cells(decision, verdict->policy, verdict->rule, 0);
    end(decision, verdict->policy, verdict->rule, verdict->reason);
}

static int64_t left_of(const struct charge *charge)
{
    return charge->view.remaining - (charge->has_no_room ? 0 : charge->cost);
}

static void record_charge(struct decision *decision, uint32_t index, uint32_t weight)
{
    const struct charge *charge = &decision->decider->charges[index];
    const struct charge_source *source = &decision->decider->sources[index];
    struct event *event = &decision->decider->events.event;

    begin(decision, EVENT_CHARGE, REASON_NONE);
    event->weight = weight;
    set_numbers(event, charge, left_of(charge));
    add_cells(decision, source->policy, source->rule, 0);
    end(decision, source->policy, source->rule, REASON_NONE);
}

static bool is_tighter(const struct charge *a, const struct charge *b)
{
    return (__int128)left_of(a) * b->limit.capacity < (__int128)left_of(b) * a->limit.capacity;
}

/* The other rules that a sampled request was charged to, once each whatever limits they have, so that spending can be added up by
 * each. */
static void record_charges(struct decision *decision, const struct verdict *verdict, uint32_t weight)
{
    const struct charge *charges = decision->decider->charges;
    const struct charge_source *sources = decision->decider->sources;
    uint32_t tightest, next;

    for (uint32_t i = 0; i < decision->charge_count; i = next) {
        bool is_shown = verdict->has_limit && sources[i].rule == verdict->rule && sources[i].policy == verdict->policy;

        tightest = i;
        for (next = i + 1; next < decision->charge_count && sources[next].rule == sources[i].rule; next++)
            if (is_tighter(&charges[next], &charges[tightest]))
                tightest = next;
        if (charges[i].group == 0 && sources[i].rule && !is_shown)
            record_charge(decision, tightest, weight);
    }
}

void decide_events_settled(struct decision *decision, const struct reservation *reservation,
                           const struct reservation_entry *entry, const struct charge_source *source, int64_t cost)
{
    struct decide_events *events = &decision->decider->events;
    struct event *event = &events->event;

    if (!events->is_open)
        return;
    begin(decision, EVENT_SETTLE, REASON_NONE);
    event->weight = reservation->weight;
    event->flags |= EVENT_HAS_NUMBERS;
    event->reserved = entry->cost;
    event->cost = cost;
    event->age_ns = decision->now.boot_ns - reservation->begun_ns;
    if (source->rule) {
        event_add(event, EVENT_TEXT_POLICY, source->policy->id);
        event_add(event, EVENT_TEXT_RULE, source->rule->name);
    } else {
        event_add(event, EVENT_TEXT_NOTE, SLICE("not in the policy served now"));
    }
    event_add_cell(event, source->role, entry->key);
    decide_counts_one(decision, events_write(&events->writer, event) ? COUNTER_events_written : COUNTER_events_dropped);
}

/* ---- which -------------------------------------------------------------------------------------------------------- */

/* A sample that is right on average however traffic is mixed: the n-th allow of a second is recorded with the chance
 * 1 / (1 + n / 128), and then stands for as many. 0: not this one. A busy worker so records some hundred in a second. */
static uint32_t sample(struct decide_events *events, struct moment now)
{
    int64_t second = now.boot_ns / NANOSECONDS_PER_SECOND;
    uint32_t weight;

    if (second != events->second) {
        events->second = second;
        events->seen = 0;
    }
    weight = 1 + (events->seen++ >> SAMPLE_SHIFT);
    events->chance ^= events->chance << 13;
    events->chance ^= events->chance >> 7;
    events->chance ^= events->chance << 17;
    return ((events->chance >> 32) * weight) >> 32 == 0 ? weight : 0;
}

void decide_events_sample(struct decision *decision)
{
    struct decide_events *events = &decision->decider->events;

    decision->weight = events->is_open ? sample(events, decision->now) : 0;
}

void decide_events_verdict(struct decision *decision, const struct verdict *verdict)
{
    const struct decide_events *events = &decision->decider->events;

    if (!events->is_open)
        return;
    if (!verdict->is_allowed || events->recording.records_all || verdict->warnings)
        record_verdict(decision, verdict, 1);
    else if (decision->weight)
        record_verdict(decision, verdict, decision->weight);
    if (decision->weight)
        record_charges(decision, verdict, decision->weight);
}

void decide_events_would_reject(struct decision *decision, const struct charge_source *source, enum reason reason,
                                const struct charge *charge)
{
    struct decide_events *events = &decision->decider->events;

    if (!events->is_open || !decision->counts)
        return;
    begin(decision, EVENT_WOULD_REJECT, reason);
    if (charge && decide_limits_roles[source->role].is_limit)
        set_numbers(&events->event, charge, charge->view.remaining);
    if (charge)
        add_cells(decision, source->policy, source->rule, charge->group);
    end(decision, source->policy, source->rule, reason);
}
