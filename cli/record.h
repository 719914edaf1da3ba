/* SPDX-License-Identifier: MPL-2.0
 *
 * One request that a log tells of: when, what and from whom. Filled by the readers of logs, turned into facts by the functions
 * a worker uses for those of a message.
 */
#ifndef FAIRVISOR_CLI_RECORD_H
#define FAIRVISOR_CLI_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/claims.h"
#include "policy/facts.h"
#include "policy/region.h"
#include "shm/slice.h"

#define RECORD_MAX_FIELDS 100
#define RECORD_CAUSE_SIZE 160
#define RECORD_NO_TIME    INT64_MIN

/* What the service said then; its decision log tells. */
enum record_verdict { RECORD_UNTOLD, RECORD_ALLOWED, RECORD_REJECTED };

struct record {
    int64_t time_ns;     /* wall clock of the arrival, or RECORD_NO_TIME */
    bool is_coarse;      /* known to the second only */
    int64_t duration_ns; /* until the answer was complete; -1 = unknown */
    struct slice method, target, host, body, model;
    struct address client;
    struct fact_field fields[RECORD_MAX_FIELDS];
    size_t field_count;
    struct claims *claims; /* owned */
    bool has_usage;
    int64_t prompt_tokens, completion_tokens;
    int64_t weight; /* stands for so many requests */
    enum record_verdict verdict;
    bool tells_keys;    /* the line has keys, or names the policy of a verdict: then it has all keys there were */
    bool has_bad_token; /* the service found that it does not verify */
    bool is_request; /* false: a line that tells of something else */
    char cause[RECORD_CAUSE_SIZE]; /* why a line cannot be used */
    struct region *region;         /* texts that are not in the line; NULL until needed */
    char *scratch;                 /* the same, for short ones */
    size_t scratch_size, scratch_used;
};

/* Makes room for lines of up to SIZE bytes. false when memory is out. */
bool record_init(struct record *record, size_t size);
void record_fini(struct record *record);

/* Forgets the line before. */
void record_begin(struct record *record);

/* Notes why the line cannot be used and returns false. */
bool record_refuse(struct record *record, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Both copy nothing. A field beyond RECORD_MAX_FIELDS refuses the line. */
bool record_add_field(struct record *record, struct slice name, struct slice value);
bool record_has_field(const struct record *record, struct slice name);
bool record_set_client(struct record *record, struct slice text);

/* "GET /path?query HTTP/1.1" */
bool record_set_request(struct record *record, struct slice text);

/* COUNT bytes that live until record_begin; NULL when the scratch is used up. */
char *record_take(struct record *record, size_t count);

/* "2026-01-31T08:00:00.123+01:00" to nanoseconds; *IS_COARSE when it has no fraction. */
bool record_parse_iso(struct slice text, int64_t *ns, bool *is_coarse);

/* Seconds since 1970, up to nine decimal places. */
bool record_parse_seconds(struct slice text, int64_t *ns);

/* The facts of the request. false notes a cause. */
bool record_facts(struct record *record, struct facts *facts);

#endif
