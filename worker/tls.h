/* SPDX-License-Identifier: MPL-2.0
 *
 * TLS between a socket's bytes and ours: bytes in, bytes out, no socket. For clients (tls_cert, tls_key) and for an
 * https:// upstream, whose certificate and host name are always verified.
 */
#ifndef FAIRVISOR_WORKER_TLS_H
#define FAIRVISOR_WORKER_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

#include "shm/failure.h"
#include "shm/slice.h"

struct tls;

/* Of descriptors that hold PEM files. NULL with FAILURE filled. */
SSL_CTX *tls_make_server(int certificate_fd, int key_fd, struct failure *failure);

/* AUTHORITIES_FD -1: those of the system. */
SSL_CTX *tls_make_client(int authorities_fd, struct failure *failure);

/* HOST: the upstream's name or address, or NULL for a connection of a client. NULL when memory is out. */
struct tls *tls_new(SSL_CTX *context, const char *host);
void tls_free(struct tls *tls);

enum tls_result {
    TLS_GOOD,
    TLS_ENDED,  /* the peer said, in order, that nothing more comes */
    TLS_BROKEN, /* what came is not what it should be; tls_flush is still to be called */
};

/* Takes bytes of the socket (or none, to begin), and shakes hands as far as that goes. */
enum tls_result tls_feed(struct tls *tls, const char *data, size_t size);

/* Whether DATA, the first bytes that came, begin a request in plain HTTP: a method's letter is no type of a TLS record. */
bool tls_is_plain_http(const struct tls *tls, const char *data, size_t size);

/* Whether the handshake is done. */
bool tls_is_open(const struct tls *tls);

/* Reads what the peer said into DATA; *SIZE 0: nothing more for now. */
enum tls_result tls_read(struct tls *tls, char *data, size_t room, size_t *size);

/* Whether the peer has said nothing that tls_read has not read, nor that it says nothing more. */
bool tls_is_quiet(const struct tls *tls);

/* Puts the pieces into what is pending. Only when it is open. */
bool tls_write(struct tls *tls, const struct slice *pieces, size_t count);

/* Says that nothing more comes from us. */
void tls_end(struct tls *tls);

/* Hands the bytes that are for the socket, when there are any, to SEND, which copies what the socket does not take; they are gone then.
 * false when SEND said so. */
typedef bool tls_sender(void *to, char *data, size_t size);
bool tls_flush(struct tls *tls, tls_sender *send, void *to);

/* What is wrong, a clause for the log. */
const char *tls_cause(const struct tls *tls);

#endif
