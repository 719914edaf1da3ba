/* SPDX-License-Identifier: MPL-2.0
 *
 * The exchange that only keeps what its request reserved, passes everything as it is and releases at the end.
 */
#include "worker/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "worker/judge.h"

struct exchange {
    struct worker *worker;
    size_t reservation_size;
    char reservation[];
};

bool exchange_begin(struct worker *worker, const struct exchange_request *request, struct outbox *body,
                    struct exchange_wishes *wishes, struct exchange **exchange)
{
    const struct verdict *verdict = request->verdict;
    struct exchange *made;

    (void)body;
    *wishes = (struct exchange_wishes){.replaces_body = false};
    *exchange = NULL;
    if (verdict->reservation_size == 0)
        return true;
    made = malloc(sizeof(*made) + verdict->reservation_size);
    if (!made) {
        judge_release(worker, (struct slice){verdict->reservation, verdict->reservation_size});
        return false;
    }
    *made = (struct exchange){.worker = worker, .reservation_size = verdict->reservation_size};
    memcpy(made->reservation, verdict->reservation, verdict->reservation_size);
    *exchange = made;
    return true;
}

void exchange_head(struct exchange *exchange, const struct response *response, struct outbox *fields,
                   struct exchange_wishes *wishes)
{
    (void)exchange;
    (void)response;
    (void)fields;
    *wishes = (struct exchange_wishes){.changes_body = false};
}

bool exchange_hides(const struct exchange *exchange, struct slice name)
{
    (void)exchange;
    (void)name;
    return false;
}

enum exchange_pass exchange_body(struct exchange *exchange, struct slice piece, struct outbox *out)
{
    (void)exchange;
    (void)piece;
    (void)out;
    return EXCHANGE_SAME;
}

void exchange_finish(struct exchange *exchange, struct outbox *out)
{
    (void)exchange;
    (void)out;
}

void exchange_end(struct exchange *exchange, enum exchange_end how)
{
    (void)how;
    judge_release(exchange->worker, (struct slice){exchange->reservation, exchange->reservation_size});
    free(exchange);
}
