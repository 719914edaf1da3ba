/* SPDX-License-Identifier: MPL-2.0 */
#include "worker/gateway.h"

#include <stdio.h>

#include "shm/log.h"

#define LOG_INTERVAL_MS 60000

static void note_untold(struct worker *worker, const struct facts *facts)
{
    char proxy[ADDRESS_TEXT_SIZE];

    counters_add(worker->slot, COUNTER_clients_untold, 1);
    if (!log_is_due(&worker->untold_log_ms, (int64_t)uv_now(&worker->loop), LOG_INTERVAL_MS))
        return;
    if (address_print(&facts->client, proxy) == 0)
        snprintf(proxy, sizeof(proxy), "on a unix socket");
    log_line(LOG_LEVEL_WARNING,
             "a trusted proxy, %s, told no client in X-Forwarded-For: keys such as ip:address take all of its clients for "
             "one; let it send the field, or take it out of trusted_proxies",
             proxy);
}

/* Who asks for a decision and names a client is a gateway, and one that is not believed: all its clients count as one. In
 * the reverse proxy it is a client that writes what it likes. A draining worker goes by settings that are mended maybe,
 * and status, which looks at what was counted since they were loaded, must not be told of them again. */
static bool is_ignored(const struct worker *worker, const struct head *head, const struct facts *facts, bool is_proxied)
{
    return !facts->peer_is_trusted && !worker->is_draining && !is_proxied && head_has(head, HEAD_FIELD_forwarded_for);
}

static void note_ignored(struct worker *worker, const struct facts *facts)
{
    char gateway[ADDRESS_TEXT_SIZE];
    bool has_address = address_print(&facts->client, gateway) > 0;

    counters_add(worker->slot, COUNTER_forwarded_ignored, 1);
    if (!log_is_due(&worker->ignored_log_ms, (int64_t)uv_now(&worker->loop), LOG_INTERVAL_MS))
        return;
    log_line(LOG_LEVEL_WARNING,
             "X-Forwarded-For of %s is ignored, because trusted_proxies does not name it: keys such as ip:address take all "
             "of its clients for one; if it is your gateway, add %s to trusted_proxies and reload",
             has_address ? gateway : "a gateway on a unix socket", has_address ? gateway : "unix");
}

void gateway_note(struct worker *worker, const struct head *head, const struct facts *facts, bool is_proxied)
{
    if (!facts->client_is_told)
        note_untold(worker, facts);
    if (is_ignored(worker, head, facts, is_proxied))
        note_ignored(worker, facts);
}
