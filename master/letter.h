/* SPDX-License-Identifier: MPL-2.0
 *
 * What a new master is told in an upgrade (see upgrade.h) stands in one environment variable, in words, so that the two
 * may be of different builds:
 *
 *   FAIRVISORD_UPGRADE=lock=5,report=9,generation=12,pid=4711,sockets=6+7+8
 *
 *   lock        descriptor of the held instance lock
 *   report      write end of a pipe: the byte 'R' says "my workers are ready, go"; its end without one says "I failed"
 *   generation  the last one of the old master
 *   pid         of the old master
 *   sockets     listening sockets; which address each is for is asked of the socket itself
 */
#ifndef FAIRVISOR_MASTER_LETTER_H
#define FAIRVISOR_MASTER_LETTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "shm/failure.h"
#include "shm/settings.h"

#define LETTER_VARIABLE    "FAIRVISORD_UPGRADE"
#define LETTER_MAX_SOCKETS (SETTINGS_MAX_LISTEN * SETTINGS_MAX_WORKERS)
#define LETTER_TEXT_SIZE   (LETTER_MAX_SOCKETS * 12 + 128)
#define LETTER_READY       'R'

struct letter {
    int lock_fd;
    int report_fd;
    uint32_t generation;
    pid_t pid;
    int sockets[LETTER_MAX_SOCKETS];
    size_t socket_count;
};

/* Reads the variable's text. EXIT_CODE_USAGE when it is malformed. */
bool letter_parse(const char *text, struct letter *letter, struct failure *failure);

/* Writes it; false when it does not fit. */
bool letter_print(const struct letter *letter, char *text, size_t size);

#endif
