/* SPDX-License-Identifier: MPL-2.0
 *
 * Kill switches, of the bundle and set by hand (kills.h), in one sorted list: they are judged alike. The list is made
 * anew when the number of the table in the arena has changed, which is looked at before each decision.
 */
#include "policy/decide_private.h"

#include <stdlib.h>
#include <string.h>

#include "policy/load.h"

static int compare_kill_switches(const void *left, const void *right)
{
    const struct kill_switch *a = *(const struct kill_switch *const *)left;
    const struct kill_switch *b = *(const struct kill_switch *const *)right;
    size_t shorter = a->value.size < b->value.size ? a->value.size : b->value.size;
    int order;

    if (a->descriptor != b->descriptor)
        return a->descriptor < b->descriptor ? -1 : 1;
    order = shorter ? memcmp(a->value.data, b->value.data, shorter) : 0;
    if (order == 0)
        order = (a->value.size > b->value.size) - (a->value.size < b->value.size);
    return order ? order : (a > b) - (a < b);
}

/* ---- taking up --------------------------------------------------------------------------------------------------- */

bool decide_kills_init(struct decider *decider)
{
    const struct bundle *bundle = decider->bundle;

    decider->kill_switches = calloc((size_t)bundle->kill_switch_count + KILLS_MAX, sizeof(const struct kill_switch *));
    decider->live_kills = calloc(1, sizeof(*decider->live_kills));
    return decider->kill_switches && decider->live_kills;
}

void decide_kills_fini(struct decider *decider)
{
    free(decider->kill_switches);
    free(decider->live_kills);
}

/* Number of the descriptor with this text: one of the bundle's, or a further one. false when it is no key. */
static bool find_descriptor(struct decider *decider, struct slice text, uint32_t *descriptor)
{
    const struct bundle *bundle = decider->bundle;
    struct live_kills *live = decider->live_kills;
    uint32_t i;

    for (i = 0; i < bundle->descriptor_count; i++)
        if (slice_equal(bundle->descriptors[i].text, text)) {
            *descriptor = i;
            return true;
        }
    for (i = 0; i < live->descriptor_count && !slice_equal(live->descriptors[i].text, text);)
        i++;
    *descriptor = bundle->descriptor_count + i;
    if (i < live->descriptor_count)
        return true;
    if (i == DESCRIPTOR_MAX_MORE || !load_key_parse(text, &live->descriptors[i]))
        return false;
    live->uses_jwt |= live->descriptors[i].source == DESCRIPTOR_JWT;
    live->descriptor_count++;
    return true;
}

static void add_live(struct decider *decider, const struct kills_row *row, struct kill_switch *kill)
{
    *kill = (struct kill_switch){.value = slice_of(row->value),
                                 .route = slice_of(row->route),
                                 .reason = slice_of(row->reason),
                                 .expires_at = row->expires_at};
    if (kill->value.size > 0 && find_descriptor(decider, slice_of(row->key), &kill->descriptor))
        decider->kill_switches[decider->kill_switch_count++] = kill;
}

static void build(struct decider *decider)
{
    const struct bundle *bundle = decider->bundle;
    struct live_kills *live = decider->live_kills;

    live->descriptor_count = 0;
    live->uses_jwt = false;
    for (uint32_t i = 0; i < bundle->kill_switch_count; i++)
        decider->kill_switches[i] = &bundle->kill_switches[i];
    decider->kill_switch_count = bundle->kill_switch_count;
    for (uint32_t i = 0; i < live->table.count; i++)
        add_live(decider, &live->table.rows[i], &live->switches[i]);
    qsort(decider->kill_switches, decider->kill_switch_count, sizeof(const struct kill_switch *),
          compare_kill_switches);
    descriptor_cache_add(&decider->descriptors, live->descriptors);
}

void decide_kills_begin(struct decider *decider)
{
    build(decider);
    decide_kills_refresh(decider);
}

