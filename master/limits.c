/* SPDX-License-Identifier: MPL-2.0
 *
 * Raises the number of files that may be open, for the workers that inherit it.
 */
#include "master/limits.h"

#include <sys/resource.h>

#include "shm/log.h"

#define LIMITS_OWN_FDS 4096 /* listening sockets, pipes, files: all but a worker's connections */

void limits_raise(const struct settings *settings)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)settings_descriptors(settings) + LIMITS_OWN_FDS;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted;
    if (limit.rlim_max < wanted)
        limit.rlim_max = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
        return;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
        log_line(LOG_LEVEL_WARNING,
                 "only %llu files may be open, max_connections %llu asks for %llu: raise the limit (ulimit -n, "
                 "LimitNOFILE=)",
                 (unsigned long long)limit.rlim_cur, (unsigned long long)settings->max_connections,
                 (unsigned long long)wanted);
}
