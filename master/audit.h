/* SPDX-License-Identifier: MPL-2.0
 *
 * What operators change, for whoever asks later: a line in the log and an event in the ring, with who it was, what was
 * changed and why, and which bundle served before and behind it. Values of keys are redacted as the setting `redact` says.
 */
#ifndef FAIRVISOR_MASTER_AUDIT_H
#define FAIRVISOR_MASTER_AUDIT_H

#include <sys/socket.h>

#include "master/generation.h"
#include "shm/arena.h"
#include "shm/door.h"
#include "shm/event.h"
#include "shm/events.h"

struct audit {
    struct events_writer writer;
    struct event event;
    const struct generation *serving; /* NULL: nothing serves yet, and nothing is noted */
};

/* A bundle that serves or did. */
struct audit_bundle {
    char version[VET_VERSION_SIZE];
    char digest[SEALED_DIGEST_SIZE];
    uint32_t generation; /* 0: there is none */
};

/* One thing done. */
struct audit_act {
    const char *verb;                   /* "reset" */
    const struct ucred *who;            /* NULL: nobody, a file changed */
    const struct door_request *request; /* whom it is about, and why; NULL: of a reload */
    const char *detail;                 /* "2 limits changed"; "" */
    struct audit_bundle before;         /* the bundle was to be replaced: the one that served then */
};

/* Begins to write to the ring of ARENA in the door's name. SERVING must outlive AUDIT. */
void audit_init(struct audit *audit, const struct arena *arena, const struct generation *serving);

/* What serves right now. */
struct audit_bundle audit_bundle_of(const struct generation *serving);

void audit_note(struct audit *audit, const struct audit_act *act);

#endif
