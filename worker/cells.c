/* SPDX-License-Identifier: MPL-2.0
 *
 * At once or turn by turn: see cells.h.
 */
#include "worker/cells.h"

#include "shm/arena_layout.h"

#define MAX_AGE_NS    NANOSECONDS_PER_SECOND
#define AT_ONCE_BYTES (UINT64_C(256) << 20) /* arenas of this size are counted whenever somebody asks */
#define TURN_BYTES    (UINT64_C(4) << 20)   /* of a larger one in each turn: a fraction of a millisecond */

static bool step(struct worker *worker, uint32_t stripes)
{
    struct moment now = moment_now();

    if (!survey_step(&worker->survey, &worker->arena, now, stripes, &worker->usage))
        return false;
    worker->usage_at_ns = now.boot_ns;
    return true;
}

static void on_turn(uv_idle_t *turn)
{
    if (step(turn->data, TURN_BYTES / sizeof(struct stripe)))
        uv_idle_stop(turn);
}

void cells_open(struct worker *worker)
{
    uv_idle_init(&worker->loop, &worker->counting);
    worker->counting.data = worker;
    if (worker->arena.size > AT_ONCE_BYTES)
        uv_idle_start(&worker->counting, on_turn);
}

const struct arena_usage *cells_look(struct worker *worker)
{
    bool is_old = worker->usage_at_ns == 0 || moment_now().boot_ns - worker->usage_at_ns > MAX_AGE_NS;

    /* Nothing to tell yet, where the first count is still under way: the rest of it is what this page has to wait for. */
    if (is_old && (worker->usage_at_ns == 0 || worker->arena.size <= AT_ONCE_BYTES))
        step(worker, worker->arena.stripe_count);
    else if (is_old)
        uv_idle_start(&worker->counting, on_turn);
    return &worker->usage;
}
