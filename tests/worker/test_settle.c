/* SPDX-License-Identifier: MPL-2.0
 *
 * Settlements as they come from gateways: what is read, and what each mistake is told; and those of proxied requests, which may have
 * to wait.
 */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "policy/decide_cells.h"
#include "policy/load.h"
#include "policy/reservation.h"
#include "shm/admission.h"
#include "shm/arena_layout.h"
#include "shm/events.h"
#include "tests/shm/arena_fixture.h"
#include "worker/settle.h"

#define NOON INT64_C(1780488000) /* 2026-06-03T12:00:00Z */

/* In place of the system's: it is noon when somebody first asks, for what is spent of a day must not be whole again meanwhile. */
int clock_gettime(clockid_t id, struct timespec *now)
{
    static time_t first;
    int result = (int)syscall(SYS_clock_gettime, id, now);

    if (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)
        return result;
    if (first == 0)
        first = now->tv_sec;
    now->tv_sec += NOON - first;
    return result;
}

static const struct {
    const char *text;
    const char *reservation;
    int64_t prompt, completion;
} good[] = {
    {"{\"reservation\":\"abc\",\"prompt_tokens\":12,\"completion_tokens\":34,\"cached_tokens\":12,\"model\":\"m\"}", "abc",
     12, 34},
    {" {\"completion_tokens\" : 0 , \"reservation\" : \"abc\"}\r\n", "abc", 0, 0},
    {"{\"reservation\":\"\"}", "", 0, 0},
    {"{\"reservation\":\"a\\u0062\\\"c\"}", "ab\"c", 0, 0},
    {"{\"reserv\\u0061tion\":\"x\",\"prompt_tokens\":4294967296}", "x", INT64_C(4294967296), 0},
    {"{\"reservation\":\"x\",\"completion_tokens\":4294967296}", "x", 0, INT64_C(4294967296)},
};

#define RANGE "must be a whole number of tokens from 0 to 4294967296."

static const struct {
    const char *text, *complaint;
} bad[] = {
    {"", "Line 1, column 1: the document is empty."},
    {"{", "Line 1, column 1: this bracket is not closed."},
    {"{\"reservation\":\"x\"} {}", "Line 1, column 21: nothing may follow the end of the document."},
    {"[]", "Line 1, column 1: a settlement is an object with at least a reservation."},
    {"\"x\"", "Line 1, column 1: a settlement is an object with at least a reservation."},
    {"{}", "Line 1, column 1: \"reservation\" is missing: send X-Fairvisor-Reservation of the decision in it."},
    {"{\"prompt_tokens\":1}",
     "Line 1, column 1: \"reservation\" is missing: send X-Fairvisor-Reservation of the decision in it."},
    {"{\"reservation\":7}", "Line 1, column 16: \"reservation\" must be a string."},
    {"{\"reservation\":\"x\",\n \"model\":null}", "Line 2, column 10: \"model\" must be a string."},
    {"{\"reservation\":\"x\",\"prompt_tokens\":-1}", "Line 1, column 36: \"prompt_tokens\" " RANGE},
    {"{\"reservation\":\"x\",\"prompt_tokens\":-0}", "Line 1, column 36: \"prompt_tokens\" " RANGE},
    {"{\"reservation\":\"x\",\"prompt_tokens\":1.0}", "Line 1, column 36: \"prompt_tokens\" " RANGE},
    {"{\"reservation\":\"x\",\"prompt_tokens\":1e3}", "Line 1, column 36: \"prompt_tokens\" " RANGE},
    {"{\"reservation\":\"x\",\"prompt_tokens\":\"1\"}", "Line 1, column 36: \"prompt_tokens\" " RANGE},
    {"{\"reservation\":\"x\",\"prompt_tokens\":null}", "Line 1, column 36: \"prompt_tokens\" " RANGE},
    {"{\"reservation\":\"x\",\"prompt_tokens\":[1]}", "Line 1, column 36: \"prompt_tokens\" " RANGE},
    {"{\"reservation\":\"x\",\"completion_tokens\":true}", "Line 1, column 40: \"completion_tokens\" " RANGE},
    {"{\"reservation\":\"x\",\"completion_tokens\":4294967297}", "Line 1, column 40: \"completion_tokens\" " RANGE},
    {"{\"reservation\":\"x\",\"completion_tokens\":99999999999999999999999999}",
     "Line 1, column 40: \"completion_tokens\" " RANGE},
    {"{\"reservation\":\"x\",\"total_tokens\":1}", "Line 1, column 20: \"total_tokens\" is not known here; known are "
                                                   "reservation, prompt_tokens, completion_tokens, cached_tokens and "
                                                   "model."},
    {"{\"reservation\":\"x\",\"reservation\":\"x\"}",
     "Line 1, column 20: \"reservation\" stands here a second time; tell it once."},
    {"{\"reservation\":\"x\",\"prompt_tokens\":1,\"prompt_token\\u0073\":1}",
     "Line 1, column 38: \"prompt_tokens\" stands here a second time; tell it once."},
};

