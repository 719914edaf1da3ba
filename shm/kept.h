/* SPDX-License-Identifier: MPL-2.0
 *
 * Bundles that were served, kept by the master for a way back: <state_dir>/<instance>.bundles/NNNNNNNN.json, numbered in
 * the order in which they came to be served, and the number of the one that is served, in a file beside them. This is
 * where they are; master/history.c keeps them.
 */
#ifndef FAIRVISOR_SHM_KEPT_H
#define FAIRVISOR_SHM_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/door.h"
#include "shm/settings.h"

#define KEPT_MAX 10 /* the last ones; the oldest go */

#define KEPT_HIGHEST 99999999 /* number */

#define KEPT_USER_UNKNOWN (-1)

/* How a kept bundle came to be served: NNNNNNNN.note beside it. */
struct kept_note {
    char how[16];                  /* "push", "rollback", "reload" or "start" */
    int64_t user;                  /* who gave the order */
    char reason[DOOR_REASON_SIZE]; /* why, in his words; "" when he gave none */
};

#define KEPT_PATH_SIZE (SETTINGS_PATH_SIZE + SETTINGS_NAME_SIZE + 32)

/* The folder, and the file of NUMBER in it. */
void kept_folder(const struct settings *settings, char path[KEPT_PATH_SIZE]);
void kept_path(const struct settings *settings, uint32_t number, char path[KEPT_PATH_SIZE]);

/* The file of what is known of NUMBER. */
void kept_note_path(const struct settings *settings, uint32_t number, char path[KEPT_PATH_SIZE]);

#define KEPT_NOTE_SIZE (sizeof(struct kept_note) + 32)

/* NOTE as the bytes of that file; returns how many. */
size_t kept_print_note(const struct kept_note *note, char text[KEPT_NOTE_SIZE]);

/* Reads it. false when there is none, as of a bundle that an earlier version kept, or none that makes sense; NOTE is empty then. */
bool kept_read_note(const struct settings *settings, uint32_t number, struct kept_note *note);

/* The file with the number of the one that is served. */
void kept_place_path(const struct settings *settings, char path[KEPT_PATH_SIZE]);

/* That number; 0 when nobody has written one. */
uint32_t kept_read_place(const struct settings *settings);

/* Numbers of those that are there, ascending; of more than ROOM the highest. *COUNT is 0 when there is no folder. false
 * with errno when it cannot be looked into. */
bool kept_list(const struct settings *settings, uint32_t *numbers, size_t room, size_t *count);

#endif
