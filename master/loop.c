/* SPDX-License-Identifier: MPL-2.0
 *
 * poll(2), signalfd(2), waitpid(2). Knows nothing of workers; holds no state but the tables of who wants to know what.
 */
#include "master/loop.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/moment.h"
#include "shm/must.h"

#define NANOSECONDS_PER_MILLISECOND INT64_C(1000000)

static const int loop_signals[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGCHLD};

#define LOOP_SIGNAL_COUNT (sizeof(loop_signals) / sizeof(loop_signals[0]))

bool loop_init(struct loop *loop, loop_on_signal *on_signal, void *context, struct failure *failure)
{
    sigset_t blocked;

    loop->on_signal = on_signal;
    loop->context = context;
    loop->clock_count = 0;
    for (size_t i = 0; i < LOOP_MAX_WATCHES; i++)
        loop->watches[i].fd = -1;
    for (size_t i = 0; i < LOOP_MAX_CHILDREN; i++)
        loop->children[i].pid = 0;
    sigemptyset(&blocked);
    for (size_t i = 0; i < LOOP_SIGNAL_COUNT; i++) {
        sigaddset(&blocked, loop_signals[i]);
        signal(loop_signals[i],
               SIG_DFL); /* whoever started us may have ignored it (nohup): then it would never arrive */
    }
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    signal(SIGPIPE, SIG_IGN);
    loop->signal_fd = signalfd(-1, &blocked, SFD_CLOEXEC | SFD_NONBLOCK);
    if (loop->signal_fd < 0)
        return failure_set_errno(failure, EXIT_CODE_OS, "the kernel gave no signal descriptor");
    return true;
}

void loop_fini(struct loop *loop)
{
    close(loop->signal_fd);
    loop->signal_fd = -1;
}

void loop_watch(struct loop *loop, int fd, loop_on_readable *on_readable, void *context)
{
    for (size_t i = 0; i < LOOP_MAX_WATCHES; i++)
        if (loop->watches[i].fd < 0) {
            loop->watches[i] = (struct loop_watch){.fd = fd, .on_readable = on_readable, .context = context};
            return;
        }
    MUST(!"more watches than there are workers and pipes");
}

void loop_unwatch(struct loop *loop, int fd)
{
    for (size_t i = 0; i < LOOP_MAX_WATCHES; i++)
        if (loop->watches[i].fd == fd)
            loop->watches[i].fd = -1;
}

void loop_add_clock(struct loop *loop, loop_next_time *next_time, loop_on_time *on_time, void *context)
{
    MUST(loop->clock_count < LOOP_MAX_CLOCKS);
    loop->clocks[loop->clock_count++] =
        (struct loop_clock){.next_time = next_time, .on_time = on_time, .context = context};
}

static struct loop_child *find_child(struct loop *loop, pid_t pid)
{
    for (size_t i = 0; i < LOOP_MAX_CHILDREN; i++)
        if (loop->children[i].pid == pid)
            return &loop->children[i];
    return NULL;
}

pid_t loop_fork(struct loop *loop, loop_on_exit *on_exit, void *context)
{
    struct loop_child *child = find_child(loop, 0);
    pid_t pid;

    if (child == NULL) {
        errno = EAGAIN;
        return -1;
    }
    pid = fork();
    if (pid == 0)
        signal(SIGPIPE, SIG_DFL);
    if (pid > 0)
        *child = (struct loop_child){.pid = pid, .on_exit = on_exit, .context = context};
    return pid;
}

void loop_release_signals(void)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void reap(struct loop *loop)
{
    pid_t pid;
    int status;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct loop_child *child = find_child(loop, pid);
        struct loop_child ended;

        if (child == NULL)
            continue;
        ended = *child;
        child->pid = 0;
        ended.on_exit(ended.context, pid, status);
    }
}

static void take_signals(struct loop *loop)
{
    struct signalfd_siginfo info;
    bool has_child = false;

    while (read(loop->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        struct ucred from = {.pid = (pid_t)info.ssi_pid, .uid = info.ssi_uid};

        if (info.ssi_signo == SIGCHLD)
            has_child = true;
        else
            loop->on_signal(loop->context, (int)info.ssi_signo, &from);
    }
    if (has_child)
        reap(loop);
}

static int milliseconds_until(int64_t deadline_ns)
{
    int64_t left;

    if (deadline_ns == LOOP_NEVER)
        return -1;
    left = deadline_ns - moment_now().boot_ns;
    if (left <= 0)
        return 0;
    left = (left + NANOSECONDS_PER_MILLISECOND - 1) / NANOSECONDS_PER_MILLISECOND;
    return left > INT_MAX ? INT_MAX : (int)left;
}

static int64_t next_deadline(const struct loop *loop, int64_t deadline_ns)
{
    for (size_t i = 0; i < loop->clock_count; i++) {
        int64_t next = loop->clocks[i].next_time(loop->clocks[i].context);

        deadline_ns = next < deadline_ns ? next : deadline_ns;
    }
    return deadline_ns;
}

/* Descriptors before signals: what a child wrote is read before its death is handled. A watch may be gone by its turn.
 */
static void wait_and_dispatch(struct loop *loop, int64_t deadline_ns)
{
    struct pollfd polled[LOOP_MAX_WATCHES + 1];
    size_t origin[LOOP_MAX_WATCHES + 1];
    nfds_t count = 1;

    polled[0] = (struct pollfd){.fd = loop->signal_fd, .events = POLLIN};
    for (size_t i = 0; i < LOOP_MAX_WATCHES; i++)
        if (loop->watches[i].fd >= 0) {
            origin[count] = i;
            polled[count++] = (struct pollfd){.fd = loop->watches[i].fd, .events = POLLIN};
        }
    if (poll(polled, count, milliseconds_until(deadline_ns)) <= 0)
        return;
    for (nfds_t i = 1; i < count; i++) {
        struct loop_watch watch = loop->watches[origin[i]];

        if (polled[i].revents && watch.fd == polled[i].fd)
            watch.on_readable(watch.context, watch.fd);
    }
    if (polled[0].revents)
        take_signals(loop);
}

void loop_turn(struct loop *loop, int64_t deadline_ns)
{
    int64_t now;

    wait_and_dispatch(loop, next_deadline(loop, deadline_ns));
    now = moment_now().boot_ns;
    for (size_t i = 0; i < loop->clock_count; i++)
        loop->clocks[i].on_time(loop->clocks[i].context, now);
}
