/* SPDX-License-Identifier: MPL-2.0
 *
 * Wishes and events: see sieve.h.
 */
#include "cli/sieve.h"

#include <string.h>

#include "policy/iso8601.h"
#include "policy/load.h"
#include "policy/verdict.h"
#include "shm/moment.h"
#include "shm/near.h"
#include "shm/quantity.h"

#define NANOSECONDS_PER_MILLISECOND INT64_C(1000000)

bool sieve_add(struct sieve_list *list, const char *option, const char *word, struct failure *failure)
{
    if (word[0] == '\0')
        return failure_set(failure, EXIT_CODE_USAGE, "%s needs a word that is not empty", option);
    if (list->count == SIEVE_MAX)
        return failure_set(failure, EXIT_CODE_USAGE, "%s is given more than %d times", option, SIEVE_MAX);
    list->items[list->count++] = slice_of(word);
    return true;
}

bool sieve_add_actions(struct sieve *sieve, const char *word, struct failure *failure)
{
    const char *rest = word;

    for (;;) {
        size_t size = strcspn(rest, ",");
        enum event_action action = event_find_action((struct slice){rest, size});

        if (action == EVENT_ACTIONS)
            return failure_set(failure, EXIT_CODE_USAGE,
                               "--action %s: '%.*s' is none; the actions are allow, reject, would_reject, charge, settle "
                               "and audit",
                               word, (int)size, rest);
        sieve->actions |= 1U << action;
        if (rest[size] == '\0')
            return true;
        rest += size + 1;
    }
}

static bool is_reason(struct slice text)
{
    static const char *const verbs[] = {"reset",    "grant",            "kill",   "lift",          "push", "push_refused",
                                        "rollback", "rollback_refused", "reload", "reload_refused"};

    for (int i = REASON_NONE + 1; i < REASON_COUNT; i++)
        if (slice_equal(text, slice_of(verdict_reasons[i].name)))
            return true;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (slice_equal(text, slice_of(verbs[i])))
            return true;
    return false;
}

bool sieve_add_reason(struct sieve *sieve, const char *word, struct failure *failure)
{
    struct near near;

    near_init(&near, slice_of(word));
    for (int i = REASON_NONE + 1; i < REASON_COUNT; i++)
        near_offer(&near, slice_of(verdict_reasons[i].name));
    if (word[0] && !is_reason(slice_of(word)))
        return near.best.size > 0 ? failure_set(failure, EXIT_CODE_USAGE, "--reason %s is none; did you mean %.*s?", word,
                                                (int)near.best.size, near.best.data)
                                  : failure_set(failure, EXIT_CODE_USAGE,
                                                "--reason %s is none; fairvisor-policy(5) has the reasons, such as "
                                                "rate_limit_exceeded", word);
    return sieve_add(&sieve->reasons, "--reason", word, failure);
}

bool sieve_add_key(struct sieve *sieve, const char *word, struct failure *failure)
{
    struct descriptor descriptor;
    struct slice name = {word, strcspn(word, "=")};

    if (word[0] && !load_key_parse(name, &descriptor))
        return failure_set(failure, EXIT_CODE_USAGE,
                           "--key %s: '%.*s' is no key; keys are spelt as in a policy, such as header:x-api-key or ip:address",
                           word, (int)name.size, name.data);
    return sieve_add(&sieve->keys, "--key", word, failure);
}

/* A time with the offset of a time zone behind it, as in 2026-01-31T09:00:00+01:00 (RFC 3339). */
static bool parse_with_offset(struct slice text, int64_t *seconds)
{
    char time[ISO8601_TEXT_SIZE];
    struct slice offset = {text.data + ISO8601_TEXT_SIZE - 2, text.size - (ISO8601_TEXT_SIZE - 2)};
    int hours, minutes;

    if (text.size != sizeof("2026-01-31T09:00:00+01:00") - 1 || (offset.data[0] != '+' && offset.data[0] != '-') ||
        offset.data[3] != ':')
        return false;
    for (size_t i = 1; i < offset.size; i++)
        if (i != 3 && (offset.data[i] < '0' || offset.data[i] > '9'))
            return false;
    memcpy(time, text.data, ISO8601_TEXT_SIZE - 2);
    memcpy(time + ISO8601_TEXT_SIZE - 2, "Z", 2);
    hours = (offset.data[1] - '0') * 10 + offset.data[2] - '0';
    minutes = (offset.data[4] - '0') * 10 + offset.data[5] - '0';
    if (hours > 23 || minutes > 59 || !iso8601_parse(slice_of(time), seconds))
        return false;
    *seconds -= (offset.data[0] == '-' ? -60 : 60) * (hours * 60 + minutes);
    return true;
}

bool sieve_set_since(struct sieve *sieve, const char *word, int64_t now_ns, struct failure *failure)
{
    uint64_t milliseconds;
    int64_t seconds;

    if (iso8601_parse(slice_of(word), &seconds) || parse_with_offset(slice_of(word), &seconds))
        sieve->since_ns = seconds < INT64_MAX / NANOSECONDS_PER_SECOND ? seconds * NANOSECONDS_PER_SECOND : INT64_MAX;
    else if (quantity_parse_duration(slice_of(word), &milliseconds) &&
             milliseconds < (uint64_t)(INT64_MAX / NANOSECONDS_PER_MILLISECOND))
        sieve->since_ns = now_ns - (int64_t)milliseconds * NANOSECONDS_PER_MILLISECOND;
    else
        return failure_set(failure, EXIT_CODE_USAGE,
                           "--since %s: give a span such as 90s, 10m, 1h or 2d, or a time such as "
                           "2026-01-31T08:00:00Z or 2026-01-31T09:00:00+01:00", word);
    return true;
}

static bool has_item(const struct sieve_list *list, struct slice text)
{
    for (size_t i = 0; i < list->count; i++)
        if (slice_equal(list->items[i], text))
            return true;
    return list->count == 0;
}

/* NAME, or NAME=VALUE; a header field's name in capitals, too. */
static bool key_is(struct slice wish, struct slice name, struct slice value)
{
    struct slice head = {wish.data, wish.size < name.size ? wish.size : name.size};

    if (slice_has_prefix(name, SLICE("header:")) ? !slice_equal_nocase(head, name) : !slice_equal(head, name))
        return false;
    if (wish.size == name.size)
        return true;
    return wish.data[name.size] == '=' &&
           slice_equal((struct slice){wish.data + name.size + 1, wish.size - name.size - 1}, value);
}

static bool has_key(const struct sieve_list *wishes, const struct event *event)
{
    struct slice name, value;
    size_t at = 0;

    while (event_next_key(event, &at, &name, &value))
        for (size_t i = 0; i < wishes->count; i++)
            if (key_is(wishes->items[i], name, value))
                return true;
    return wishes->count == 0;
}

bool sieve_passes(const struct sieve *sieve, const struct event *event)
{
    unsigned actions = sieve->actions ? sieve->actions : ~(1U << EVENT_CHARGE | 1U << EVENT_SETTLE);

    return event->wall_ns >= sieve->since_ns && event->action < EVENT_ACTIONS && (actions >> event->action & 1) &&
           has_item(&sieve->reasons, event_get(event, EVENT_TEXT_REASON)) &&
           has_item(&sieve->policies, event_get(event, EVENT_TEXT_POLICY)) && has_key(&sieve->keys, event);
}
