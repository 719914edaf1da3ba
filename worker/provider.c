/* SPDX-License-Identifier: MPL-2.0
 *
 * Rate limit fields as OpenAI and Anthropic word them: see provider.h.
 */
#include "worker/provider.h"

#include <stdio.h>
#include <time.h>

#include "policy/endpoint.h"
#include "shm/moment.h"
#include "worker/headers.h"

#define NANOSECONDS_PER_MILLISECOND INT64_C(1000000)

struct provider_limit provider_limit_of(const struct verdict *verdict, struct slice path)
{
    const struct limit_state *state = &verdict->limit;
    enum algorithm algorithm = verdict->has_limit ? state->rule->algorithm : ALGORITHM_COST_BASED;
    int64_t reset_ms = state->reset_ns > 0 ? state->reset_ns / NANOSECONDS_PER_MILLISECOND : 0;

    if (algorithm != ALGORITHM_TOKEN_BUCKET && algorithm != ALGORITHM_TOKEN_BUCKET_LLM)
        return (struct provider_limit){.provider = PROVIDER_NONE};
    return (struct provider_limit){
        .provider = endpoint_is_anthropic(path) ? PROVIDER_ANTHROPIC : PROVIDER_OPENAI,
        .is_tokens = algorithm == ALGORITHM_TOKEN_BUCKET_LLM,
        .limit = headers_units(state->limit),
        .remaining = headers_units(state->remaining),
        .reset_ms = (uint64_t)reset_ms,
        .reset_s = moment_now().wall_ns / NANOSECONDS_PER_SECOND + (reset_ms + 999) / 1000,
    };
}

/* "12ms", "1.5s", "6m0s": as OpenAI writes durations. */
static void add_duration(struct outbox *out, uint64_t ms)
{
    char text[64];

    if (ms < 1000)
        snprintf(text, sizeof(text), "%ums", (unsigned)ms);
    else if (ms < 60000)
        snprintf(text, sizeof(text), ms % 1000 ? "%u.%03us" : "%us", (unsigned)(ms / 1000), (unsigned)(ms % 1000));
    else if (ms < 3600000)
        snprintf(text, sizeof(text), "%um%us", (unsigned)(ms / 60000), (unsigned)(ms / 1000 % 60));
    else
        snprintf(text, sizeof(text), "%lluh%um%us", (unsigned long long)(ms / 3600000), (unsigned)(ms / 60000 % 60),
                 (unsigned)(ms / 1000 % 60));
    outbox_add(out, slice_of(text));
}

static void add_time(struct outbox *out, int64_t seconds)
{
    time_t when = (time_t)seconds;
    char text[32] = "";
    struct tm parts;

    if (gmtime_r(&when, &parts))
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
    outbox_add(out, slice_of(text));
}

static void write_openai(const struct provider_limit *limit, struct outbox *out)
{
    struct slice unit = limit->is_tokens ? SLICE("tokens: ") : SLICE("requests: ");

    outbox_add(out, SLICE("x-ratelimit-limit-"));
    outbox_add(out, unit);
    outbox_number(out, limit->limit);
    outbox_add(out, SLICE("\r\nx-ratelimit-remaining-"));
    outbox_add(out, unit);
    outbox_number(out, limit->remaining);
    outbox_add(out, SLICE("\r\nx-ratelimit-reset-"));
    outbox_add(out, unit);
    add_duration(out, limit->reset_ms);
    outbox_add(out, SLICE("\r\n"));
}

static void write_anthropic(const struct provider_limit *limit, struct outbox *out)
{
    struct slice unit = limit->is_tokens ? SLICE("anthropic-ratelimit-tokens-") : SLICE("anthropic-ratelimit-requests-");

    outbox_add(out, unit);
    outbox_add(out, SLICE("limit: "));
    outbox_number(out, limit->limit);
    outbox_add(out, SLICE("\r\n"));
    outbox_add(out, unit);
    outbox_add(out, SLICE("remaining: "));
    outbox_number(out, limit->remaining);
    outbox_add(out, SLICE("\r\n"));
    outbox_add(out, unit);
    outbox_add(out, SLICE("reset: "));
    add_time(out, limit->reset_s);
    outbox_add(out, SLICE("\r\n"));
}

void provider_write(const struct provider_limit *limit, struct outbox *out)
{
    if (limit->provider == PROVIDER_OPENAI)
        write_openai(limit, out);
    else if (limit->provider == PROVIDER_ANTHROPIC)
        write_anthropic(limit, out);
}

static bool begins_with(struct slice name, struct slice prefix)
{
    return name.size >= prefix.size && slice_equal_nocase((struct slice){name.data, prefix.size}, prefix);
}

bool provider_hides(const struct provider_limit *limit, struct slice name)
{
    return limit->provider != PROVIDER_NONE &&
           (begins_with(name, SLICE("x-ratelimit-")) || begins_with(name, SLICE("anthropic-ratelimit-")));
}
