/* SPDX-License-Identifier: MPL-2.0
 *
 * Another bundle in config_file while no master is there to put it in.
 */
#ifndef FAIRVISOR_CLI_PUT_BACK_H
#define FAIRVISOR_CLI_PUT_BACK_H

#include <stdbool.h>

#include "shm/failure.h"
#include "shm/slice.h"

/* PATH holds BYTES, with the owner and mode of the file that was there, which has the name PATH.replaced then. At every
 * moment PATH is the one or the other, whole. false, and PATH unchanged: EXIT_CODE_REFUSED for what is no regular file,
 * EXIT_CODE_PERMISSION, EXIT_CODE_OS. */
bool put_back(const char *path, struct slice bytes, struct failure *failure);

#endif
