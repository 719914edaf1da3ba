/* SPDX-License-Identifier: MPL-2.0
 *
 * The worker's life: serving, draining, gone (worker_make.c makes it). Everything a request does is elsewhere.
 */
#include "worker/worker.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm/log.h"
#include "worker/cells.h"
#include "worker/conn.h"
#include "worker/conn_batch.h"
#include "worker/listener.h"
#include "worker/response.h"

#define DRAIN_IDLE_MS 10000 /* after which a draining worker closes connections that stay idle */
#define LINGER_MS     2000

/* ---- the coarse timer ------------------------------------------------------------------------------------------- */

static bool is_empty(const struct worker *worker)
{
    return worker->connection_count == 0 && worker->upstreams.busy_count == 0;
}

void worker_leave_when_empty(struct worker *worker)
{
    if (worker->is_draining && !worker->is_leaving && is_empty(worker)) /* leaving, the loop has to run to its end */
        uv_stop(&worker->loop);
}

static void on_timeout(struct timeout *timeout)
{
    if (timeout->kind >= TIMEOUT_UPSTREAM_CONNECT)
        upstream_on_timeout(timeout);
    else
        conn_on_timeout(timeout);
}

/* Clients first: whoever they asked is closed with them. */
static void on_leaving(struct timeout *timeout)
{
    if (timeout->kind >= TIMEOUT_UPSTREAM_CONNECT)
        upstream_abort(timeout);
    else
        conn_abort(timeout);
}

static void count_dropped_lines(struct worker *worker)
{
    uint64_t dropped = log_dropped();

    counters_add(worker->slot, COUNTER_log_dropped, (int64_t)(dropped - worker->log_lines_dropped));
    worker->log_lines_dropped = dropped;
}

static void on_tick(uv_timer_t *timer)
{
    struct worker *worker = timer->data;
    uint64_t now = uv_now(&worker->loop);

    count_dropped_lines(worker);

    timeouts_tick(&worker->timeouts, now, on_timeout);
    listener_resume_all(worker);
    if (worker->is_draining && now - worker->drain_since_ms >= worker->handoff.settings.drain_timeout_ms) {
        log_line(LOG_LEVEL_NOTICE, "leaving with %llu connections still open: draining took too long",
                 (unsigned long long)worker->connection_count);
        uv_stop(&worker->loop);
    }
    if (!worker->is_draining && is_empty(worker) && worker->upstreams.idle_count == 0) {
        worker->is_ticking = false;
        uv_timer_stop(timer);
    }
}

void worker_start_tick(struct worker *worker)
{
    uint64_t tick = worker->timeouts.tick_ms;

    if (worker->is_ticking)
        return;
    uv_update_time(&worker->loop);
    worker->timeouts.now_ms = uv_now(&worker->loop);
    worker->is_ticking = uv_timer_start(&worker->tick, on_tick, tick, tick) == 0;
}

void worker_count_connection(struct worker *worker, int change)
{
    worker->connection_count += (uint64_t)(int64_t)change;
    counters_add(worker->slot, COUNTER_connections, change);
    if (change > 0)
        worker_start_tick(worker);
    else
        worker_leave_when_empty(worker);
}

/* ---- the heartbeat ---------------------------------------------------------------------------------------------- */

static void on_beat(uv_timer_t *timer)
{
    struct worker *worker = timer->data;

    count_dropped_lines(worker);
    counters_beat(worker->slot);
}

/* A timer, not a count of the loop's turns: requests cost nothing, and who has none to answer is known to live, too. */
static void start_beating(struct worker *worker)
{
    uint64_t period = worker->handoff.settings.worker_hang_timeout_ms / HANDOFF_BEATS;

    uv_timer_init(&worker->loop, &worker->beat);
    worker->beat.data = worker;
    if (period > 0)
        uv_timer_start(&worker->beat, on_beat, period, period);
}

/* ---- draining and leaving --------------------------------------------------------------------------------------- */

static bool say(char word)
{
    ssize_t written;

    do {
        written = write(HANDOFF_FD_STATUS, &word, 1);
    } while (written < 0 && errno == EINTR);
    return written == 1;
}

/* Stops accepting, closes connections as they become idle, leaves when none is left, or after drain_timeout. */
static void drain(struct worker *worker)
{
    if (worker->is_draining)
        return;
    listener_close_all(worker);
    (void)say(HANDOFF_DRAINS); /* a master that is gone does not wait for it */
    worker->is_draining = true;
    upstream_pool_close(worker);
    worker_start_tick(worker);
    worker->drain_since_ms = uv_now(&worker->loop);
    worker->timeouts.now_ms = worker->drain_since_ms;
    timeouts_shorten(&worker->timeouts, TIMEOUT_IDLE, DRAIN_IDLE_MS);
    worker_leave_when_empty(worker);
}

/* Nobody else has the listening sockets: what waits in their backlogs is ours to serve. */
static void drain_alone(struct worker *worker)
{
    listener_accept_waiting(worker);
    drain(worker);
}

static bool has_master(void)
{
    struct pollfd lifeline = {.fd = HANDOFF_FD_LIFELINE, .events = POLLIN};

    return poll(&lifeline, 1, 0) == 0;
}

static void on_quit(uv_signal_t *signal, int number)
{
    (void)number;
    if (has_master())
        drain(signal->data);
    else
        drain_alone(signal->data); /* so says the next master */
}

static void on_term(uv_signal_t *signal, int number)
{
    struct worker *worker = signal->data;

    (void)number;
    uv_stop(&worker->loop);
}

static void on_alone_too_long(uv_timer_t *timer)
{
    drain_alone(timer->data);
}

