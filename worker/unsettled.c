/* SPDX-License-Identifier: MPL-2.0 */
#include "worker/unsettled.h"

#include <stdlib.h>
#include <string.h>

#include "shm/log.h"
#include "worker/judge.h"
#include "worker/worker.h"

#define MOST            4096
#define PAUSE_MS        200
#define TRY_MS          50   /* so long others wait for the worker while it tries; each try may take as long again */
#define LAST_TRY_MS     1000 /* when the worker leaves */
#define LOG_INTERVAL_MS 60000

struct unsettled_end {
    struct unsettled_end *next;
    bool is_used; /* usage says what it used; otherwise nobody knows */
    struct usage usage;
    size_t reservation_size, model_size;
    char text[]; /* both, one behind the other */
};

static bool try_one(struct worker *worker, const struct unsettled_end *end)
{
    return judge_finish(worker, (struct slice){end->text, end->reservation_size}, end->is_used ? &end->usage : NULL,
                        (struct slice){end->text + end->reservation_size, end->model_size});
}

static void append(struct unsettled *unsettled, struct unsettled_end *end)
{
    end->next = NULL;
    *(unsettled->last ? &unsettled->last->next : &unsettled->first) = end;
    unsettled->last = end;
    unsettled->count++;
}

static struct unsettled_end *take_first(struct unsettled *unsettled)
{
    struct unsettled_end *end = unsettled->first;

    unsettled->first = end->next;
    if (!unsettled->first)
        unsettled->last = NULL;
    unsettled->count--;
    return end;
}

/* Each once, until BUDGET_MS are over; what could not be done goes behind the others. */
static void try_all(struct worker *worker, uint64_t budget_ms)
{
    uint64_t until_ns = uv_hrtime() + budget_ms * 1000000;

    for (uint32_t left = worker->unsettled.count; left > 0 && uv_hrtime() < until_ns; left--) {
        struct unsettled_end *end = take_first(&worker->unsettled);

        if (try_one(worker, end))
            free(end);
        else
            append(&worker->unsettled, end);
    }
}

void unsettled_try(struct worker *worker)
{
    try_all(worker, TRY_MS);
}

static void on_timer(uv_timer_t *timer)
{
    struct worker *worker = timer->data;

    unsettled_try(worker);
    if (!worker->unsettled.first)
        uv_timer_stop(timer);
}

void unsettled_open(struct worker *worker)
{
    uv_timer_init(&worker->loop, &worker->unsettled.timer);
    worker->unsettled.timer.data = worker;
}

static void lose(struct worker *worker, uint64_t count)
{
    counters_add(worker->slot, COUNTER_reservations_lost, (int64_t)count);
    if (!log_is_due(&worker->unsettled.lost_log_ms, (int64_t)uv_now(&worker->loop), LOG_INTERVAL_MS))
        return;
    log_line(LOG_LEVEL_ERROR,
             "the ends of %llu proxied requests could not be settled: their counters stayed locked by a process that does "
             "not run, and there is no room to wait for it; they stay charged as reserved",
             (unsigned long long)count);
}

static struct unsettled_end *copy(struct slice reservation, const struct usage *usage, struct slice model)
{
    struct unsettled_end *end = malloc(sizeof(*end) + reservation.size + model.size);

    if (!end)
        return NULL;
    *end = (struct unsettled_end){.is_used = usage != NULL, .reservation_size = reservation.size, .model_size = model.size};
    if (usage)
        end->usage = *usage;
    memcpy(end->text, reservation.data, reservation.size);
    if (model.size > 0)
        memcpy(end->text + reservation.size, model.data, model.size);
    return end;
}

void unsettled_finish(struct worker *worker, struct slice reservation, const struct usage *usage, struct slice model)
{
    struct unsettled *unsettled = &worker->unsettled;
    struct unsettled_end *end;

    if (judge_finish(worker, reservation, usage, model))
        return;
    end = unsettled->count < MOST ? copy(reservation, usage, model) : NULL;
    if (!end) {
        lose(worker, 1);
        return;
    }
    append(unsettled, end);
    if (!uv_is_active((uv_handle_t *)&unsettled->timer))
        uv_timer_start(&unsettled->timer, on_timer, PAUSE_MS, PAUSE_MS);
}

void unsettled_close(struct worker *worker)
{
    struct unsettled *unsettled = &worker->unsettled;

    try_all(worker, LAST_TRY_MS);
    if (unsettled->count > 0)
        lose(worker, unsettled->count);
    while (unsettled->first)
        free(take_first(unsettled));
}
