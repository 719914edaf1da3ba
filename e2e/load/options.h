/* SPDX-License-Identifier: MPL-2.0
 *
 * The command line of the load client.
 */
#ifndef FAIRVISOR_E2E_LOAD_OPTIONS_H
#define FAIRVISOR_E2E_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "e2e/load/runner.h"

#define OPTIONS_MAX_HEADERS 64

struct options {
    const char *target;
    struct request_parts parts;
    const char *headers[OPTIONS_MAX_HEADERS];
    char *body; /* owned */
    uint64_t connections, threads, total, duration_ms, rate, timeout_ms;
    const char *expected; /* "200,429" */
    const char *counted;
};

/* Reads the arguments. false after a sentence on stderr. */
bool options_parse(struct options *options, int count, char **arguments);
void options_fini(struct options *options);

/* Turns options into a plan. false after a sentence on stderr. */
bool options_plan(const struct options *options, struct runner_plan *plan);

#endif
