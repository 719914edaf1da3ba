/* SPDX-License-Identifier: MPL-2.0
 *
 * A clock of the loop: see expiry.h. Times of expiry are those of the wall clock, which may be set, so nobody sleeps longer
 * than LOOK_NS towards one.
 */
#include "master/expiry.h"

#include "policy/iso8601.h"
#include "shm/log.h"
#include "shm/moment.h"

#define LOOK_NS (60 * NANOSECONDS_PER_SECOND)

/* When, in boot time, to look whether AT (seconds since 1970; 0: never) has passed, unless that was SAID. */
static int64_t next_look(int64_t at, int64_t said, struct moment now)
{
    int64_t left = at - now.wall_ns / NANOSECONDS_PER_SECOND;

    if (at == 0 || at == said)
        return LOOP_NEVER;
    if (left > LOOK_NS / NANOSECONDS_PER_SECOND)
        return now.boot_ns + LOOK_NS;
    return left > 0 ? now.boot_ns + left * NANOSECONDS_PER_SECOND : now.boot_ns;
}

static int64_t next_time(void *context)
{
    const struct expiry *expiry = context;
    const struct vet_report *report = &expiry->serving->report;
    struct moment now = moment_now();
    int64_t bundle = next_look(report->expires_at, expiry->said_bundle_at, now);
    int64_t certificate = next_look(report->certificate_ends_at, expiry->said_certificate_at, now);

    return bundle < certificate ? bundle : certificate;
}

static void say_bundle(const struct generation *serving)
{
    char time[ISO8601_TEXT_SIZE];

    iso8601_print(serving->report.expires_at, time);
    log_line(LOG_LEVEL_WARNING,
             "the bundle %s expired at %s: it is served on, but the next reload or start will refuse it; push one with "
             "a later \"expires_at\", or go back with `fairvisor connect --rollback`",
             serving->settings.config_file, time);
}

static void say_certificate(const struct generation *serving)
{
    char time[ISO8601_TEXT_SIZE];

    iso8601_print(serving->report.certificate_ends_at, time);
    log_line(LOG_LEVEL_WARNING,
             "the certificate of tls_cert expired at %s: clients that check it turn away; put a new one in its place "
             "and reload", time);
}

static bool has_passed(int64_t at, int64_t *said, int64_t now_s)
{
    if (at == 0 || at == *said || now_s < at)
        return false;
    *said = at;
    return true;
}

static void on_time(void *context, int64_t now_ns)
{
    struct expiry *expiry = context;
    const struct generation *serving = expiry->serving;
    int64_t now_s = moment_now().wall_ns / NANOSECONDS_PER_SECOND;

    (void)now_ns;
    if (serving->number == 0)
        return;
    if (has_passed(serving->report.expires_at, &expiry->said_bundle_at, now_s))
        say_bundle(serving);
    if (has_passed(serving->report.certificate_ends_at, &expiry->said_certificate_at, now_s))
        say_certificate(serving);
}

void expiry_init(struct expiry *expiry, struct loop *loop, const struct generation *serving)
{
    *expiry = (struct expiry){.serving = serving};
    loop_add_clock(loop, next_time, on_time, expiry);
}
