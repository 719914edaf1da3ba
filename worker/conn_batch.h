/* SPDX-License-Identifier: MPL-2.0
 *
 * Answers of one turn of the event loop. Those that are made while the loop goes through what came in wait here, and leave
 * one after the other when it is through: reading, deciding and sending each run in a row with their code in the caches,
 * and a client that has many connections is woken once.
 */
#ifndef FAIRVISOR_WORKER_CONN_BATCH_H
#define FAIRVISOR_WORKER_CONN_BATCH_H

#include <stdbool.h>

#include "shm/slice.h"

struct conn;
struct conn_batch;

/* Returns NULL when memory is out. Freed by free(). */
struct conn_batch *conn_batch_new(void);

/* Copies ANSWER, to be sent to CONN when the turn ends, or before, when there is no room for more. false: it is too large, and
 * is to be sent now. Connections without TLS only, which have nothing else unsent. */
bool conn_batch_add(struct conn_batch *batch, struct conn *conn, struct slice answer);

/* Sends all that waits. Connections that broke are closed. */
void conn_batch_send(struct conn_batch *batch);

#endif
