/* SPDX-License-Identifier: MPL-2.0
 *
 * From an upstream's name to an open connection: address after address until one takes us, for one may be dead and
 * silent, then TLS where backend_url asks for it. The socket is memory of its own, for libuv closes it later than we
 * do, and an address that refuses needs a new one.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shm/log.h"
#include "shm/loopback.h"
#include "worker/upstream_private.h"

#define LOG_INTERVAL_MS 60000

void upstream_connect_done(struct upstream *upstream)
{
    struct slice early = {upstream->early.data, upstream->early.used};
    bool is_sent;

    upstream->state = OPEN;
    upstream_set_reading(upstream, true);
    upstream_set_waiting(upstream, true);
    is_sent = upstream_send(upstream, &early, 1);
    outbox_fini(&upstream->early);
    if (!is_sent)
        upstream_tell_end(upstream, UPSTREAM_END_reset);
    else if (!upstream->unsent)
        upstream->user->on_drained(upstream->context);
}

static void greet(struct upstream *upstream)
{
    struct worker *worker = upstream->worker;

    upstream->tls = tls_new(worker->upstream_tls, worker->upstreams.backend.host);
    upstream->state = GREETING;
    if (!upstream->tls) {
        upstream_tell_end(upstream, UPSTREAM_END_memory);
        return;
    }
    upstream_set_reading(upstream, true);
    if (tls_feed(upstream->tls, NULL, 0) == TLS_BROKEN || !upstream_flush_tls(upstream))
        upstream_tell_end(upstream, UPSTREAM_END_tls);
}

static void tune(const struct upstream *upstream)
{
    const struct sockaddr_storage *peer = &upstream->addresses.items[upstream->address];
    struct address address;
    int on = 1;

    setsockopt(upstream->socket->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    address_from_sockaddr((const struct sockaddr *)peer, &address);
    loopback_tune(upstream->socket->fd, &address);
}

static void give_address_up(struct upstream *upstream)
{
    upstream->refused |= UINT32_C(1) << upstream->address;
}

/* FD begins to be connected. NULL when memory is out. */
static struct upstream_socket *make_socket(struct upstream *upstream, int fd)
{
    struct upstream_socket *socket = malloc(sizeof(*socket));

    if (!socket || uv_poll_init_socket(&upstream->worker->loop, &socket->poll, fd) != 0) {
        free(socket);
        return NULL;
    }
    socket->handle.data = socket;
    socket->upstream = upstream;
    socket->fd = fd;
    socket->watched = 0;
    counters_add(upstream->worker->slot, COUNTER_upstream_connections, 1);
    counters_add(upstream->worker->slot, COUNTER_upstream_opened, 1);
    return socket;
}

static bool begin_to_connect(int fd, const struct sockaddr_storage *address)
{
    socklen_t size = address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);

    return connect(fd, (const struct sockaddr *)address, size) == 0 || errno == EINPROGRESS;
}

/* Moves on to the next address that is none of PASSED. false: there is none. */
static bool find_next(struct upstream *upstream, uint32_t passed)
{
    for (unsigned i = 0; i < upstream->addresses.count; i++) {
        unsigned address = (upstream->address + i) % upstream->addresses.count;

        if ((passed >> address & 1) == 0) {
            upstream->address = address;
            return true;
        }
    }
    return false;
}

/* Begins to connect to the next address: one that was not tried, or else one that was only late. false: there is none left. */
static bool try_next(struct upstream *upstream, enum upstream_end *why)
{
    *why = UPSTREAM_END_refused;
    upstream->state = CONNECTING;
    while (find_next(upstream, upstream->refused | upstream->late) || find_next(upstream, upstream->refused)) {
        const struct sockaddr_storage *address = &upstream->addresses.items[upstream->address];
        int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        if (fd < 0) {
            give_address_up(upstream);
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                *why = UPSTREAM_END_memory;
            continue;
        }
        upstream->socket = make_socket(upstream, fd);
        if (!upstream->socket) {
            close(fd);
            *why = UPSTREAM_END_memory;
            return false;
        }
        if (begin_to_connect(fd, address)) {
            upstream_watch(upstream);
            return true;
        }
        upstream_drop_socket(upstream);
        give_address_up(upstream);
    }
    return false;
}

/* One that does not answer costs each new connection time: a line a minute at most tells of it. */
static void prefer_address(struct upstream *upstream)
{
    struct worker *worker = upstream->worker;
    uint32_t silent = upstream->late & ~(UINT32_C(1) << upstream->address); /* this one was late, and answers now */

    resolve_prefer(&worker->upstreams.resolve, &upstream->addresses.items[upstream->address]);
    if (silent == 0 || !log_is_due(&worker->address_log_ms, (int64_t)uv_now(&worker->loop), LOG_INTERVAL_MS))
        return;
    log_line(LOG_LEVEL_WARNING,
             "the upstream %s has an address that does not answer, and was reached at another one: each look-up of the name makes "
             "requests wait for it; take it out of the name's addresses",
             worker->upstreams.backend.host);
}

void upstream_connect_ready(struct upstream *upstream)
{
    enum upstream_end why;
    int error = 0;
    socklen_t size = sizeof(error);

    if (getsockopt(upstream->socket->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0) {
        tune(upstream);
        if ((upstream->refused | upstream->late) != 0)
            prefer_address(upstream);
        if (upstream->worker->upstream_tls)
            greet(upstream);
        else
            upstream_connect_done(upstream);
        return;
    }
    upstream_drop_socket(upstream);
    give_address_up(upstream);
    if (!try_next(upstream, &why))
        upstream_tell_end(upstream, why);
}

void upstream_connect_late(struct upstream *upstream)
{
    uint32_t late = upstream->late | UINT32_C(1) << upstream->address;
    enum upstream_end why;

    if (++upstream->parts == UPSTREAM_CONNECT_PARTS) {
        upstream_tell_end(upstream, UPSTREAM_END_connect_timeout);
        return;
    }
    timeouts_start(&upstream->worker->timeouts, &upstream->timeout, TIMEOUT_UPSTREAM_CONNECT);
    if (upstream->state != CONNECTING || !find_next(upstream, upstream->refused | late))
        return;
    upstream->late = late;
    upstream_drop_socket(upstream);
    if (!try_next(upstream, &why))
        upstream_tell_end(upstream, why);
}

static void take_addresses(struct upstream *upstream)
{
    upstream->addresses = upstream->worker->upstreams.resolve.addresses;
    upstream->address = upstream->worker->upstreams.resolve.first;
}

static void on_resolved(struct resolve_waiter *waiter, bool is_found)
{
    struct upstream *upstream = (struct upstream *)((char *)waiter - offsetof(struct upstream, waiter));
    enum upstream_end why = UPSTREAM_END_unresolved;

    if (is_found)
        take_addresses(upstream);
    if (!is_found || !try_next(upstream, &why))
        upstream_tell_end(upstream, why);
}

bool upstream_connect_start(struct upstream *upstream, enum upstream_end *why)
{
    struct resolve *resolve = &upstream->worker->upstreams.resolve;

    timeouts_start(&upstream->worker->timeouts, &upstream->timeout, TIMEOUT_UPSTREAM_CONNECT);
    if (resolve_get(resolve)) {
        take_addresses(upstream);
        return try_next(upstream, why);
    }
    upstream->waiter.on_done = on_resolved;
    *why = UPSTREAM_END_memory;
    return resolve_wait(resolve, &upstream->waiter);
}
