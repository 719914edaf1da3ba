/* SPDX-License-Identifier: MPL-2.0
 *
 * The bytes of a settings file.
 */
#ifndef FAIRVISOR_SHM_SETTINGS_FILE_H
#define FAIRVISOR_SHM_SETTINGS_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "shm/failure.h"

/* Reads all of PATH into TEXT, which the caller frees, also after false: EXIT_CODE_NO_INPUT where there is none,
 * EXIT_CODE_PERMISSION, EXIT_CODE_BAD_CONFIG for a fifo or more than 1 MiB, else EXIT_CODE_OS. */
bool settings_file_read(const char *path, char **text, size_t *size, struct failure *failure);

#endif
