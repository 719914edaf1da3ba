/* SPDX-License-Identifier: MPL-2.0
 *
 * A log as a run of requests in the order in which they arrived.
 */
#ifndef FAIRVISOR_CLI_TRAFFIC_H
#define FAIRVISOR_CLI_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/access_log.h"
#include "cli/input.h"
#include "cli/record.h"
#include "shm/failure.h"

#define TRAFFIC_BAD_SHOWN 5

struct traffic_line {
    int64_t time_ns;
    uint64_t offset;
    uint32_t size;
    bool is_coarse;
};

struct traffic_bad {
    size_t line; /* from 1 */
    char cause[RECORD_CAUSE_SIZE];
};

/* Called now and then with how much is done. */
typedef void traffic_progress(void *context, size_t done, size_t all);

struct traffic {
    struct input input;
    bool is_json;
    struct access_log log; /* unless it is */
    struct record record;  /* the line at hand */
    struct traffic_line *lines;
    size_t count, room;
    size_t all_lines, empty, bad, other; /* lines of the file; other: those that tell of no request */
    size_t out_of_order;                 /* earlier than one before them */
    size_t timeless;                     /* without a time: they take that of the line before */
    size_t sampled;                      /* further requests that lines stand for */
    size_t keyless;                      /* allowed by the service with no policy to tell of, and so without keys */
    bool is_coarse;                      /* times are known to the second: requests of one second are spread over it */
    struct traffic_bad first_bad[TRAFFIC_BAD_SHOWN];
};

/* Reads all of PATH ("-": standard input). FORMAT is "json", "combined", a log_format of nginx, or NULL: what the first line looks
 * like. traffic_close also after false. */
bool traffic_open(struct traffic *traffic, const char *path, const char *format, traffic_progress *progress,
                  void *context, struct failure *failure);
void traffic_close(struct traffic *traffic);

/* Reads request INDEX of traffic->count into traffic->record, with the time it arrived at. */
void traffic_read(struct traffic *traffic, size_t index);

#endif
