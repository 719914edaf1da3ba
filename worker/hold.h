/* SPDX-License-Identifier: MPL-2.0
 *
 * An answer that is ready but held back for a while (a budget's `throttle` stage, a loop): its bytes and a timer of its
 * own. Only a connection that is throttled has one; the worker goes on with the others.
 */
#ifndef FAIRVISOR_WORKER_HOLD_H
#define FAIRVISOR_WORKER_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "shm/slice.h"

struct hold;

/* Called when the time is over; CONTEXT as given to hold_new. */
typedef void hold_over(void *context);

/* Copies ANSWER and calls OVER after at least DELAY_MS. NULL when memory is out. The caller frees it. */
struct hold *hold_new(uv_loop_t *loop, struct slice answer, uint64_t delay_ms, hold_over *over, void *context);

/* Also before its time. The memory goes when the loop next turns. NULL is fine. */
void hold_free(struct hold *hold);

struct slice hold_answer(const struct hold *hold);

/* Whether the time is over. */
bool hold_is_over(const struct hold *hold);

#endif
