/* SPDX-License-Identifier: MPL-2.0
 *
 * The request's way through the worker, step by step as request.h lists them. Takes bytes, leaves an answer in the
 * outbox. Never touches a socket.
 */
#include "worker/request.h"

#include "policy/body_edit.h"
#include "worker/answer.h"
#include "worker/debug.h"
#include "worker/endpoints.h"
#include "worker/extract.h"
#include "worker/forward.h"
#include "worker/gateway.h"
#include "worker/judge.h"
#include "worker/proxy.h"
#include "worker/reply.h"
#include "worker/route.h"

struct request {
    struct reply reply;
    const struct request_origin *origin;
    struct request_state *state;
    const struct head *head;
    const struct route *route; /* NULL: no such endpoint */
    struct slice suffix;
    struct proxy *proxy; /* made: the request goes on there */
    bool keeps_alive_proxied; /* the connection, if the request goes on there */
    uint64_t delay_ms;
};

/* What is no endpoint, in reverse proxy mode. */
static const struct route proxied = {.kind = ROUTE_DECISION, .source = ROUTE_SOURCE_SUFFIX};

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

static const struct {
    unsigned status;
    const char *cause;
} faults[] = {
    [REQUEST_CUT_OFF] = {400, "The request ended before it was complete."},
    [REQUEST_TOO_SLOW] = {408, "The request took too long to arrive."},
    [REQUEST_TOO_LARGE] = {413, "The request's body is larger than max_body_bytes allows."},
    [REQUEST_UNFRAMED] = {400, "The request's body does not keep to its chunked framing."},
};

static enum request_progress refuse_faulty(struct request *request, enum request_fault fault)
{
    return refuse(request, faults[fault].status, faults[fault].cause);
}

static bool is_proxied(const struct request *request)
{
    return request->route == &proxied;
}

/* Hands an allowed request to the proxy. */
static void pass(struct request *request, const struct facts *facts, const struct verdict *verdict)
{
    struct worker *worker = request->reply.worker;
    struct request_state *state = request->state;
    const struct proxy_request about = {.head = request->head,
                                        .facts = facts,
                                        .peer = &request->origin->peer,
                                        .verdict = verdict,
                                        .keeps_alive = request->keeps_alive_proxied,
                                        .is_secure = request->origin->is_secure,
                                        .has_gathered = state->body.store != NULL};

    request->proxy = proxy_new(worker, &about, &state->body);
    if (request->proxy)
        return;
    request->reply.keeps_alive = false;
    reply_sentence(&request->reply, 503, SLICE("Retry-After: 1\r\n"), "There is no memory for this request.");
}

/* Fills FACTS. false: *CAUSE says why the request cannot be judged. */
static bool extract(const struct request *request, struct facts *facts, const char **cause)
{
    struct worker *worker = request->reply.worker;
    const struct extract_room room = {worker->path_buffer, worker->host_buffer};

    if (!extract_facts(settings_of(request), request->head, &request->origin->peer, request->route, request->suffix,
                       &room, facts, cause))
        return false;
    *cause = "An encoded slash, backslash or NUL in the path, or a dot segment with a parameter, is not passed on.";
    return !is_proxied(request) || forward_request_is_plain(facts->path);
}

/* A request that must not be passed on ends here, and nothing is counted for it. */
static bool is_for_us(const struct request *request)
{
    uint64_t hops;

    return is_proxied(request) && forward_request_hops(request->head, &hops) && hops == 0;
}

static void answer_last_hop(const struct request *request)
{
    bool is_trace = slice_equal(request->head->method, SLICE("TRACE"));

    reply_refresh_date(request->reply.worker);
    reply_sentence(&request->reply, is_trace ? 501 : 200, SLICE(""),
                   is_trace ? "Nothing is traced here." : "Max-Forwards is 0: the request ends here.");
}

static void decide(struct request *request)
{
    struct worker *worker = request->reply.worker;
    struct judge_bearer bearer;
    struct facts facts;
    struct verdict verdict;
    const char *cause;

    if (!extract(request, &facts, &cause)) {
        reply_refresh_date(worker);
        reply_sentence(&request->reply, 400, SLICE(""), cause);
        return;
    }
    if (is_for_us(request)) {
        answer_last_hop(request);
        return;
    }
    if (worker->bundle->uses_client)
        gateway_note(worker, request->head, &facts, is_proxied(request));
    facts.body = request->state->body.bytes;
    facts.body_can_be_clamped =
        worker->bundle->clamps && is_proxied(request) && body_edit_can_clamp(facts.path, facts.body);
    bearer.authorization = head_value(request->head, HEAD_FIELD_authorization);
    bearer.is_repeated = head_is_repeated(request->head, HEAD_FIELD_authorization);
    reply_set_date(worker, judge_request(worker, &facts, &bearer, &verdict).wall_ns / NANOSECONDS_PER_SECOND);
    if (verdict.is_allowed && is_proxied(request)) {
        pass(request, &facts, &verdict);
        return;
    }
    request->delay_ms = (uint64_t)verdict.delay_ms;
    answer_verdict(&request->reply, request->route, request->head, &verdict, facts.path);
}