static bool read_text(const char *text, struct region *region, struct settle_demand *demand, struct outbox *complaint)
{
    ck_assert_ptr_nonnull(region);
    *complaint = (struct outbox){0};
    return settle_read(slice_of(text), region, demand, complaint);
}

START_TEST(reads)
{
    struct region *region = region_new();
    struct settle_demand demand;
    struct outbox complaint;

    ck_assert(read_text(good[_i].text, region, &demand, &complaint));
    ck_assert(slice_equal(demand.reservation, slice_of(good[_i].reservation)));
    ck_assert_int_eq(demand.usage.in_total, good[_i].prompt);
    ck_assert_int_eq(demand.usage.out_total, good[_i].completion);
    if (strstr(good[_i].text, "cached_tokens"))
        ck_assert(demand.usage.in_cached == 12 && slice_equal(demand.model, SLICE("m")));
    ck_assert_uint_eq(complaint.used, 0);
    region_free(region);
}
END_TEST

START_TEST(complains)
{
    struct region *region = region_new();
    struct settle_demand demand;
    struct outbox complaint;

    ck_assert(!read_text(bad[_i].text, region, &demand, &complaint));
    outbox_add(&complaint, (struct slice){"", 1});
    ck_assert_str_eq(complaint.data, bad[_i].complaint);
    outbox_fini(&complaint);
    region_free(region);
}
END_TEST

/* ---- answers ----------------------------------------------------------------------------------------------------- */

#define POLICY                                                                                                    \
    "{\"bundle_version\":1,\"policies\":[{\"id\":\"p\",\"spec\":{\"selector\":{\"pathPrefix\":\"/\"},\"rules\":[" \
    "{\"name\":\"r\",\"limit_keys\":[\"header:x-key\"],\"algorithm\":\"token_bucket_llm\",\"algorithm_config\":"  \
    "{\"tokens_per_day\":1000,\"default_max_completion\":100}}]}}]}"

static struct arena_fixture fixture;
static struct worker worker;

static void load(struct slice text)
{
    static struct complaint_list complaints;

    decide_free(worker.decider);
    bundle_free(worker.bundle);
    worker.bundle = load_bundle(text, moment_now().wall_ns / NANOSECONDS_PER_SECOND, &complaints);
    ck_assert_msg(worker.bundle != NULL, "%s", complaints.items[0].sentence);
    worker.decider = decide_new(worker.bundle, &worker.arena, worker.slot, 4096);
    ck_assert_ptr_nonnull(worker.decider);
}

static void setup(void)
{
    memset(&worker, 0, sizeof(worker));
    arena_fixture_open(&fixture, "settle", ARENA_MIN_SIZE, NULL);
    worker.arena = fixture.arena;
    worker.slot = &fixture.arena.slots[0];
    load(SLICE(POLICY));
    ck_assert(outbox_init(&worker.out, 1024) && outbox_init(&worker.body, 1024));
    reply_init(&worker);
}

