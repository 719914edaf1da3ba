/* SPDX-License-Identifier: MPL-2.0
 *
 * A seccomp filter (seccomp(2)): a table of calls, each refused always or by one of its arguments. Linux remembers the calls that it
 * allows whatever their arguments are, so that the length of the table costs a request nothing.
 */
#include "worker/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shm/must.h"

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#endif

/* Of calls that are younger than the headers may be; their numbers are the same on every machine. */
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

#ifdef MACHINE

#define X32_CALLS    UINT32_C(0x40000000) /* from here on x86-64 takes the same calls once more */
#define MAX_PROGRAM  1024

enum test {
    ALWAYS,        /* is refused */
    UNKNOWN,       /* is refused as if the kernel did not know it: glibc then takes the older call */
    IF_ANY,        /* ... when the argument has one of these bits */
    UNLESS_ANY,    /* ... when it has none of them */
    IF_ALL,        /* ... when it has all of them */
    IF_EQUAL,      /* ... when it is this */
    UNLESS_EQUAL,  /* ... when it is anything else */
    UNLESS_OURS,   /* ... when it is not our process id */
};

struct rule {
    uint32_t call;
    enum test test;
    uint32_t argument; /* which one */
    uint32_t value;
};

#define WRITES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)

static const struct rule rules[] = {
    /* other programs, other processes */
    {SYS_execve, ALWAYS, 0, 0},
    {SYS_execveat, ALWAYS, 0, 0},
    {SYS_clone, UNLESS_ANY, 0, CLONE_THREAD},
    {SYS_clone3, UNKNOWN, 0, 0},
    {SYS_kill, ALWAYS, 0, 0},
    {SYS_tkill, ALWAYS, 0, 0},
    {SYS_tgkill, UNLESS_OURS, 0, 0},
    {SYS_rt_sigqueueinfo, ALWAYS, 0, 0},
    {SYS_rt_tgsigqueueinfo, ALWAYS, 0, 0},
    {SYS_pidfd_open, ALWAYS, 0, 0},
    {SYS_pidfd_getfd, ALWAYS, 0, 0},
    {SYS_pidfd_send_signal, ALWAYS, 0, 0},
    {SYS_fcntl, IF_EQUAL, 1, F_SETOWN},
    {SYS_fcntl, IF_EQUAL, 1, F_SETOWN_EX},
    {SYS_fcntl, IF_EQUAL, 1, F_SETSIG},
    {SYS_fcntl, IF_EQUAL, 1, F_SETLK}, /* a claim on the shared memory keeps a master from starting */
    {SYS_fcntl, IF_EQUAL, 1, F_SETLKW},
    {SYS_fcntl, IF_EQUAL, 1, F_OFD_SETLK},
    {SYS_fcntl, IF_EQUAL, 1, F_OFD_SETLKW},
    {SYS_ioctl, IF_EQUAL, 1, FIOSETOWN},
    {SYS_ioctl, IF_EQUAL, 1, SIOCSPGRP},
    {SYS_prlimit64, UNLESS_EQUAL, 0, 0},
    {SYS_ptrace, ALWAYS, 0, 0},
    {SYS_process_vm_readv, ALWAYS, 0, 0},
    {SYS_process_vm_writev, ALWAYS, 0, 0},
    {SYS_process_madvise, ALWAYS, 0, 0},
    {SYS_kcmp, ALWAYS, 0, 0},
    {SYS_setpriority, ALWAYS, 0, 0}, /* of all processes of a user, the master among them */
    {SYS_sched_setparam, ALWAYS, 0, 0},
    {SYS_sched_setscheduler, ALWAYS, 0, 0},
    {SYS_sched_setattr, ALWAYS, 0, 0},
    {SYS_sched_setaffinity, ALWAYS, 0, 0},
    {SYS_ioprio_set, ALWAYS, 0, 0},
    {SYS_migrate_pages, ALWAYS, 0, 0},
    {SYS_move_pages, ALWAYS, 0, 0},
    {SYS_ioctl, IF_EQUAL, 1, TIOCSTI}, /* words put into the mouth of whoever started the service at a terminal */
    {SYS_ioctl, IF_EQUAL, 1, TIOCLINUX},
    /* the listening sockets, which the next worker inherits as they are */
    {SYS_listen, ALWAYS, 0, 0},
    {SYS_shutdown, UNLESS_EQUAL, 1, SHUT_WR}, /* any other ends them for everybody */
    {SYS_setsockopt, IF_EQUAL, 2, SO_ATTACH_FILTER},
    {SYS_setsockopt, IF_EQUAL, 2, SO_LOCK_FILTER},
    {SYS_setsockopt, IF_EQUAL, 2, SO_ATTACH_BPF},
    {SYS_setsockopt, IF_EQUAL, 2, SO_ATTACH_REUSEPORT_CBPF}, /* who gets which connection */
    {SYS_setsockopt, IF_EQUAL, 2, SO_ATTACH_REUSEPORT_EBPF},
    /* code that was not there before */
    {SYS_mprotect, IF_ANY, 2, PROT_EXEC},
    {SYS_pkey_mprotect, IF_ANY, 2, PROT_EXEC},
    {SYS_mmap, IF_ALL, 2, PROT_WRITE | PROT_EXEC},
    {SYS_memfd_create, ALWAYS, 0, 0},
    {SYS_memfd_secret, ALWAYS, 0, 0},
    /* files, but for reading */
    {SYS_openat, IF_ANY, 2, WRITES},
    {SYS_openat2, UNKNOWN, 0, 0},
    {SYS_open_by_handle_at, ALWAYS, 0, 0},
    {SYS_truncate, ALWAYS, 0, 0},
    {SYS_ftruncate, ALWAYS, 0, 0}, /* of shared memory: everybody else would die of it */
    {SYS_fallocate, ALWAYS, 0, 0},
    {SYS_madvise, IF_EQUAL, 2, MADV_REMOVE}, /* the same by another name: pages are given back, and may not be had again */
    {SYS_mkdirat, ALWAYS, 0, 0},
    {SYS_mknodat, ALWAYS, 0, 0},
    {SYS_unlinkat, ALWAYS, 0, 0},
#ifdef SYS_renameat
    {SYS_renameat, ALWAYS, 0, 0},
#endif
    {SYS_renameat2, ALWAYS, 0, 0},
    {SYS_linkat, ALWAYS, 0, 0},
    {SYS_symlinkat, ALWAYS, 0, 0},
    {SYS_fchmod, ALWAYS, 0, 0},
    {SYS_fchmodat, ALWAYS, 0, 0},
    {SYS_fchmodat2, ALWAYS, 0, 0},
    {SYS_fchown, ALWAYS, 0, 0},
    {SYS_fchownat, ALWAYS, 0, 0},
    {SYS_utimensat, ALWAYS, 0, 0},
    {SYS_setxattr, ALWAYS, 0, 0},
    {SYS_lsetxattr, ALWAYS, 0, 0},
    {SYS_fsetxattr, ALWAYS, 0, 0},
    {SYS_removexattr, ALWAYS, 0, 0},
    {SYS_lremovexattr, ALWAYS, 0, 0},
    {SYS_fremovexattr, ALWAYS, 0, 0},
    /* sockets of a kind that no peer of ours has: of the master's door, above all */
    {SYS_socket, IF_EQUAL, 0, AF_UNIX},
    {SYS_socket, IF_EQUAL, 0, AF_PACKET},
    {SYS_socket, IF_EQUAL, 0, AF_ALG},
    {SYS_socket, IF_EQUAL, 0, AF_VSOCK},
    /* parts of the kernel that serving does not need */
    {SYS_unshare, ALWAYS, 0, 0},
    {SYS_setns, ALWAYS, 0, 0},
    {SYS_chroot, ALWAYS, 0, 0},
    {SYS_pivot_root, ALWAYS, 0, 0},
    {SYS_mount, ALWAYS, 0, 0},
    {SYS_umount2, ALWAYS, 0, 0},
    {SYS_move_mount, ALWAYS, 0, 0},
    {SYS_open_tree, ALWAYS, 0, 0},
    {SYS_fsopen, ALWAYS, 0, 0},
    {SYS_fspick, ALWAYS, 0, 0},
    {SYS_mount_setattr, ALWAYS, 0, 0},
    {SYS_bpf, ALWAYS, 0, 0},
    {SYS_perf_event_open, ALWAYS, 0, 0},
    {SYS_userfaultfd, ALWAYS, 0, 0},
    {SYS_io_uring_setup, UNKNOWN, 0, 0}, /* its requests pass no filter */
    {SYS_io_uring_enter, UNKNOWN, 0, 0},
    {SYS_io_uring_register, UNKNOWN, 0, 0},
    {SYS_add_key, ALWAYS, 0, 0},
    {SYS_request_key, ALWAYS, 0, 0},
    {SYS_keyctl, ALWAYS, 0, 0},
    {SYS_personality, ALWAYS, 0, 0},
    {SYS_shmget, ALWAYS, 0, 0},
    {SYS_shmat, ALWAYS, 0, 0},
    {SYS_msgget, ALWAYS, 0, 0},
    {SYS_semget, ALWAYS, 0, 0},
    {SYS_mq_open, ALWAYS, 0, 0},
    {SYS_init_module, ALWAYS, 0, 0},
    {SYS_finit_module, ALWAYS, 0, 0},
    {SYS_kexec_load, ALWAYS, 0, 0},
    /* the older spellings, where there are any */
#ifdef __x86_64__
    {SYS_fork, ALWAYS, 0, 0},
    {SYS_vfork, ALWAYS, 0, 0},
    {SYS_open, IF_ANY, 1, WRITES},
    {SYS_creat, ALWAYS, 0, 0},
    {SYS_mkdir, ALWAYS, 0, 0},
    {SYS_mknod, ALWAYS, 0, 0},
    {SYS_rmdir, ALWAYS, 0, 0},
    {SYS_unlink, ALWAYS, 0, 0},
    {SYS_rename, ALWAYS, 0, 0},
    {SYS_link, ALWAYS, 0, 0},
    {SYS_symlink, ALWAYS, 0, 0},
    {SYS_chmod, ALWAYS, 0, 0},
    {SYS_chown, ALWAYS, 0, 0},
    {SYS_lchown, ALWAYS, 0, 0},
    {SYS_utime, ALWAYS, 0, 0},
    {SYS_utimes, ALWAYS, 0, 0},
    {SYS_futimesat, ALWAYS, 0, 0},
    {SYS_modify_ldt, ALWAYS, 0, 0},
#endif
};

