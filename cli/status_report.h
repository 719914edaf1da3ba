/* SPDX-License-Identifier: MPL-2.0
 *
 * What `fairvisor status` tells of an instance: gathered by status.c, printed by status_report.c.
 */
#ifndef FAIRVISOR_CLI_STATUS_REPORT_H
#define FAIRVISOR_CLI_STATUS_REPORT_H

#include "cli/bundle_copy.h"
#include "cli/fill.h"
#include "cli/instance.h"
#include "shm/kills.h"

#define STATUS_MESSAGE_SIZE 1280

/* As monitoring plugins have it. */
enum status_state { STATUS_OK, STATUS_WARNING, STATUS_CRITICAL, STATUS_UNKNOWN };

struct status_report {
    struct instance instance;
    struct arena_usage usage;
    struct fill fill; /* of limits */
    struct moment now;
    int64_t connections;
    uint64_t clients_untold; /* requests of trusted proxies that told no client */
    uint64_t forwarded_ignored; /* requests of gateways that trusted_proxies does not name */
    int64_t unmatched;       /* requests that no policy's selector matched */
    uint64_t log_lines_lost; /* of master and workers */
    struct bundle_copy copy;     /* without a bundle when it cannot be read */
    uint64_t decisions, rejects; /* known with the bundle */
    struct kills_table kills;    /* set by hand */
    bool file_differs;           /* config_file is not what is served */
    enum status_state state;
    char message[STATUS_MESSAGE_SIZE];
};

/* Where the instance of SETTINGS logs to, as a sentence calls it. */
const char *status_report_log(const struct settings *settings);

/* On standard output, for people or for programs. */
void status_report_print(const struct status_report *report);
void status_report_print_json(const struct status_report *report);

#endif