static void teardown(void)
{
    decide_free(worker.decider);
    bundle_free(worker.bundle);
    outbox_fini(&worker.out);
    outbox_fini(&worker.body);
    arena_fixture_close(&fixture);
}

static struct verdict decide(const char *key)
{
    const struct fact_field field = {SLICE("x-key"), slice_of(key)};
    const struct facts facts = {
        .method = SLICE("POST"), .path = SLICE("/"), .fields = &field, .field_count = 1, .body = SLICE("{}")};
    struct verdict verdict;

    decide_request(worker.decider, &facts, NULL, moment_now(), &verdict);
    return verdict;
}

static void read_spent(void *context, const struct decide_cells_limit *limit)
{
    struct charge charge = {.key = {limit->key[0], limit->key[1]}, .limit = limit->limit};
    struct admission admission;

    admission_look(&worker.arena, &charge, 1, moment_now(), &admission);
    *(int64_t *)context = charge.refreshed.spent;
}

/* Settles TEXT and expects a STATUS line, the member "status" and a piece of the answer. */
static void expect(struct slice text, const char *status, const char *word, const char *piece)
{
    const struct reply reply = {.worker = &worker, .keeps_alive = true};
    char body[4096], wanted[64];

    snprintf(body, sizeof(body), "{\"reservation\":\"%.*s\",\"prompt_tokens\":1,\"completion_tokens\":2}",
             (int)text.size, text.data);
    outbox_clear(&worker.out);
    settle_answer(&reply, slice_of(body));
    outbox_add(&worker.out, (struct slice){"", 1});
    snprintf(wanted, sizeof(wanted), "{\"status\":\"%s\"", word);
    ck_assert_ptr_eq(strstr(worker.out.data, status), worker.out.data);
    ck_assert_ptr_nonnull(strstr(worker.out.data, wanted));
    ck_assert_ptr_nonnull(strstr(worker.out.data, piece));
}

static int64_t spent_by(const char *key)
{
    const struct decide_cells_pair pair = {SLICE("header:x-key"), slice_of(key)};
    const struct decide_cells_identity identity = {.pairs = &pair, .count = 1};
    int64_t spent = -1;

    decide_cells_list(worker.decider, &identity, moment_now(), read_spent, &spent);
    return spent;
}

/* Nobody knows what was used: nothing is given back. An explicit zero is known. */
START_TEST(missing_figures_are_no_zeros)
{
    static const struct {
        const char *figures;
        int64_t spent;
    } rows[] = {
        {"", 100},
        {",\"model\":\"m\"", 100},
        {",\"cached_tokens\":3", 100},
        {",\"prompt_tokens\":0", 0},
        {",\"completion_tokens\":7", 7},
    };
    const struct reply reply = {.worker = &worker, .keeps_alive = true};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char key[] = {(char)('a' + i), 0};
        struct verdict verdict = decide(key);
        char body[4096];

        snprintf(body, sizeof(body), "{\"reservation\":\"%.*s\"%s}", (int)verdict.reservation_size, verdict.reservation,
                 rows[i].figures);
        outbox_clear(&worker.out);
        settle_answer(&reply, slice_of(body));
        outbox_add(&worker.out, (struct slice){"", 1});
        ck_assert_ptr_nonnull(strstr(worker.out.data, "{\"status\":\"settled\""));
        ck_assert_msg(spent_by(key) == rows[i].spent * BUNDLE_MILLIONTHS, "%s: %lld", rows[i].figures, (long long)spent_by(key));
    }
}
END_TEST

