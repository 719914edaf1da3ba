/* SPDX-License-Identifier: MPL-2.0
 *
 * What a worker may ask of the kernel: all that serving takes, nothing that would reach another process, make a file or another
 * program, or look for holes in the kernel. For the day when a worker is taken over.
 */
#ifndef FAIRVISOR_WORKER_SYSCALLS_H
#define FAIRVISOR_WORKER_SYSCALLS_H

#include <stdbool.h>

/* Restricts this process and all threads it will have, for ever; no_new_privs must be set. CONNECTS: it connects to upstreams. What
 * is refused fails with EPERM. false with errno: the kernel has no such filter, or one for another kind of machine. */
bool syscalls_restrict(bool connects);

#endif
