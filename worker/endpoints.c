/* SPDX-License-Identifier: MPL-2.0
 *
 * Liveness, readiness, metrics, 404 and 405; settlement is settle.c's. Reads the arena's status, changes nothing.
 */
#include "worker/endpoints.h"

#include <time.h>

#include "shm/moment.h"
#include "worker/metrics.h"
#include "worker/settle.h"

static void send_body(const struct reply *reply, struct slice type)
{
    const struct outbox *body = &reply->worker->body;

    reply_begin(reply, 200);
    outbox_add(&reply->worker->out, SLICE("Cache-Control: no-store\r\n"));
    reply_end(reply, 200, type, (struct slice){body->data, body->used});
}

static void answer_live(const struct reply *reply, struct slice request_body)
{
    (void)request_body;
    outbox_add(&reply->worker->body, SLICE("ok\n"));
    send_body(reply, SLICE("text/plain; charset=utf-8"));
}

static void add_time(struct outbox *out, int64_t wall_ns)
{
    time_t time = (time_t)(wall_ns / NANOSECONDS_PER_SECOND);
    struct tm calendar;
    char text[32];
    size_t size = gmtime_r(&time, &calendar) ? strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &calendar) : 0;

    outbox_add(out, (struct slice){text, size});
}

/* A worker listens only once it has a policy, so it is ready as soon as it can be asked. */
static void answer_ready(const struct reply *reply, struct slice request_body)
{
    struct worker *worker = reply->worker;
    struct outbox *body = &worker->body;

    (void)request_body;
    outbox_add(body, SLICE("{\"status\":\"ok\",\"ready\":true,\"policy_version\":"));
    outbox_add(body, worker->bundle->version_text);
    outbox_add(body, SLICE(",\"policy_hash\":\""));
    outbox_json(body, slice_of(worker->sealed.header->digest));
    outbox_add(body, SLICE("\",\"generation\":"));
    outbox_number(body, worker->sealed.header->generation);
    outbox_add(body, SLICE(",\"last_config_update\":\""));
    add_time(body, worker->sealed.header->loaded_at_ns);
    outbox_add(body, SLICE("\"}\n"));
    send_body(reply, SLICE("application/json"));
}

static void answer_metrics(const struct reply *reply, struct slice request_body)
{
    (void)request_body;
    metrics_write(reply->worker, &reply->worker->body);
    send_body(reply, SLICE("text/plain; version=0.0.4; charset=utf-8"));
}

static void refuse_method(const struct reply *reply, const struct route *route)
{
    if (route->methods == ROUTE_POST)
        reply_sentence(reply, 405, SLICE("Allow: POST\r\n"), "This endpoint takes POST only.");
    else
        reply_sentence(reply, 405, SLICE("Allow: GET, HEAD\r\n"), "This endpoint takes GET and HEAD only.");
}

void endpoints_answer(const struct reply *reply, const struct route *route, struct slice method, struct slice body)
{
    static void (*const answers[])(const struct reply *reply, struct slice body) = {
        [ROUTE_SETTLE] = settle_answer,
        [ROUTE_LIVE] = answer_live,
        [ROUTE_READY] = answer_ready,
        [ROUTE_METRICS] = answer_metrics,
    };

    reply_refresh_date(reply->worker);
    if (!route) {
        reply_sentence(reply, 404, SLICE(""), "There is no such endpoint here.");
        return;
    }
    if (!route_takes(route, method)) {
        refuse_method(reply, route);
        return;
    }
    outbox_clear(&reply->worker->body);
    answers[route->kind](reply, body);
}
