/* SPDX-License-Identifier: MPL-2.0
 *
 * The master: one process, one thread, one struct. main makes it; start brings it up, master_run serves until somebody
 * says stop, finish takes it down; reload and upgrade change it in between.
 *
 *   options -> configure -> generation (source -> vet -> seal) -> lock -> listeners -> arena (restore) -> crew -> ready
 *                  ^                                                          |                             |
 *                  |    HUP: once more, beside what serves                    v                             v
 *                  +------------------------------------------------    open for ever              a child per place
 *
 * What must wait turns the loop (loop.h) itself, so that a reload reads from top to bottom while log lines are passed
 * on, dead workers replaced and snapshots written. Nothing of the serving generation is touched before the next one has
 * said that it is ready. Sockets outlive workers (listeners.h), counters outlive everything (restore.h, snapshots.h),
 * and the lock passes from master to master without ever being free (pidfile.h, upgrade.h).
 */
#ifndef FAIRVISOR_MASTER_MASTER_H
#define FAIRVISOR_MASTER_MASTER_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "master/admin.h"
#include "master/backend_watch.h"
#include "master/bundle_watch.h"
#include "master/crew.h"
#include "master/decisions.h"
#include "master/expiry.h"
#include "master/fullness.h"
#include "master/generation.h"
#include "master/listeners.h"
#include "master/logsink.h"
#include "master/loop.h"
#include "master/memory_watch.h"
#include "master/options.h"
#include "master/privileges.h"
#include "master/snapshots.h"
#include "master/switches.h"
#include "master/upgrade.h"
#include "shm/arena.h"
#include "shm/kept.h"
#include "shm/settings.h"

enum master_stop { MASTER_STOP_NONE, MASTER_STOP_GRACEFUL, MASTER_STOP_FAST };

struct master {
    struct options options;
    char **arguments; /* main's argv and environ: for the next program */
    char **environment;
    char program[PATH_MAX]; /* absolute path we were started by */

    struct loop loop;
    struct logsink logsink;
    struct privileges privileges;
    int lock_fd;
    int daemon_fd; /* tells the process that started a daemon how it went; -1 */

    struct arena arena;
    int arena_fd;
    bool arena_is_new; /* made by this start: nobody had counted anything in it before */
    struct listeners listeners;
    struct generation serving;
    bool is_kept;             /* its bundle, for a way back */
    struct generation none;   /* number 0: what serves before the first one is ready */
    uint32_t next_generation; /* number of the next one; never used twice, also when it fails */
    struct crew crew;
    struct snapshots snapshots;
    struct fullness fullness;
    struct expiry expiry;
    struct memory_watch memory_watch;
    struct backend_watch backend_watch;
    struct decisions decisions;
    struct switches switches;
    struct admin admin;
    struct bundle_watch bundle_watch;
    struct upgrade upgrade;
    struct arena_status status;
    uint64_t log_lines_lost_before; /* by masters that this one took over from */

    enum master_stop stop; /* wishes: noted by signals, granted between turns of the loop */
    bool wants_reload;
    struct ucred reloader; /* who wished for it last */
    bool has_said_waiting; /* the log knows that the wished reload waits */
    bool wants_upgrade;
    bool wants_pause;
};

/* Takes signals into the wishes above. */
void master_on_signal(void *context, int signal, const struct ucred *from);

/* Serves until a stop is wished for. */
void master_run(struct master *master);

/* Writes the status into the arena. */
void master_publish(struct master *master);

/* One sentence about what is being served, for the log and the service manager. */
void master_print_state(const struct master *master, char *text, size_t size);

/* Says in the log what is in the bundle of GENERATION, with its warnings unless they WERE_SAID. */
void master_say_bundle(const struct generation *generation, bool were_said);

/* Keeps a copy of the bundle in the runtime folder, where `fairvisor explain` looks, and one for a way back. NUMBER: see
 * history.h, and NOTE. */
void master_keep_bundle(struct master *master, uint32_t number, const struct kept_note *note);

#endif
