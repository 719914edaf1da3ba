/* SPDX-License-Identifier: MPL-2.0
 *
 * USR2: the running master starts the program file anew and gives it the listening sockets and the lock; the new master
 * opens the same arena, starts workers of its own, and when they are ready tells the old one to drain and go. When it
 * fails, the old one goes on as if nothing had been.
 */
#ifndef FAIRVISOR_MASTER_UPGRADE_H
#define FAIRVISOR_MASTER_UPGRADE_H

#include <stdbool.h>
#include <sys/types.h>

#include "master/letter.h"

/* The old master's side of an upgrade under way. */
struct upgrade {
    pid_t pid;           /* of the new master; 0 = none under way */
    int report_fd;       /* read end; -1 */
    bool wants_reopen;   /* SIGUSR1 came since the new master was started */
    bool is_handed_over; /* the new one serves: go without touching arena, snapshot, sockets' files and pidfile */
};

struct master;

/* Starts the new program. A failure is said in the log and changes nothing. */
void upgrade_begin(struct master *master);

/* Ends an upgrade under way, one way or the other: returns when the new master is gone or has taken over. */
void upgrade_cancel(struct master *master);

/* Gives SIGNAL to the new master once it has taken over. */
void upgrade_hand_on(const struct master *master, int signal);

/* In the new master: tells the old one to go. */
void upgrade_report_ready(const struct letter *letter);

#endif
