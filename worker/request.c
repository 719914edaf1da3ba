/* SPDX-License-Identifier: MPL-2.0
 *
 * The request's way through the worker, step by step as request.h lists them. Takes bytes, leaves an answer in the
 * outbox. Never touches a socket.
 */
#include "worker/request.h"

#include "worker/endpoints.h"
#include "worker/extract.h"
#include "worker/judge.h"
#include "worker/reject.h"
#include "worker/reply.h"
#include "worker/route.h"

#define FORBIDDEN 403

struct request {
    struct reply reply;
    const struct request_origin *origin;
    const struct head *head;
    const struct route *route; /* NULL: no such endpoint */
    struct slice suffix;
};

static const struct settings *settings_of(const struct request *request)
{
    return &request->reply.worker->handoff.settings;
}

static enum request_progress refuse(struct request *request, unsigned status, const char *cause)
{
    request->reply.keeps_alive = false;
    reply_refresh_date(request->reply.worker);
    reply_sentence(&request->reply, status, SLICE(""), cause);
    return REQUEST_LAST;
}

/* ---- the verdict's answer --------------------------------------------------------------------------------------- */

/* 403 for a gateway that understands no other refusal (nginx auth_request): by setting, or by the request's wish. */
static unsigned reject_status(const struct request *request, unsigned true_status)
{
    struct slice wish = head_value(request->head, HEAD_FIELD_reject_status);

    if (settings_of(request)->reject_status == FORBIDDEN || slice_equal(wish, SLICE("403")))
        return FORBIDDEN;
    return true_status;
}

static void reply_allow(const struct request *request, const struct verdict *verdict)
{
    struct worker *worker = request->reply.worker;
    unsigned status = request->route->is_accel ? 200 : settings_of(request)->allow_status;

    reply_begin(&request->reply, status);
    if (request->route->is_accel)
        outbox_add(&worker->out, SLICE("X-Accel-Redirect: @backend\r\n"));
    headers_write(&worker->headers, verdict, status, false, &worker->out);
    reply_end(&request->reply, status, SLICE(""), SLICE(""));
}

static void reply_reject(const struct request *request, const struct verdict *verdict, struct slice path)
{
    struct worker *worker = request->reply.worker;
    unsigned true_status = verdict_reasons[verdict->reason].status;
    unsigned status = reject_status(request, true_status);
    bool with_reason = settings_of(request)->expose_reason;
    struct slice type;

    outbox_clear(&worker->body);
    type = reject_write(verdict, path, with_reason, &worker->body);
    reply_begin(&request->reply, status);
    headers_write(&worker->headers, verdict, true_status, with_reason, &worker->out);
    if (status == 401)
        outbox_add(&worker->out, SLICE("WWW-Authenticate: Bearer\r\n"));
    reply_end(&request->reply, status, type, (struct slice){worker->body.data, worker->body.used});
}

static void decide(struct request *request)
{
    struct worker *worker = request->reply.worker;
    struct extract_room room = {worker->path_buffer, worker->host_buffer};
    const struct claims *claims = NULL;
    struct facts facts;
    struct verdict verdict;
    const char *cause;

    if (!extract_facts(settings_of(request), request->head, &request->origin->peer, request->route, request->suffix,
                       &room, &facts, &cause)) {
        reply_refresh_date(worker);
        reply_sentence(&request->reply, 400, SLICE(""), cause);
        return;
    }
    if (worker->bundle->uses_jwt)
        claims = tokens_claims(&worker->tokens, head_value(request->head, HEAD_FIELD_authorization));
    reply_set_date(worker, judge_request(worker, &facts, claims, &verdict).wall_ns / NANOSECONDS_PER_SECOND);
    if (verdict.is_allowed)
        reply_allow(request, &verdict);
    else
        reply_reject(request, &verdict, facts.path);
}

/* ---- the steps -------------------------------------------------------------------------------------------------- */

static enum request_progress answer(struct request *request)
{
    struct worker *worker = request->reply.worker;

