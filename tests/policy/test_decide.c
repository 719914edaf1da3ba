/* SPDX-License-Identifier: MPL-2.0
 *
 * Rules on one side, requests and verdicts on the other: runs every file of tests/policy/verdicts. A file holds
 *
 *   bundle ... end                                       loads a bundle; a later one is a reload over the same cells
 *   template NAME                                        the same, of a template of `fairvisor init`; no warning is allowed
 *   wall SECONDS                                         from now on the wall clock is so far ahead; negative: behind
 *   SECONDS CLIENT METHOD TARGET [Name:value ...] [xN] => EXPECTATION
 *   reboot SECONDS BACK UP                               the machine goes down, is back at BACK, and up for UP seconds then
 *   SECONDS settle NAME PROMPT COMPLETION [cached=N] [model=NAME] => RESULT
 *
 * with "-" for an unknown client, "~" for a space in a value, xN for N equal requests. The expectation is `allow` or
 * `reject`, then any of: a reason, policy/rule, r=remaining, t=reset seconds, wait=shortest retry, noretry, would,
 * matched=policies, clamp=tokens, lacks=key. A request that is `clampable` can be made to ask for less.
 */
#include <check.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "policy/decide.h"
#include "policy/load.h"
#include "policy/path.h"
#include "shm/snapshot.h"
#include "tests/shm/arena_fixture.h"

#define EPOCH      INT64_C(1767225600) /* 2026-01-01T00:00:00Z */
#define BOOT       INT64_C(1000)
#define MAX_FIELDS 16
#define SCRATCH    65536

#define MAX_KEPT  64
#define PATH_SIZE 64

struct kept {
    char name[16];
    char text[VERDICT_RESERVATION_SIZE];
    size_t size;
};

struct run {
    const char *file;
    struct kept kept[MAX_KEPT];
    unsigned kept_count;
    unsigned line;
    int64_t ahead_ns; /* of the wall clock */
    int64_t boot_ns;  /* boot clock at second 0 of the file */
    struct arena_fixture fixture;
    struct bundle *bundle;
    struct decider *decider;
};

static void load(struct run *run, const char *text, size_t size)
{
    static struct complaint_list complaints;

    decide_free(run->decider);
    bundle_free(run->bundle);
    run->bundle = load_bundle((struct slice){text, size}, EPOCH, &complaints);
    ck_assert_msg(run->bundle != NULL, "%s:%u: %s", run->file, run->line, complaints.items[0].sentence);
    run->decider = decide_new(run->bundle, &run->fixture.arena, &run->fixture.arena.slots[0], SCRATCH);
    ck_assert_ptr_nonnull(run->decider);
}

/* Whoever begins with a template is told of nothing but, where a gateway asks, of what that has to do. */
static void load_template(struct run *run, const char *name)
{
    static char text[65536];
    static struct complaint_list complaints;
    const char *source = getenv("srcdir");
    char path[512];
    size_t size;
    FILE *file;

    snprintf(path, sizeof(path), "%s/packaging/templates/%.*s.json", source ? source : ".", (int)strcspn(name, "\n"),
             name);
    file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s:%u: cannot open %s", run->file, run->line, path);
    size = fread(text, 1, sizeof(text), file);
    fclose(file);
    bundle_free(load_bundle((struct slice){text, size}, EPOCH, &complaints));
    complaint_remove_warnings(&complaints, LOAD_UNSETTLED);
    ck_assert_msg(complaints.count == 0, "%s: %s", path, complaints.items[0].sentence);
    load(run, text, size);
}

/* Nanoseconds of a number of seconds with up to nine decimal places, exactly. */
static int64_t parse_seconds(const char *text, char **end)
{
    int64_t ns = strtoll(text, end, 10) * NANOSECONDS_PER_SECOND,
            unit = text[0] == '-' ? -NANOSECONDS_PER_SECOND : NANOSECONDS_PER_SECOND;

    if (**end == '.')
        for (++*end; **end >= '0' && **end <= '9'; ++*end)
            ns += (**end - '0') * (unit /= 10);
    return ns;
}

static struct moment moment_at(const struct run *run, int64_t ns)
{
    return (struct moment){.boot_ns = run->boot_ns + ns,
                           .wall_ns = EPOCH * NANOSECONDS_PER_SECOND + ns + run->ahead_ns};
}

/* ---- one request --------------------------------------------------------------------------------------------------
 */

struct request {
    struct moment now;
    struct facts facts;
    struct fact_field fields[MAX_FIELDS];
    struct claims *claims;
    unsigned times;
    char path[1024], host[256];
};