START_TEST(answers)
{
    struct verdict verdict = decide("a");
    struct slice text = {verdict.reservation, verdict.reservation_size};
    struct reservation old = {.expires_s = moment_now().wall_ns / NANOSECONDS_PER_SECOND - 1, .nonce = 7};
    char printed[VERDICT_RESERVATION_SIZE];
    uint64_t key[2];
    size_t size;

    reservation_key(arena_hash_key(&worker.arena), key);
    size = reservation_print(&old, key, printed, sizeof(printed));
    ck_assert_uint_gt(text.size, 0);
    expect(text, "HTTP/1.1 200 ", "settled", "Content-Type: application/json\r\n");
    expect(text, "HTTP/1.1 409 ", "settled_before", "Settle each one once.");
    expect((struct slice){printed, size}, "HTTP/1.1 410 ", "expired", "older than 15 minutes");
    printed[10] ^= 1;
    expect((struct slice){printed, size}, "HTTP/1.1 404 ", "unknown", "the instance that gave it");
    expect(SLICE(""), "HTTP/1.1 404 ", "unknown", "");
    expect(SLICE("\\n"), "HTTP/1.1 404 ", "unknown", "");
}
END_TEST

/* A rollback between a request and its settlement: told in the answer, in the metric and in an event, and not lost. */
START_TEST(answers_when_the_policy_is_gone)
{
    const struct decide_recording recording = {.redact = SETTINGS_REDACT_NONE};
    struct verdict verdict = decide("a");
    struct slice text = {verdict.reservation, verdict.reservation_size};
    struct events_reader reader;
    struct event event;

    load(SLICE("{\"bundle_version\":2,\"policies\":[]}"));
    ck_assert(decide_events_open(worker.decider, &recording));
    events_begin_oldest(&reader, &worker.arena);
    expect(text, "HTTP/1.1 200 ", "settled", "does not have all limits of this reservation");
    ck_assert_int_eq(counters_sum(&worker.arena, COUNTER_reservations_unserved), 1);
    ck_assert(events_read(&reader, &event, moment_now().boot_ns));
    ck_assert_int_eq(event.action, EVENT_SETTLE);
    ck_assert(slice_equal(event_get(&event, EVENT_TEXT_NOTE), SLICE("not in the policy served now")));
    ck_assert_int_eq(event.cost, 3 * BUNDLE_MILLIONTHS);
    expect(text, "HTTP/1.1 409 ", "settled_before", "");
    load(SLICE(POLICY));
    ck_assert_int_eq(spent_by("a"), 3 * BUNDLE_MILLIONTHS);
}
END_TEST

/* An arena full of live cells cannot note that a reservation is settled: nothing is changed, and the gateway may retry.
 */
START_TEST(answers_when_memory_is_full)
{
    struct verdict first = decide("a"), other;
    unsigned long long i = 0;

    do {
        char key[32];

        snprintf(key, sizeof(key), "k%llu", i++);
        other = decide(key);
    } while (i < 1000000 && (other.is_allowed || i < 600000));
    ck_assert(!other.is_allowed);
    ck_assert_int_eq(other.reason, REASON_state_full);
    expect((struct slice){first.reservation, first.reservation_size}, "HTTP/1.1 503 ", "busy", "Retry-After: 1\r\n");
}
END_TEST

/* ---- the ends of proxied requests --------------------------------------------------------------------------------- */

/* A process that holds every lock and does not run. */
static pid_t stopped_holder(void)
{
    pid_t child = fork();
    int status;

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        uint64_t repaired = 0;

        for (uint32_t i = 0; i < worker.arena.stripe_count; i++)
            if (stripe_lock(arena_stripe(&worker.arena, i), &repaired) != STRIPE_LOCKED)
                _exit(1);
        raise(SIGSTOP);
        for (uint32_t i = 0; i < worker.arena.stripe_count; i++)
            stripe_unlock(arena_stripe(&worker.arena, i));
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
    ck_assert(WIFSTOPPED(status));
    return child;
}

static void let_go(pid_t holder)
{
    int status;

    ck_assert_int_eq(kill(holder, SIGCONT), 0);
    ck_assert_int_eq(waitpid(holder, &status, 0), holder);
    ck_assert_int_eq(status, 0);
}

