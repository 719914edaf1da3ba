/* SPDX-License-Identifier: MPL-2.0
 *
 * The contract between the master and the workers it execs: every inherited descriptor, and the one block of bytes that
 * tells a worker who it is. Nothing travels by argv or environment.
 *
 *   fd 0,1  /dev/null
 *   fd 2    log pipe (lines, see log.h)
 *   fd 3    status pipe, write end: the worker writes one byte HANDOFF_READY when it accepts connections, and one byte
 *           HANDOFF_DRAINS when it accepts none any more
 *   fd 4    lifeline, read end: end of file means that the master is gone: serve on for drain_timeout, or
 *           until the next master sends SIGQUIT, then drain and leave
 *   fd 5    the arena, read and write
 *   fd 6    the bundle: sealed memfd (see sealed.h)
 *   fd 7    struct handoff: sealed memfd
 *   fd 8-16 the files that keys are looked up in, the key set that verifies tokens, certificate and key for clients and
 *           the authorities of the upstream, one for each enum settings_reference: sealed memfds with the bytes as they
 *           are in the file; /dev/null for those that handoff.references does not have
 *   fd 17+i listening socket i, described by handoff.listeners[i]
 *
 * Signals to a worker: SIGQUIT = stop accepting, drain, leave; SIGTERM = leave now. Others are ignored.
 */
#ifndef FAIRVISOR_SHM_HANDOFF_H
#define FAIRVISOR_SHM_HANDOFF_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/settings.h"

enum handoff_fd {
    HANDOFF_FD_LOG = 2,
    HANDOFF_FD_STATUS = 3,
    HANDOFF_FD_LIFELINE = 4,
    HANDOFF_FD_ARENA = 5,
    HANDOFF_FD_BUNDLE = 6,
    HANDOFF_FD_SELF = 7,
    HANDOFF_FD_REFERENCES = 8,
    HANDOFF_FD_LISTENERS = HANDOFF_FD_REFERENCES + SETTINGS_REFERENCES,
};

#define HANDOFF_READY         'R'
#define HANDOFF_DRAINS        'D'
#define HANDOFF_BEATS         4 /* a worker's in worker_hang_timeout, and the master's looks for them */
#define HANDOFF_MAX_LISTENERS 1024
#define HANDOFF_MAGIC         UINT32_C(0x66766831) /* "fvh1" */

struct handoff_listener {
    bool is_ops;  /* from ops_listen: answers the operator's endpoints */
    bool is_unix; /* an AF_UNIX socket: its peers are the network "unix" of trusted_proxies */
};

struct handoff {
    uint32_t magic;
    uint32_t size;       /* sizeof(struct handoff): a worker of another build refuses */
    uint32_t slot;       /* statistics slot of this worker in the arena */
    uint32_t generation; /* of the bundle and settings; grows with each reload */
    uint32_t references; /* bit 1 << enum settings_reference: its descriptor holds a file */
    uint32_t listener_count;
    struct handoff_listener listeners[HANDOFF_MAX_LISTENERS];
    struct settings settings;
};

/* Writes HANDOFF into a sealed memfd (close-on-exec; owned by the caller), or -1 with errno. */
int handoff_seal(const struct handoff *handoff);

/* Reads the block from FD into HANDOFF, checking magic and size. false with errno (EPROTO when foreign). */
bool handoff_read(int fd, struct handoff *handoff);

#endif
