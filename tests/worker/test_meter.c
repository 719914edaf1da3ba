/* SPDX-License-Identifier: MPL-2.0
 *
 * Exchanges with models: every file of tests/worker/streams says what a client sends and an upstream answers, and what the upstream and
 * the client get and what was used. Each answer is read whole, cut in two at every byte, and byte by byte. A file holds
 *
 *   about:, path:, status:, type:    of the exchange
 *   wants:    requests_usage, cuts, error, partial, uncounted; most=, prompt=, completion=, buffer=, and fits=N: what is reserved can grow
 *             N times; sized: the head tells how long the body is; left: the client left at its end
 *   usage:    told= in= cached= write= out= reasoning=, or reserved
 *   --- request, --- sent, --- upstream, --- client    bytes; "=" alone: the same as before
 */
#include <check.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/meter.h"

#define FILE_SIZE 65536

struct script {
    const char *name;
    char path[256], type[128], wants[256], usage[256];
    unsigned status;
    struct slice request, sent, upstream, client;
};

struct room {
    int looks_left;
};

static bool has_room(void *context, const struct usage *usage, struct slice model)
{
    struct room *room = context;

    (void)usage;
    (void)model;
    return room->looks_left-- > 0;
}

/* ---- reading a file --------------------------------------------------------------------------------------------- */

static void read_line(const char *text, const char *name, char *out, size_t size)
{
    const char *found = strstr(text, name);

    ck_assert_msg(found != NULL, "no %s", name);
    found += strlen(name);
    found += *found == ' ';
    snprintf(out, size, "%.*s", (int)strcspn(found, "\n"), found);
}

/* The bytes behind "--- NAME"; the line feed in front of the next mark belongs to the mark when IS_LINE. */
static struct slice read_section(struct slice text, const char *name, bool is_line)
{
    char mark[32];
    const char *from, *to;

    snprintf(mark, sizeof(mark), "--- %s\n", name);
    from = strstr(text.data, mark);
    ck_assert_msg(from != NULL, "no %s", mark);
    from += strlen(mark);
    to = strstr(from, "--- ");
    if (!to)
        to = text.data + text.size;
    return (struct slice){from, (size_t)(to - from) - (is_line && to > from)};
}

static bool is_same(struct slice text)
{
    return slice_equal(text, SLICE("=")) || slice_equal(text, SLICE("=\n"));
}

static void read_script(const char *path, char *bytes, struct script *script)
{
    FILE *file = fopen(path, "rb");
    struct slice text = {bytes, 0};
    char status[16];

    ck_assert_msg(file != NULL, "cannot open %s", path);
    text.size = fread(bytes, 1, FILE_SIZE - 1, file);
    fclose(file);
    bytes[text.size] = '\0';
    read_line(bytes, "path:", script->path, sizeof(script->path));
    read_line(bytes, "status:", status, sizeof(status));
    read_line(bytes, "type:", script->type, sizeof(script->type));
    read_line(bytes, "wants:", script->wants, sizeof(script->wants));
    read_line(bytes, "usage:", script->usage, sizeof(script->usage));
    script->status = (unsigned)strtoul(status, NULL, 10);
    script->request = read_section(text, "request", true);
    script->sent = read_section(text, "sent", true);
    script->upstream = read_section(text, "upstream", false);
    script->client = read_section(text, "client", false);
    if (is_same(script->sent))
        script->sent = script->request;
    if (is_same(script->client))
        script->client = script->upstream;
}

static int64_t figure(const char *wants, const char *name)
{
    const char *found = strstr(wants, name);

    return found ? strtoll(found + strlen(name), NULL, 10) : 0;
}

