/* SPDX-License-Identifier: MPL-2.0
 *
 * Where log lines end up. The master's own go to its fd 2; those of workers come through a pipe, whole lines, and are
 * passed on. Never waits for a reader of the log: what it does not take is dropped, counted and told about.
 */
#ifndef FAIRVISOR_MASTER_LOGSINK_H
#define FAIRVISOR_MASTER_LOGSINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/loop.h"
#include "shm/failure.h"
#include "shm/log.h"
#include "shm/settings.h"

#define LOGSINK_BUFFER_SIZE ((size_t)16 * LOG_LINE_SIZE)

struct logsink {
    struct loop *loop;
    enum settings_log kind;
    char file[SETTINGS_PATH_SIZE];
    int console_fd; /* the stderr we were started with */
    int pipe_read;
    int pipe_write; /* fd 2 of workers */
    char buffer[LOGSINK_BUFFER_SIZE];
    size_t used;
    uint64_t lost;     /* workers' lines that the target did not take; the master's own are counted by log_dropped() */
    uint64_t attempts; /* of those, lines that only tried whether the target takes some again */
    uint64_t seen;     /* lines lost at the last look */
    uint64_t told;     /* of those, told about in the log */
    bool is_failing;   /* the target did not take the last lines of workers */
    int64_t losing_since_ns; /* wall clock; 0: what is written arrives */
    int64_t next_try_ns;     /* to tell */
    bool has_changed;        /* until somebody publishes it */
};

/* Makes the pipe and keeps the present fd 2 as the console; lines go there until logsink_use. */
bool logsink_init(struct logsink *sink, struct loop *loop, struct failure *failure);

/* Is there a folder to make the log file in? EXIT_CODE_BAD_CONFIG. */
bool logsink_check(const struct settings *settings, struct failure *failure);

/* Opens the log file that SETTINGS name. Returns its descriptor, or -1 with FAILURE filled; -1 with failure->code
 * EXIT_CODE_OK when the log is not a file. */
int logsink_open(const struct settings *settings, struct failure *failure);

/* Logs from now on where SETTINGS say; FD as logsink_open gave it, taken over. */
void logsink_use(struct logsink *sink, const struct settings *settings, int fd);

/* Lines of master and workers that the target has not taken since the service began. */
uint64_t logsink_lost(const struct logsink *sink);

/* Is there anybody behind syslog(3)? It does not tell itself. */
bool logsink_has_syslog(void);

/* What whoever starts a service whose log goes to a syslog that is not there is told; it is no error, for one may come. */
#define LOGSINK_NO_SYSLOG                                                                                                    \
    "the log goes to syslog (setting `log`), but nobody listens at /dev/log: its lines are lost until a syslog daemon runs; " \
    "start one, or let `log` name a file"
bool logsink_lacks_syslog(const struct settings *settings);

/* Opens the log file anew, after somebody moved it away. */
void logsink_reopen(struct logsink *sink);

/* Passes on what is still in the pipe. */
void logsink_flush(struct logsink *sink);

/* Size of the run of whole lines at the start of TEXT; all of it when IS_FULL and it holds no newline (a line too long
 * for the buffer is cut). */
size_t logsink_whole_lines(const char *text, size_t size, bool is_full);

/* Size of the longest run of whole lines at the start of TEXT that has at most LIMIT bytes; LIMIT itself when the first
 * line is longer. */
size_t logsink_piece(const char *text, size_t size, size_t limit);

/* The severity a line says it has; LOG_LEVEL_NOTICE when it says none. */
enum log_level logsink_level(const char *line, size_t size);

#endif
