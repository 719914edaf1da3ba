/* SPDX-License-Identifier: MPL-2.0
 *
 * Log lines: their bytes, what becomes of hostile ones, and that a full pipe costs a line and a count, never a wait.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm/log.h"

#define LENGTH(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define WHEN          INT64_C(1795460073123456789) /* 2026-11-23T18:54:33.123Z */

_Static_assert(LOG_LINE_SIZE <= PIPE_BUF, "a pipe takes a line whole or not at all");

static const struct {
    bool json;
    const char *sentence, *line;
} rows[] = {
    {false, "ready", "2026-11-23T18:54:33.123Z notice master: ready\n"},
    {false, "a\nb\rc\td", "2026-11-23T18:54:33.123Z notice master: a\\nb\\rc\\td\n"},
    {false, "esc \033[2J", "2026-11-23T18:54:33.123Z notice master: esc \\x1b[2J\n"},
    {false, "\"q\" \\ \177", "2026-11-23T18:54:33.123Z notice master: \"q\" \\ \\x7f\n"},
    {false, "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80",
     "2026-11-23T18:54:33.123Z notice master: gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\n"},
    {false, "bad \xff \xc3", "2026-11-23T18:54:33.123Z notice master: bad \\xff \\xc3\n"},
    {false, "c1 \xc2\x9b", "2026-11-23T18:54:33.123Z notice master: c1 \\xc2\\x9b\n"},
    {false, "surrogate \xed\xa0\x80", "2026-11-23T18:54:33.123Z notice master: surrogate \\xed\\xa0\\x80\n"},
    {false, "overlong \xc0\xaf \xe0\x80\xaf",
     "2026-11-23T18:54:33.123Z notice master: overlong \\xc0\\xaf \\xe0\\x80\\xaf\n"},
    {false, "turned \xe2\x80\xae" "txt", "2026-11-23T18:54:33.123Z notice master: turned \\xe2\\x80\\xaetxt\n"},
    {true, "turned \xe2\x80\xae" "txt",
     "{\"time\":\"2026-11-23T18:54:33.123Z\",\"level\":\"notice\",\"who\":\"master\","
     "\"message\":\"turned \\u202etxt\"}\n"},
    {true, "ready",
     "{\"time\":\"2026-11-23T18:54:33.123Z\",\"level\":\"notice\",\"who\":\"master\",\"message\":\"ready\"}\n"},
    {true, "a\n\"b\"\\\001\xff",
     "{\"time\":\"2026-11-23T18:54:33.123Z\",\"level\":\"notice\",\"who\":\"master\","
     "\"message\":\"a\\n\\\"b\\\"\\\\\\u0001\\ufffd\"}\n"},
};

START_TEST(formats_a_line)
{
    char out[LOG_LINE_SIZE + 1];
    size_t size = log_format(out, WHEN, LOG_LEVEL_NOTICE, "master", rows[_i].json, rows[_i].sentence);

    out[size] = '\0';
    ck_assert_str_eq(out, rows[_i].line);
}
END_TEST

START_TEST(cuts_a_line_that_is_too_long)
{
    static char sentence[3 * LOG_LINE_SIZE];
    char out[LOG_LINE_SIZE];

    memset(sentence, _i & 2 ? '\001' : 'x', sizeof(sentence) - 1);
    for (size_t shift = 0; shift < 8; shift++) {
        size_t size = log_format(out, WHEN, LOG_LEVEL_ERROR, "worker 12", _i & 1, sentence + shift);
        const char *end = _i & 1 ? "...\"}\n" : "...\n";

        ck_assert_uint_le(size, LOG_LINE_SIZE);
        ck_assert_uint_gt(size, LOG_LINE_SIZE - 32);
        ck_assert_mem_eq(out + size - strlen(end), end, strlen(end));
        ck_assert_ptr_eq(memchr(out, '\n', size), out + size - 1);
    }
}
END_TEST

/* fd 2 becomes the write end of a nonblocking pipe; Check runs each test in a process of its own. */
static int catch_lines(void)
{
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
    ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    close(ends[1]);
    return ends[0];
}

static const char *read_lines(int fd)
{
    static char text[LOG_LINE_SIZE * 2];
    ssize_t size = read(fd, text, sizeof(text) - 1);

    text[size > 0 ? size : 0] = '\0';
    return text;
}

