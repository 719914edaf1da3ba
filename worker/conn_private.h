/* SPDX-License-Identifier: MPL-2.0
 *
 * Private to worker/conn*.c: what a connection is, and what its parts do for each other. A request passes them in this
 * order: conn_read.c (bytes of the socket), conn_step.c (requests of the bytes, answers into the outbox), conn_write.c
 * (the outbox to the socket), mostly by way of conn_batch.c; conn.c opens, times and closes. A proxied request comes back
 * through conn_proxy.c.
 *
 * Any function that writes or steps may close the connection: its struct lives until the loop next turns, `state` says
 * so.
 */
#ifndef FAIRVISOR_WORKER_CONN_PRIVATE_H
#define FAIRVISOR_WORKER_CONN_PRIVATE_H

#include "worker/conn.h"
#include "worker/conn_proxy.h"
#include "worker/hold.h"
#include "worker/proxy.h"
#include "worker/request.h"
#include "worker/unsent.h"

enum conn_state { READING_HEAD, READING_BODY, PROXYING, ENDING, LINGERING, CLOSED };

struct conn {
    union {
        uv_handle_t handle;
        uv_poll_t poll;
    };
    int fd;
    struct worker *worker;
    struct timeout timeout;
    struct request_state request;
    struct request_origin origin;
    struct hold *held; /* the answer that is held back, or NULL */
    struct proxy *proxy; /* PROXYING: of the request that is on its way */
    struct tls *tls;     /* NULL: plain */
    char *kept;        /* READING_HEAD, PROXYING: bytes not yet consumed; READING_BODY: the head */
    uint32_t kept_size;
    uint32_t kept_room;
    struct unsent *unsent; /* what the socket did not take yet, or NULL: no request is begun before it does */
    uint32_t counted; /* bytes. Lingering, or behind a last answer that is held back: those discarded. While a body is passed
                         on: those that have come since the last look. While the client takes an answer: those left at it */
    uint8_t state;     /* enum conn_state */
    uint8_t watched;   /* what the loop watches for: UV_READABLE, UV_WRITABLE */
    bool is_reading;
    bool has_ended : 1;    /* the client has closed its side: nothing is read */
    bool ends_sent : 1;    /* our side ends when all is sent */
    bool is_consuming : 1; /* in conn_step_through, whose loop goes on by itself */
    bool is_batched : 1;   /* an answer waits in the worker's batch */
};

/* ---- conn.c ------------------------------------------------------------------------------------------------------ */

/* Closes now, frees when the loop next turns. Twice is fine. */
void conn_close(struct conn *conn);

/* The same with a reset, which no client can take for the end of a message. */
void conn_reset(struct conn *conn);

/* The last answer is sent: says so to the client and lingers. */
void conn_finish(struct conn *conn);

/* Tells the proxy of a request that cannot go on, if there is one. */
void conn_leave_proxy(struct conn *conn, enum proxy_leave why);

/* Appends DATA to the kept bytes. Their number is bounded: a head's limit, or what waits behind an answer, and what one
 * read brought on top. false: memory is out. */
bool conn_keep(struct conn *conn, const char *data, size_t size);
void conn_forget_kept(struct conn *conn);

/* ---- conn_read.c ------------------------------------------------------------------------------------------------- */

void conn_read_set(struct conn *conn, bool is_wanted);

/* Has the loop watch for what the connection waits for: bytes, or room for them. */
void conn_read_watch(struct conn *conn);

/* Reads or not, by what the connection waits for. */
void conn_read_update(struct conn *conn);

/* Whether the body of the proxied request is still on its way. */
bool conn_read_has_body_to_come(const struct conn *conn);

/* Whether bytes of the client can be used now, not only kept. */
bool conn_read_is_ready(const struct conn *conn);

/* Tells the tunnel that the client has ended its side, once all before that is on its way. */
void conn_read_end_tunnel(struct conn *conn);

/* ---- conn_step.c ------------------------------------------------------------------------------------------------- */

/* Goes through DATA request by request, then sends the answers. DATA is not the kept buffer, and may be changed. */
void conn_step_through(struct conn *conn, char *data, size_t size);

/* The same with what was kept. */
void conn_step_through_kept(struct conn *conn);

/* Sends what is in the outbox and waits for what is next. HAS_ANSWERED: that wait begins just now. */
void conn_step_rest(struct conn *conn, bool has_answered);

/* Answers a request that will not come to its end because of FAULT. */
void conn_step_give_up(struct conn *conn, enum request_fault fault);

/* The client took what was queued, or the time of a held answer is over. */
void conn_step_resume(struct conn *conn);

/* ---- conn_write.c ------------------------------------------------------------------------------------------------ */

/* Sends COUNT pieces in their order. What the socket does not take at once is copied, and has to be taken before
 * anything more is read. false: the connection is broken. */
bool conn_write_pieces(struct conn *conn, const struct slice *pieces, size_t count);

/* Empties the worker's outbox: what is in it is sent, at the latest when the loop ends its turn. The connection may be writing
 * afterwards, or closed if that cannot be done. */
void conn_write_answers(struct conn *conn);

/* Offers what is unsent to the socket, which has room. */
void conn_write_more(struct conn *conn);

/* How many bytes the client has not taken yet, also of what the kernel has, which may be megabytes. */
uint32_t conn_write_left(struct conn *conn);

/* Ends our side behind all that was sent; the client may go on. false: the connection is broken. */
bool conn_write_end(struct conn *conn);

/* Sends what TLS has to say. false: the connection is broken. */
bool conn_write_tls(struct conn *conn);

#endif
