/* SPDX-License-Identifier: MPL-2.0
 *
 * The bundle that a running instance serves, from the copy that its master keeps in the runtime folder, or from whatever
 * else has its bytes.
 */
#ifndef FAIRVISOR_CLI_LOADED_H
#define FAIRVISOR_CLI_LOADED_H

#include "cli/input.h"
#include "cli/instance.h"
#include "policy/bundle.h"
#include "shm/kept.h"

/* Opens the instance that CONFIG and NAME choose and, when it serves, loads its bundle, for the caller to free. NULL with
 * the reason: EXIT_CODE_NOT_RUNNING, EXIT_CODE_PERMISSION, ... */
struct bundle *loaded_open(struct instance *instance, const char *config, const char *name, struct failure *failure);

#define LOADED_PATH_SIZE KEPT_PATH_SIZE

/* The same for an INSTANCE that is open and serves. PATH: the file it was found in. */
bool loaded_read(const struct instance *instance, char path[LOADED_PATH_SIZE], struct bundle **bundle, struct failure *failure);

/* The bytes of it: those whose digest is in the status of INSTANCE. The copy of the master is one place of them; when it
 * could not be written, because its disk was full, they are those of config_file or of a kept bundle. false when they are
 * nowhere, or may not be read. input_free also after false. */
bool loaded_find(const struct instance *instance, char path[LOADED_PATH_SIZE], struct input *input);

#endif
