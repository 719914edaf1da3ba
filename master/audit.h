/* SPDX-License-Identifier: MPL-2.0
 *
 * What operators change through the door, for whoever asks later: a line in the log and an event in the ring, with who it
 * was, what was changed and why. Values of keys are redacted as the setting `redact` says.
 */
#ifndef FAIRVISOR_MASTER_AUDIT_H
#define FAIRVISOR_MASTER_AUDIT_H

#include <sys/socket.h>

#include "shm/arena.h"
#include "shm/door.h"
#include "shm/event.h"
#include "shm/events.h"
#include "shm/settings.h"

struct audit {
    struct events_writer writer;
    struct event event;
    const struct settings *settings; /* of the serving generation */
};

/* Begins to write to the ring of ARENA in the door's name. SETTINGS must outlive AUDIT. */
void audit_init(struct audit *audit, const struct arena *arena, const struct settings *settings);

/* WHO had REQUEST done; WHAT says it in words, as in "keys reset, 2 limits changed". */
void audit_note(struct audit *audit, uint32_t generation, const struct ucred *who, const struct door_request *request,
                const char *what);

#endif