static struct verdict_metering wants_of(const char *wants)
{
    return (struct verdict_metering){
        .is_metered = true,
        .prompt = figure(wants, "prompt="),
        .completion = strstr(wants, "completion=") ? figure(wants, "completion=") : 1000,
        .most_completion = figure(wants, "most="),
        .buffer_tokens = figure(wants, "buffer="),
        .requests_usage = strstr(wants, "requests_usage") != NULL,
        .counts_streams = !strstr(wants, "uncounted"),
        .cuts_streams = strstr(wants, "cuts") != NULL,
        .shows_partial_usage = strstr(wants, "partial") != NULL,
        .stream_end = strstr(wants, "error") ? STREAM_END_ERROR : STREAM_END_GRACEFUL,
    };
}

/* ---- playing it ------------------------------------------------------------------------------------------------- */

static void check_usage(const struct script *script, const struct meter *meter)
{
    struct usage usage;
    bool is_told, clamped;
    char got[256] = "reserved";

    if (meter_usage(meter, strstr(script->wants, "left") != NULL, &usage, &is_told, &clamped))
        snprintf(got, sizeof(got),
                 "told=%d in=%" PRId64 " cached=%" PRId64 " write=%" PRId64 " out=%" PRId64 " reasoning=%" PRId64,
                 is_told, usage.in_total, usage.in_cached, usage.in_cache_write, usage.out_total, usage.out_reasoning);
    ck_assert_msg(!strcmp(got, script->usage), "%s: expected %s, got %s", script->name, script->usage, got);
}

/* Takes the answer in a piece of FIRST bytes and pieces of STEP bytes behind it. */
static void take(const struct script *script, struct meter *meter, bool changes, size_t first, size_t step,
                 struct outbox *out)
{
    struct slice all = script->upstream;
    enum meter_pass pass = METER_SAME;

    for (size_t at = 0, size = first; at < all.size && pass != METER_CUT; at += size, size = step) {
        struct slice piece = {all.data + at, size < all.size - at ? size : all.size - at};

        size = piece.size;
        if (size == 0)
            continue;
        pass = meter_take(meter, piece, out);
        ck_assert_msg(changes || pass == METER_SAME, "%s", script->name);
        if (pass == METER_SAME)
            outbox_add(out, piece);
    }
    if (pass != METER_CUT)
        meter_finish(meter, out);
}

static void play(const struct script *script, size_t first, size_t step)
{
    struct room room = {(int)figure(script->wants, "fits=")};
    struct verdict_metering wants = wants_of(script->wants);
    struct outbox out = {0};
    struct meter meter;
    bool is_clamped, changes;

    meter_init(&meter, &wants, has_room, &room);
    if (meter_request(&meter, slice_of(script->path), script->request, &out, &is_clamped))
        ck_assert_msg(slice_equal((struct slice){out.data, out.used}, script->sent), "%s: sent %.*s", script->name,
                      (int)out.used, out.data);
    else
        ck_assert_msg(slice_equal(script->request, script->sent), "%s: sent unchanged", script->name);
    out.used = 0;
    changes = meter_head(&meter, script->status, slice_of(script->type),
                         strstr(script->wants, "sized") ? METER_COUNTED : METER_OPEN);
    take(script, &meter, changes, first, step, &out);
    ck_assert_msg(slice_equal((struct slice){out.data, out.used}, script->client),
                  "%s in pieces of %zu and %zu: the client gets\n%.*s---\ninstead of\n%.*s---", script->name, first, step,
                  (int)(out.used < 1500 ? out.used : 1500), out.data,
                  (int)(script->client.size < 1500 ? script->client.size : 1500), script->client.data);
    check_usage(script, &meter);
    meter_fini(&meter);
    outbox_fini(&out);
}

START_TEST(exchanges_are_as_written)
{
    static char bytes[FILE_SIZE];
    const char *source = getenv("srcdir");
    struct dirent *entry;
    char folder[512], path[1024];
    unsigned files = 0;
    DIR *directory;

    snprintf(folder, sizeof(folder), "%s/tests/worker/streams", source ? source : ".");
    directory = opendir(folder);
    ck_assert_msg(directory != NULL, "cannot open %s", folder);
    while ((entry = readdir(directory))) {
        struct script script = {.name = entry->d_name};

        if (!strstr(entry->d_name, ".stream"))
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        read_script(path, bytes, &script);
        for (size_t cut = 0; cut <= script.upstream.size; cut++)
            play(&script, cut, SIZE_MAX);
        play(&script, 1, 1);
        files++;
    }
    closedir(directory);
    ck_assert_uint_ge(files, 30);
}
END_TEST

