/* SPDX-License-Identifier: MPL-2.0
 *
 * A library for LD_PRELOAD that makes one call of the C library fail, once in all processes of an instance, or moves clocks.
 * Says nothing and changes nothing else. Used by e2e/test_faults.py and e2e/test_chaos.py, installed nowhere.
 *
 * FAULTS_PLAN names a file that all processes share (struct plan); a program whose name is PROGRAM counts its calls of
 * FUNCTION, and the one with number FAILS (from 1) fails. The master execs its workers with an empty environment: fexecve
 * hands on what is needed.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* e2e/faults.py writes the same layout. */
struct plan {
    char program[32];
    char function[32];
    uint64_t fails;               /* 0: none, calls are counted only */
    _Atomic uint64_t counted;     /* the most calls that one process made */
    _Atomic uint64_t fired;       /* 1: the call has failed */
    _Atomic int64_t wall_shift_s; /* what CLOCK_REALTIME is ahead */
    _Atomic int64_t boot_shift_s; /* what CLOCK_BOOTTIME is ahead */
    _Atomic int64_t fsync_delay_ms; /* this and the next: what has begun to wait is done as soon as it is made shorter */
    _Atomic int64_t rename_delay_ms;
    char held[32]; /* only files whose new names end so wait; empty: all */
};

#define LINGER_STEP_MS 5

static struct plan *plan;
static const char *counted_function; /* in this program; NULL: nothing fails here */
static _Atomic uint64_t calls;
static char plan_variable[512], preload_variable[512];

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

