/* SPDX-License-Identifier: MPL-2.0
 *
 * Stands for _exit(2) in a build that counts coverage: writes what ran, as exit(3) does by itself, so that what the master's
 * short-lived children do is counted.
 */
#undef _exit
#include <sys/resource.h>
#include <unistd.h>

extern void __gcov_dump(void);
void coverage_exit(int status) __attribute__((noreturn));

void coverage_exit(int status)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_FSIZE, &files) == 0 && files.rlim_cur > 0) /* or writing would be the end of a child that vets */
        __gcov_dump();
    _exit(status);
}
