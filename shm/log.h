/* SPDX-License-Identifier: MPL-2.0
 *
 * Log lines. Every process formats its own and writes each with one write(2) to one descriptor: the master to its log
 * target, a worker to the pipe on its fd 2, which the master reads and forwards (so that reopening a log file, or
 * syslog, is the master's business alone). Never called under a stripe lock or on the path of a decision.
 */
#ifndef FAIRVISOR_SHM_LOG_H
#define FAIRVISOR_SHM_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* No line is longer, its newline included: PIPE_BUF, so that a pipe takes it whole or not at all. A longer sentence is
 * cut and ends in "...". */
#define LOG_LINE_SIZE 4096

/* Says who writes ("master", "worker 3"), how much, and whether lines are JSON objects. WHO is copied.
 * The descriptor written to is always 2. Before the first call: "fairvisor", info, text. */
void log_init(const char *who, enum log_level level, bool json);

/* Writes one line: time, level, who, sentence. Newlines and control bytes inside are escaped. Keeps errno. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with ": " and the text of errno at the end, also of a sentence that is cut. */
void log_errno(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether it is time for another line of a kind that could come any number of times: none yet, or INTERVAL since the last one at *LAST,
 * which then becomes NOW. All three are of one clock and one unit, on which NOW is above 0; *LAST is 0 before the first line. */
bool log_is_due(int64_t *last, int64_t now, int64_t interval);

/* Lines of this process that could not be written (pipe full, disk full) since it started. */
uint64_t log_dropped(void);

/* The last line of this process could not be written. */
bool log_is_failing(void);

/* Does the file that is logged to end within a line, whose rest a full disk did not take? false for whatever is no file, or may not be
 * looked at. */
bool log_is_torn(void);

/* Ends such a line, so that the next one begins where a reader looks for it. false when that, too, was not taken. */
bool log_mend(void);

/* "error", "warning", ...; NULL for no such level. */
const char *log_level_name(enum log_level level);

/* Formats one line into OUT with its newline and no NUL, as log_line writes it, at WALL_NS; returns its length. */
size_t log_format(char out[LOG_LINE_SIZE], int64_t wall_ns, enum log_level level, const char *who, bool json,
                  const char *sentence);

#endif
