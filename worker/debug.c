/* SPDX-License-Identifier: MPL-2.0
 *
 * Debug sessions: see debug.h. Secrets are compared as digests, in constant time.
 */
#include "worker/debug.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "shm/event_print.h"
#include "shm/log.h"
#include "shm/moment.h"
#include "shm/quantity.h"

#define COOKIE_NAME     "fv_dbg="
#define SESSION_SECONDS 900
#define MAC_SIZE        32
#define MAC_TEXT_SIZE   (2 * MAC_SIZE + 1)
#define NONCE_TEXT_SIZE 17
#define LOG_INTERVAL_MS 60000
#define MAX_COOKIES     4 /* of our name in one request */

/* What is signed: no other use of the secret may sign the same. */
#define PURPOSE "fairvisor debug session "

static bool sign(const struct settings *settings, struct slice ticket, char text[MAC_TEXT_SIZE])
{
    const char *secret = settings->debug_session_secret;
    char message[128];
    unsigned char mac[MAC_SIZE];
    unsigned size = sizeof(mac);
    int length = snprintf(message, sizeof(message), PURPOSE "%.*s", (int)ticket.size, ticket.data);

    if (length >= (int)sizeof(message) ||
        !HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)message, (size_t)length, mac, &size))
        return false;
    for (size_t i = 0; i < sizeof(mac); i++)
        snprintf(text + 2 * i, 3, "%02x", mac[i]);
    return true;
}

/* ---- whose session ------------------------------------------------------------------------------------------------ */

/* ENDS.NONCE.MAC */
static bool is_good(const struct settings *settings, struct slice cookie, int64_t now_s)
{
    const char *dot = cookie.size > MAC_TEXT_SIZE ? cookie.data + cookie.size - MAC_TEXT_SIZE : NULL;
    const char *first = memchr(cookie.data, '.', cookie.size);
    char expected[MAC_TEXT_SIZE];
    uint64_t ends_s;

    if (!dot || *dot != '.' || !first || first >= dot ||
        !sign(settings, (struct slice){cookie.data, (size_t)(dot - cookie.data)}, expected) ||
        CRYPTO_memcmp(expected, dot + 1, MAC_TEXT_SIZE - 1) != 0)
        return false;
    return quantity_parse_count((struct slice){cookie.data, (size_t)(first - cookie.data)}, &ends_s) && now_s >= 0 &&
           (uint64_t)now_s < ends_s && ends_s <= (uint64_t)now_s + SESSION_SECONDS;
}

/* Cookies of one field: "a=b; fv_dbg=..." (RFC 6265 4.2.1). */
static bool has_good(const struct settings *settings, struct slice field, int64_t now_s, unsigned *left)
{
    while (field.size > 0 && *left > 0) {
        const char *end = memchr(field.data, ';', field.size);
        struct slice pair = {field.data, end ? (size_t)(end - field.data) : field.size};
        size_t used = pair.size + (end ? 1 : 0);

        pair = slice_trim(pair);
        if (slice_has_prefix(pair, SLICE(COOKIE_NAME))) {
            --*left;
            if (is_good(settings, (struct slice){pair.data + strlen(COOKIE_NAME), pair.size - strlen(COOKIE_NAME)}, now_s))
                return true;
        }
        field = (struct slice){field.data + used, field.size - used};
    }
    return false;
}

bool debug_is_open(const struct settings *settings, const struct head *head, int64_t now_s)
{
    unsigned left = MAX_COOKIES;

    if (settings->debug_session_secret[0] == '\0')
        return false;
    for (size_t i = 0; i < head->field_count; i++)
        if (slice_equal_nocase(head->fields[i].name, SLICE("cookie")) &&
            has_good(settings, head->fields[i].value, now_s, &left))
            return true;
    return false;
}

/* ---- opening and closing one -------------------------------------------------------------------------------------- */

static struct slice field_of(const struct head *head, struct slice name)
{
    for (size_t i = 0; i < head->field_count; i++)
        if (slice_equal_nocase(head->fields[i].name, name))
            return head->fields[i].value;
    return (struct slice){NULL, 0};
}

static bool knows_secret(const struct settings *settings, const struct head *head)
{
    struct slice told = field_of(head, SLICE("x-fairvisor-debug-secret"));
    unsigned char wanted[EVP_MAX_MD_SIZE], got[EVP_MAX_MD_SIZE];
    const char *secret = settings->debug_session_secret;

    return told.size > 0 && EVP_Digest(secret, strlen(secret), wanted, NULL, EVP_sha256(), NULL) == 1 &&
           EVP_Digest(told.data, told.size, got, NULL, EVP_sha256(), NULL) == 1 &&
           CRYPTO_memcmp(wanted, got, MAC_SIZE) == 0;
}

static void refuse_secret(const struct reply *reply)
{
    struct worker *worker = reply->worker;

    counters_add(worker->slot, COUNTER_debug_refused, 1);
    if (log_is_due(&worker->debug_log_ms, (int64_t)uv_now(&worker->loop), LOG_INTERVAL_MS))
        log_line(LOG_LEVEL_WARNING, "somebody asked for a debug session with a wrong secret");
    reply_sentence(reply, 403, SLICE(""), "X-Fairvisor-Debug-Secret is not what debug_session_secret says.");
}

