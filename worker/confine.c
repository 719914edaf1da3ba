/* SPDX-License-Identifier: MPL-2.0
 *
 * Hardening of a process whose user the master has already changed.
 */
#include "worker/confine.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shm/log.h"
#include "worker/syscalls.h"

#define DESCRIPTORS_BESIDE_CONNECTIONS 64

bool confine_descriptors(int first_foreign, struct failure *failure)
{
    if (close_range((unsigned)first_foreign, ~0U, 0) != 0)
        return failure_set_errno(failure, EXIT_CODE_OS, "cannot close foreign descriptors");
    return true;
}

/* The bounding set needs a capability to be given up; whoever has none cannot gain any either. */
static bool drop_capabilities(struct failure *failure)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct nothing[_LINUX_CAPABILITY_U32S_3] = {{0}};

    for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
        prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capset, &header, nothing) != 0)
        return failure_set_errno(failure, EXIT_CODE_OS, "cannot give up capabilities");
    return true;
}

static void raise_descriptor_limit(const struct settings *settings)
{
    uint64_t wanted = settings_descriptors(settings) + DESCRIPTORS_BESIDE_CONNECTIONS;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_cur < wanted)
        log_line(LOG_LEVEL_WARNING,
                 "max_connections is %llu, which may take %llu descriptors, but only %llu may be open: raise the limit "
                 "(ulimit -n)",
                 (unsigned long long)settings->max_connections, (unsigned long long)wanted,
                 (unsigned long long)limit.rlim_cur);
}

/* Sanitizers look for leaks from a process of their own, and gcov writes files. */
static void restrict_syscalls(const struct settings *settings)
{
#if defined(__SANITIZE_ADDRESS__) || defined(FAIRVISOR_COVERAGE)
    (void)settings;
#else
    if (settings->worker_sandbox && !syscalls_restrict(settings->mode == SETTINGS_MODE_REVERSE_PROXY))
        log_errno(LOG_LEVEL_WARNING, "worker_sandbox: this kernel restricts no system calls, the worker runs without");
#endif
}

bool confine_process(const struct settings *settings, struct failure *failure)
{
    raise_descriptor_limit(settings);
    prctl(PR_SET_NAME, "fairvisor-worker"); /* older kernels name a program started by descriptor after its number */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return failure_set_errno(failure, EXIT_CODE_OS, "cannot set no_new_privs");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return failure_set_errno(failure, EXIT_CODE_OS, "cannot make the process undumpable");
    if (!drop_capabilities(failure))
        return false;
    restrict_syscalls(settings);
    return true;
}

void confine_leave(void)
{
#ifdef __SANITIZE_ADDRESS__
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
#endif
}
