/* SPDX-License-Identifier: MPL-2.0
 *
 * The folders the service keeps its files in.
 */
#ifndef FAIRVISOR_MASTER_FOLDERS_H
#define FAIRVISOR_MASTER_FOLDERS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "shm/failure.h"
#include "shm/settings.h"

#define FOLDERS_PATH_SIZE (PATH_MAX + 16)
#define FOLDERS_TEMPORARY ".fairvisor-new" /* behind the name of a file while it is written: nobody else's file is called so */

/* What a file is to be like. */
struct folders_facts {
    mode_t mode;
    uid_t user;      /* -1: ours */
    gid_t group;     /* likewise */
    bool is_durable; /* it must survive a power cut */
};

/* Makes runtime_dir and state_dir where they are missing (0755 and 0750 as root, 0700 otherwise) and checks that nobody
 * else can put files into them. */
bool folders_make(const struct settings *settings, struct failure *failure);

/* Writes SIZE bytes to a new file beside PATH and renames it, so that readers see the old or the new file, whole. */
bool folders_replace_file(const char *path, const void *bytes, size_t size, unsigned mode, unsigned gid,
                          struct failure *failure);

/* The two halves of it: the new file under its TEMPORARY name, and the rename. */
bool folders_prepare_file(const char *path, const void *bytes, size_t size, const struct folders_facts *facts,
                          char temporary[FOLDERS_PATH_SIZE], struct failure *failure);
bool folders_commit_file(const char *temporary, const char *path, bool is_durable, struct failure *failure);

/* The same for a file of our own (mode 0600) that has reached the disk, with its folder, when this returns true. */
bool folders_keep_file(const char *path, const void *bytes, size_t size, struct failure *failure);

#endif
