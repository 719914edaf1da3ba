/* SPDX-License-Identifier: MPL-2.0
 *
 * The process id for humans, scripts and `-s`, and the lock that makes it trustworthy: a file lock in the runtime
 * folder, held as long as a master of the instance lives, and passed on to the next one by an upgrade without ever
 * being free.
 */
#ifndef FAIRVISOR_MASTER_PIDFILE_H
#define FAIRVISOR_MASTER_PIDFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "shm/failure.h"
#include "shm/settings.h"

/* Writes "PID\n" to PATH, whole or not at all. EXIT_CODE_PIDFILE. */
bool pidfile_write(const char *path, pid_t pid, struct failure *failure);

/* Reads a process id; 0 when there is no file or no sane number in it. */
pid_t pidfile_read(const char *path);

/* Removes PATH when it still holds PID. */
void pidfile_remove(const char *path, pid_t pid);

/* "<pidfile>.oldbin": where the process id stays while a new program takes over. */
bool pidfile_old_name(const char *path, char *old, size_t size);

/* Takes the lock of the instance and writes our process id into it; waits some seconds for one whose holder is dead.
 * Returns the descriptor (close-on-exec) or -1: EXIT_CODE_PIDFILE with the process id of the other master. */
int pidfile_lock(const struct settings *settings, struct failure *failure);

/* Checks that FD, inherited from the master before us, is the held lock of this instance. */
bool pidfile_adopt_lock(const struct settings *settings, int fd, struct failure *failure);

/* Writes our process id into the lock file: from now on we are the master of the instance. */
bool pidfile_sign_lock(int fd, pid_t pid);

/* The master that holds the lock of this instance; 0 when nobody does; -1 with errno when we may not look. */
pid_t pidfile_find_holder(const struct settings *settings);

#endif
