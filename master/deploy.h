/* SPDX-License-Identifier: MPL-2.0
 *
 * A bundle that comes through the door (DOOR_PUSH).
 *
 * There is one truth about what is served, before a push and after it: the file that config_file names. So a push
 * replaces that file, and the next reload, restart and `fairvisord -t` find in it what is served now. A push that
 * cannot write the file (a read-only mount, a symbolic link that somebody else manages) is refused, rather than served
 * until the next reload brings the old one back.
 *
 *   take the bytes -> write them beside the file -> reload with them -> workers are ready -> rename -> old workers drain
 *
 * Whatever goes wrong before the rename leaves file and service as they were. Settings are not read anew. What was in
 * the file and had never been loaded is not lost: it is moved to <config_file>.replaced.
 */
#ifndef FAIRVISOR_MASTER_DEPLOY_H
#define FAIRVISOR_MASTER_DEPLOY_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/failure.h"
#include "shm/kept.h"

struct master;

/* Serves the bundle in the sealed memfd FD, which stays the caller's; KEPT_NUMBER: of the kept one it is a return to, 0
 * when it is none; NOTE: how it came, and who sent it. Turns the loop. false: nothing has changed. */
bool deploy_run(struct master *master, int fd, uint32_t kept_number, const struct kept_note *note, struct failure *failure);

#endif