/* ---- what is not here -------------------------------------------------------------------------------------------- */

/* ops_listen takes endpoints away from listen; who looks for one there is told of it. Its addresses are nothing for strangers. */
static bool is_answered_elsewhere(const struct request *request)
{
    struct slice suffix;

    return !request->route && route_find(request->head->target, true, true, &suffix);
}

static void answer_elsewhere(const struct request *request)
{
    reply_refresh_date(request->reply.worker);
    reply_sentence(&request->reply, 404, SLICE(""),
                   "This endpoint is answered on the addresses of the setting ops_listen, not on this one.");
}

/* ---- the steps -------------------------------------------------------------------------------------------------- */

static enum request_progress answer(struct request *request)
{
    struct worker *worker = request->reply.worker;

    request->keeps_alive_proxied |= request->reply.keeps_alive;
    if (request->route && request->route->kind == ROUTE_DECISION)
        decide(request);
    else if (request->route && (request->route->kind == ROUTE_DEBUG_SESSION || request->route->kind == ROUTE_DEBUG_LOGOUT))
        debug_answer(&request->reply, request->route, request->head, &request->origin->peer, request->origin->is_secure);
    else if (is_answered_elsewhere(request))
        answer_elsewhere(request);
    else
        endpoints_answer(&request->reply, request->route, request->head->method, request->state->body.bytes);
    if (worker->body.is_short)
        worker->out.is_short = true;
    outbox_clear(&worker->body);
    if (request->proxy)
        return REQUEST_PROXIED;
    return request->reply.keeps_alive ? REQUEST_ANSWERED : REQUEST_LAST;
}

static enum request_progress refuse_body(struct request *request)
{
    request->reply.keeps_alive = false;
    reply_refresh_date(request->reply.worker);
    reply_sentence(&request->reply, 503, SLICE("Retry-After: 1\r\n"),
                   "Too many bodies are on their way here at once; there is no memory for this one.");
    return REQUEST_LAST;
}

static enum request_progress read_body(struct request *request, struct slice data, size_t *used)
{
    struct request_state *state = request->state;

    switch (http_body(&state->http, data.data, data.size, settings_of(request)->max_body_bytes, &state->body, used)) {
    case HTTP_MORE:
        return body_keep(&state->body) ? REQUEST_NEEDS_BODY : refuse_body(request);
    case HTTP_DONE:
        return state->body.is_lost ? refuse_body(request) : answer(request);
    case HTTP_TOO_LARGE:
        return refuse_faulty(request, REQUEST_TOO_LARGE);
    case HTTP_BAD:
        break;
    }
    return refuse_faulty(request, REQUEST_UNFRAMED);
}

/* Whether somebody will look into the body that follows. */
static bool wants_body(const struct request *request)
{
    struct facts facts;
    const char *cause;

    if (is_proxied(request))
        return extract(request, &facts, &cause) && judge_wants_body(request->reply.worker, &facts);
    return request->route->kind == ROUTE_SETTLE || request->reply.worker->bundle->uses_body;
}

/* A body that nobody looks into is passed on as it comes, once the request is allowed. A refused one is not read. */
static enum request_progress stream_body(struct request *request, size_t already)
{
    const struct head *head = request->head;
    bool keeps_alive = request->reply.keeps_alive;
    enum request_progress progress;

    if (head->content_length > settings_of(request)->max_body_bytes)
        return refuse_faulty(request, REQUEST_TOO_LARGE);
    request->reply.keeps_alive = false;
    request->keeps_alive_proxied = keeps_alive;
    progress = answer(request);
    if (progress == REQUEST_PROXIED && head->expects_continue && already == 0)
        reply_continue(request->reply.worker);
    return progress;
}

static enum request_progress begin_body(struct request *request, struct slice data, size_t *used)
{
    const struct head *head = request->head;
    struct worker *worker = request->reply.worker;
    enum request_progress progress;
    size_t taken = 0;
    bool is_wanted;

    if (!route_reads_body(request->route) || !route_takes(request->route, head->method)) {
        request->reply.keeps_alive = false;
        return answer(request);
    }
    is_wanted = wants_body(request);
    if (is_proxied(request) && !is_wanted)
        return stream_body(request, data.size - head->size);
    body_begin(&request->state->body, is_wanted ? &worker->bodies : NULL);
    progress = read_body(request, (struct slice){data.data + head->size, data.size - head->size}, &taken);
    *used = head->size + taken;
    if (progress == REQUEST_NEEDS_BODY && head->expects_continue && taken == 0)
        reply_continue(worker);
    return progress;
}

