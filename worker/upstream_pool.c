/* SPDX-License-Identifier: MPL-2.0
 *
 * Idle connections to the upstream, at most backend_keepalive of them. They are found through the ring of those that
 * wait as TIMEOUT_UPSTREAM_IDLE: its last one is the warmest, and is taken first. Each is looked at before it is used,
 * and one that the upstream is about to close, by its own word (Keep-Alive) or the operator's
 * (backend_keepalive_timeout), is not used any more.
 */
#include <errno.h>
#include <sys/socket.h>

#include "worker/upstream_private.h"

/* The upstream may have closed it a moment ago, which the loop has not seen yet; or have said more than its last response, which
 * would be taken for the next one. */
static bool is_alive(const struct upstream *upstream)
{
    uint64_t idle_ms = uv_now(&upstream->worker->loop) - upstream->idle_since_ms;
    char byte;

    if (idle_ms >= upstream->most_idle_ms)
        return false;
    if (upstream->tls && !tls_is_quiet(upstream->tls))
        return false;
    return recv(upstream->socket->fd, &byte, 1, MSG_PEEK) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

static struct upstream *take_idle(struct worker *worker)
{
    struct timeout *ring = &worker->timeouts.heads[TIMEOUT_UPSTREAM_IDLE];

    while (ring->previous != ring) {
        struct upstream *upstream = upstream_of_timeout(ring->previous);

        if (is_alive(upstream)) {
            worker->upstreams.idle_count--;
            return upstream;
        }
        upstream_close(upstream);
    }
    return NULL;
}

struct upstream *upstream_pool_take(struct worker *worker, const struct upstream_user *user, void *context,
                               enum upstream_end *why)
{
    struct upstream *upstream = take_idle(worker);

    if (!upstream)
        return upstream_open(worker, user, context, why);
    upstream->state = OPEN;
    upstream->user = user;
    upstream->context = context;
    upstream->is_reused = true;
    upstream->idle_ms = uv_now(&worker->loop) - upstream->idle_since_ms;
    upstream->has_sent = false;
    upstream_count_busy(worker, 1);
    counters_add(worker->slot, COUNTER_upstream_reused, 1);
    upstream_set_waiting(upstream, true);
    return upstream;
}

void upstream_pool_give_back(struct upstream *upstream, uint32_t most_idle_ms)
{
    struct worker *worker = upstream->worker;
    const struct timeout *ring = &worker->timeouts.heads[TIMEOUT_UPSTREAM_IDLE];
    uint64_t longest_ms = worker->handoff.settings.backend_keepalive_timeout_ms;

    if (upstream->is_deaf || worker->is_draining || most_idle_ms == 0 || worker->handoff.settings.backend_keepalive == 0) {
        upstream_close(upstream);
        return;
    }
    upstream->state = IDLE;
    upstream->idle_since_ms = uv_now(&worker->loop);
    upstream->most_idle_ms = most_idle_ms < longest_ms ? most_idle_ms : longest_ms;
    worker->upstreams.idle_count++;
    timeouts_start(&worker->timeouts, &upstream->timeout, TIMEOUT_UPSTREAM_IDLE);
    upstream_set_reading(upstream, true);
    if (worker->upstreams.idle_count > worker->handoff.settings.backend_keepalive)
        upstream_close(upstream_of_timeout(ring->next));
    upstream_count_busy(worker, -1);
}

void upstream_pool_close(struct worker *worker)
{
    struct timeout *ring = &worker->timeouts.heads[TIMEOUT_UPSTREAM_IDLE];

    while (ring->next != ring)
        upstream_close(upstream_of_timeout(ring->next));
}
