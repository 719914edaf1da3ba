/* SPDX-License-Identifier: MPL-2.0
 *
 * What a replay found, as tables for people (report_text.c), as JSON (report_json.c) or as a page (page.c).
 */
#ifndef FAIRVISOR_CLI_REPORT_H
#define FAIRVISOR_CLI_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/contrast.h"
#include "cli/replay.h"
#include "cli/traffic.h"

struct report {
    const char *paths[2];   /* bundles */
    struct replay *replays; /* one or two */
    size_t replay_count;
    const char *log_path;
    const struct traffic *traffic;
    int64_t from_ns, to_ns;
    struct contrast contrast; /* with two */
    bool is_dry;
    size_t most; /* identities to list */
    struct tally_identity **worst[2];
    size_t worst_count[2], worst_all[2];
    char **notes; /* what the reader should know, a sentence each; owned */
    size_t note_count;
    bool is_doubtful[2]; /* rules need what the log does not carry */
    bool lacks_memory;
};

/* Ends the sums and gathers what is printed. false when memory is out; report_fini always. */
bool report_finish(struct report *report);
void report_fini(struct report *report);

void report_text_print(const struct report *report, FILE *out);
void report_json_print(const struct report *report, FILE *out);

/* PART of ALL as "12.3 %". */
#define REPORT_SHARE_SIZE 16
const char *report_share(uint64_t part, uint64_t all, char text[REPORT_SHARE_SIZE]);

/* "rate_limit_exceeded 12, state_full 1" of a row, refusals of both kinds. */
void report_print_reasons(const struct tally_row *row, FILE *out);

/* Rows of TALLY, policies by name, rules in their order; owned by the caller (free); NULL when memory is out. */
const struct tally_row **report_rows(const struct tally *tally, size_t *count);

#endif
