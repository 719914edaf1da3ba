/* SPDX-License-Identifier: MPL-2.0
 *
 * The bundle, the workers and the look from outside: see scene.h.
 */
#include "tests/policy/processes/scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "policy/load.h"
#include "shm/must.h"

#define SCRATCH 65536
#define ONE     BUNDLE_MILLIONTHS
#define EPOCH   INT64_C(1767225600) /* 2026-01-01T00:00:00Z */

const struct scene_limit scene_limits[SCENE_KINDS] = {
#define ROW(name, policy, capacity, rate, header) {policy, capacity, rate, header},
    SCENE_LIMITS(ROW)
#undef ROW
};

static const char bundle_text[] =
    "{\"bundle_version\":1,\"policies\":["
    "{\"id\":\"rate\",\"spec\":{\"selector\":{\"pathPrefix\":\"/\"},\"rules\":[{\"name\":\"r\",\"limit_keys\":[\"header:x-"
    "rate\"],\"algorithm\":\"token_bucket\",\"algorithm_config\":{\"tokens_per_second\":2,\"burst\":60,\"cost_source\":"
    "\"header:x-cost\"}}]}},"
    "{\"id\":\"budget\",\"spec\":{\"selector\":{\"pathPrefix\":\"/\"},\"rules\":[{\"name\":\"r\",\"limit_keys\":[\"header:"
    "x-budget\"],\"algorithm\":\"cost_based\",\"algorithm_config\":{\"budget\":300,\"period\":\"1h\",\"cost_key\":"
    "\"header:x-cost\",\"staged_actions\":[{\"threshold_percent\":50,\"action\":\"warn\"},{\"threshold_percent\":100,"
    "\"action\":\"reject\"}]}}]}},"
    "{\"id\":\"tokens\",\"spec\":{\"selector\":{\"pathPrefix\":\"/\"},\"rules\":[{\"name\":\"r\",\"limit_keys\":[\"header:"
    "x-tokens\"],\"algorithm\":\"token_bucket_llm\",\"algorithm_config\":{\"tokens_per_minute\":600,\"burst_tokens\":900,"
    "\"tokens_per_day\":4000,\"default_max_completion\":10,\"token_source\":{\"estimator\":\"header_hint\"}}}]}},"
    "{\"id\":\"flight\",\"spec\":{\"selector\":{\"pathPrefix\":\"/\"},\"rules\":[{\"name\":\"r\",\"limit_keys\":[\"header:"
    "x-flight\"],\"algorithm\":\"concurrency\",\"algorithm_config\":{\"max_in_flight\":5,\"ttl_seconds\":60}}]}},"
    "{\"id\":\"loop\",\"spec\":{\"selector\":{\"pathExact\":\"/loop\"},\"rules\":[],\"loop_detection\":{\"enabled\":true,"
    "\"window_seconds\":60,\"threshold_identical_requests\":30,\"action\":\"reject\",\"similarity\":\"exact\"}}},"
    "{\"id\":\"breaker\",\"spec\":{\"selector\":{\"pathPrefix\":\"/\"},\"rules\":[{\"name\":\"r\",\"limit_keys\":[\"header:"
    "x-breaker\"],\"algorithm\":\"token_bucket\",\"algorithm_config\":{\"tokens_per_second\":1000000,\"burst\":1000000,"
    "\"cost_source\":\"header:x-cost\"}}],\"circuit_breaker\":{\"enabled\":true,\"spend_rate_threshold_per_minute\":400,"
    "\"action\":\"reject\",\"auto_reset_after_minutes\":5,\"scope\":\"identity\"}}},"
    "{\"id\":\"shadow\",\"spec\":{\"mode\":\"shadow\",\"selector\":{\"pathPrefix\":\"/\"},\"rules\":[{\"name\":\"r\","
    "\"limit_keys\":[\"header:x-shadow\"],\"algorithm\":\"token_bucket\",\"algorithm_config\":{\"tokens_per_second\":1,"
    "\"burst\":40,\"cost_source\":\"header:x-cost\"}}]}}]}";

