/* SPDX-License-Identifier: MPL-2.0
 *
 * Judging in simulated time. Both clocks show the time of the request, so that refill, windows and expiry go as they went
 * then. What was reserved is settled when the request ended: a duration of the log, or at once when there is none.
 */
#include "cli/replay.h"

#include <stdlib.h>
#include <string.h>

#include "cli/lookup.h"

#define SCRATCH_SIZE (64u << 10)

/* Whether what requests use counts for something in BUNDLE. */
static bool counts_usage(const struct bundle *bundle)
{
    for (uint32_t i = 0; i < bundle->policy_count; i++)
        if (bundle_policy_counts_usage(&bundle->policies[i]))
            return true;
    return false;
}

bool replay_open(struct replay *replay, struct bundle *bundle, bool dry, const struct settings *settings,
                 int64_t from_ns, int64_t to_ns, size_t longest, struct failure *failure)
{
    memset(replay, 0, sizeof(*replay));
    replay->bundle = bundle;
    if (dry)
        bundle->global_shadow = (struct override){.is_enabled = true, .reason = SLICE("--dry-run"), .expires_at = BUNDLE_NEVER};
    replay->counts_usage = counts_usage(bundle);
    replay->refuses_bad_tokens = bundle->uses_jwt && settings->jwt_on_invalid == SETTINGS_JWT_REJECT;
    if (!lookup_open(settings, bundle->references, &replay->references, failure) ||
        !arena_make_private(settings->shared_dict_size, &replay->arena, failure))
        return false;
    replay->decider = decide_new(bundle, &replay->arena, NULL, SCRATCH_SIZE + 2 * longest);
    if (!replay->decider || !tally_init(&replay->tally, bundle, from_ns, to_ns))
        return failure_set(failure, EXIT_CODE_OS, "there is no memory to judge in");
    decide_use_references(replay->decider, &replay->references);
    return true;
}

void replay_close(struct replay *replay)
{
    for (size_t i = 0; i < replay->flight_count; i++)
        free(replay->flights[i].reservation);
    free(replay->flights);
    tally_fini(&replay->tally);
    decide_free(replay->decider);
    references_close(&replay->references);
    bundle_free(replay->bundle);
}

/* ---- requests in flight ------------------------------------------------------------------------------------------ */

static void settle(struct replay *replay, const struct replay_flight *flight)
{
    struct moment now = {.boot_ns = flight->end_ns, .wall_ns = flight->end_ns};

    struct slice reservation = {flight->reservation, flight->size};

    if (flight->has_usage)
        decide_reserve_settle(replay->decider, reservation, &flight->usage, flight->model, now);
    else
        decide_reserve_release(replay->decider, reservation, now);
}

static void swap(struct replay_flight *a, struct replay_flight *b)
{
    struct replay_flight kept = *a;

    *a = *b;
    *b = kept;
}

static void take_off(struct replay *replay, const struct replay_flight *flight)
{
    struct replay_flight *heap = replay->flights;
    size_t at = replay->flight_count;

    if (at == replay->flight_room) {
        size_t room = at ? 2 * at : 64;

        heap = realloc(heap, room * sizeof(*heap));
        if (!heap) {
            replay->is_out_of_memory = true;
            return;
        }
        replay->flights = heap;
        replay->flight_room = room;
    }
    heap[at] = *flight;
    heap[at].reservation = malloc(flight->size + flight->model.size);
    if (!heap[at].reservation) {
        replay->is_out_of_memory = true;
        return;
    }
    memcpy(heap[at].reservation, flight->reservation, flight->size);
    if (flight->model.size > 0)
        memcpy(heap[at].reservation + flight->size, flight->model.data, flight->model.size);
    heap[at].model.data = heap[at].reservation + flight->size;
    replay->flight_count++;
    for (; at > 0 && heap[at].end_ns < heap[(at - 1) / 2].end_ns; at = (at - 1) / 2)
        swap(&heap[at], &heap[(at - 1) / 2]);
}

static void land_first(struct replay *replay)
{
    struct replay_flight *heap = replay->flights;
    size_t at = 0, child;

    settle(replay, &heap[0]);
    free(heap[0].reservation);
    heap[0] = heap[--replay->flight_count];
    while ((child = 2 * at + 1) < replay->flight_count) {
        child += child + 1 < replay->flight_count && heap[child + 1].end_ns < heap[child].end_ns;
        if (heap[at].end_ns <= heap[child].end_ns)
            break;
        swap(&heap[at], &heap[child]);
        at = child;
    }
}

static void end_request(struct replay *replay, const struct record *record, struct verdict *verdict)
{
    struct replay_flight flight = {.end_ns = record->time_ns + (record->duration_ns > 0 ? record->duration_ns : 0),
                                   .usage = {.in_total = record->prompt_tokens, .out_total = record->completion_tokens},
                                   .has_usage = record->has_usage,
                                   .model = record->model,
                                   .reservation = verdict->reservation,
                                   .size = verdict->reservation_size};

    if (verdict->reservation_size == 0)
        return;
    replay->unsettled += !record->has_usage && replay->counts_usage;
    if (record->duration_ns > 0)
        take_off(replay, &flight);
    else
        settle(replay, &flight);
}

static void compare_with_log(struct replay *replay, const struct record *record, const struct verdict *verdict)
{
    struct replay_agreement *agreement = &replay->agreement;

    agreement->told += record->verdict != RECORD_UNTOLD;
    agreement->rejected_then += record->verdict == RECORD_REJECTED && verdict->is_allowed;
    agreement->rejected_here += record->verdict == RECORD_ALLOWED && !verdict->is_allowed;
}

void replay_judge(struct replay *replay, struct record *record, const struct facts *facts, struct verdict *verdict)
{
    struct moment now = {.boot_ns = record->time_ns, .wall_ns = record->time_ns};

    while (replay->flight_count > 0 && replay->flights[0].end_ns <= record->time_ns)
        land_first(replay);
    if (decide_wants_body(replay->decider, facts))
        *(record->body.size > 0 ? &replay->with_body : &replay->without_body) += 1;
    tally_begin(&replay->tally, replay->decider, facts, record->time_ns);
    if (record->has_bad_token && replay->refuses_bad_tokens)
        decide_refuse(replay->decider, facts, REASON_jwt_invalid, now, verdict);
    else
        decide_trace(replay->decider, facts, record->claims, now, verdict, tally_observe, &replay->tally);
    tally_verdict(&replay->tally, verdict);
    compare_with_log(replay, record, verdict);
    end_request(replay, record, verdict);
}
