/* SPDX-License-Identifier: MPL-2.0
 *
 * What happened to the requests of one thread, and the sum over threads, printed as JSON.
 */
#ifndef FAIRVISOR_E2E_LOAD_TALLY_H
#define FAIRVISOR_E2E_LOAD_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "e2e/load/answer.h"

/* Every way in which a request can fail its sender, once: TROUBLE(symbol, meaning). */
#define TALLY_TROUBLES(TROUBLE)                                                                                        \
    TROUBLE(connect_errors, "no connection could be made")                                                             \
    TROUBLE(resets, "the connection was reset before the whole answer was there")                                      \
    TROUBLE(closed_unanswered, "the connection was closed without one byte of an answer")                              \
    TROUBLE(truncated, "the connection was closed within an answer")                                                   \
    TROUBLE(bad_answers, "the answer was not HTTP, or bytes followed it")                                              \
    TROUBLE(timeouts, "no whole answer within the timeout")                                                            \
    TROUBLE(unexpected_status, "a whole answer with a status that was not expected")

enum tally_trouble {
#define TROUBLE(symbol, meaning) TALLY_##symbol,
    TALLY_TROUBLES(TROUBLE)
#undef TROUBLE
        TALLY_TROUBLE_COUNT
};

#define TALLY_MAX_VALUES    64
#define TALLY_STEPS         64 /* steps of the histogram to each power of two: an error under 1.6 % */
#define TALLY_BUCKETS       (58 * TALLY_STEPS)
#define TALLY_STATUS_LIMIT  600

struct tally {
    uint64_t begun;
    uint64_t statuses[TALLY_STATUS_LIMIT];
    uint64_t troubles[TALLY_TROUBLE_COUNT];
    uint64_t opened;           /* connections */
    uint64_t closed_by_server; /* answers with Connection: close */
    uint64_t idle_closes;      /* connections the server closed while nothing was asked: no failure */
    uint64_t latency[TALLY_BUCKETS];
    uint64_t latency_count, latency_sum_ns, latency_max_ns;
    struct {
        char value[ANSWER_COUNTED_SIZE];
        uint64_t count;
    } values[TALLY_MAX_VALUES];
    size_t value_count;
    uint64_t values_dropped;
};

/* A whole answer with STATUS, LATENCY_NS after it should have been sent. */
void tally_answer(struct tally *tally, int status, int64_t latency_ns);

/* One more answer whose counted header was VALUE. */
void tally_value(struct tally *tally, const char *value, uint64_t count);

void tally_add(struct tally *sum, const struct tally *part);

/* Requests that failed their sender. */
uint64_t tally_failed(const struct tally *tally);

void tally_print(const struct tally *tally, int64_t duration_ns, FILE *out);

#endif
