/* SPDX-License-Identifier: MPL-2.0
 *
 * The spelling of a metrics page: Prometheus' text format, piece by piece. All of it goes to OUT, which the caller
 * owns and whose want of memory is found at its end (outbox.h).
 */
#ifndef FAIRVISOR_WORKER_METRICS_TEXT_H
#define FAIRVISOR_WORKER_METRICS_TEXT_H

#include <stdint.h>

#include "worker/outbox.h"

/* STRING as it is. */
void metrics_text(struct outbox *out, const char *string);

/* The HELP and TYPE lines. */
void metrics_text_head(struct outbox *out, const char *name, const char *type, const char *help);

/* A sample's name and the space before its value. */
void metrics_text_sample(struct outbox *out, const char *name, const char *suffix);

/* A label behind SEPARATOR, its value escaped. */
void metrics_text_label(struct outbox *out, const char *separator, const char *name, struct slice value);

/* A value and the end of its line. */
void metrics_text_integer(struct outbox *out, int64_t value);

/* Nanoseconds as decimal seconds. */
void metrics_text_seconds(struct outbox *out, int64_t ns);

#endif
