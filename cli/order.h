/* SPDX-License-Identifier: MPL-2.0
 *
 * Orders to the running master, through its door (shm/door.h).
 */
#ifndef FAIRVISOR_CLI_ORDER_H
#define FAIRVISOR_CLI_ORDER_H

#include <stdbool.h>

#include "shm/door.h"
#include "shm/failure.h"

/* Copies TEXT to a field of a request. false with EXIT_CODE_USAGE when it is too long; WHAT is what a sentence calls it. */
bool order_set_text(char *to, size_t size, struct slice text, const char *what, struct failure *failure);

/* Sends REQUEST, whose verb and what belongs to it are filled, and waits for the answer. true: REPLY is of a master that
 * has done it. false: FAILURE says why not; REPLY->changed may tell that a part was done. */
bool order_send(const struct settings *settings, struct door_request *request, struct door_reply *reply,
                struct failure *failure);

/* The same, with the bundle BYTES in sealed memory beside it. */
bool order_send_bundle(const struct settings *settings, struct door_request *request, struct slice bytes,
                       struct door_reply *reply, struct failure *failure);

#endif