/* While the master writes, what was there before holds; and for ever, should he have died of it. */
void decide_kills_refresh(struct decider *decider)
{
    struct live_kills *live = decider->live_kills;
    uint32_t sequence = decider->arena ? kills_sequence(decider->arena) : decider->live_sequence;

    if (sequence == decider->live_sequence || (sequence & 1) != 0 ||
        !kills_read(decider->arena, &live->incoming, &sequence))
        return;
    live->table = live->incoming;
    decider->live_sequence = sequence;
    build(decider);
}

bool decide_kills_use_claims(struct decider *decider)
{
    if (!decider->bundle->uses_jwt)
        decide_kills_refresh(decider);
    return decider->bundle->uses_jwt || decider->live_kills->uses_jwt;
}

uint32_t decide_kills_keys(const struct decider *decider, const struct descriptor **keys)
{
    *keys = decider->live_kills->descriptors;
    return decider->live_kills->descriptor_count;
}

/* ---- judging ------------------------------------------------------------------------------------------------------- */

static bool kill_switch_holds(const struct kill_switch *kill, const struct facts *facts, struct moment now)
{
    return now.wall_ns / NANOSECONDS_PER_SECOND < kill->expires_at &&
           (kill->route.size == 0 || slice_equal(kill->route, facts->path));
}

/* First of the sorted switches that is not before (descriptor, value). */
static uint32_t first_candidate(const struct decider *decider, uint32_t descriptor, struct slice value)
{
    struct kill_switch wanted = {.descriptor = descriptor, .value = value};
    const struct kill_switch *pointer = &wanted;
    uint32_t low = 0, high = decider->kill_switch_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct kill_switch *candidate = decider->kill_switches[middle];
        bool is_before = !(candidate->descriptor == descriptor && slice_equal(candidate->value, value)) &&
                         compare_kill_switches(&candidate, &pointer) < 0;

        if (is_before)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool has_ended(const struct kill_switch *kill, struct moment now)
{
    return now.wall_ns / NANOSECONDS_PER_SECOND >= kill->expires_at;
}

/* Who asks why nothing refuses is told of the switches by the key at FIRST of the list, each that is for VALUE and the sum of the
 * others; VALUE without bytes: the request does not have the key. */
static void tell_passed(const struct decision *decision, uint32_t first, struct slice value)
{
    const struct decider *decider = decision->decider;
    uint32_t descriptor = decider->kill_switches[first]->descriptor, others = 0;

    if (!decision->observer || decision->charges_cells)
        return;
    for (uint32_t i = first; i < decider->kill_switch_count && decider->kill_switches[i]->descriptor == descriptor; i++) {
        const struct kill_switch *kill = decider->kill_switches[i];
        bool is_ended = has_ended(kill, decision->now);

        if (value.size > 0 && slice_equal(kill->value, value))
            decide_notes_kill(decision, is_ended ? DECIDE_KILL_SWITCH_ENDED : DECIDE_KILL_SWITCH_ELSEWHERE, descriptor, value,
                              kill->route, 1);
        else
            others += !is_ended;
    }
    if (others > 0)
        decide_notes_kill(decision, value.size > 0 ? DECIDE_KILL_SWITCHES_PASSED : DECIDE_KILL_KEY_MISSING, descriptor,
                          value, (struct slice){NULL, 0}, others);
}

const struct kill_switch *decide_kills_find(struct decision *decision)
{
    struct decider *decider = decision->decider;
    uint32_t count = decider->kill_switch_count;

    for (uint32_t i = 0; i < count;) {
        uint32_t descriptor = decider->kill_switches[i]->descriptor;
        struct slice value = {NULL, 0};

        if (descriptor_value(&decider->descriptors, descriptor, &value)) {
            for (uint32_t j = first_candidate(decider, descriptor, value); j < count; j++) {
                const struct kill_switch *kill = decider->kill_switches[j];

                if (kill->descriptor != descriptor || !slice_equal(kill->value, value))
                    break;
                if (kill_switch_holds(kill, decider->descriptors.facts, decision->now)) {
                    decide_notes_key(decision, DECIDE_KILL_SWITCH, NULL, NULL, descriptor, value);
                    return kill;
                }
            }
        }
        tell_passed(decision, i, value);
        while (i < count && decider->kill_switches[i]->descriptor == descriptor)
            i++;
    }
    return NULL;
}
