/* SPDX-License-Identifier: MPL-2.0
 *
 * Kills a process after any given number of its instructions. Where the processor lets a process trap itself after each
 * instruction, it counts them alone: millions of them are seconds, whoever else wants the processor. Elsewhere its
 * parent steps it, which costs two changes of process for each.
 */
#ifndef FAIRVISOR_TESTS_SHM_STEP_H
#define FAIRVISOR_TESTS_SHM_STEP_H

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/must.h"

#ifdef __x86_64__

#include <x86intrin.h>

#define STEP_TRAP_FLAG 0x100ULL

static volatile sig_atomic_t step_left;

static void step_on_trap(int number)
{
    (void)number;
    if (step_left-- == 0)
        kill(getpid(), SIGKILL);
}

/* In the child: its instructions are counted from here, and after STEPS of them it is dead. */
static inline void step_begin(long steps)
{
    struct sigaction action = {.sa_handler = step_on_trap};

    MUST(sigaction(SIGTRAP, &action, NULL) == 0); /* no assertion of Check: see take */
    step_left = (sig_atomic_t)steps;
    atomic_signal_fence(memory_order_seq_cst); /* no compiler knows that the flag makes each instruction look at it */
    __writeeflags(__readeflags() | STEP_TRAP_FLAG);
}

/* In the child: no more are counted. */
static inline void step_end(void)
{
    atomic_signal_fence(memory_order_seq_cst);
    __writeeflags(__readeflags() & ~STEP_TRAP_FLAG);
}

static inline void step_through(pid_t child, long steps)
{
    (void)child;
    (void)steps;
}

#else

#include <sys/ptrace.h>

static inline void step_begin(long steps)
{
    (void)steps;
    MUST(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
    kill(getpid(), SIGSTOP);
}

static inline void step_end(void)
{
    kill(getpid(), SIGSTOP);
}

/* Leaves CHILD where STEPS instructions have brought it, for its parent to kill, or lets it end when it got to its second stop. */
static inline void step_through(pid_t child, long steps)
{
    bool survived = false;
    int status;

    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    for (long i = 0; i < steps && !survived; i++) {
        ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFSTOPPED(status));
        survived = WSTOPSIG(status) == SIGSTOP;
    }
    if (survived)
        ck_assert_int_eq(ptrace(PTRACE_CONT, child, NULL, NULL), 0);
    else
        kill(child, SIGKILL);
}

#endif

/* Has a child call RUN, which calls step_begin(STEPS), does what is to be interrupted, calls step_end and exits with 0. True when
 * the child was killed, false when it lived to its end. */
static inline bool step_kills(void (*run)(long), long steps)
{
    int status;
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        run(steps);
        _exit(1);
    }
    step_through(child, steps);
    while (waitpid(child, &status, 0) != child)
        ck_assert_int_eq(errno, EINTR);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return true;
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "after %ld steps: status %d", steps, status);
    return false;
}

#endif