void scene_open(struct scene *scene, uint64_t seed)
{
    static struct complaint_list complaints;

    *scene = (struct scene){.seed = seed};
    scene->now = (struct moment){.boot_ns = INT64_C(10000) * NANOSECONDS_PER_SECOND,
                                 .wall_ns = (EPOCH + 600) * NANOSECONDS_PER_SECOND};
    arena_fixture_open(&scene->fixture, "processes", ARENA_MIN_SIZE, NULL);
    scene->bundle = load_bundle(slice_of(bundle_text), EPOCH, &complaints);
    ck_assert_msg(scene->bundle != NULL, "%s", complaints.items[0].sentence);
    scene->journal = mmap(NULL, sizeof(*scene->journal), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(scene->journal != MAP_FAILED);
}

void scene_close(struct scene *scene)
{
    munmap(scene->journal, sizeof(*scene->journal));
    bundle_free(scene->bundle);
    arena_fixture_close(&scene->fixture);
}

int64_t scene_used(const struct scene *scene, uint32_t row)
{
    uint64_t mixed = (scene->seed + row) * UINT64_C(0x9e3779b97f4a7c15);

    return (int64_t)(mixed >> 40) % 50;
}

/* ---- requests ------------------------------------------------------------------------------------------------------
 */

struct request {
    struct facts facts;
    struct fact_field fields[SCENE_KINDS + 2];
    char values[SCENE_KINDS + 2][24];
    char query[16];
};

static void add_field(struct request *request, const char *name, int64_t value)
{
    size_t at = request->facts.field_count++;

    snprintf(request->values[at], sizeof(request->values[at]), "%lld", (long long)value);
    request->fields[at] = (struct fact_field){slice_of(name), slice_of(request->values[at])};
}

static void make_request(const struct scene_row *row, struct request *request)
{
    int64_t cost = 1;

    memset(request, 0, sizeof(*request));
    request->facts.method = SLICE("POST");
    request->facts.path = SLICE("/");
    request->facts.fields = request->fields;
    for (int kind = 0; kind < SCENE_KINDS; kind++) {
        if (row->identity[kind] == SCENE_NOBODY || kind == SCENE_DAY)
            continue;
        if (kind == SCENE_LOOP) {
            request->facts.path = SLICE("/loop");
            snprintf(request->query, sizeof(request->query), "n=%d", row->identity[kind]);
            request->facts.query = slice_of(request->query);
            continue;
        }
        add_field(request, scene_limits[kind].header, row->identity[kind]);
        if (kind == SCENE_MINUTE)
            add_field(request, "x-token-estimate", row->cost[kind] - 10);
        else if (kind != SCENE_FLIGHT)
            cost = row->cost[kind];
    }
    add_field(request, "x-cost", cost);
}

static void fill_row(struct scene_row *row)
{
    int64_t cost = 1 + random() % 6;

    for (int kind = 0; kind < SCENE_KINDS; kind++) {
        row->identity[kind] = random() % 100 < 40 ? (int)(random() % SCENE_IDENTITIES) : SCENE_NOBODY;
        row->cost[kind] = cost;
    }
    row->cost[SCENE_FLIGHT] = row->cost[SCENE_LOOP] = 1;
    row->cost[SCENE_MINUTE] = row->cost[SCENE_DAY] = 10 + random() % 20;
    row->identity[SCENE_DAY] = row->identity[SCENE_MINUTE];
    row->is_settlement = false;
}

static int kind_of(const struct verdict *verdict)
{
    for (int kind = 0; verdict->policy && kind < SCENE_KINDS; kind++)
        if (slice_equal(verdict->policy->id, slice_of(scene_limits[kind].policy)) &&
            (kind != SCENE_MINUTE || verdict->reason != REASON_tpd_exceeded) &&
            (kind != SCENE_BREAKER || verdict->reason == REASON_circuit_breaker_open))
            return kind;
    return -1;
}

static void ask(struct decider *decider, struct moment now, struct scene_row *row)
{
    struct verdict verdict;
    struct request request;

    make_request(row, &request);
    decide_request(decider, &request.facts, NULL, now, &verdict);
    row->is_allowed = verdict.is_allowed;
    row->would_reject = verdict.would_reject;
    row->reason = verdict.reason;
    row->refused_by = verdict.is_allowed ? -1 : kind_of(&verdict);
    row->reservation_size = verdict.reservation_size;
    memcpy(row->reservation, verdict.reservation, verdict.reservation_size);
}

/* ---- workers -------------------------------------------------------------------------------------------------------
 */

/* A row whose reservation may be settled, also one that somebody else settles or has settled. false when none is near.
 */
static bool find_target(struct scene_journal *journal, uint32_t end, uint32_t *target)
{
    for (int i = 0; i < 8 && end > 0; i++) {
        uint32_t back = 1 + (uint32_t)random() % (random() % 4 ? 40 : SCENE_ROWS);
        struct scene_row *row;

        *target = end - (back < end ? back : end);
        row = &journal->rows[*target];
        if (atomic_load(&row->state) == SCENE_DONE && !row->is_settlement && row->reservation_size > 0)
            return true;
    }
    return false;
}

static void settle(struct scene *scene, struct decider *decider, struct scene_row *row)
{
    const struct scene_row *target = &scene->journal->rows[row->target];
    struct usage usage = {.in_total = scene_used(scene, row->target)};

    row->result = decide_reserve_settle(decider, (struct slice){target->reservation, target->reservation_size}, &usage,
                                        SLICE(""), scene->now);
}

static void play_row(struct scene *scene, struct decider *decider, uint32_t index)
{
    struct scene_row *row = &scene->journal->rows[index];

    fill_row(row);
    row->is_settlement = random() % 100 < 35 && find_target(scene->journal, index, &row->target);
    row->started = atomic_fetch_add(&scene->journal->tick, 1);
    atomic_store(&row->state, SCENE_STARTED);
    if (row->is_settlement)
        settle(scene, decider, row);
    else
        ask(decider, scene->now, row);
    row->ended = atomic_fetch_add(&scene->journal->tick, 1);
    atomic_store(&row->state, SCENE_DONE);
}

void scene_play(struct scene *scene, int worker)
{
    struct decider *decider =
        decide_new(scene->bundle, &scene->fixture.arena, &scene->fixture.arena.slots[worker], SCRATCH);
    uint32_t index;

    MUST(decider);
    srandom((unsigned)(scene->seed + (uint64_t)atomic_load(&scene->journal->tick) * 4 + (uint64_t)worker));
    while ((index = atomic_fetch_add(&scene->journal->next, 1)) < atomic_load(&scene->journal->end))
        play_row(scene, decider, index);
    _exit(0);
}

/* ---- from outside --------------------------------------------------------------------------------------------------
 */

struct look {
    enum scene_kind kind;
    int64_t spent;
    bool is_open, is_found;
};

static void note_limit(void *context, const struct decide_note *note)
{
    const struct scene_limit *limit;
    struct look *look = context;

    limit = &scene_limits[look->kind];
    if (note->step != DECIDE_LIMIT || !slice_equal(note->policy->id, slice_of(limit->policy)) ||
        note->limit->limit != limit->capacity * ONE)
        return;
    MUST(!look->is_found && note->limit->remaining % ONE == 0);
    look->is_found = true;
    look->spent = limit->capacity - note->limit->remaining / ONE;
    look->is_open = look->kind == SCENE_BREAKER && !note->fits;
}

int64_t scene_spent(struct scene *scene, enum scene_kind kind, int identity, bool *is_open)
{
    struct decider *decider = decide_new(scene->bundle, &scene->fixture.arena, NULL, SCRATCH);
    struct scene_row row;
    struct request request;
    struct verdict verdict;
    struct look look = {.kind = kind};

    ck_assert_ptr_nonnull(decider);
    for (int i = 0; i < SCENE_KINDS; i++) {
        row.identity[i] = i == (int)kind || (i == SCENE_MINUTE && kind == SCENE_DAY) ? identity : SCENE_NOBODY;
        row.cost[i] = i == SCENE_MINUTE ? 10 : 1;
    }
    make_request(&row, &request);
    /* A cost of almost nothing: only an open breaker refuses it before the limit is full. */
    decide_explain(decider, &request.facts, NULL, scene->now, &verdict, note_limit, &look);
    ck_assert(look.is_found);
    decide_free(decider);
    *is_open = look.is_open;
    return look.spent;
}
