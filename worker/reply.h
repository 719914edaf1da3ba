/* SPDX-License-Identifier: MPL-2.0
 *
 * The frame of every answer: status line, Server, Date, Connection, Content-Length, body. Answers are appended to the
 * worker's outbox; conn sends them.
 */
#ifndef FAIRVISOR_WORKER_REPLY_H
#define FAIRVISOR_WORKER_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/slice.h"
#include "worker/worker.h"

/* How the request at hand wants to be answered. */
struct reply {
    struct worker *worker;
    bool is_bodyless; /* the answer to HEAD: the length is told, the body is not sent */
    bool is_old;      /* HTTP/1.0: a connection that stays open must be said to */
    bool keeps_alive; /* false: Connection: close */
};

/* Status line and the fields every answer has; counts the answer by its status. The caller may add fields, then must
 * call reply_end. */
void reply_begin(const struct reply *reply, unsigned status);

/* Connection, the body's type and length, the empty line, the body. An empty TYPE leaves Content-Type out. */
void reply_end(const struct reply *reply, unsigned status, struct slice type, struct slice body);

/* A whole answer with one sentence of plain text. FIELDS are further header lines, each ended by CRLF, or empty. */
void reply_sentence(const struct reply *reply, unsigned status, struct slice fields, const char *sentence);

/* Asks for the body (RFC 9110 10.1.1). */
void reply_continue(struct worker *worker);

/* Makes the Server and Date fields for the wall clock's SECOND, unless they are of this second. */
void reply_set_date(struct worker *worker, int64_t second);

/* The same for now: before an answer that no decision was made for. */
void reply_refresh_date(struct worker *worker);

/* The line of the Date field alone, ended by CRLF; it lives until the next refresh. */
struct slice reply_date(const struct worker *worker);

/* Fills worker->code_counters from the table of counters. */
void reply_init(struct worker *worker);

/* A ready answer for a connection that finds no place, sent before it is even read. */
struct slice reply_overloaded(void);

/* A ready answer for a client that speaks plain HTTP where TLS is spoken. */
struct slice reply_plain_http(void);

#endif
