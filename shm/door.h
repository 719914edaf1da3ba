/* SPDX-License-Identifier: MPL-2.0
 *
 * The contract between fairvisor(1) and the running master: a unix socket in the runtime folder, one request and one
 * reply for each connection. The socket keeps records (SOCK_SEQPACKET), so that a request is there as a whole or not
 * at all. A bundle does not travel through the socket: its sealed memfd is passed along (see sealed.h for why bytes
 * that nobody can change any more).
 *
 * Magic, version and size stand first in every version, and a reply's code and sentence behind them: two builds that
 * do not understand each other can still say so.
 */
#ifndef FAIRVISOR_SHM_DOOR_H
#define FAIRVISOR_SHM_DOOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/settings.h"

#define DOOR_MAGIC     UINT32_C(0x66766430) /* "fvd0" */
#define DOOR_VERSION   1
#define DOOR_MAX_PAIRS 16

/* With their NUL; the bundle's own bounds (see fields.def). */
#define DOOR_KEY_SIZE    136
#define DOOR_VALUE_SIZE  1032
#define DOOR_NAME_SIZE   136
#define DOOR_ROUTE_SIZE  2056
#define DOOR_REASON_SIZE 264

/* What can be asked for; CHECK only tells that somebody is there. */
enum door_verb {
    DOOR_CHECK,
    DOOR_RESET, /* set the budgets of one identity back to unspent */
    DOOR_GRANT, /* give back a part of what it has spent */
    DOOR_KILL,  /* refuse all requests of pairs[0], see kills.h */
    DOOR_LIFT,  /* no longer */
    DOOR_PUSH,  /* serve the bundle whose bytes are in the memfd that comes along, sealed against any change */
    DOOR_VERBS
};

/* One key and the value it has, as switch_words_parse spells them. */
struct door_pair {
    char key[DOOR_KEY_SIZE];
    char value[DOOR_VALUE_SIZE];
};

/* All texts are terminated. */
struct door_request {
    uint32_t magic, version, size; /* sizeof(struct door_request) */
    uint32_t verb;
    int64_t amount;              /* GRANT: millionths, > 0; PUSH: number of the kept bundle this is a return to, or 0 */
    char policy[DOOR_NAME_SIZE]; /* RESET, GRANT: only this one; empty: any */
    char rule[DOOR_NAME_SIZE];   /* likewise */
    char reason[DOOR_REASON_SIZE];
    char route[DOOR_ROUTE_SIZE]; /* KILL, LIFT: exactly this path; empty: every path */
    int64_t expires_at;          /* KILL: seconds since 1970; INT64_MAX: never */
    uint32_t pair_count;
    struct door_pair pairs[DOOR_MAX_PAIRS]; /* who is meant */
};

struct door_reply {
    uint32_t magic, version, size;
    uint32_t code;       /* enum exit_code */
    char sentence[1024]; /* why not; PUSH: the file that the bundle was written to */
    uint32_t generation; /* PUSH: of the workers that serve it */
    uint64_t changed;    /* RESET, GRANT: limits that were changed; KILL, LIFT: kill switches that were there before;
                          * PUSH: 1 when what is served now could not be kept for a way back */
    int64_t amount;      /* GRANT: what was really given back, of the limit that got most; millionths */
};

/* The path of the instance's door; false when it does not fit into a socket's address. */
bool door_path(const struct settings *settings, char path[SETTINGS_UNIX_SIZE]);

/* Is every text terminated, every number in its range? Of bytes that came through the socket, SIZE of them. */
bool door_is_sane(const struct door_request *request, size_t size);

#endif
