/* SPDX-License-Identifier: MPL-2.0
 *
 * What a socket, a client's or an upstream's, did not take at once: a copy, offered again when there is room. NULL when
 * there is nothing.
 */
#ifndef FAIRVISOR_WORKER_UNSENT_H
#define FAIRVISOR_WORKER_UNSENT_H

#include <stdbool.h>

#include "worker/pieces.h"

struct unsent;

/* Copies COUNT pieces of TOTAL bytes, but for their first TAKEN ones, behind what is unsent already. false: memory is
 * out, and nothing has changed. */
bool unsent_keep(struct unsent **unsent, const uv_buf_t *pieces, size_t count, size_t taken, size_t total);

/* Offers it to the socket FD once. Taken whole, it is freed. false: the socket is broken. */
bool unsent_offer(struct unsent **unsent, int fd);

/* Its bytes. */
size_t unsent_size(const struct unsent *unsent);

void unsent_free(struct unsent *unsent);

#endif