/* Does a proxy that is believed say that the client speaks TLS to it? */
static bool is_believed_secure(const struct settings *settings, const struct head *head, const struct client_peer *peer)
{
    return client_is_trusted(settings, peer) &&
           slice_equal_nocase(field_of(head, SLICE("x-forwarded-proto")), SLICE("https"));
}

static void set_cookie(const struct reply *reply, const char *value, int seconds, bool is_secure)
{
    char fields[256];
    int length = snprintf(fields, sizeof(fields),
                          "Cache-Control: no-store\r\nSet-Cookie: " COOKIE_NAME
                          "%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Strict%s\r\n",
                          value, seconds, is_secure ? "; Secure" : "");

    reply_begin(reply, 204);
    outbox_add(&reply->worker->out, (struct slice){fields, (size_t)length});
    reply_end(reply, 204, SLICE(""), SLICE(""));
}

static void open_session(const struct reply *reply, bool is_secure)
{
    int64_t ends_s = moment_now().wall_ns / NANOSECONDS_PER_SECOND + SESSION_SECONDS;
    char value[160], mac[MAC_TEXT_SIZE];
    uint64_t nonce;
    int length;

    if (getrandom(&nonce, sizeof(nonce), 0) != (ssize_t)sizeof(nonce)) {
        reply_sentence(reply, 503, SLICE("Retry-After: 1\r\n"), "There is no randomness for a session.");
        return;
    }
    length = snprintf(value, sizeof(value), "%" PRId64 ".%016" PRIx64, ends_s, nonce);
    if (!sign(&reply->worker->handoff.settings, (struct slice){value, (size_t)length}, mac)) {
        reply_sentence(reply, 503, SLICE("Retry-After: 1\r\n"), "The session cannot be signed.");
        return;
    }
    snprintf(value + length, sizeof(value) - (size_t)length, ".%s", mac);
    log_line(LOG_LEVEL_NOTICE, "a debug session of %d seconds was opened", SESSION_SECONDS);
    set_cookie(reply, value, SESSION_SECONDS, is_secure);
}

void debug_answer(const struct reply *reply, const struct route *route, const struct head *head,
                  const struct client_peer *peer, bool is_tls)
{
    const struct settings *settings = &reply->worker->handoff.settings;
    bool is_secure = is_tls || is_believed_secure(settings, head, peer);

    reply_refresh_date(reply->worker);
    if (settings->debug_session_secret[0] == '\0')
        reply_sentence(reply, 404, SLICE(""), "There is no such endpoint here.");
    else if (!route_takes(route, head->method))
        reply_sentence(reply, 405, SLICE("Allow: POST\r\n"), "This endpoint takes POST only.");
    else if (route->kind == ROUTE_DEBUG_LOGOUT)
        set_cookie(reply, "", 0, is_secure);
    else if (!knows_secret(settings, head))
        refuse_secret(reply);
    else
        open_session(reply, is_secure);
}

/* ---- what a session is told --------------------------------------------------------------------------------------- */

static void begin(struct outbox *out, const char *name)
{
    outbox_add(out, SLICE("X-Fairvisor-Debug-"));
    outbox_add(out, slice_of(name));
    outbox_add(out, SLICE(": "));
}

static void word(struct outbox *out, const char *name, const char *value)
{
    begin(out, name);
    outbox_add(out, slice_of(value));
    outbox_add(out, SLICE("\r\n"));
}

/* Names of a bundle may hold any character: a string of RFC 9651 holds none that ends a field. */
static void quoted(struct outbox *out, const char *name, struct slice value)
{
    begin(out, name);
    outbox_add(out, SLICE("\""));
    outbox_quoted(out, value);
    outbox_add(out, SLICE("\"\r\n"));
}

static void number(struct outbox *out, const char *name, uint64_t value)
{
    begin(out, name);
    outbox_number(out, value);
    outbox_add(out, SLICE("\r\n"));
}

static void amount(struct outbox *out, const char *name, int64_t millionths)
{
    char text[EVENT_PRINT_NUMBER_SIZE];

    event_print_number(millionths, text);
    word(out, name, text);
}

void debug_write(const struct worker *worker, const struct verdict *verdict, struct outbox *out)
{
    word(out, "Decision", verdict->is_allowed ? "allow" : "reject");
    if (!verdict->is_allowed)
        word(out, "Reason", verdict_reasons[verdict->reason].name);
    if (verdict->policy)
        quoted(out, "Policy", verdict->policy->id);
    if (verdict->rule)
        quoted(out, "Rule", verdict->rule->name);
    if (verdict->kill_switch)
        quoted(out, "Kill-Switch", verdict->kill_switch->reason);
    if (verdict->has_limit) {
        amount(out, "Limit", verdict->limit.limit);
        amount(out, "Remaining", verdict->limit.remaining);
    }
    number(out, "Matched-Policies", verdict->matched_policies);
    word(out, "Would-Reject", verdict->would_reject ? "true" : "false");
    quoted(out, "Bundle-Version", worker->bundle->version_text);
    number(out, "Generation", worker->handoff.generation);
    number(out, "Worker", worker->handoff.slot);
}