/* Who connects to nobody needs no socket but those that were inherited and accepted, and no modules of the resolver: all code it will
 * ever run is there. Anything else would be what it has written into shared memory itself. */
static const struct rule rules_of_servers[] = {
    {SYS_socket, ALWAYS, 0, 0},
    {SYS_connect, ALWAYS, 0, 0},
    {SYS_bind, ALWAYS, 0, 0},
    {SYS_mmap, IF_ANY, 2, PROT_EXEC},
};

struct program {
    struct sock_filter steps[MAX_PROGRAM];
    unsigned short count;
};

/* WHEN_TRUE and WHEN_FALSE: how many of the next steps are skipped. */
static void add(struct program *program, uint16_t code, uint32_t value, uint8_t when_true, uint8_t when_false)
{
    MUST(program->count < MAX_PROGRAM);
    program->steps[program->count++] = (struct sock_filter){code, when_true, when_false, value};
}

static void add_load(struct program *program, size_t offset)
{
    add(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void add_answer(struct program *program, uint32_t answer)
{
    add(program, BPF_RET | BPF_K, answer, 0, 0);
}

/* The low half of an argument is all that the kernel, too, reads of those that the table asks for. Little-endian machines. */
static size_t argument_at(uint32_t argument)
{
    return offsetof(struct seccomp_data, args) + argument * sizeof(uint64_t);
}

/* Behind these steps the argument has been compared: the next is taken when the rule applies, and skipped when it does not. */
static void add_test(struct program *program, const struct rule *rule)
{
    uint32_t value = rule->test == UNLESS_OURS ? (uint32_t)getpid() : rule->value;
    bool applies_when_false = rule->test == UNLESS_ANY || rule->test == UNLESS_EQUAL || rule->test == UNLESS_OURS;
    bool is_bits = rule->test == IF_ANY || rule->test == UNLESS_ANY;

    add_load(program, argument_at(rule->argument));
    if (rule->test == IF_ALL)
        add(program, BPF_ALU | BPF_AND | BPF_K, value, 0, 0);
    add(program, BPF_JMP | (is_bits ? BPF_JSET : BPF_JEQ) | BPF_K, value, applies_when_false, !applies_when_false);
}

static void add_rule(struct program *program, const struct rule *rule)
{
    uint32_t error = rule->test == UNKNOWN ? ENOSYS : EPERM;
    unsigned short jump = program->count;

    add(program, BPF_JMP | BPF_JEQ | BPF_K, rule->call, 0, 0);
    if (rule->test != ALWAYS && rule->test != UNKNOWN)
        add_test(program, rule);
    add_answer(program, SECCOMP_RET_ERRNO | error);
    if (program->count - jump > 2) /* the argument was loaded in the place of the number */
        add_load(program, offsetof(struct seccomp_data, nr));
    program->steps[jump].jf = (uint8_t)(program->count - jump - 1);
}

static void add_rules(struct program *program, const struct rule *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_rule(program, &list[i]);
}

bool syscalls_restrict(bool connects)
{
    static struct program program;
    struct sock_fprog all = {.filter = program.steps};

    add_load(&program, offsetof(struct seccomp_data, arch));
    add(&program, BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0);
    add_answer(&program, SECCOMP_RET_ERRNO | EPERM);
    add_load(&program, offsetof(struct seccomp_data, nr));
    add(&program, BPF_JMP | BPF_JGE | BPF_K, X32_CALLS, 0, 1);
    add_answer(&program, SECCOMP_RET_ERRNO | EPERM);
    add_rules(&program, rules, sizeof(rules) / sizeof(rules[0]));
    if (!connects)
        add_rules(&program, rules_of_servers, sizeof(rules_of_servers) / sizeof(rules_of_servers[0]));
    add_answer(&program, SECCOMP_RET_ALLOW);
    all.len = program.count;
    /* SPEC_ALLOW: without it, kernels before 5.16 turn speculative store bypass off (SSBD) for whoever has a filter, which costs each
     * request several per cent. The mitigation keeps code that runs in a cage inside of a process, such as a script of a stranger, from
     * reading the rest of that process. There is no such code here: all of it is ours until the worker is taken over, and then it may
     * read all of its own memory anyway; what is in other processes, that speculation does not reach. */
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                   &all) == 0;
}

#else

bool syscalls_restrict(bool connects)
{
    (void)connects;
    errno = ENOTSUP;
    return false;
}

#endif
