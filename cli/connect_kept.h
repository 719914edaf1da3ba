/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor connect --list, and which bundle --rollback goes back to.
 */
#ifndef FAIRVISOR_CLI_CONNECT_KEPT_H
#define FAIRVISOR_CLI_CONNECT_KEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/instance.h"
#include "policy/bundle.h"
#include "shm/failure.h"
#include "shm/kept.h"

/* What runs and what it serves. */
struct connect_scene {
    struct instance instance;
    struct bundle *served; /* NULL: nothing is, and config_file holds no bundle that this version takes */
    bool is_down;          /* nobody serves: the next start will what config_file holds, whose digest is in instance.status */
    uint32_t kept_number; /* what is pushed is the kept bundle of this number; 0: it is a file of the user */
};

/* Prints the bundles that are kept, oldest first, and marks the one that is served. false: EXIT_CODE_PERMISSION, EXIT_CODE_OS. */
bool connect_kept_list(const struct connect_scene *scene, bool is_json, struct failure *failure);

/* PATH of the kept bundle that WANTED, a number in words, names, or with NULL of the one that was served before; its number in
 * SCENE->kept_number. false: EXIT_CODE_USAGE for no number, EXIT_CODE_REFUSED when there is none. */
bool connect_kept_find(struct connect_scene *scene, const char *wanted, char path[KEPT_PATH_SIZE], struct failure *failure);

#endif
