/* SPDX-License-Identifier: MPL-2.0
 *
 * One listening socket. All are non-blocking and close-on-exec.
 */
#ifndef FAIRVISOR_MASTER_BIND_H
#define FAIRVISOR_MASTER_BIND_H

#include <stdbool.h>
#include <stdint.h>

#include "master/privileges.h"
#include "shm/failure.h"
#include "shm/settings.h"

/* Fails (EXIT_CODE_OS, naming the address) when any process listens on WHERE already. SO_REUSEPORT alone would let two
 * daemons of one user share a port without a word. */
bool bind_probe(const struct settings_listen *where, struct failure *failure);

/* A listening TCP socket with SO_REUSEPORT (IPv6: for IPv6 only), or -1. */
int bind_tcp(const struct settings_listen *where, struct failure *failure);

/* A listening unix socket of MODE, owned by the workers' group, or -1. Replaces a socket file that nobody listens on;
 * refuses to touch anything else. */
int bind_unix(const struct settings_listen *where, unsigned mode, const struct privileges *privileges,
              struct failure *failure);

/* Gives the unix socket at PATH its MODE; false with errno, also when PATH is anything else. */
bool bind_set_mode(const char *path, unsigned mode);

/* Lets only the COUNT sockets that were first to listen in FD's SO_REUSEPORT group have new connections, so that others
 * can be added, and taken away again, without a connection ever waiting in them. bind_unsteer lets all have them. A
 * kernel that cannot do it (before 4.5) deals connections to all. */
void bind_steer(int fd, uint32_t count);
void bind_unsteer(int fd, uint32_t all);

/* What an inherited socket is bound to; false when it is no listening stream socket of a known kind. is_ops is false.
 */
bool bind_describe(int fd, struct settings_listen *where);

#endif
