/* SPDX-License-Identifier: MPL-2.0
 *
 * A library for LD_PRELOAD that helps valgrind 3.19, which runs the process: its address space and its files stay what they are
 * when the process asks for less of them, and a range of descriptors is closed one by one. Used by e2e/test_leaks.py, installed
 * nowhere.
 */
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DESCRIPTORS 1024 /* more than are open */

int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
    if (resource == RLIMIT_AS || resource == RLIMIT_FSIZE || resource == RLIMIT_NOFILE)
        return 0;
    return (int)syscall(SYS_prlimit64, 0, resource, limit, NULL);
}

int close_range(unsigned first, unsigned last, int flags)
{
    (void)flags;
    for (unsigned fd = first; fd <= last && fd < DESCRIPTORS; fd++)
        close((int)fd); /* most are not open, and those of valgrind are not ours */
    return 0;
}