/* The master is gone. Another one may come soon: until then we serve on, and do not stay for ever when none comes. */
static void on_lifeline(uv_poll_t *poll, int status, int events)
{
    struct worker *worker = poll->data;
    char byte;

    (void)events;
    if (status == 0 && read(HANDOFF_FD_LIFELINE, &byte, 1) != 0)
        return;
    uv_poll_stop(poll);
    log_line(LOG_LEVEL_WARNING, "the master is gone: serving on until another one comes, for drain_timeout at most");
    uv_update_time(&worker->loop);
    if (uv_timer_start(&worker->alone, on_alone_too_long, worker->handoff.settings.drain_timeout_ms, 0) != 0)
        drain_alone(worker);
}

/* ---- sockets and signals ---------------------------------------------------------------------------------------- */

static bool watch(struct worker *worker)
{
    struct {
        uv_signal_t *handle;
        uv_signal_cb callback;
        int number;
    } signals[] = {{&worker->quit, on_quit, SIGQUIT}, {&worker->term, on_term, SIGTERM}};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        if (uv_signal_init(&worker->loop, signals[i].handle) != 0 ||
            uv_signal_start(signals[i].handle, signals[i].callback, signals[i].number) != 0)
            return false;
        signals[i].handle->data = worker;
    }
    if (uv_poll_init(&worker->loop, &worker->lifeline, HANDOFF_FD_LIFELINE) != 0)
        return false;
    worker->lifeline.data = worker;
    return uv_poll_start(&worker->lifeline, UV_READABLE, on_lifeline) == 0;
}

static void on_turn_end(uv_check_t *check)
{
    conn_batch_send(((struct worker *)check->data)->batch);
}

static bool say_ready(struct failure *failure)
{
    return say(HANDOFF_READY) || failure_set_errno(failure, EXIT_CODE_OS, "cannot tell the master that this worker is ready");
}

/* A single byte now and then would keep a connection for ever. */
static uint32_t least_bytes(const struct settings *settings)
{
    uint64_t least = settings->min_rate * settings->body_timeout_ms / 1000;

    if (least > UINT32_MAX)
        return UINT32_MAX;
    return least > 0 ? (uint32_t)least : 1;
}

bool worker_open(struct worker *worker, struct failure *failure)
{
    const struct settings *settings = &worker->handoff.settings;
    const uint64_t limits[TIMEOUT_KINDS] = {[TIMEOUT_HEAD] = settings->header_timeout_ms,
                                            [TIMEOUT_BODY] = settings->body_timeout_ms,
                                            [TIMEOUT_IDLE] = settings->idle_timeout_ms,
                                            [TIMEOUT_WRITE] = settings->body_timeout_ms,
                                            [TIMEOUT_LINGER] = LINGER_MS,
                                            [TIMEOUT_HELD] = TIMEOUTS_NEVER,
                                            [TIMEOUT_UPSTREAM_CONNECT] =
                                                settings->backend_connect_timeout_ms / UPSTREAM_CONNECT_PARTS,
                                            [TIMEOUT_UPSTREAM_SILENT] = settings->backend_timeout_ms,
                                            [TIMEOUT_UPSTREAM_BUSY] = TIMEOUTS_NEVER,
                                            [TIMEOUT_UPSTREAM_IDLE] = settings->backend_keepalive_timeout_ms};
    int error = uv_loop_init(&worker->loop);

    if (error != 0)
        return failure_set(failure, EXIT_CODE_OS, "cannot make an event loop: %s", uv_strerror(error));
    worker->least_bytes = least_bytes(settings);
    timeouts_init(&worker->timeouts, limits, uv_now(&worker->loop));
    uv_timer_init(&worker->loop, &worker->tick);
    worker->tick.data = worker;
    uv_timer_init(&worker->loop, &worker->alone);
    worker->alone.data = worker;
    uv_check_init(&worker->loop, &worker->turn_end);
    worker->turn_end.data = worker;
    uv_check_start(&worker->turn_end, on_turn_end); /* these two cannot fail */
    start_beating(worker);
    unsettled_open(worker);
    cells_open(worker);
    if (!watch(worker))
        return failure_set(failure, EXIT_CODE_OS, "cannot watch signals and the lifeline");
    return listener_open_all(worker, failure) && say_ready(failure);
}

void worker_run(struct worker *worker)
{
    uv_run(&worker->loop, UV_RUN_DEFAULT);
}

void worker_fini(struct worker *worker)
{
    uv_handle_t *handles[] = {(uv_handle_t *)&worker->tick, (uv_handle_t *)&worker->beat,
                              (uv_handle_t *)&worker->counting, (uv_handle_t *)&worker->alone,
                              (uv_handle_t *)&worker->lifeline, (uv_handle_t *)&worker->quit, (uv_handle_t *)&worker->term,
                              (uv_handle_t *)&worker->turn_end, (uv_handle_t *)&worker->unsettled.timer};

    listener_close_all(worker);
    worker->is_leaving = true;
    timeouts_expire_all(&worker->timeouts, on_leaving);
    upstream_fini(worker);
    unsettled_close(worker);
    for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++)
        uv_close(handles[i], NULL);
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    uv_loop_close(&worker->loop);
    listener_free_all(worker);
    decide_free(worker->decider);
    headers_fini(&worker->headers);
    tokens_fini(&worker->tokens);
    outbox_fini(&worker->out);
    outbox_fini(&worker->body);
    free(worker->batch);
    bundle_free(worker->bundle);
    references_close(&worker->references);
    SSL_CTX_free(worker->client_tls);
    SSL_CTX_free(worker->upstream_tls);
    free(worker->response_room);
    free(worker->fields);
    free(worker->read_buffer);
    free(worker->path_buffer);
    free(worker->host_buffer);
}
