/* SPDX-License-Identifier: MPL-2.0
 *
 * See conn_batch.h. A connection has one answer here at most: whatever else happens to it sends the batch first.
 */
#include "worker/conn_batch.h"

#include <stdlib.h>
#include <string.h>

#include "worker/conn_private.h"

#define ANSWERS_MOST      64
#define BYTES_MOST        32768
#define ANSWER_BYTES_MOST 4096 /* copying more costs more than it saves */

struct conn_batch {
    unsigned count;
    size_t used; /* bytes of data */
    struct {
        struct conn *conn;
        struct slice answer; /* in data */
    } waiting[ANSWERS_MOST];
    char data[BYTES_MOST];
};

struct conn_batch *conn_batch_new(void)
{
    return calloc(1, sizeof(struct conn_batch));
}

bool conn_batch_add(struct conn_batch *batch, struct conn *conn, struct slice answer)
{
    char *copy;

    if (answer.size > ANSWER_BYTES_MOST)
        return false;
    if (batch->count == ANSWERS_MOST || answer.size > BYTES_MOST - batch->used)
        conn_batch_send(batch);
    copy = memcpy(batch->data + batch->used, answer.data, answer.size);
    batch->waiting[batch->count].conn = conn;
    batch->waiting[batch->count].answer = (struct slice){copy, answer.size};
    batch->count++;
    batch->used += answer.size;
    conn->is_batched = true;
    return true;
}

/* Nothing in here answers a request, so nothing is added meanwhile. A connection that was closed lives until the loop has ended
 * its turn. */
void conn_batch_send(struct conn_batch *batch)
{
    unsigned count = batch->count;

    batch->count = 0;
    batch->used = 0;
    for (unsigned i = 0; i < count; i++) {
        struct conn *conn = batch->waiting[i].conn;

        conn->is_batched = false;
        if (conn->state == CLOSED)
            continue;
        if (!conn_write_pieces(conn, &batch->waiting[i].answer, 1))
            conn_close(conn);
        else if (conn->unsent)
            conn_read_update(conn);
    }
}