/* What a proxied request used is charged, and what it did not is given back, also when nobody could do so at its end. */
START_TEST(ends_are_settled_when_the_locks_are_free)
{
    const struct usage more = {.in_total = 150}, less = {.in_total = 5};
    struct verdict dear = decide("dear"), cheap = decide("cheap"), untold = decide("untold");
    pid_t holder = stopped_holder();

    ck_assert_int_eq(uv_loop_init(&worker.loop), 0);
    unsettled_open(&worker);
    unsettled_finish(&worker, (struct slice){dear.reservation, dear.reservation_size}, &more, SLICE("a-model"));
    unsettled_finish(&worker, (struct slice){cheap.reservation, cheap.reservation_size}, &less, SLICE(""));
    unsettled_finish(&worker, (struct slice){untold.reservation, untold.reservation_size}, NULL, SLICE(""));
    unsettled_try(&worker);
    ck_assert_uint_eq(worker.unsettled.count, 2); /* for the third there is nothing to change */
    ck_assert_int_eq(spent_by("dear"), 100 * BUNDLE_MILLIONTHS);
    let_go(holder);
    uv_run(&worker.loop, UV_RUN_DEFAULT); /* until its timer has nothing to do any more */
    ck_assert_uint_eq(worker.unsettled.count, 0);
    ck_assert_int_eq(spent_by("dear"), 150 * BUNDLE_MILLIONTHS);
    ck_assert_int_eq(spent_by("cheap"), 5 * BUNDLE_MILLIONTHS);
    ck_assert_int_eq(spent_by("untold"), 100 * BUNDLE_MILLIONTHS);
    ck_assert_int_eq(counters_sum(&worker.arena, COUNTER_reservations_settled), 2);
    ck_assert_int_eq(counters_sum(&worker.arena, COUNTER_reservations_busy), 4);
    ck_assert_int_eq(counters_sum(&worker.arena, COUNTER_reservations_lost), 0);
}
END_TEST

START_TEST(ends_that_are_lost_are_told)
{
    const struct usage usage = {.in_total = 5};
    struct verdict verdict = decide("late");
    struct slice text = {verdict.reservation, verdict.reservation_size};
    pid_t holder = stopped_holder();

    ck_assert_int_eq(uv_loop_init(&worker.loop), 0);
    unsettled_open(&worker);
    for (int i = 0; i < 4097; i++)
        unsettled_finish(&worker, text, &usage, SLICE(""));
    ck_assert_uint_eq(worker.unsettled.count, 4096);
    ck_assert_int_eq(counters_sum(&worker.arena, COUNTER_reservations_lost), 1);
    unsettled_close(&worker);
    ck_assert_uint_eq(worker.unsettled.count, 0);
    ck_assert_int_eq(counters_sum(&worker.arena, COUNTER_reservations_lost), 4097);
    let_go(holder);
    ck_assert_int_eq(spent_by("late"), 100 * BUNDLE_MILLIONTHS);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("settle");
    TCase *answering = tcase_create("answering");
    Suite *suite = suite_create("worker/settle");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tcase, reads, 0, (int)(sizeof(good) / sizeof(good[0])));
    tcase_add_loop_test(tcase, complains, 0, (int)(sizeof(bad) / sizeof(bad[0])));
    tcase_add_checked_fixture(answering, setup, teardown);
    tcase_set_timeout(answering, 60);
    tcase_add_test(answering, answers);
    tcase_add_test(answering, missing_figures_are_no_zeros);
    tcase_add_test(answering, answers_when_the_policy_is_gone);
    tcase_add_test(answering, answers_when_memory_is_full);
    tcase_add_test(answering, ends_are_settled_when_the_locks_are_free);
    tcase_add_test(answering, ends_that_are_lost_are_told);
    suite_add_tcase(suite, tcase);
    suite_add_tcase(suite, answering);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