    if (request->route && request->route->kind == ROUTE_DECISION)
        decide(request);
    else
        endpoints_answer(&request->reply, request->route, request->head->method);
    if (worker->body.is_short)
        worker->out.is_short = true;
    outbox_clear(&worker->body);
    return request->reply.keeps_alive ? REQUEST_ANSWERED : REQUEST_LAST;
}

static enum request_progress read_body(struct request *request, struct http *http, const char *data, size_t size,
                                       size_t *used)
{
    switch (http_body(http, data, size, settings_of(request)->max_body_bytes, used)) {
    case HTTP_MORE:
        return REQUEST_NEEDS_BODY;
    case HTTP_DONE:
        return answer(request);
    case HTTP_TOO_LARGE:
        return refuse(request, 413, "The request's body is larger than max_body_bytes allows.");
    case HTTP_BAD:
        break;
    }
    return refuse(request, 400, "The request's body does not keep to its chunked framing.");
}

static enum request_progress begin_body(struct request *request, struct http *http, const char *data, size_t size,
                                        size_t *used)
{
    const struct head *head = request->head;
    size_t taken = 0;
    enum request_progress progress;

    if (!request->route || request->route->kind != ROUTE_DECISION) {
        request->reply.keeps_alive = false;
        return answer(request);
    }
    progress = read_body(request, http, data + head->size, size - head->size, &taken);
    *used = head->size + taken;
    if (progress == REQUEST_NEEDS_BODY && head->expects_continue && taken == 0)
        reply_continue(request->reply.worker);
    return progress;
}

static void prepare(struct request *request, struct worker *worker, const struct request_origin *origin,
                    const struct head *head, bool keeps_alive)
{
    *request = (struct request){.reply = {.worker = worker,
                                          .is_bodyless = slice_equal(head->method, SLICE("HEAD")),
                                          .is_old = head->minor == 0,
                                          .keeps_alive = keeps_alive && !worker->is_draining},
                                .origin = origin,
                                .head = head};
}

enum request_progress request_begin(struct worker *worker, const struct request_origin *origin, struct http *http,
                                    const char *data, size_t size, size_t *used, size_t *head_size)
{
    struct request request;
    struct head head;
    enum head_result result = head_parse(data, size, &worker->head_limits, worker->fields, &head);
    enum http_result framing;

    *used = 0;
    if (result == HEAD_INCOMPLETE)
        return REQUEST_NEEDS_HEAD;
    *head_size = *used = head.size;
    prepare(&request, worker, origin, &head, true);
    if (result == HEAD_REFUSED)
        return refuse(&request, head.status, head.cause);
    framing = http_begin(http, &head, data);
    request.reply.keeps_alive &= http->keeps_alive;
    if (framing == HTTP_BAD)
        return refuse(&request, 400, "The request's head is not what HTTP/1.1 allows.");
    if (head.is_expectation_unknown)
        return refuse(&request, 417, "The only expectation known here is 100-continue.");
    request.route = route_find(head.target, origin->is_ops, worker->has_ops_listener, &request.suffix);
    return framing == HTTP_MORE ? begin_body(&request, http, data, size, used) : answer(&request);
}

enum request_progress request_continue(struct worker *worker, const struct request_origin *origin, struct http *http,
                                       struct slice head_bytes, const char *data, size_t size, size_t *used)
{
    struct request request;
    struct head head;

    *used = 0;
    if (head_parse(head_bytes.data, head_bytes.size, &worker->head_limits, worker->fields, &head) != HEAD_COMPLETE) {
        request_give_up(worker, 400);
        return REQUEST_LAST;
    }
    prepare(&request, worker, origin, &head, http->keeps_alive);
    request.route = route_find(head.target, origin->is_ops, worker->has_ops_listener, &request.suffix);
    return read_body(&request, http, data, size, used);
}

void request_give_up(struct worker *worker, unsigned status)
{
    struct reply reply = {.worker = worker};

    reply_refresh_date(worker);
    reply_sentence(&reply, status, SLICE(""),
                   status == 408 ? "The request took too long to arrive."
                                 : "The request ended before it was complete.");
}