static void parse_field(struct request *request, char *token)
{
    char *colon = strchr(token, ':');
    struct fact_field *field = &request->fields[request->facts.field_count++];

    ck_assert_uint_le(request->facts.field_count, MAX_FIELDS);
    for (char *c = token; *c; c++)
        if (*c == '~')
            *c = ' ';
    field->name = (struct slice){token, (size_t)(colon - token)};
    field->value = slice_of(colon + 1);
    if (slice_equal_nocase(field->name, SLICE("host")))
        request->facts.host = facts_host(field->value, request->host);
    if (slice_equal_nocase(field->name, SLICE("authorization")))
        request->claims = claims_read(field->value);
}

static void parse_request(const struct run *run, struct request *request, char *text)
{
    char *rest = text;
    const char *seconds = strtok_r(rest, " \t", &rest), *client = strtok_r(NULL, " \t", &rest);
    const char *method = strtok_r(NULL, " \t", &rest), *target = strtok_r(NULL, " \t", &rest);
    struct slice path;
    char *end;

    memset(request, 0, sizeof(*request));
    ck_assert_msg(target != NULL, "%s:%u: too few words", run->file, run->line);
    request->times = 1;
    request->now = moment_at(run, parse_seconds(seconds, &end));
    request->facts.method = slice_of(method);
    request->facts.fields = request->fields;
    ck_assert_msg(!strcmp(client, "-") || address_parse(slice_of(client), &request->facts.client), "%s:%u: client",
                  run->file, run->line);
    ck_assert(path_split(slice_of(target), &path, &request->facts.query));
    request->facts.path = path_normalize(path, request->path);
    for (char *token; (token = strtok_r(NULL, " \t", &rest));) {
        if (token[0] == '{')
            request->facts.body = slice_of(token);
        else if (!strcmp(token, "clampable"))
            request->facts.body_can_be_clamped = true;
        else if (strchr(token, ':'))
            parse_field(request, token);
        else if (token[0] == 'x')
            request->times = (unsigned)strtoul(token + 1, NULL, 10);
        else
            ck_abort_msg("%s:%u: cannot read '%s'", run->file, run->line, token);
    }
}

/* ---- one expectation ----------------------------------------------------------------------------------------------
 */

static bool is_rule(const struct verdict *verdict, const char *word)
{
    char name[300];

    if (!verdict->policy || !verdict->rule)
        return false;
    snprintf(name, sizeof(name), "%.*s/%.*s", (int)verdict->policy->id.size, verdict->policy->id.data,
             (int)verdict->rule->name.size, verdict->rule->name.data);
    return !strcmp(name, word);
}

static int64_t whole_seconds(int64_t ns)
{
    return (ns + NANOSECONDS_PER_SECOND - 1) / NANOSECONDS_PER_SECOND;
}

static bool holds(const struct verdict *verdict, const char *word)
{
    if (!strcmp(word, "allow") || !strcmp(word, "reject"))
        return verdict->is_allowed == !strcmp(word, "allow");
    if (!strncmp(word, "r=", 2))
        return verdict->has_limit && verdict->limit.remaining / BUNDLE_MILLIONTHS == strtol(word + 2, NULL, 10);
    if (!strncmp(word, "t=", 2))
        return verdict->has_limit && whole_seconds(verdict->limit.reset_ns) == strtol(word + 2, NULL, 10);
    if (!strncmp(word, "matched=", 8))
        return verdict->matched_policies == strtoul(word + 8, NULL, 10);
    if (!strncmp(word, "wait=", 5)) {
        int64_t least = (int64_t)(strtod(word + 5, NULL) * 1e9 + 0.5);

        /* The spread adds up to half, never takes away. */
        return verdict->retry_after_ns >= least && verdict->retry_after_ns <= least + least / 2 + 1;
    }
    if (!strcmp(word, "noretry"))
        return !verdict->is_allowed && !verdict->retry_cures;
    if (!strncmp(word, "lacks=", 6))
        return slice_equal(verdict->missing_key, slice_of(word + 6));
    if (!strcmp(word, "would"))
        return verdict->would_reject;
    if (!strncmp(word, "delay=", 6))
        return verdict->delay_ms == strtol(word + 6, NULL, 10);
    if (!strncmp(word, "loop=", 5))
        return verdict->loop_count == strtol(word + 5, NULL, 10);
    if (!strncmp(word, "clamp=", 6))
        return verdict->metering.clamp == strtol(word + 6, NULL, 10);
    if (!strcmp(word, "warn"))
        return verdict->warnings & VERDICT_BUDGET_WARN;
    if (!strcmp(word, "throttle"))
        return verdict->warnings & VERDICT_BUDGET_THROTTLE;
    if (!strcmp(word, "loopwarn"))
        return verdict->warnings & VERDICT_LOOP_WARN;
    if (!strncmp(word, "as=", 3))
        return verdict->reservation_size > 0;
    return is_rule(verdict, word) || !strcmp(verdict_reasons[verdict->reason].name, word);
}

