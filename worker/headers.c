/* SPDX-License-Identifier: MPL-2.0
 *
 * Words verdicts as fields. The constant part of each rule is made once; the rest is small numbers.
 */
#include "worker/headers.h"

#include <stdlib.h>

#include "shm/moment.h"

#define RETRY_PATIENCE_NS           (60 * NANOSECONDS_PER_SECOND) /* beyond it, clients are told not to retry */
#define NANOSECONDS_PER_MILLISECOND INT64_C(1000000)

static uint64_t divide_up(int64_t amount, int64_t unit)
{
    return amount <= 0 ? 0 : (uint64_t)(amount / unit) + (amount % unit != 0);
}

uint64_t headers_units(int64_t millionths)
{
    return millionths < 0 ? 0 : (uint64_t)(millionths / BUNDLE_MILLIONTHS);
}

/* Whole seconds until a limit is whole again, or a refused request would fit: `t` and RateLimit-Reset, rounded up. */
static uint64_t reset_seconds(const struct limit_state *limit)
{
    return divide_up(limit->reset_ns, NANOSECONDS_PER_SECOND);
}

uint64_t headers_retry_seconds(const struct verdict *verdict)
{
    uint64_t seconds = divide_up(verdict->retry_after_ns, NANOSECONDS_PER_SECOND);
    uint64_t reset = verdict->has_limit ? reset_seconds(&verdict->limit) : 0;

    if (seconds < reset)
        seconds = reset;
    return seconds > 0 ? seconds : 1;
}

static uint32_t rule_count(const struct policy *policy)
{
    return policy->rule_count + (policy->fallback ? 1 : 0);
}

bool headers_init(struct headers *headers, const struct bundle *bundle)
{
    uint32_t count = 0;

    headers->bundle = bundle;
    headers->first_rule = calloc((size_t)bundle->policy_count + 1, sizeof(*headers->first_rule));
    if (!headers->first_rule)
        return false;
    for (uint32_t i = 0; i < bundle->policy_count; i++) {
        headers->first_rule[i] = count;
        count += rule_count(&bundle->policies[i]);
    }
    headers->first_rule[bundle->policy_count] = count;
    headers->limits = calloc((size_t)count + 1, sizeof(*headers->limits));
    return headers->limits != NULL;
}

void headers_fini(struct headers *headers)
{
    uint32_t count = headers->limits ? headers->first_rule[headers->bundle->policy_count] : 0;

    for (uint32_t i = 0; i < count; i++)
        free(headers->limits[i].text);
    free(headers->limits);
    free(headers->first_rule);
    *headers = (struct headers){0};
}

static void write_constant_part(const struct limit_state *limit, struct outbox *out)
{
    outbox_add(out, SLICE("RateLimit-Policy: \""));
    outbox_quoted(out, limit->policy->id);
    outbox_add(out, SLICE("\";q="));
    outbox_number(out, headers_units(limit->limit));
    outbox_add(out, SLICE(";w="));
    outbox_number(out, divide_up(limit->window_ns, NANOSECONDS_PER_SECOND));
    outbox_add(out, SLICE("\r\nRateLimit-Limit: "));
    outbox_number(out, headers_units(limit->limit));
    outbox_add(out, SLICE("\r\nRateLimit: \""));
    outbox_quoted(out, limit->policy->id);
    outbox_add(out, SLICE("\";r="));
}

static struct headers_limit *find_limit(const struct headers *headers, const struct limit_state *limit)
{
    const struct policy *policy = limit->policy;
    uint32_t rule = limit->rule == policy->fallback ? policy->rule_count : (uint32_t)(limit->rule - policy->rules);

    return &headers->limits[headers->first_rule[policy - headers->bundle->policies] + rule];
}

/* Keeps the text behind START for the next time. Without memory it is worded anew each time. */
static void keep(struct headers_limit *kept, const struct limit_state *limit, const struct outbox *out, size_t start)
{
    char *text = out->is_short ? NULL : malloc(out->used - start);

    if (!text)
        return;
    memcpy(text, out->data + start, out->used - start);
    free(kept->text);
    *kept = (struct headers_limit){limit->limit, limit->window_ns, text, out->used - start};
}

/* The constant part, ready for the first of the numbers. */
static void write_begin(const struct headers *headers, const struct limit_state *limit, struct outbox *out)
{
    struct headers_limit *kept = find_limit(headers, limit);
    size_t start = out->used;

    if (kept->text && kept->limit == limit->limit && kept->window_ns == limit->window_ns) {
        outbox_add(out, (struct slice){kept->text, kept->size});
    } else {
        write_constant_part(limit, out);
        keep(kept, limit, out, start);
    }
}