START_TEST(an_event_too_large_to_be_held_passes)
{
    static char event[METER_EVENT_MAX * 2 + 64];
    struct verdict_metering wants = wants_of("cuts most=3 requests_usage");
    struct room room = {0};
    struct outbox out = {0};
    struct meter meter;
    int size;

    size = snprintf(event, sizeof(event), "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%*s\"}}]}\n\n",
                    METER_EVENT_MAX, "x");
    meter_init(&meter, &wants, has_room, &room);
    ck_assert(meter_head(&meter, 200, SLICE("text/event-stream"), METER_OPEN));
    for (int at = 0; at < size; at += 1000)
        meter_take(&meter, (struct slice){event + at, (size_t)(size - at < 1000 ? size - at : 1000)}, &out);
    meter_finish(&meter, &out);
    ck_assert_uint_eq(out.used, (size_t)size);
    ck_assert(memcmp(out.data, event, out.used) == 0);
    ck_assert_int_eq(usage_reader_counted(&meter.reader), METER_EVENT_MAX / 4);
    meter_fini(&meter);
    outbox_fini(&out);
}
END_TEST

/* ---- what the head tells ----------------------------------------------------------------------------------------- */

#define PROMPT 3

struct head_case {
    unsigned status;
    const char *input, *output; /* as the head tells them; NULL: it does not */
    const char *body;
    bool is_told;
    int64_t in_total, out_total;
};

static const struct head_case head_cases[] = {
    {200, "9", "7", "{\"outputs\":[{\"text\":\"12345678\"}]}", true, 9, 7},
    {200, "9", NULL, "{\"embedding\":[1]}", true, 9, 0},
    {200, NULL, "7", "{\"embedding\":[1]}", true, PROMPT, 7},
    {200, "9", "0", "{\"said\":\"1234\"}", true, 9, 0},
    {200, "9", "7", "{\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}", true, 1, 2},
    {200, "9", "7", "{\"outputs\":[{\"te", true, 9, 7},
    {200, "many", "-7", "{\"outputs\":[{\"text\":\"12345678\"}]}", false, PROMPT, 2},
    {200, "99999999999", "18446744073709551616", "{\"outputs\":[{\"text\":\"1234\"}]}", false, PROMPT, 1},
    {400, "9", "7", "{\"message\":\"no\"}", false, 0, 0},
};

/* Each for a client that stays and for one that leaves. */
START_TEST(a_head_tells_what_a_body_does_not)
{
    const struct head_case *one = &head_cases[_i / 2];
    struct verdict_metering wants = {.prompt = PROMPT, .completion = 50, .counts_streams = true};
    struct room room = {0};
    struct outbox out = {0};
    struct usage usage;
    struct meter meter;
    bool is_told, clamped;

    meter_init(&meter, &wants, has_room, &room);
    if (one->input)
        meter_usage_field(&meter, SLICE("X-Amzn-Bedrock-Input-Token-Count"), slice_of(one->input));
    if (one->output)
        meter_usage_field(&meter, SLICE("x-amzn-bedrock-output-token-count"), slice_of(one->output));
    meter_head(&meter, one->status, SLICE("application/json"), METER_COUNTED);
    meter_take(&meter, slice_of(one->body), &out);
    meter_finish(&meter, &out);
    if (meter_usage(&meter, _i % 2, &usage, &is_told, &clamped)) {
        ck_assert_int_eq(is_told, one->is_told);
        ck_assert_int_eq(usage.in_total, one->in_total);
        ck_assert_int_eq(usage.out_total, one->out_total);
    } else {
        ck_assert(!one->is_told && _i % 2);
    }
    meter_fini(&meter);
    outbox_fini(&out);
}
END_TEST

