/* SPDX-License-Identifier: MPL-2.0
 *
 * fork -> become the workers' user -> load the bundle -> find the cells -> change each -> report.
 */
#include "master/amend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/decide_cells.h"
#include "policy/load.h"
#include "shm/correction.h"
#include "shm/moment.h"

#define AMEND_MEMORY (UINT64_C(4) << 30) /* of address space, beside the arena: see vet.c */

/* ---- in the child -------------------------------------------------------------------------------------------------- */

struct work {
    const struct amend_order *order;
    struct moment now;
    struct door_reply *reply;
    const struct rule *rule; /* the only one that a grant may be about */
    bool has_several;
    uint64_t stuck;
};

static bool is_grantable(const struct decide_cells_limit *limit)
{
    return limit->limit.kind == CELL_BUCKET || limit->limit.kind == CELL_WINDOW;
}

/* An amount is in the unit of its rule: of two rules at once it would mean two things. */
static void look_for_several(void *context, const struct decide_cells_limit *limit)
{
    struct work *work = context;

    if (!is_grantable(limit))
        return;
    work->has_several |= work->rule && work->rule != limit->rule;
    work->rule = limit->rule;
}

static void note(struct work *work, enum correction_result result)
{
    work->stuck += result == CORRECTION_STUCK;
    work->reply->changed += result == CORRECTION_DONE;
}

static void reset(void *context, const struct decide_cells_limit *limit)
{
    struct work *work = context;

    note(work, correction_reset(work->order->arena, limit->key, &limit->limit, work->now));
}

static void grant(void *context, const struct decide_cells_limit *limit)
{
    struct work *work = context;
    struct door_reply *reply = work->reply;
    int64_t given;

    if (!is_grantable(limit))
        return;
    note(work, correction_grant(work->order->arena, limit->key, &limit->limit, work->order->request->amount, work->now,
                                &given));
    if (given > reply->amount)
        reply->amount = given;
}

static void answer(struct door_reply *reply, enum exit_code code, const char *sentence)
{
    reply->code = code;
    snprintf(reply->sentence, sizeof(reply->sentence), "%s", sentence);
}

static void amend_cells(struct work *work, struct decider *decider, const struct decide_cells_identity *identity)
{
    struct door_reply *reply = work->reply;
    bool is_grant = work->order->request->verb == DOOR_GRANT;
    size_t count, unknown = decide_cells_find_unknown(decider, identity);

    if (unknown < identity->count)
        return answer(reply, EXIT_CODE_USAGE, "no policy asks for one of these keys");
    if (is_grant)
        decide_cells_list(decider, identity, work->now, look_for_several, work);
    if (work->has_several)
        return answer(reply, EXIT_CODE_USAGE,
                      "several rules have budgets of this identity, and an amount means something else to each: name "
                      "one with --policy and --rule");
    if (is_grant && !work->rule)
        return answer(reply, EXIT_CODE_REFUSED, "this identity has no budget that something can be given back to");
    reply->amount = 0;
    count = decide_cells_list(decider, identity, work->now, is_grant ? grant : reset, work);
    if (work->stuck > 0)
        answer(reply, EXIT_CODE_OS, "a part of the shared memory is held by a process that does not go on: try again");
    else if (count == 0)
        answer(reply, EXIT_CODE_REFUSED, "no limit of the loaded policy is about this identity");
}

static void load_and_amend(struct work *work)
{
    static struct complaint_list complaints;
    const struct amend_order *order = work->order;
    const struct door_request *request = order->request;
    struct decide_cells_pair pairs[DOOR_MAX_PAIRS];
    struct decide_cells_identity identity = {.pairs = pairs,
                                             .count = request->pair_count,
                                             .policy = slice_of(request->policy),
                                             .rule = slice_of(request->rule)};
    struct bundle *bundle = load_bundle((struct slice){order->source->bytes, order->source->size},
                                        order->loaded_at_ns / NANOSECONDS_PER_SECOND, &complaints);
    struct decider *decider = bundle ? decide_new(bundle, order->arena, NULL, 0) : NULL;

    if (!decider)
        return answer(work->reply, EXIT_CODE_OS, "the loaded policy cannot be read again: memory is out");
    for (uint32_t i = 0; i < request->pair_count; i++)
        pairs[i] = (struct decide_cells_pair){slice_of(request->pairs[i].key), slice_of(request->pairs[i].value)};
    amend_cells(work, decider, &identity);
}

static bool set_limit(int resource, rlim_t value)
{
    struct rlimit limit = {.rlim_cur = value, .rlim_max = value};

    return setrlimit(resource, &limit) == 0;
}

static bool set_limits(const struct amend_order *order)
{
#ifndef __SANITIZE_ADDRESS__ /* its shadow memory alone is larger than any limit */
    if (!set_limit(RLIMIT_AS, AMEND_MEMORY + order->arena->size))
        return false;
#endif
    (void)order;
    return set_limit(RLIMIT_CORE, 0) && set_limit(RLIMIT_FSIZE, 0);
}

static void run_child(const struct amend_order *order, int out)
{
    struct door_reply reply = {.code = EXIT_CODE_OK};
    struct work work = {.order = order, .now = moment_now(), .reply = &reply};

    if (dup2(out, STDOUT_FILENO) < 0 || close_range(STDERR_FILENO + 1, ~0U, 0) != 0 ||
        !privileges_drop(order->privileges) || !set_limits(order))
        _exit(EXIT_CODE_OS);
    load_and_amend(&work);
    _exit(write(STDOUT_FILENO, &reply, sizeof(reply)) == (ssize_t)sizeof(reply) ? 0 : EXIT_CODE_OS);
}

/* ---- in the master ------------------------------------------------------------------------------------------------- */

/* The child is no more than a worker: its report is taken for its form only. */
static bool is_sane(const struct door_reply *reply)
{
    return memchr(reply->sentence, '\0', sizeof(reply->sentence)) != NULL &&
           (reply->code == EXIT_CODE_OK || reply->code == EXIT_CODE_REFUSED || reply->code == EXIT_CODE_USAGE ||
            reply->code == EXIT_CODE_OS);
}

static void on_exit_of_child(void *context, pid_t pid, int status)
{
    struct amend *amend = context;
    struct door_reply reply;
    ssize_t got = read(amend->fd, &reply, sizeof(reply)); /* smaller than a pipe's buffer: it is all there */

    (void)pid;
    close(amend->fd);
    amend->pid = 0;
    if (status != 0 || got != (ssize_t)sizeof(reply) || !is_sane(&reply)) {
        reply = (struct door_reply){.code = EXIT_CODE_OS};
        snprintf(reply.sentence, sizeof(reply.sentence),
                 "the process that changes counters ended with %s %d: some may be changed, some not",
                 WIFSIGNALED(status) ? "signal" : "code", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
    amend->on_done(amend->context, &reply);
}

bool amend_start(struct amend *amend, struct loop *loop, const struct amend_order *order, amend_on_done *on_done,
                 void *context, struct failure *failure)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return failure_set_errno(failure, EXIT_CODE_OS, "the counters cannot be changed");
    *amend = (struct amend){.fd = ends[0],
                            .deadline_ns = moment_now().boot_ns + AMEND_NS,
                            .on_done = on_done,
                            .context = context};
    amend->pid = loop_fork(loop, on_exit_of_child, amend);
    if (amend->pid == 0)
        run_child(order, ends[1]);
    close(ends[1]);
    if (amend->pid > 0)
        return true;
    amend->pid = 0;
    failure_set_errno(failure, EXIT_CODE_OS, "the counters cannot be changed");
    close(ends[0]);
    return false;
}
