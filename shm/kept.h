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

#include "shm/settings.h"

#define KEPT_MAX 10 /* the last ones; the oldest go */

#define KEPT_HIGHEST 99999999 /* number */

#define KEPT_PATH_SIZE (SETTINGS_PATH_SIZE + SETTINGS_NAME_SIZE + 32)

/* The folder, and the file of NUMBER in it. */
void kept_folder(const struct settings *settings, char path[KEPT_PATH_SIZE]);
void kept_path(const struct settings *settings, uint32_t number, char path[KEPT_PATH_SIZE]);

/* The file with the number of the one that is served. */
void kept_place_path(const struct settings *settings, char path[KEPT_PATH_SIZE]);

/* That number; 0 when nobody has written one. */
uint32_t kept_read_place(const struct settings *settings);

/* Numbers of those that are there, ascending; of more than ROOM the highest. *COUNT is 0 when there is no folder. false
 * with errno when it cannot be looked into. */
bool kept_list(const struct settings *settings, uint32_t *numbers, size_t room, size_t *count);

#endif