static void prepare(struct request *request, struct worker *worker, const struct request_origin *origin,
                    struct request_state *state, const struct head *head, bool keeps_alive)
{
    *request = (struct request){.reply = {.worker = worker,
                                          .is_bodyless = slice_equal(head->method, SLICE("HEAD")),
                                          .is_old = head->minor == 0,
                                          .keeps_alive = keeps_alive && !worker->is_draining},
                                .origin = origin,
                                .state = state,
                                .head = head};
}

/* Endpoints but for those of health are not for the public: whoever asks must be trusted himself, not only the proxy
 * that asks for him. */
static bool may_ask(const struct request *request)
{
    const struct settings *settings = settings_of(request);
    const struct client_peer *peer = &request->origin->peer;
    bool is_told;
    struct client_peer client = {.address = client_find(settings, peer, request->head, &is_told)};

    client.is_unix = peer->is_unix && client.address.family == ADDRESS_NONE;
    return client_is_trusted(settings, peer) && client_is_trusted(settings, &client);
}

static void find_route(struct request *request)
{
    const struct request_origin *origin = request->origin;
    const struct worker *worker = request->reply.worker;
    const struct route *route =
        route_find(request->head->target, origin->is_ops, worker->has_ops_listener, &request->suffix);

    request->route = route;
    if (settings_of(request)->mode != SETTINGS_MODE_REVERSE_PROXY || origin->is_ops ||
        (route && (route->kind == ROUTE_LIVE || route->kind == ROUTE_READY)) ||
        (route && !worker->has_ops_listener && may_ask(request)))
        return;
    request->route = &proxied;
    request->suffix = request->head->target;
}

static enum request_progress begin(struct request *request, struct slice data, size_t *used)
{
    const struct head *head = request->head;
    struct http *http = &request->state->http;
    enum http_result framing = http_begin(http, head, data.data);

    request->reply.keeps_alive &= http->keeps_alive;
    if (framing == HTTP_BAD)
        return refuse(request, 400, "The request's head is not what HTTP/1.1 allows.");
    if (head->is_expectation_unknown)
        return refuse(request, 417, "The only expectation known here is 100-continue.");
    find_route(request);
    return framing == HTTP_MORE ? begin_body(request, data, used) : answer(request);
}

void request_init(struct request_state *state)
{
    *state = (struct request_state){.body = {0}};
    http_init(&state->http);
}

void request_fini(struct request_state *state)
{
    body_end(&state->body);
}

struct request_outcome request_begin(struct worker *worker, const struct request_origin *origin,
                                     struct request_state *state, struct slice data)
{
    struct request request;
    struct head head;
    enum head_result result = head_parse(data.data, data.size, &worker->head_limits, worker->fields, &head);
    struct request_outcome outcome = {.progress = REQUEST_NEEDS_HEAD};

    if (result == HEAD_INCOMPLETE)
        return outcome;
    outcome.head_size = outcome.used = head.size;
    prepare(&request, worker, origin, state, &head, true);
    if (result == HEAD_REFUSED)
        outcome.progress = refuse(&request, head.status, head.cause);
    else
        outcome.progress = begin(&request, data, &outcome.used);
    outcome.delay_ms = request.delay_ms;
    outcome.proxy = request.proxy;
    if (outcome.progress != REQUEST_NEEDS_BODY)
        request_fini(state);
    return outcome;
}

struct request_outcome request_continue(struct worker *worker, const struct request_origin *origin,
                                        struct request_state *state, struct slice head_bytes, struct slice data)
{
    struct request request;
    struct head head;
    struct request_outcome outcome = {.progress = REQUEST_LAST};

    if (head_parse(head_bytes.data, head_bytes.size, &worker->head_limits, worker->fields, &head) != HEAD_COMPLETE) {
        request_give_up(worker, REQUEST_CUT_OFF);
    } else {
        prepare(&request, worker, origin, state, &head, state->http.keeps_alive);
        find_route(&request);
        outcome.progress = read_body(&request, data, &outcome.used);
        outcome.delay_ms = request.delay_ms;
        outcome.proxy = request.proxy;
    }
    if (outcome.progress != REQUEST_NEEDS_BODY)
        request_fini(state);
    return outcome;
}

void request_give_up(struct worker *worker, enum request_fault fault)
{
    struct reply reply = {.worker = worker};

    reply_refresh_date(worker);
    reply_sentence(&reply, faults[fault].status, SLICE(""), faults[fault].cause);
}
