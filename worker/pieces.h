/* SPDX-License-Identifier: MPL-2.0
 *
 * Scattered pieces of a message on their way to a socket, a client's or an upstream's: gathered, offered, and what was not taken
 * copied. Nothing here owns memory.
 */
#ifndef FAIRVISOR_WORKER_PIECES_H
#define FAIRVISOR_WORKER_PIECES_H

#include <uv.h>

#include "shm/slice.h"

/* How many pieces one message may have that are not empty. */
#define PIECES_MOST 6

/* Fills OUT, of PIECES_MOST, with those of COUNT pieces that are not empty, and TOTAL with their bytes. Returns how many. */
size_t pieces_gather(const struct slice *pieces, size_t count, uv_buf_t *out, size_t *total);

/* Offers the pieces to the socket FD once. Returns the bytes that it took, 0 when it takes none now, or libuv's negative error. */
int pieces_offer(int fd, const uv_buf_t *pieces, size_t count);

/* Copies the pieces but for their first TAKEN bytes to OUT, which has room for the rest. Returns the bytes copied. */
size_t pieces_copy_rest(const uv_buf_t *pieces, size_t count, size_t taken, char *out);

#endif
