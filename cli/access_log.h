/* SPDX-License-Identifier: MPL-2.0
 *
 * Access logs, by the log_format of nginx that wrote them.
 */
#ifndef FAIRVISOR_CLI_ACCESS_LOG_H
#define FAIRVISOR_CLI_ACCESS_LOG_H

#include <stdbool.h>

#include "cli/record.h"
#include "shm/failure.h"
#include "shm/slice.h"

#define ACCESS_LOG_COMBINED                                                                                       \
    "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" "          \
    "\"$http_user_agent\""
#define ACCESS_LOG_MAX_PARTS 64

/* What a variable tells. */
enum access_log_meaning {
    ACCESS_LOG_NOTHING,
    ACCESS_LOG_TIME_LOCAL,
    ACCESS_LOG_TIME_ISO,
    ACCESS_LOG_SECONDS,
    ACCESS_LOG_DURATION,
    ACCESS_LOG_REQUEST,
    ACCESS_LOG_METHOD,
    ACCESS_LOG_TARGET,
    ACCESS_LOG_QUERY,
    ACCESS_LOG_HOST,
    ACCESS_LOG_CLIENT,
    ACCESS_LOG_FIELD,
};

struct access_log_part {
    enum access_log_meaning meaning;
    struct slice name;    /* of the variable */
    struct slice literal; /* what follows it; empty only at the end */
    char field[64];       /* header field: user-agent */
};

struct access_log {
    struct slice opening; /* in front of the first variable */
    struct access_log_part parts[ACCESS_LOG_MAX_PARTS];
    size_t count;
    char last_time[32]; /* $time_local of the line before, and what it means */
    int64_t last_ns;
};

/* Reads FORMAT, which must outlive LOG. Fails with EXIT_CODE_USAGE. */
bool access_log_compile(struct access_log *log, struct slice format, struct failure *failure);

/* Whether the format has a variable of one of MEANINGS (bits 1 << enum access_log_meaning), or one for the header FIELD. */
bool access_log_tells(const struct access_log *log, unsigned meanings, struct slice field);

/* Reads one line, without its end. false fills record->cause. */
bool access_log_parse(struct access_log *log, struct slice line, struct record *record);

#endif
