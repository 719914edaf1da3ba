/* SPDX-License-Identifier: MPL-2.0
 *
 * Bytes and a timer in one piece of memory. Never writes to a socket.
 */
#include "worker/hold.h"

#include <stdlib.h>
#include <string.h>

struct hold {
    uv_timer_t timer;
    hold_over *over;
    void *context;
    bool is_over;
    size_t size;
    char answer[];
};

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_time(uv_timer_t *timer)
{
    struct hold *hold = timer->data;

    hold->is_over = true;
    hold->over(hold->context);
}

struct hold *hold_new(uv_loop_t *loop, struct slice answer, uint64_t delay_ms, hold_over *over, void *context)
{
    struct hold *hold = malloc(sizeof(*hold) + answer.size);

    if (!hold)
        return NULL;
    *hold = (struct hold){.over = over, .context = context, .size = answer.size};
    memcpy(hold->answer, answer.data, answer.size);
    uv_timer_init(loop, &hold->timer);
    hold->timer.data = hold;
    /* The loop's clock stood still since it last woke up and has no parts of a millisecond: neither may shorten a
     * delay. */
    uv_update_time(loop);
    uv_timer_start(&hold->timer, on_time, delay_ms + 1, 0);
    return hold;
}

void hold_free(struct hold *hold)
{
    if (hold)
        uv_close((uv_handle_t *)&hold->timer, on_closed);
}

struct slice hold_answer(const struct hold *hold)
{
    return (struct slice){hold->answer, hold->size};
}

bool hold_is_over(const struct hold *hold)
{
    return hold->is_over;
}
