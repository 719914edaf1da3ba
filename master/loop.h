/* SPDX-License-Identifier: MPL-2.0
 *
 * The master's event loop: poll(2) over descriptors, signals and children. One turn at a time, so that a function that
 * must wait for something (workers to be ready, a child to be done) can turn the loop itself and stay readable.
 */
#ifndef FAIRVISOR_MASTER_LOOP_H
#define FAIRVISOR_MASTER_LOOP_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "shm/failure.h"

#define LOOP_MAX_WATCHES  256
#define LOOP_MAX_CHILDREN 256
#define LOOP_MAX_CLOCKS   16
#define LOOP_NEVER        INT64_MAX

typedef void loop_on_readable(void *context, int fd);
typedef void loop_on_exit(void *context, pid_t pid, int status); /* STATUS as from waitpid(2) */
/* FROM: who sent it; all zero for the kernel. */
typedef void loop_on_signal(void *context, int signal, const struct ucred *from);
typedef int64_t loop_next_time(void *context);            /* boot clock; LOOP_NEVER */
typedef void loop_on_time(void *context, int64_t now_ns); /* called after each turn */

struct loop_watch {
    int fd; /* -1 = free */
    loop_on_readable *on_readable;
    void *context;
};

struct loop_child {
    pid_t pid; /* 0 = free */
    loop_on_exit *on_exit;
    void *context;
};

/* Somebody with deadlines of his own. */
struct loop_clock {
    loop_next_time *next_time;
    loop_on_time *on_time;
    void *context;
};

struct loop {
    int signal_fd;
    loop_on_signal *on_signal;
    void *context;
    struct loop_watch watches[LOOP_MAX_WATCHES];
    struct loop_child children[LOOP_MAX_CHILDREN];
    struct loop_clock clocks[LOOP_MAX_CLOCKS];
    size_t clock_count;
};

/* Blocks the signals the master lives by and takes them from now on through ON_SIGNAL (SIGCHLD never shows up there).
 */
bool loop_init(struct loop *loop, loop_on_signal *on_signal, void *context, struct failure *failure);
void loop_fini(struct loop *loop);

/* Calls ON_READABLE whenever FD is readable or at its end. The descriptor stays the caller's. */
void loop_watch(struct loop *loop, int fd, loop_on_readable *on_readable, void *context);
void loop_unwatch(struct loop *loop, int fd);

/* Asks NEXT_TIME before each turn how long it may last, and calls ON_TIME after each. For the life of the loop. */
void loop_add_clock(struct loop *loop, loop_next_time *next_time, loop_on_time *on_time, void *context);

/* Forks. In the child: returns 0, with default handlers and the master's signals still blocked. In the master:
 * registers ON_EXIT, called once when the child has ended. -1 with errno. */
pid_t loop_fork(struct loop *loop, loop_on_exit *on_exit, void *context);

/* In a child that is about to execute another program: blocks no signal any more. */
void loop_release_signals(void);

/* Waits until something happens or DEADLINE_NS (boot clock; LOOP_NEVER) has come, and handles it. */
void loop_turn(struct loop *loop, int64_t deadline_ns);

#endif
