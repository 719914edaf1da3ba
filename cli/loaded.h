/* SPDX-License-Identifier: MPL-2.0
 *
 * The bundle that a running instance serves, from the copy that its master keeps in the runtime folder.
 */
#ifndef FAIRVISOR_CLI_LOADED_H
#define FAIRVISOR_CLI_LOADED_H

#include "cli/instance.h"
#include "policy/bundle.h"

/* Opens the instance that CONFIG and NAME choose and, when it serves, loads its bundle, for the caller to free. NULL with
 * the reason: EXIT_CODE_NOT_RUNNING, EXIT_CODE_PERMISSION, ... */
struct bundle *loaded_open(struct instance *instance, const char *config, const char *name, struct failure *failure);

/* The same for an INSTANCE that is open and serves, with the copy in PATH (instance_bundle_path). */
bool loaded_read(const struct instance *instance, const char *path, struct bundle **bundle, struct failure *failure);

#endif