/* ---- streams that share a limit ---------------------------------------------------------------------------------- */

#define STREAMS 12

/* A limit that streams share, and what one of them has reserved of it. */
struct share {
    int64_t *left;
    int64_t reserved, passed;
    struct meter meter;
};

static bool take_share(void *context, const struct usage *usage, struct slice model)
{
    struct share *share = context;
    int64_t more = usage->in_total + usage->out_total - share->reserved;

    (void)model;
    ck_assert_int_ge(*share->left, 0);
    if (more > *share->left)
        return false;
    *share->left -= more > 0 ? more : 0;
    share->reserved += more > 0 ? more : 0;
    return true;
}

static void begin_share(struct share *share, int64_t *left, int64_t buffer)
{
    const struct verdict_metering wants = {
        .is_metered = true, .prompt = 3, .completion = 2, .buffer_tokens = buffer, .counts_streams = true, .cuts_streams = true};

    *share = (struct share){.left = left, .reserved = 5};
    *left -= share->reserved;
    meter_init(&share->meter, &wants, take_share, share);
    meter_head(&share->meter, 200, SLICE("text/event-stream"), METER_OPEN);
}

/* One token more of a stream that does not end by itself. */
static void say_word(struct share *share)
{
    static const char event[] = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word\"}}]}\n\n";
    struct outbox out = {0};

    if (meter_take(&share->meter, SLICE(event), &out) != METER_CUT)
        share->passed++;
    outbox_fini(&out);
}

/* Whatever they reserve ahead, together they pass what there is, and not one token more. */
START_TEST(streams_that_share_a_limit_pass_what_it_has)
{
    static struct share shares[STREAMS];
    int64_t limit = 1000 + _i * 37, left = limit, passed = 0;
    uint32_t dice = (uint32_t)_i;
    int open = STREAMS;

    for (int i = 0; i < STREAMS; i++)
        begin_share(&shares[i], &left, i % 4 == 0 ? 1 : 1 + _i * i);
    while (open > 0) {
        struct share *share;

        dice = dice * 1664525 + 1013904223;
        share = &shares[(dice >> 16) % STREAMS];
        if (share->meter.is_cut)
            continue;
        say_word(share);
        open -= share->meter.is_cut;
    }
    for (int i = 0; i < STREAMS; i++) {
        ck_assert_int_eq(shares[i].passed + 3, shares[i].reserved);
        passed += shares[i].passed + 3;
        meter_fini(&shares[i].meter);
    }
    ck_assert_int_eq(passed, limit);
    ck_assert_int_eq(left, 0);
}
END_TEST

START_TEST(a_completion_that_cannot_be_shortened_is_told)
{
    struct verdict_metering wants = {.clamp = 5};
    struct outbox out = {0};
    struct meter meter;
    bool is_clamped;

    meter_init(&meter, &wants, has_room, NULL);
    ck_assert(!meter_request(&meter, SLICE("/v1/chat/completions"), SLICE("[1]"), &out, &is_clamped));
    ck_assert(!is_clamped);
    ck_assert(meter_request(&meter, SLICE("/v1/chat/completions"), SLICE("{\"max_tokens\":7}"), &out, &is_clamped));
    ck_assert(is_clamped && slice_equal((struct slice){out.data, out.used}, SLICE("{\"max_tokens\":5}")));
    meter_fini(&meter);
    outbox_fini(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker/meter");
    TCase *tests = tcase_create("meter");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, exchanges_are_as_written);
    tcase_add_test(tests, an_event_too_large_to_be_held_passes);
    tcase_add_loop_test(tests, a_head_tells_what_a_body_does_not, 0, 2 * (int)(sizeof(head_cases) / sizeof(head_cases[0])));
    tcase_add_loop_test(tests, streams_that_share_a_limit_pass_what_it_has, 0, 20);
    tcase_add_test(tests, a_completion_that_cannot_be_shortened_is_told);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