START_TEST(writes_one_line_and_keeps_errno)
{
    int fd = catch_lines();
    const char *text;

    log_init("worker 3", LOG_LEVEL_INFO, false);
    errno = ENOSPC;
    log_errno(LOG_LEVEL_ERROR, "snapshot %d", 7);
    ck_assert_int_eq(errno, ENOSPC);
    text = read_lines(fd);
    ck_assert_str_eq(text + strlen("2026-11-23T18:54:33.123Z"),
                     " error worker 3: snapshot 7: No space left on device\n");
    log_line(LOG_LEVEL_INFO, "%s", "hello");
    ck_assert_str_eq(read_lines(fd) + strlen("2026-11-23T18:54:33.123Z"), " info worker 3: hello\n");
    ck_assert_uint_eq(log_dropped(), 0);
}
END_TEST

/* A long path, and one whose escapes are what makes it long. */
START_TEST(keeps_the_cause_of_a_sentence_that_is_cut)
{
    static char path[LOG_LINE_SIZE];
    const char *cause = _i & 1 ? "...: File name too long\"}\n" : "...: File name too long\n", *text;
    int fd = catch_lines();
    size_t size;

    memset(path, _i & 2 ? '\001' : 'x', _i & 2 ? 2000 : sizeof(path) - 1);
    log_init("master", LOG_LEVEL_INFO, _i & 1);
    errno = ENAMETOOLONG;
    log_errno(LOG_LEVEL_ERROR, "%s cannot be opened", path);
    text = read_lines(fd);
    size = strlen(text);
    ck_assert_uint_le(size, LOG_LINE_SIZE);
    ck_assert_uint_gt(size, 3000);
    ck_assert_str_eq(text + size - strlen(cause), cause);
    ck_assert_uint_eq(log_dropped(), 0);
}
END_TEST

START_TEST(leaves_out_what_is_below_the_level)
{
    int fd = catch_lines();

    log_init("master", LOG_LEVEL_WARNING, false);
    log_line(LOG_LEVEL_NOTICE, "not this");
    errno = EIO;
    log_errno(LOG_LEVEL_DEBUG, "nor this");
    ck_assert_str_eq(read_lines(fd), "");
    log_line(LOG_LEVEL_WARNING, "this");
    ck_assert_ptr_nonnull(strstr(read_lines(fd), " warning master: this\n"));
}
END_TEST

START_TEST(counts_what_finds_the_pipe_full)
{
    int fd = catch_lines();
    char filler[4096] = {0};
    size_t sentences = 3;

    while (write(STDERR_FILENO, filler, sizeof(filler)) > 0)
        ;
    ck_assert_int_eq(errno, EAGAIN);
    for (size_t i = 0; i < sentences; i++)
        log_line(LOG_LEVEL_ERROR, "lost");
    ck_assert_uint_eq(log_dropped(), sentences);
    close(fd);
}
END_TEST

START_TEST(names_levels)
{
    ck_assert_str_eq(log_level_name(LOG_LEVEL_ERROR), "error");
    ck_assert_str_eq(log_level_name(LOG_LEVEL_DEBUG), "debug");
    ck_assert_ptr_null(log_level_name((enum log_level)5));
}
END_TEST

START_TEST(is_due_once_in_an_interval)
{
    static const struct {
        int64_t now;
        bool is_due;
    } steps[] = {{1, true}, {1, false}, {60, false}, {61, true}, {120, false}, {500, true}};
    int64_t last = 0;

    for (int i = 0; i < LENGTH(steps); i++)
        ck_assert_msg(log_is_due(&last, steps[i].now, 60) == steps[i].is_due, "at %lld", (long long)steps[i].now);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *tests = tcase_create("log");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tests, formats_a_line, 0, LENGTH(rows));
    tcase_add_loop_test(tests, cuts_a_line_that_is_too_long, 0, 4);
    tcase_add_test(tests, writes_one_line_and_keeps_errno);
    tcase_add_loop_test(tests, keeps_the_cause_of_a_sentence_that_is_cut, 0, 4);
    tcase_add_test(tests, leaves_out_what_is_below_the_level);
    tcase_add_test(tests, counts_what_finds_the_pipe_full);
    tcase_add_test(tests, names_levels);
    tcase_add_test(tests, is_due_once_in_an_interval);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
