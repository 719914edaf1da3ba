/* SPDX-License-Identifier: MPL-2.0
 *
 * The decision log: a process of its own that reads the ring of events and writes lines where log lines go. It has the
 * workers' user and no more rights; a slow or full disk delays nobody but it, and what the ring writes over meanwhile is counted.
 *
 *   master --+-- fork --> reader: lock of the arena (one reader at a time, across masters) -> ring -> sieve -> rate -> target
 *            +-- lifeline: closed = write what is there and leave
 *
 * Its place in the ring is kept in the arena: the next reader, after a reload, a reopened file, an upgrade or a crash, goes on
 * where the last one stopped. (One that is killed may have written its last lines without noting it: they come twice.)
 */
#ifndef FAIRVISOR_MASTER_DECISIONS_H
#define FAIRVISOR_MASTER_DECISIONS_H

#include <stdint.h>
#include <sys/types.h>

#include "master/loop.h"
#include "master/privileges.h"
#include "shm/arena.h"
#include "shm/settings.h"

struct decisions {
    struct loop *loop;
    const struct arena *arena;
    int arena_fd;
    const struct privileges *privileges;
    enum settings_decision_log what;
    enum settings_log target;
    uint64_t rate;      /* lines in a second; 0 = no limit */
    pid_t pid;          /* of the reader at work; 0 = none */
    int lifeline;       /* its write end; -1 */
    uint32_t living;    /* readers that have not ended yet, those told to leave included */
    int64_t restart_ns; /* boot clock: when one that died is replaced; LOOP_NEVER */
};

void decisions_init(struct decisions *decisions, struct loop *loop, const struct arena *arena, int arena_fd,
                    const struct privileges *privileges);

/* Logs from now on what SETTINGS say to the present fd 2 or to syslog; also when the log was opened anew. */
void decisions_use(struct decisions *decisions, const struct settings *settings);

/* Has what is in the ring written, and waits until that is done, some seconds at most. */
void decisions_finish(struct decisions *decisions);

/* The life of the reader, in its process. LIFELINE: at its end it is time to leave; LOCK: the arena, opened by this
 * process. Returns when it is over. */
struct decisions_reader {
    const struct arena *arena;
    enum settings_decision_log what;
    enum settings_log target;
    uint64_t rate;
    bool is_torn; /* the log ends within a line */
    int lifeline, lock;
};
void decisions_reader_run(const struct decisions_reader *reader);

#endif
