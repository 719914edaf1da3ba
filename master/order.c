/* SPDX-License-Identifier: MPL-2.0
 *
 * Do it, or let a child do it, note who asked for it, and answer: see order.h.
 */
#include "master/order.h"

#include <stdio.h>

#include "master/deploy.h"
#include "master/master.h"
#include "policy/decimal.h"
#include "policy/iso8601.h"
#include "shm/log.h"

static void note(const struct admin_visitor *visitor, const char *verb, const char *detail)
{
    const struct audit_act act = {
        .verb = verb, .who = &visitor->who, .request = &visitor->request, .detail = detail};

    audit_note(&visitor->admin->audit, &act);
}

static void note_amended(const struct admin_visitor *visitor, const struct door_reply *done)
{
    bool is_grant = visitor->request.verb == DOOR_GRANT;
    char detail[128], amount[DECIMAL_TEXT_SIZE];

    decimal_print(done->amount, amount);
    snprintf(detail, sizeof(detail), "%s%s%llu limit%s changed", is_grant ? amount : "", is_grant ? " given back, " : "",
             (unsigned long long)done->changed, done->changed == 1 ? "" : "s");
    note(visitor, is_grant ? "grant" : "reset", detail);
}

static void on_amended(void *context, const struct door_reply *done)
{
    struct admin_visitor *visitor = context;
    struct door_reply answer = *done;

    if (answer.code == EXIT_CODE_OK || answer.changed > 0)
        note_amended(visitor, done);
    admin_reply(visitor, &answer);
}

static void amend(struct admin_visitor *visitor)
{
    struct master *master = visitor->admin->master;
    struct amend_order order = {.request = &visitor->request,
                                .source = &master->serving.source,
                                .loaded_at_ns = master->serving.loaded_at_ns,
                                .arena = &master->arena,
                                .privileges = &master->privileges};
    struct failure failure;

    if (visitor->request.verb == DOOR_GRANT && visitor->request.amount == 0)
        admin_say(visitor, EXIT_CODE_USAGE, "an amount is needed");
    else if (amend_start(&visitor->amend, &master->loop, &order, on_amended, visitor, &failure))
        visitor->deadline_ns = visitor->amend.deadline_ns;
    else
        admin_say(visitor, failure.code, failure.sentence);
}

static void note_switched(const struct admin_visitor *visitor, bool was_there)
{
    const struct door_request *request = &visitor->request;
    char detail[64] = "", until[ISO8601_TEXT_SIZE] = "for good";

    if (request->expires_at != KILLS_NEVER)
        iso8601_print(request->expires_at, until);
    if (request->verb == DOOR_KILL)
        snprintf(detail, sizeof(detail), "%s%s%s", was_there ? "changed, " : "",
                 request->expires_at != KILLS_NEVER ? "until " : "", until);
    note(visitor, request->verb == DOOR_KILL ? "kill" : "lift", detail);
}

static void switch_by_hand(struct admin_visitor *visitor)
{
    struct switches *switches = &visitor->admin->master->switches;
    struct door_reply answer = {.code = EXIT_CODE_OK};
    bool is_kill = visitor->request.verb == DOOR_KILL, was_there = true, is_done;
    struct failure failure;

    /* The new master has read the file by now, or will have before we are done. */
    if (visitor->admin->master->upgrade.pid > 0)
        return admin_say(visitor, EXIT_CODE_REFUSED, "an upgrade of the service is under way: try again in a moment");
    is_done = is_kill ? switches_add(switches, &visitor->request, &was_there, &failure)
                      : switches_remove(switches, &visitor->request, &failure);
    answer.changed = was_there;
    if (is_done || failure.code == EXIT_CODE_OS)
        note_switched(visitor, was_there);
    if (!is_done) {
        answer.code = failure.code;
        snprintf(answer.sentence, sizeof(answer.sentence), "%s", failure.sentence);
        if (failure.code == EXIT_CODE_OS)
            log_line(LOG_LEVEL_ERROR, "%s", failure.sentence);
    }
    admin_reply(visitor, &answer);
}

static void wait_for_push(struct admin_visitor *visitor)
{
    struct admin *admin = visitor->admin;

    if (visitor->bundle_fd < 0)
        return admin_say(visitor, EXIT_CODE_USAGE, "no bundle came along");
    if (admin->master->upgrade.pid > 0)
        return admin_say(visitor, EXIT_CODE_REFUSED, "an upgrade of the service is under way: try again in a moment");
    if (admin->pushing)
        return admin_say(visitor, EXIT_CODE_REFUSED, "another bundle is being pushed: try again in a moment");
    admin->pushing = visitor;
    visitor->deadline_ns = LOOP_NEVER;
}

bool order_has_push(const struct admin *admin)
{
    return admin->pushing != NULL && !admin->is_pushing;
}

static struct kept_note note_of(const struct admin_visitor *visitor)
{
    struct kept_note note = {.user = visitor->who.uid};

    snprintf(note.how, sizeof(note.how), "%s", visitor->request.amount == 0 ? "push" : "rollback");
    snprintf(note.reason, sizeof(note.reason), "%s", visitor->request.reason);
    return note;
}

void order_push(struct admin *admin)
{
    struct admin_visitor *visitor = admin->pushing;
    struct master *master = admin->master;
    struct audit_act act = {
        .who = &visitor->who, .request = &visitor->request, .before = audit_bundle_of(&master->serving)};
    struct door_reply answer = {.code = EXIT_CODE_OK};
    struct kept_note note_kept = note_of(visitor);
    struct failure failure;
    bool is_done;

    admin->is_pushing = true;
    is_done = deploy_run(master, visitor->bundle_fd, (uint32_t)visitor->request.amount, &note_kept, &failure);
    if (is_done) {
        snprintf(answer.sentence, sizeof(answer.sentence), "%s", master->serving.settings.config_file);
        answer.changed = master->is_kept ? 0 : 1;
    } else {
        answer.code = failure.code;
        snprintf(answer.sentence, sizeof(answer.sentence), "%s", failure.sentence);
    }
    if (visitor->request.amount == 0)
        act.verb = is_done ? "push" : "push_refused";
    else
        act.verb = is_done ? "rollback" : "rollback_refused"; /* amount is the number of the kept bundle */
    act.detail = is_done ? "" : failure.sentence;
    audit_note(&admin->audit, &act);
    answer.generation = master->serving.number;
    admin->pushing = NULL;
    admin->is_pushing = false;
    admin_reply(visitor, &answer);
}

void order_serve(struct admin_visitor *visitor)
{
    switch ((enum door_verb)visitor->request.verb) {
    case DOOR_CHECK:
        admin_say(visitor, EXIT_CODE_OK, "");
        break;
    case DOOR_RESET:
    case DOOR_GRANT:
        amend(visitor);
        break;
    case DOOR_KILL:
    case DOOR_LIFT:
        switch_by_hand(visitor);
        break;
    case DOOR_PUSH:
        wait_for_push(visitor);
        break;
    case DOOR_VERBS:
        break;
    }
}
