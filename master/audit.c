/* SPDX-License-Identifier: MPL-2.0
 *
 * One thing done: see audit.h. The log has all texts whole; an event has room for so much.
 */
#include "master/audit.h"

#include <stdio.h>
#include <string.h>

#include "policy/decide.h"
#include "policy/decide_cells.h"
#include "shm/line.h"
#include "shm/log.h"
#include "shm/moment.h"

#define HASH_SHOWN 12

void audit_init(struct audit *audit, const struct arena *arena, const struct generation *serving)
{
    memset(audit, 0, sizeof(*audit));
    audit->serving = serving;
    events_open(&audit->writer, arena, EVENTS_WRITER_DOOR);
}

struct audit_bundle audit_bundle_of(const struct generation *serving)
{
    struct audit_bundle bundle = {.generation = serving->number};

    snprintf(bundle.version, sizeof(bundle.version), "%s", serving->report.version_text);
    snprintf(bundle.digest, sizeof(bundle.digest), "%s", serving->source.digest);
    return bundle;
}

/* A hash in the place of a value is told as it is: it hides what redact would, and can be found in other events. */
static struct slice value_of(const struct audit *audit, const struct door_pair *pair,
                             char room[DECIDE_REDACT_SIZE])
{
    struct slice value = slice_of(pair->value);

    if (decide_cells_is_hash(value))
        return value;
    return decide_redact(audit->writer.arena, audit->serving->settings.redact, slice_of(pair->key), value, room);
}

/* ---- the line in the log ------------------------------------------------------------------------------------------- */

static void put_about(struct line *line, const struct audit *audit, const struct door_request *request)
{
    char room[DECIDE_REDACT_SIZE];

    for (uint32_t i = 0; i < request->pair_count; i++) {
        struct slice value = value_of(audit, &request->pairs[i], room);

        line_put(line, " %s=%.*s", request->pairs[i].key, (int)value.size, value.data);
    }
    if (request->route[0])
        line_put(line, " on %s", request->route);
    if (request->policy[0])
        line_put(line, " policy %s", request->policy);
    if (request->rule[0])
        line_put(line, " rule %s", request->rule);
}

static void put_bundles(struct line *line, const struct audit_bundle *before, const struct audit_bundle *after)
{
    if (before->generation == 0)
        line_put(line, ", version %s, generation %u, sha256 %.*s", after->version, after->generation, HASH_SHOWN,
            after->digest);
    else
        line_put(line, ", version %s -> %s, generation %u -> %u, sha256 %.*s -> %.*s", before->version, after->version,
            before->generation, after->generation, HASH_SHOWN, before->digest, HASH_SHOWN, after->digest);
}

static void log_it(const struct audit *audit, const struct audit_act *act, const struct audit_bundle *after)
{
    const struct door_request *request = act->request;
    char text[LOG_LINE_SIZE];
    struct line line = {text, sizeof(text), 0};

    line_put(&line, "audit: %s", act->verb);
    if (request)
        put_about(&line, audit, request);
    if (act->who)
        line_put(&line, " by user %u (process %d)", (unsigned)act->who->uid, (int)act->who->pid);
    if (act->detail[0])
        line_put(&line, ", %s", act->detail);
    put_bundles(&line, &act->before, after);
    if (request)
        line_put(&line, ", because: %s", request->reason[0] ? request->reason : "no reason given");
    log_line(LOG_LEVEL_NOTICE, "%s", text);
}

/* ---- the event ----------------------------------------------------------------------------------------------------- */

static void add_request(struct audit *audit, const struct door_request *request)
{
    struct event *event = &audit->event;
    char room[DECIDE_REDACT_SIZE];

    event_add(event, EVENT_TEXT_POLICY, slice_of(request->policy));
    event_add(event, EVENT_TEXT_RULE, slice_of(request->rule));
    for (uint32_t i = 0; i < request->pair_count; i++) {
        struct slice value = value_of(audit, &request->pairs[i], room);

        event->flags |= value.data == room ? EVENT_IS_HASHED : 0;
        event_add_key(event, slice_of(request->pairs[i].key), value);
    }
    event->rule_keys = event->key_count;
    event_add(event, EVENT_TEXT_NOTE, slice_of(request->reason));
    event_add(event, EVENT_TEXT_PATH, slice_of(request->route));
}

static void add_bundles(struct event *event, const struct audit_bundle *before, const struct audit_bundle *after)
{
    event->generation = after->generation;
    event->generation_before = before->generation;
    event_add(event, EVENT_TEXT_VERSION, slice_of(after->version));
    event_add(event, EVENT_TEXT_HASH, slice_of(after->digest));
    event_add(event, EVENT_TEXT_VERSION_BEFORE, slice_of(before->version));
    event_add(event, EVENT_TEXT_HASH_BEFORE, slice_of(before->digest));
}

static void record(struct audit *audit, const struct audit_act *act, const struct audit_bundle *after)
{
    struct event *event = &audit->event;

    event_begin(event, EVENT_AUDIT, moment_now().wall_ns);
    event_add(event, EVENT_TEXT_REASON, slice_of(act->verb));
    if (act->who) {
        event->flags |= EVENT_HAS_WHO;
        event->uid = act->who->uid;
        event->pid = (uint32_t)act->who->pid;
    }
    add_bundles(event, &act->before, after);
    event_add(event, EVENT_TEXT_DETAIL, slice_of(act->detail));
    if (act->request)
        add_request(audit, act->request);
    events_write(&audit->writer, event); /* a full ring drops it and counts it; the log has the line */
}

void audit_note(struct audit *audit, const struct audit_act *act)
{
    struct audit_bundle after;

    if (!audit->serving)
        return;
    after = audit_bundle_of(audit->serving);
    log_it(audit, act, &after);
    record(audit, act, &after);
}
