/* SPDX-License-Identifier: MPL-2.0 */
#include "worker/answer.h"

#include "worker/debug.h"
#include "worker/reject.h"

#define FORBIDDEN 403

static const struct settings *settings_of(const struct reply *reply)
{
    return &reply->worker->handoff.settings;
}

/* 403 for a gateway that understands no other refusal (nginx auth_request): by setting, or by the request's wish. */
static unsigned reject_status(const struct reply *reply, const struct head *head, unsigned true_status)
{
    struct slice wish = head_value(head, HEAD_FIELD_reject_status);

    if (settings_of(reply)->reject_status == FORBIDDEN || slice_equal(wish, SLICE("403")))
        return FORBIDDEN;
    return true_status;
}

static void allow(const struct reply *reply, bool is_accel, bool has_debug_session, const struct verdict *verdict)
{
    struct worker *worker = reply->worker;
    unsigned status = is_accel ? 200 : settings_of(reply)->allow_status;

    reply_begin(reply, status);
    if (is_accel)
        outbox_add(&worker->out, SLICE("X-Accel-Redirect: @backend\r\n"));
    headers_write(&worker->headers, verdict, status, false, &worker->out);
    if (has_debug_session)
        debug_write(worker, verdict, &worker->out);
    reply_end(reply, status, SLICE(""), SLICE(""));
}

/* RFC 6750, section 3. */
static void write_challenge(const struct verdict *verdict, bool with_reason, struct outbox *out)
{
    outbox_add(out, SLICE("WWW-Authenticate: Bearer error=\"invalid_token\""));
    if (with_reason) {
        outbox_add(out, SLICE(", error_description=\""));
        outbox_add(out, slice_of(verdict->token_fault));
        outbox_add(out, SLICE("\""));
    }
    outbox_add(out, SLICE("\r\n"));
}

static void reject(const struct reply *reply, const struct head *head, bool has_debug_session, const struct verdict *verdict,
                   struct slice path)
{
    struct worker *worker = reply->worker;
    unsigned true_status = verdict_reasons[verdict->reason].status;
    unsigned status = reject_status(reply, head, true_status);
    bool with_reason = settings_of(reply)->expose_reason || has_debug_session;
    struct slice type;

    outbox_clear(&worker->body);
    type = reject_write(verdict, path, with_reason, &worker->body);
    reply_begin(reply, status);
    headers_write(&worker->headers, verdict, true_status, with_reason, &worker->out);
    if (verdict->token_fault)
        write_challenge(verdict, with_reason, &worker->out);
    if (has_debug_session)
        debug_write(worker, verdict, &worker->out);
    reply_end(reply, status, type, (struct slice){worker->body.data, worker->body.used});
}

void answer_verdict(const struct reply *reply, const struct route *route, const struct head *head, const struct verdict *verdict,
                    struct slice path)
{
    bool has_debug_session = debug_is_open(settings_of(reply), head, reply->worker->date_second);

    if (verdict->is_allowed)
        allow(reply, route->is_accel, has_debug_session, verdict);
    else
        reject(reply, head, has_debug_session, verdict, path);
}