static void keep(struct run *run, const char *name, const struct verdict *verdict)
{
    struct kept *kept = &run->kept[run->kept_count++];

    ck_assert_uint_le(run->kept_count, MAX_KEPT);
    snprintf(kept->name, sizeof(kept->name), "%.*s", (int)strcspn(name, " \n"), name);
    memcpy(kept->text, verdict->reservation, verdict->reservation_size);
    kept->size = verdict->reservation_size;
}

static struct slice find_kept(const struct run *run, const char *name)
{
    for (unsigned i = 0; i < run->kept_count; i++)
        if (!strcmp(run->kept[i].name, name))
            return (struct slice){run->kept[i].text, run->kept[i].size};
    return SLICE("nonsense");
}

static void check_result(const struct run *run, enum decide_settlement result, const char *expected)
{
    static const char *const results[] = {
        [DECIDE_SETTLED] = "settled",
        [DECIDE_SETTLED_UNSERVED] = "unserved",
        [DECIDE_SETTLED_IN_PART] = "in_part",
        [DECIDE_SETTLED_BEFORE] = "before",
        [DECIDE_SETTLEMENT_EXPIRED] = "expired",
        [DECIDE_SETTLEMENT_UNKNOWN] = "unknown",
        [DECIDE_SETTLEMENT_BUSY] = "busy",
    };

    ck_assert_msg(!strcmp(results[result], expected), "%s:%u: expected %s; got %s", run->file, run->line, expected,
                  results[result]);
}

static void check_release(struct run *run, const char *text)
{
    char name[16], expected[16];
    char *rest;
    int64_t ns = parse_seconds(text, &rest);

    ck_assert_msg(sscanf(rest, " release %15s => %15s", name, expected) == 2, "%s:%u: cannot read the release",
                  run->file, run->line);
    check_result(run, decide_reserve_release(run->decider, find_kept(run, name), moment_at(run, ns)), expected);
}

static void check_settlement(struct run *run, const char *text)
{
    const char *cached = strstr(text, " cached="), *model = strstr(text, " model=");
    struct usage usage = {.in_cached = cached ? strtoll(cached + 8, NULL, 10) : 0};
    struct slice answered = {model ? model + 7 : "", model ? strcspn(model + 7, " ") : 0};
    char name[16], expected[16];
    char *rest;
    int64_t ns = parse_seconds(text, &rest);

    ck_assert_msg(sscanf(rest, " settle %15s %" SCNd64 " %" SCNd64, name, &usage.in_total, &usage.out_total) == 3 &&
                      sscanf(strstr(text, "=>"), "=> %15s", expected) == 1,
                  "%s:%u: cannot read the settlement", run->file, run->line);
    check_result(run, decide_reserve_settle(run->decider, find_kept(run, name), &usage, answered, moment_at(run, ns)),
                 expected);
}

static void check_line(struct run *run, char *text)
{
    char *arrow = strstr(text, "=>");
    char expectation[512];
    struct request request;

    ck_assert_msg(arrow != NULL, "%s:%u: no =>", run->file, run->line);
    if (strstr(text, " settle ")) {
        check_settlement(run, text);
        return;
    }
    if (strstr(text, " release ")) {
        check_release(run, text);
        return;
    }
    *arrow = '\0';
    parse_request(run, &request, text);
    for (unsigned i = 0; i < request.times; i++) {
        struct verdict verdict, explained;
        char *rest = expectation;

        decide_explain(run->decider, &request.facts, request.claims, request.now, &explained, NULL, NULL);
        decide_request(run->decider, &request.facts, request.claims, request.now, &verdict);
        ck_assert_msg(explained.is_allowed == verdict.is_allowed && explained.reason == verdict.reason &&
                          explained.would_reject == verdict.would_reject,
                      "%s:%u: the explanation differs from the verdict", run->file, run->line);
        ck_assert_msg(explained.has_limit == verdict.has_limit && explained.rule == verdict.rule &&
                          explained.policy == verdict.policy && explained.limit.limit == verdict.limit.limit &&
                          explained.limit.remaining == verdict.limit.remaining &&
                          explained.limit.reset_ns == verdict.limit.reset_ns &&
                          explained.retry_after_ns == verdict.retry_after_ns,
                      "%s:%u: the explanation names another limit than the verdict, or other numbers of it", run->file,
                      run->line);
        snprintf(expectation, sizeof(expectation), "%s", arrow + 2);
        for (const char *word; (word = strtok_r(rest, " \t\n", &rest));)
            ck_assert_msg(holds(&verdict, word),
                          "%s:%u: request %u: expected %s; got %s %s, remaining %lld, reset %lld ns, retry %lld ns",
                          run->file, run->line, i + 1, word, verdict.is_allowed ? "allow" : "reject",
                          verdict_reasons[verdict.reason].name, (long long)verdict.limit.remaining,
                          (long long)verdict.limit.reset_ns, (long long)verdict.retry_after_ns);
        if (strstr(arrow + 2, "as="))
            keep(run, strstr(arrow + 2, "as=") + 3, &verdict);
        if (!strstr(arrow + 2, "would"))
            ck_assert_msg(!verdict.would_reject, "%s:%u: an unexpected would_reject", run->file, run->line);
    }
    claims_free(request.claims);
}

