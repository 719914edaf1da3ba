/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor kill --list: the kill switches that hold now.
 */
#ifndef FAIRVISOR_CLI_KILL_LIST_H
#define FAIRVISOR_CLI_KILL_LIST_H

#include <stdbool.h>

#include "shm/failure.h"

/* Prints those of the instance that CONFIG and NAME choose (NULL: the standard one), set by hand first. false when it does
 * not serve, with the code of loaded_open, or when the master is at work on them, with EXIT_CODE_OS. */
bool kill_list_print(const char *config, const char *name, bool is_json, struct failure *failure);

#endif