/* Both numbers stand twice, and are spelled once. */
static void write_limit(const struct headers *headers, const struct limit_state *limit, struct outbox *out)
{
    char remaining_digits[OUTBOX_NUMBER_SIZE], reset_digits[OUTBOX_NUMBER_SIZE];
    struct slice remaining = outbox_spell(headers_units(limit->remaining), remaining_digits);
    struct slice reset = outbox_spell(reset_seconds(limit), reset_digits);

    write_begin(headers, limit, out);
    outbox_add(out, remaining);
    outbox_add(out, SLICE(";t="));
    outbox_add(out, reset);
    outbox_add(out, SLICE("\r\nRateLimit-Remaining: "));
    outbox_add(out, remaining);
    outbox_add(out, SLICE("\r\nRateLimit-Reset: "));
    outbox_add(out, reset);
    outbox_add(out, SLICE("\r\n"));
}

static void write_retry(const struct verdict *verdict, struct outbox *out)
{
    bool is_worth_it = verdict->retry_cures && verdict->retry_after_ns <= RETRY_PATIENCE_NS;
    uint64_t milliseconds = divide_up(verdict->retry_after_ns, NANOSECONDS_PER_MILLISECOND);

    outbox_add(out, SLICE("Retry-After: "));
    outbox_number(out, headers_retry_seconds(verdict));
    if (is_worth_it) {
        outbox_add(out, SLICE("\r\nretry-after-ms: "));
        outbox_number(out, milliseconds > 0 ? milliseconds : 1);
        outbox_add(out, SLICE("\r\n"));
    } else {
        outbox_add(out, SLICE("\r\nx-should-retry: false\r\n"));
    }
}

static void write_warnings(unsigned warnings, struct outbox *out)
{
    static const struct {
        enum verdict_warning bit;
        struct slice name;
    } names[] = {
        {VERDICT_BUDGET_WARN, SLICE("budget_warn")},
        {VERDICT_BUDGET_THROTTLE, SLICE("budget_throttle")},
        {VERDICT_LOOP_WARN, SLICE("loop_warn")},
    };
    struct slice separator = SLICE("X-Fairvisor-Warning: ");

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!(warnings & names[i].bit))
            continue;
        outbox_add(out, separator);
        outbox_add(out, names[i].name);
        separator = SLICE(", ");
    }
    outbox_add(out, SLICE("\r\n"));
}

static void write_loop_count(int64_t count, struct outbox *out)
{
    outbox_add(out, SLICE("X-Fairvisor-Loop-Count: "));
    outbox_number(out, (uint64_t)count);
    outbox_add(out, SLICE("\r\n"));
}

static void write_reservation(const struct verdict *verdict, struct outbox *out)
{
    outbox_add(out, SLICE("X-Fairvisor-Reservation: "));
    outbox_add(out, (struct slice){verdict->reservation, verdict->reservation_size});
    outbox_add(out, SLICE("\r\n"));
}

static void write_verdict(struct headers *headers, const struct verdict *verdict, unsigned true_status,
                          bool with_reason, struct outbox *out)
{
    outbox_add(out, SLICE("X-Fairvisor-Status: "));
    outbox_number(out, true_status);
    outbox_add(out, SLICE("\r\n"));
    if (!verdict->is_allowed) {
        if (with_reason) {
            outbox_add(out, SLICE("X-Fairvisor-Reason: "));
            outbox_add(out, slice_of(verdict_reasons[verdict->reason].name));
            outbox_add(out, SLICE("\r\n"));
        }
        write_retry(verdict, out);
    }
    if (verdict->warnings)
        write_warnings(verdict->warnings, out);
    if (verdict->loop_count > 0)
        write_loop_count(verdict->loop_count, out);
    if (verdict->has_limit)
        write_limit(headers, &verdict->limit, out);
}

void headers_write(struct headers *headers, const struct verdict *verdict, unsigned true_status, bool with_reason,
                   struct outbox *out)
{
    write_verdict(headers, verdict, true_status, with_reason, out);
    if (verdict->is_allowed && verdict->reservation_size > 0)
        write_reservation(verdict, out);
}

void headers_write_passed(struct headers *headers, const struct verdict *verdict, struct outbox *out)
{
    write_verdict(headers, verdict, 200, false, out);
}
