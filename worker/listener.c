/* SPDX-License-Identifier: MPL-2.0
 *
 * Accepts connections, a bounded number for each time that the loop comes by, and hands them to conn. When descriptors
 * or memory are out, accepting rests until the next tick: the clients wait in the backlog meanwhile.
 */
#include "worker/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shm/log.h"
#include "worker/conn.h"
#include "worker/reply.h"

#define ACCEPTS_PER_WAKEUP 64
#define REFUSALS_AT_ONCE   256 /* connections over max_connections that are answered politely */
#define LOG_INTERVAL_MS    10000

struct listener {
    uv_poll_t poll;
    struct worker *worker;
    int fd;
    bool is_unix;
    bool is_ops;
    bool is_polling;
};

static void log_now_and_then(struct worker *worker, const char *sentence, int error)
{
    if (!log_is_due(&worker->refused_log_ms, (int64_t)uv_now(&worker->loop), LOG_INTERVAL_MS))
        return;
    errno = error;
    if (error)
        log_errno(LOG_LEVEL_WARNING, "%s", sentence);
    else
        log_line(LOG_LEVEL_WARNING, "%s", sentence);
}

static void pause_all(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->listener_count; i++) {
        uv_poll_stop(&worker->listeners[i].poll);
        worker->listeners[i].is_polling = false;
    }
    worker_start_tick(worker);
}

/* Over max_connections: the client hears why. Far over it, without waiting for it to listen. */
static void refuse(struct worker *worker, const struct listener *listener, int fd, const struct sockaddr *peer)
{
    struct slice answer = reply_overloaded();
    uint64_t max = worker->handoff.settings.max_connections;

    counters_add(worker->slot, COUNTER_connections_refused, 1);
    log_now_and_then(worker, "max_connections is reached: further connections are answered 503", 0);
    if (worker->connection_count < max + REFUSALS_AT_ONCE) {
        conn_open(worker, fd, peer, listener->is_unix, listener->is_ops, true);
        return;
    }
    if (send(fd, answer.data, answer.size, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)answer.size)
        counters_add(worker->slot, COUNTER_http_503, 1);
    close(fd);
}

/* Accepts one connection. false when there is none, or no more can be taken now. */
static bool accept_one(struct listener *listener)
{
    struct worker *worker = listener->worker;
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);
    int fd = accept4(listener->fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
        log_now_and_then(worker, "cannot accept connections for now; they wait in the backlog", errno);
        pause_all(worker);
        return false;
    }
    if (fd < 0)
        return errno != EAGAIN && errno != EWOULDBLOCK;
    counters_add(worker->slot, COUNTER_connections_accepted, 1);
    if (worker->connection_count >= worker->handoff.settings.max_connections)
        refuse(worker, listener, fd, (const struct sockaddr *)&peer);
    else
        conn_open(worker, fd, (const struct sockaddr *)&peer, listener->is_unix, listener->is_ops, false);
    return true;
}

static void on_waiting(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;

    (void)events;
    if (status < 0)
        return;
    for (int i = 0; i < ACCEPTS_PER_WAKEUP && listener->is_polling; i++)
        if (!accept_one(listener))
            break;
}

static bool start(struct listener *listener)
{
    listener->is_polling = uv_poll_start(&listener->poll, UV_READABLE, on_waiting) == 0;
    return listener->is_polling;
}

static bool open_one(struct worker *worker, uint32_t index, struct failure *failure)
{
    struct listener *listener = &worker->listeners[index];
    const struct handoff_listener *described = &worker->handoff.listeners[index];
    int fd = HANDOFF_FD_LISTENERS + (int)index;
    int is_listening = 0, on = 1, error;
    socklen_t size = sizeof(is_listening);

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size) != 0 || !is_listening)
        return failure_set(failure, EXIT_CODE_OUR_BUG, "descriptor %d is no listening socket", fd);
    /* Accepted connections inherit it. */
    if (!described->is_unix && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        return failure_set_errno(failure, EXIT_CODE_OS, "cannot set TCP_NODELAY on descriptor %d", fd);
    *listener =
        (struct listener){.worker = worker, .fd = fd, .is_unix = described->is_unix, .is_ops = described->is_ops};
    error = uv_poll_init_socket(&worker->loop, &listener->poll, fd);
    if (error != 0)
        return failure_set(failure, EXIT_CODE_OS, "cannot watch the listening socket %d: %s", fd, uv_strerror(error));
    listener->poll.data = listener;
    worker->listener_count++;
    if (!start(listener))
        return failure_set(failure, EXIT_CODE_OS, "cannot watch the listening socket %d", fd);
    return true;
}

bool listener_open_all(struct worker *worker, struct failure *failure)
{
    uint32_t count = worker->handoff.listener_count;

    worker->listeners = calloc(count ? count : 1, sizeof(*worker->listeners));
    if (!worker->listeners)
        return failure_set(failure, EXIT_CODE_OS, "memory is out");
    for (uint32_t i = 0; i < count; i++)
        if (!open_one(worker, i, failure))
            return false;
    worker->is_accepting = true;
    return true;
}

void listener_accept_waiting(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->listener_count; i++)
        for (uint64_t count = 0; count < worker->handoff.settings.max_connections; count++)
            if (!worker->is_accepting || !accept_one(&worker->listeners[i]))
                break;
}

static void on_closed(uv_handle_t *handle)
{
    const struct listener *listener = handle->data;

    close(listener->fd);
}

void listener_close_all(struct worker *worker)
{
    if (!worker->is_accepting)
        return;
    worker->is_accepting = false;
    for (uint32_t i = 0; i < worker->listener_count; i++)
        uv_close((uv_handle_t *)&worker->listeners[i].poll, on_closed);
}

void listener_resume_all(struct worker *worker)
{
    for (uint32_t i = 0; worker->is_accepting && i < worker->listener_count; i++)
        if (!worker->listeners[i].is_polling)
            start(&worker->listeners[i]);
}

void listener_free_all(struct worker *worker)
{
    free(worker->listeners);
    worker->listeners = NULL;
    worker->listener_count = 0;
}
