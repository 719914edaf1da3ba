/* SPDX-License-Identifier: MPL-2.0
 *
 * The listening sockets of an instance: for each TCP address one SO_REUSEPORT socket per worker, for each unix socket
 * one. They stay open in the master as long as the address is configured, so that a connection waiting in a backlog
 * survives any worker; when workers get fewer, those that remain serve all sockets.
 */
#ifndef FAIRVISOR_MASTER_LISTENERS_H
#define FAIRVISOR_MASTER_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/privileges.h"
#include "shm/failure.h"
#include "shm/handoff.h"
#include "shm/settings.h"

#define LISTENERS_BACKLOG   4096
#define LISTENERS_NAME_SIZE 128

struct listener {
    struct settings_listen where;
    int sockets[SETTINGS_MAX_WORKERS];
    uint32_t socket_count; /* 1 for a unix socket; else the most workers there ever were */
    uint32_t spare_count;  /* sockets behind those, of refused reloads for more workers: no connection is steered to them */
};

struct listeners {
    struct listener rows[SETTINGS_MAX_LISTEN];
    uint32_t count;
};

/* Makes NEXT out of the addresses SETTINGS name: sockets that CURRENT has are kept, others opened, none closed. On
 * failure (EXIT_CODE_OS names address and cause) nothing else is served than before. Then either commit or abort. */
bool listeners_plan(struct listeners *current, const struct settings *settings, const struct privileges *privileges,
                    struct listeners *next, struct failure *failure);

/* CURRENT becomes NEXT; sockets of addresses that are no longer configured are closed, their files removed. Unix
 * sockets that were there before get SOCKET_MODE. */
void listeners_commit(struct listeners *current, const struct listeners *next, unsigned socket_mode);

/* Closes the addresses that NEXT has and CURRENT has not. Sockets that NEXT added to an address of CURRENT become its spares: the
 * kernel looks for a socket without a lock, and may find one that is just leaving the others alone, whatever it is steered by; the
 * connection that came for the others would be reset. */
void listeners_abort(struct listeners *current, struct listeners *next);

/* Closes all spares: another master is about to have the sockets, and knows nothing of them. */
void listeners_drop_spares(struct listeners *listeners);

/* Takes over COUNT listening sockets inherited from another master; those that no address of SETTINGS asks for are
 * closed. */
bool listeners_adopt(struct listeners *listeners, const struct settings *settings, const int *sockets, size_t count,
                     struct failure *failure);

/* Writes the sockets that the worker at PLACE of WORKER_COUNT serves, with their descriptions. Every socket is served
 * by somebody: PLACE, PLACE + WORKER_COUNT, ... Returns how many (at most HANDOFF_MAX_LISTENERS). */
uint32_t listeners_get(const struct listeners *listeners, uint32_t place, uint32_t worker_count, int *sockets,
                       struct handoff_listener *descriptions);

/* "127.0.0.1:8080", "[::1]:8080", "unix:/run/fairvisor/edge.sock" */
void listeners_print_name(const struct settings_listen *where, char *name, size_t size);

/* Closes everything; removes the unix sockets' files too when REMOVE_FILES. */
void listeners_close(struct listeners *listeners, bool remove_files);

#endif
