/* SPDX-License-Identifier: MPL-2.0
 *
 * One thing done: see audit.h.
 */
#include "master/audit.h"

#include <stdio.h>
#include <string.h>

#include "policy/decide.h"
#include "shm/log.h"
#include "shm/moment.h"

void audit_init(struct audit *audit, const struct arena *arena, const struct settings *settings)
{
    memset(audit, 0, sizeof(*audit));
    audit->settings = settings;
    events_open(&audit->writer, arena, EVENTS_WRITER_DOOR);
}

static struct slice value_of(const struct audit *audit, const struct door_pair *pair,
                             char room[DECIDE_EVENTS_HASH_SIZE])
{
    return decide_events_redact(audit->writer.arena, audit->settings->redact, slice_of(pair->key),
                                slice_of(pair->value), room);
}

static void log_it(const struct audit *audit, const struct ucred *who, const struct door_request *request,
                   const char *what)
{
    char about[1024] = "", room[DECIDE_EVENTS_HASH_SIZE];
    size_t used = 0;

    for (uint32_t i = 0; i < request->pair_count && used < sizeof(about); i++) {
        struct slice value = value_of(audit, &request->pairs[i], room);

        used += (size_t)snprintf(about + used, sizeof(about) - used, " %s=%.*s", request->pairs[i].key,
                                 (int)value.size, value.data);
    }
    log_line(LOG_LEVEL_NOTICE, "%s by user %u (process %d):%s%s%s%s%s%s%s because: %s", what, (unsigned)who->uid,
             (int)who->pid, about, request->route[0] ? " on " : "", request->route,
             request->policy[0] ? " policy " : "", request->policy, request->rule[0] ? " rule " : "", request->rule,
             request->reason[0] ? request->reason : "no reason given");
}

static void record(struct audit *audit, uint32_t generation, const struct ucred *who,
                   const struct door_request *request, const char *what)
{
    struct event *event = &audit->event;
    char note[512], room[DECIDE_EVENTS_HASH_SIZE];

    event_begin(event, EVENT_AUDIT, moment_now().wall_ns);
    event->generation = generation;
    event_add(event, EVENT_TEXT_POLICY, slice_of(request->policy));
    event_add(event, EVENT_TEXT_RULE, slice_of(request->rule));
    event_add(event, EVENT_TEXT_PATH, slice_of(request->route));
    snprintf(note, sizeof(note), "%s by user %u: %s", what, (unsigned)who->uid, request->reason);
    event_add(event, EVENT_TEXT_NOTE, slice_of(note));
    for (uint32_t i = 0; i < request->pair_count; i++) {
        struct slice value = value_of(audit, &request->pairs[i], room);

        event->flags |= value.data == room ? EVENT_IS_HASHED : 0;
        event_add_key(event, slice_of(request->pairs[i].key), value);
    }
    events_write(&audit->writer, event); /* a full ring drops it and counts it; the log has the line */
}

void audit_note(struct audit *audit, uint32_t generation, const struct ucred *who, const struct door_request *request,
                const char *what)
{
    log_it(audit, who, request, what);
    record(audit, generation, who, request, what);
}