static void keep_variable(char *room, size_t size, const char *name)
{
    const char *value = getenv(name);

    snprintf(room, size, "%s=%s", name, value ? value : "");
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FAULTS_PLAN");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0) : -1;
    void *mapped;

    if (fd < 0)
        return;
    mapped = (void *)syscall(SYS_mmap, NULL, sizeof(struct plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (mapped == MAP_FAILED)
        return;
    keep_variable(plan_variable, sizeof(plan_variable), "FAULTS_PLAN");
    keep_variable(preload_variable, sizeof(preload_variable), "LD_PRELOAD");
    plan = mapped;
    if (strcmp(program_invocation_short_name, plan->program) == 0)
        counted_function = plan->function;
}

/* True when this call is the one to fail. */
static int fails(const char *function)
{
    uint64_t number, most, never = 0;

    if (counted_function == NULL || strcmp(counted_function, function) != 0)
        return 0;
    number = atomic_fetch_add(&calls, 1) + 1;
    for (most = atomic_load(&plan->counted); number > most;)
        if (atomic_compare_exchange_weak(&plan->counted, &most, number))
            break;
    return plan->fails == number && atomic_compare_exchange_strong(&plan->fired, &never, 1);
}

static int is_in(const void *caller, const char *library)
{
    Dl_info info;

    return dladdr(caller, &info) && info.dli_fname && strstr(info.dli_fname, library);
}

/* libuv asserts that its own pipes and event descriptors work, as the kernel promises. */
static int is_libuv(const void *caller)
{
    return is_in(caller, "/libuv.");
}

/* Memory fails where the program itself asks for it. Libraries do not all survive it: glibc 2.36 dereferences NULL or asserts in
 * getpwnam(3), libcrypto 3.0 locks a NULL lock in EVP_Digest(3) when it could not set itself up. */
static int is_ours(const void *caller)
{
    Dl_info info;

    return dladdr(caller, &info) && (uintptr_t)info.dli_fbase == (getauxval(AT_PHDR) & ~UINT64_C(0xfff));
}

static int memory_fails(const char *function, const void *caller)
{
    if (counted_function == NULL || strcmp(counted_function, function) != 0 || !is_ours(caller))
        return 0;
    return fails(function);
}

static int is_socket(int fd)
{
    struct stat facts;

    return fstat(fd, &facts) == 0 && S_ISSOCK(facts.st_mode);
}

static int transfer_fails(const char *function, int fd, const void *caller)
{
    if (counted_function == NULL || strcmp(counted_function, function) != 0 || (is_libuv(caller) && !is_socket(fd)))
        return 0;
    return fails(function);
}

static int fail_with(int error)
{
    errno = error;
    return -1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* ---- memory ------------------------------------------------------------------------------------------------------- */

void *malloc(size_t size)
{
    if (!memory_fails("malloc", __builtin_return_address(0)))
        return __libc_malloc(size);
    errno = ENOMEM;
    return NULL;
}

void *calloc(size_t count, size_t size)
{
    if (!memory_fails("calloc", __builtin_return_address(0)))
        return __libc_calloc(count, size);
    errno = ENOMEM;
    return NULL;
}

void *realloc(void *old, size_t size)
{
    if (!memory_fails("realloc", __builtin_return_address(0)))
        return __libc_realloc(old, size);
    errno = ENOMEM;
    return NULL;
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (!fails("mmap"))
        return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
    errno = ENOMEM;
    return MAP_FAILED;
}

/* ---- descriptors -------------------------------------------------------------------------------------------------- */

int accept4(int fd, struct sockaddr *peer, socklen_t *size, int flags)
{
    return fails("accept4") ? fail_with(EMFILE) : NEXT(accept4)(fd, peer, size, flags);
}

ssize_t read(int fd, void *data, size_t size)
{
    return transfer_fails("read", fd, __builtin_return_address(0)) ? fail_with(EIO) : NEXT(read)(fd, data, size);
}

ssize_t write(int fd, const void *data, size_t size)
{
    return transfer_fails("write", fd, __builtin_return_address(0)) ? fail_with(ENOSPC) : NEXT(write)(fd, data, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return transfer_fails("writev", fd, __builtin_return_address(0)) ? fail_with(ENOSPC) : NEXT(writev)(fd, parts, count);
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
    return transfer_fails("send", fd, __builtin_return_address(0)) ? fail_with(ECONNRESET) : NEXT(send)(fd, data, size, flags);
}

ssize_t recv(int fd, void *data, size_t size, int flags)
{
    return transfer_fails("recv", fd, __builtin_return_address(0)) ? fail_with(ECONNRESET) : NEXT(recv)(fd, data, size, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    return transfer_fails("sendmsg", fd, __builtin_return_address(0)) ? fail_with(ECONNRESET)
                                                                      : NEXT(sendmsg)(fd, message, flags);
}

static void linger(const _Atomic int64_t *delay_ms)
{
    const struct timespec step = {.tv_nsec = LINGER_STEP_MS * 1000000};

    for (int64_t waited_ms = 0; waited_ms < atomic_load(delay_ms); waited_ms += LINGER_STEP_MS)
        nanosleep(&step, NULL);
}

static int ends_with(const char *text, const char *end)
{
    return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

int rename(const char *from, const char *to)
{
    int result = NEXT(rename)(from, to);

    if (plan && ends_with(to, plan->held))
        linger(&plan->rename_delay_ms);
    return result;
}

int fsync(int fd)
{
    if (plan)
        linger(&plan->fsync_delay_ms);
    return fails("fsync") ? fail_with(EIO) : NEXT(fsync)(fd);
}

static int open_it(int folder, const char *path, int flags, mode_t mode)
{
    return fails("openat") ? fail_with(EMFILE) : (int)syscall(SYS_openat, folder, path, flags, mode);
}

#define MODE_OF(flags, last, mode)                 \
    do {                                           \
        va_list rest;                              \
        va_start(rest, last);                      \
        if ((flags) & (O_CREAT | __O_TMPFILE))     \
            (mode) = (mode_t)va_arg(rest, int);    \
        va_end(rest);                              \
    } while (0)

int openat(int folder, const char *path, int flags, ...)
{
    mode_t mode = 0;

    MODE_OF(flags, flags, mode);
    return open_it(folder, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;

    MODE_OF(flags, flags, mode);
    return open_it(AT_FDCWD, path, flags, mode);
}

/* ---- clocks ------------------------------------------------------------------------------------------------------- */

int clock_gettime(clockid_t id, struct timespec *now)
{
    int result = NEXT(clock_gettime)(id, now);

    if (plan && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        now->tv_sec += atomic_load(&plan->wall_shift_s);
    if (plan && id == CLOCK_BOOTTIME)
        now->tv_sec += atomic_load(&plan->boot_shift_s);
    return result;
}

/* ---- coverage ----------------------------------------------------------------------------------------------------- */

/* A build for coverage has libgcov in the program: it writes when all is over, begins with a look at GCOV_PREFIX, and does not
 * survive a lack of memory. */
char *getenv(const char *name)
{
    if (strncmp(name, "GCOV_", 5) == 0)
        counted_function = NULL;
    return NEXT(getenv)(name);
}

/* ---- processes ---------------------------------------------------------------------------------------------------- */

pid_t fork(void)
{
    return fails("fork") ? fail_with(EAGAIN) : NEXT(fork)();
}

/* ---- workers ------------------------------------------------------------------------------------------------------ */

int fexecve(int fd, char *const arguments[], char *const environment[])
{
    char *with_ours[8] = {plan_variable, preload_variable};
    size_t count = 2;

    for (size_t i = 0; environment[i] && count < 7; i++)
        with_ours[count++] = environment[i];
    with_ours[count] = NULL;
    return NEXT(fexecve)(fd, arguments, plan ? with_ours : environment);
}
