/* SPDX-License-Identifier: MPL-2.0
 *
 * One name, one look-up at a time in libuv's thread pool, however many wait for it. The deadline is the waiter's own.
 */
#include "worker/resolve.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/address.h"
#include "shm/log.h"

#define LOG_INTERVAL_MS 1000

/* Memory of its own: the thread may outlast the struct resolve. */
struct resolve_request {
    uv_getaddrinfo_t request;
    struct resolve *resolve; /* NULL: nobody is interested any more */
};

static void set_port(struct sockaddr_storage *address, uint16_t port)
{
    if (address->ss_family == AF_INET)
        ((struct sockaddr_in *)address)->sin_port = htons(port);
    else
        ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
}

void resolve_init(struct resolve *resolve, uv_loop_t *loop, const char *host, uint16_t port)
{
    struct address literal;

    *resolve = (struct resolve){.loop = loop, .host = host, .port = port};
    resolve->waiters.next = resolve->waiters.previous = &resolve->waiters;
    if (!address_parse(slice_of(host), &literal) || !address_to_sockaddr(&literal, &resolve->addresses.items[0]))
        return;
    set_port(&resolve->addresses.items[0], port);
    resolve->addresses.count = 1;
    resolve->is_literal = true;
}

static void keep(struct resolve *resolve, const struct addrinfo *list)
{
    struct resolve_addresses *addresses = &resolve->addresses;

    addresses->count = resolve->first = 0;
    for (; list && addresses->count < RESOLVE_MAX_ADDRESSES; list = list->ai_next) {
        struct sockaddr_storage *address = &addresses->items[addresses->count];

        if (list->ai_family != AF_INET && list->ai_family != AF_INET6)
            continue;
        memset(address, 0, sizeof(*address));
        memcpy(address, list->ai_addr, list->ai_addrlen);
        set_port(address, resolve->port);
        addresses->count++;
    }
}

static void tell(struct resolve *resolve)
{
    struct resolve_waiter *head = &resolve->waiters;

    while (head->next != head) {
        struct resolve_waiter *waiter = head->next;

        resolve_give_up(waiter);
        waiter->on_done(waiter, resolve->addresses.count > 0);
    }
}

/* A line a second at most: each request asks again. */
static void log_not_found(struct resolve *resolve, int status)
{
    if (log_is_due(&resolve->log_ms, (int64_t)uv_now(resolve->loop), LOG_INTERVAL_MS))
        log_line(LOG_LEVEL_WARNING, "the upstream's name %s was not found: %s%s", resolve->host, uv_strerror(status),
                 resolve->addresses.count > 0 ? "; its last addresses go on being used" : "");
}

static void on_found(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct resolve_request *own = request->data;
    struct resolve *resolve = own->resolve;

    free(own);
    if (resolve) {
        resolve->request = NULL;
        resolve->found_ms = uv_now(resolve->loop);
        if (status == 0)
            keep(resolve, list);
        else
            log_not_found(resolve, status);
    }
    uv_freeaddrinfo(list);
    if (resolve)
        tell(resolve);
}

static bool look_up(struct resolve *resolve)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct resolve_request *own;

    if (resolve->request)
        return true;
    own = malloc(sizeof(*own));
    if (!own)
        return false;
    own->resolve = resolve;
    own->request.data = own;
    if (uv_getaddrinfo(resolve->loop, &own->request, on_found, resolve->host, NULL, &hints) != 0) {
        free(own);
        return false;
    }
    resolve->request = own;
    return true;
}

const struct resolve_addresses *resolve_get(struct resolve *resolve)
{
    if (resolve->addresses.count == 0)
        return NULL;
    if (!resolve->is_literal && uv_now(resolve->loop) - resolve->found_ms >= RESOLVE_KEEP_MS)
        look_up(resolve);
    return &resolve->addresses;
}

void resolve_prefer(struct resolve *resolve, const struct sockaddr_storage *address)
{
    for (unsigned i = 0; i < resolve->addresses.count; i++)
        if (memcmp(&resolve->addresses.items[i], address, sizeof(*address)) == 0)
            resolve->first = i;
}

bool resolve_wait(struct resolve *resolve, struct resolve_waiter *waiter)
{
    struct resolve_waiter *head = &resolve->waiters;

    if (!look_up(resolve))
        return false;
    waiter->next = head;
    waiter->previous = head->previous;
    head->previous->next = waiter;
    head->previous = waiter;
    return true;
}

void resolve_give_up(struct resolve_waiter *waiter)
{
    if (!waiter->next)
        return;
    waiter->previous->next = waiter->next;
    waiter->next->previous = waiter->previous;
    waiter->next = waiter->previous = NULL;
}

void resolve_fini(struct resolve *resolve)
{
    if (!resolve->request)
        return;
    resolve->request->resolve = NULL;
    uv_cancel((uv_req_t *)&resolve->request->request);
    resolve->request = NULL;
}