/* ---- reboots ----------------------------------------------------------------------------------------------------------
 */

/* The counters go through a snapshot into an arena of the same hash key. */
static void restore(struct run *run, const char *path, struct moment now)
{
    struct failure failure = {0};
    struct snapshot *snapshot = snapshot_read(path, run->fixture.instance, &failure);
    uint64_t lost;

    ck_assert_msg(snapshot != NULL, "%s", failure.sentence);
    arena_fixture_close(&run->fixture);
    arena_fixture_open(&run->fixture, "decide", UINT64_C(8) << 20, snapshot_hash_key(snapshot));
    snapshot_apply(snapshot, &run->fixture.arena, now, &lost);
    ck_assert_uint_eq(lost, 0);
    snapshot_free(snapshot);
}

static void reboot(struct run *run, const char *text)
{
    char path[PATH_SIZE] = "/tmp/fairvisor-decide-XXXXXX";
    struct failure failure = {0};
    uint64_t cells;
    char *rest;
    int64_t down_ns = parse_seconds(text, &rest), back_ns = parse_seconds(rest, &rest), up_ns = parse_seconds(rest, &rest);
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    close(fd);
    unlink(path); /* or the empty file would be kept as the snapshot before */
    ck_assert_msg(snapshot_write(&run->fixture.arena, run->fixture.instance, path, moment_at(run, down_ns), &cells, &failure),
                  "%s", failure.sentence);
    ck_assert_msg(up_ns < run->boot_ns + down_ns, "%s:%u: it was not up for so long before", run->file, run->line);
    decide_free(run->decider);
    run->boot_ns = up_ns - back_ns;
    restore(run, path, moment_at(run, back_ns));
    run->decider = decide_new(run->bundle, &run->fixture.arena, &run->fixture.arena.slots[0], SCRATCH);
    ck_assert_ptr_nonnull(run->decider);
    unlink(path);
}

/* ---- files --------------------------------------------------------------------------------------------------------
 */

static void run_file(const char *path)
{
    static char bundle[65536];
    struct run run = {.file = path, .boot_ns = BOOT * NANOSECONDS_PER_SECOND};
    size_t bundle_size = 0;
    bool in_bundle = false;
    char line[1024];
    FILE *file = fopen(path, "r");

    ck_assert_msg(file != NULL, "cannot open %s", path);
    arena_fixture_open(&run.fixture, "decide", UINT64_C(8) << 20, NULL);
    while (fgets(line, sizeof(line), file)) {
        run.line++;
        if (in_bundle && !strcmp(line, "end\n")) {
            in_bundle = false;
            load(&run, bundle, bundle_size);
        } else if (in_bundle) {
            ck_assert_uint_lt(bundle_size + strlen(line), sizeof(bundle));
            memcpy(bundle + bundle_size, line, strlen(line));
            bundle_size += strlen(line);
        } else if (!strncmp(line, "template ", 9)) {
            load_template(&run, line + 9);
        } else if (!strncmp(line, "wall ", 5)) {
            char *end;

            run.ahead_ns = parse_seconds(line + 5, &end);
        } else if (!strncmp(line, "reboot ", 7)) {
            reboot(&run, line + 7);
        } else if (!strcmp(line, "bundle\n")) {
            in_bundle = true;
            bundle_size = 0;
        } else if (line[0] != '#' && line[0] != '\n') {
            check_line(&run, line);
        }
    }
    fclose(file);
    decide_free(run.decider);
    bundle_free(run.bundle);
    arena_fixture_close(&run.fixture);
}

START_TEST(verdicts_are_as_written)
{
    const char *source = getenv("srcdir");
    char folder[512], path[1024];
    struct dirent *entry;
    unsigned files = 0;
    DIR *directory;

    snprintf(folder, sizeof(folder), "%s/tests/policy/verdicts", source ? source : ".");
    directory = opendir(folder);
    ck_assert_msg(directory != NULL, "cannot open %s", folder);
    while ((entry = readdir(directory))) {
        if (!strstr(entry->d_name, ".case"))
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        run_file(path);
        files++;
    }
    closedir(directory);
    ck_assert_uint_ge(files, 22);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("decide");
    TCase *tests = tcase_create("decide");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, verdicts_are_as_written);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
