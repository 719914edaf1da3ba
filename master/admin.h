/* SPDX-License-Identifier: MPL-2.0
 *
 * The master's door (door.h): who may come in, and that nobody there can hold the master up. What is done for him: order.h.
 *
 * Who may: the users that may signal the master, which are his own and root. The socket's mode keeps others from
 * connecting, and the kernel's word on who did is asked again (SO_PEERCRED). So the door gives nobody a right that
 * kill(2) and a text editor would not.
 *
 * A visitor is read from once, answered once, and sent away; all without blocking. He has ADMIN_READ_NS for his
 * request. When all places are taken, further ones wait in the kernel's queue.
 */
#ifndef FAIRVISOR_MASTER_ADMIN_H
#define FAIRVISOR_MASTER_ADMIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "master/amend.h"
#include "master/audit.h"
#include "shm/door.h"
#include "shm/failure.h"
#include "shm/moment.h"

#define ADMIN_MAX_VISITORS 8
#define ADMIN_READ_NS      (5 * NANOSECONDS_PER_SECOND)
#define ADMIN_REST_NS      (1 * NANOSECONDS_PER_SECOND) /* when descriptors or memory are out */

struct master;

struct admin_visitor {
    struct admin *admin;
    int fd; /* -1: a free place */
    struct ucred who;
    int64_t deadline_ns; /* boot clock: gone by then; LOOP_NEVER while we are at work for him */
    struct amend amend;
    int bundle_fd; /* that came along with a DOOR_PUSH; -1 */
    struct door_request request;
};

struct admin {
    struct master *master;
    int fd; /* -1: closed */
    bool is_watched;
    int64_t rests_until_ns; /* boot clock: nobody can be let in before; LOOP_NEVER: it does not rest */
    char path[SETTINGS_UNIX_SIZE];
    struct stat named; /* what PATH named when the door was opened */
    struct admin_visitor visitors[ADMIN_MAX_VISITORS];
    struct audit audit;
    struct admin_visitor *pushing; /* whose bundle waits or is being served; NULL: nobody's */
    bool is_pushing;
};

/* Puts ADMIN in the state "closed" and on the master's clock. */
void admin_init(struct admin *admin, struct master *master);

/* Opens the door in the runtime folder, in the place of one that an earlier master left behind or still has. */
bool admin_open(struct admin *admin, struct failure *failure);

/* Puts a door in the place of one that another master had opened under our name and left behind; who is in already stays. */
bool admin_take_back(struct admin *admin, struct failure *failure);

/* Closes it. KEEPS_NAME when another master has a door of that name by now. */
void admin_close(struct admin *admin, bool keeps_name);

/* Both answer VISITOR and send him away: with ANSWER, whose magic, version and size are filled in, or with CODE and SENTENCE
 * alone. One that has gone by himself is told nothing. */
void admin_reply(struct admin_visitor *visitor, struct door_reply *answer);
void admin_say(struct admin_visitor *visitor, enum exit_code code, const char *sentence);

#endif
