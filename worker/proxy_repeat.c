/* SPDX-License-Identifier: MPL-2.0
 *
 * An upstream may close an idle connection just when a request is on its way there: it ends before a byte of a response.
 * The request goes out again, once, on a new connection, if not a byte of it had left, or if doing it twice does what doing it
 * once does (RFC 9110 9.2.2) and all of it is still there. The exchange goes on meanwhile: one reservation, settled once.
 */
#include "shm/log.h"
#include "worker/name.h"
#include "worker/proxy_private.h"

#define LOG_INTERVAL_MS 60000

static bool has_idempotent_method(const struct head *head)
{
    static const struct slice methods[] = {SLICE("GET"),    SLICE("HEAD"),    SLICE("OPTIONS"), SLICE("TRACE"),
                                           SLICE("PUT"),    SLICE("DELETE"),  SLICE("QUERY"),   SLICE("PROPFIND"),
                                           SLICE("SEARCH"), SLICE("REPORT")};

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (slice_equal(head->method, methods[i]))
            return true;
    return false;
}

/* A key that is not passed on is one that the upstream knows nothing of. */
bool proxy_repeat_is_harmless(const struct forward_request *request)
{
    const struct head *head = request->head;

    if (has_idempotent_method(head))
        return true;
    for (size_t i = 0; i < head->field_count; i++) {
        struct slice name = head->fields[i].name;

        if ((NAME_IS(name, "idempotency-key") || NAME_IS(name, "x-idempotency-key")) && head->fields[i].value.size > 0)
            return forward_request_passes(request, name);
    }
    return false;
}

/* Bodies of requests that wait for their answer must not leave others without memory for theirs. */
static bool needs_body(const struct proxy *proxy)
{
    const struct body_store *store = &proxy->worker->bodies;

    return store->held <= store->most / 2 && upstream_is_reused(proxy->upstream) &&
           (proxy->is_harmless || !upstream_has_sent(proxy->upstream));
}

void proxy_repeat_keep(struct proxy *proxy, struct slice whole)
{
    bool is_needed = needs_body(proxy);

    if (is_needed && proxy->body.bytes.size == 0 && whole.size > 0) {
        body_begin(&proxy->body, &proxy->worker->bodies);
        body_add(&proxy->body, whole.data, whole.size);
        is_needed = body_keep(&proxy->body);
    }
    if (!is_needed)
        body_end(&proxy->body);
}

static bool is_at_hand(const struct proxy *proxy)
{
    return proxy->has_sent_all && (proxy->to_upstream == FORWARD_BODYLESS || proxy->body.bytes.size > 0);
}

static const char *outcome_of(const struct proxy *proxy, bool is_repeated)
{
    if (is_repeated)
        return "was sent again";
    if (proxy->is_harmless)
        return "is answered 502, for not all of its body is at hand to be sent again";
    return "is answered 502, for it may have been seen and must not be done twice";
}

static void tell(const struct proxy *proxy, bool is_repeated)
{
    struct worker *worker = proxy->worker;
    int64_t *last_ms = is_repeated ? &worker->repeat_log_ms : &worker->stale_log_ms; /* a notice hides no warning */

    if (!log_is_due(last_ms, (int64_t)uv_now(&worker->loop), LOG_INTERVAL_MS))
        return;
    log_line(is_repeated ? LOG_LEVEL_NOTICE : LOG_LEVEL_WARNING,
             "the upstream %s closed a connection, idle for %llu ms, when a request came, which %s: let its Keep-Alive "
             "field tell how long it waits, or set backend_keepalive_timeout below that",
             worker->handoff.settings.backend_url, (unsigned long long)upstream_idle_ms(proxy->upstream),
             outcome_of(proxy, is_repeated));
}

bool proxy_repeat(struct proxy *proxy, enum upstream_end why)
{
    bool was_sent = upstream_has_sent(proxy->upstream), is_repeated;

    if (proxy->state != ASKING || proxy->has_heard || !proxy->conn || !upstream_is_reused(proxy->upstream) ||
        (why != UPSTREAM_END_closed && why != UPSTREAM_END_reset))
        return false;
    is_repeated = is_at_hand(proxy) && (proxy->is_harmless || !was_sent);
    tell(proxy, is_repeated);
    if (!is_repeated)
        return false;
    counters_add(proxy->worker->slot, was_sent ? COUNTER_upstream_repeats : COUNTER_upstream_retries, 1);
    proxy->was_sent |= was_sent;
    proxy_request_again(proxy);
    return true;
}
