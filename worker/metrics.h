/* SPDX-License-Identifier: MPL-2.0
 *
 * The metrics page: Prometheus text format 0.0.4, summed over all workers.
 */
#ifndef FAIRVISOR_WORKER_METRICS_H
#define FAIRVISOR_WORKER_METRICS_H

#include "worker/outbox.h"
#include "worker/worker.h"

/* Appends the page to OUT. Walks every stripe at most once a second, however often it is called. */
void metrics_write(struct worker *worker, struct outbox *out);

#endif
