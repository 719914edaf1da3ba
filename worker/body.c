/* SPDX-License-Identifier: MPL-2.0
 *
 * Gathers a body's pieces: borrows the first, copies when a second one comes or the first one goes away. Takes no bytes
 * that nobody wants, and never more memory than the store has left.
 */
#include "worker/body.h"

#include <stdlib.h>
#include <string.h>

#define SMALLEST_ROOM 1024

void body_begin(struct body *body, struct body_store *store)
{
    *body = (struct body){.store = store};
}

void body_end(struct body *body)
{
    free(body->own);
    if (body->store)
        body->store->held -= body->room;
    *body = (struct body){0};
}

static bool lose(struct body *body)
{
    body->is_lost = true;
    return false;
}

/* Makes room for NEEDED bytes in all. */
static bool grow(struct body *body, size_t needed)
{
    struct body_store *store = body->store;
    size_t room = body->room * 2 > SMALLEST_ROOM ? body->room * 2 : SMALLEST_ROOM;
    char *own;

    if (needed <= body->room)
        return true;
    if (room < needed)
        room = needed;
    if (room - body->room > store->most - store->held)
        return lose(body);
    own = realloc(body->own, room);
    if (!own)
        return lose(body);
    store->held += room - body->room;
    body->own = own;
    body->room = room;
    return true;
}

/* Moves borrowed bytes into memory of our own, with place for MORE behind them. */
static bool take(struct body *body, size_t more)
{
    bool is_borrowed = !body->own && body->bytes.size > 0;

    if (body->is_lost || !grow(body, body->bytes.size + more))
        return false;
    if (is_borrowed)
        memcpy(body->own, body->bytes.data, body->bytes.size);
    body->bytes.data = body->own;
    return true;
}

void body_add(struct body *body, const char *data, size_t size)
{
    if (!body->store || size == 0)
        return;
    if (body->bytes.size == 0 && !body->own) {
        body->bytes = (struct slice){data, size};
        return;
    }
    if (!take(body, size))
        return;
    memcpy(body->own + body->bytes.size, data, size);
    body->bytes.size += size;
}

bool body_keep(struct body *body)
{
    if (body->bytes.size == 0 || body->own)
        return !body->is_lost;
    return take(body, 0);
}
