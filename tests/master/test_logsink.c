/* SPDX-License-Identifier: MPL-2.0
 *
 * Worker lines leave the log pipe whole, in order, and with the severity they came with; a line without end is cut, not
 * kept for ever.
 */
#include "master/logsink.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void ignore_signal(void *context, int signal, const struct ucred *from)
{
    (void)from;
    (void)context;
    (void)signal;
}

START_TEST(whole_lines_end_at_the_last_newline)
{
    ck_assert_uint_eq(logsink_whole_lines("", 0, false), 0);
    ck_assert_uint_eq(logsink_whole_lines("abc", 3, false), 0);
    ck_assert_uint_eq(logsink_whole_lines("abc\n", 4, false), 4);
    ck_assert_uint_eq(logsink_whole_lines("a\nb\nrest", 8, false), 4);
    ck_assert_uint_eq(logsink_whole_lines("endless", 7, true), 7);
    ck_assert_uint_eq(logsink_whole_lines("a\nrest", 6, true), 2);
}
END_TEST

START_TEST(pieces_are_cut_between_lines)
{
    ck_assert_uint_eq(logsink_piece("ab\ncd\n", 6, 10), 6);
    ck_assert_uint_eq(logsink_piece("ab\ncd\n", 6, 5), 3);
    ck_assert_uint_eq(logsink_piece("abcdef\n", 7, 4), 4);
}
END_TEST

START_TEST(severity_is_read_from_both_formats)
{
    static const struct {
        const char *line;
        enum log_level level;
    } rows[] = {
        {"2026-01-01T00:00:00.000Z error worker 1: no", LOG_LEVEL_ERROR},
        {"2026-01-01T00:00:00.000Z warning worker 1: an error of somebody", LOG_LEVEL_WARNING},
        {"{\"time\":\"2026-01-01T00:00:00.000Z\",\"level\":\"debug\",\"who\":\"w\",\"message\":\"error\"}",
         LOG_LEVEL_DEBUG},
        {"==12==ERROR: AddressSanitizer", LOG_LEVEL_NOTICE},
        {"", LOG_LEVEL_NOTICE},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_int_eq(logsink_level(rows[i].line, strlen(rows[i].line)), rows[i].level);
}
END_TEST

/* Runs TEXT through a sink whose log is a file and returns what the file holds. */
static size_t pass_through(const char *text, size_t size, char *got, size_t got_size)
{
    static struct loop loop;
    static struct logsink sink;
    static struct settings settings;
    struct failure failure;
    char path[] = "logsink-test.XXXXXX";
    int fd = mkstemp(path);
    ssize_t length;

    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert(loop_init(&loop, ignore_signal, NULL, &failure));
    ck_assert(logsink_init(&sink, &loop, &failure));
    settings.log = SETTINGS_LOG_FILE;
    memcpy(settings.log_file, path, sizeof(path));
    fd = logsink_open(&settings, &failure);
    ck_assert_int_ge(fd, 0);
    logsink_use(&sink, &settings, fd);
    ck_assert_int_eq(write(sink.pipe_write, text, size), (ssize_t)size);
    logsink_flush(&sink);
    dup2(sink.console_fd, STDERR_FILENO);
    fd = open(path, O_RDONLY);
    length = read(fd, got, got_size);
    close(fd);
    unlink(path);
    ck_assert_int_ge(length, 0);
    return (size_t)length;
}

START_TEST(lines_reach_the_file)
{
    static const char text[] = "one\ntwo\nunfinished";
    char got[64];
    size_t size = pass_through(text, strlen(text), got, sizeof(got));

    ck_assert_uint_eq(size, strlen(text));
    ck_assert_mem_eq(got, text, size);
}
END_TEST

/* Anybody else's might lead root to any file. */
START_TEST(a_link_of_ours_is_followed)
{
    static struct settings settings = {.log = SETTINGS_LOG_FILE, .log_file = "logsink-test.link"};
    struct failure failure;
    int fd;

    unlink(settings.log_file);
    ck_assert_int_eq(symlink("/dev/null", settings.log_file), 0);
    fd = logsink_open(&settings, &failure);
    ck_assert_int_ge(fd, 0);
    close(fd);
    if (geteuid() == 0) {
        ck_assert_int_eq(lchown(settings.log_file, 65534, 65534), 0);
        ck_assert_int_eq(logsink_open(&settings, &failure), -1);
        ck_assert_int_eq(failure.code, EXIT_CODE_PERMISSION);
        ck_assert_ptr_nonnull(strstr(failure.sentence, "is a symbolic link of another user"));
    }
    unlink(settings.log_file);
}
END_TEST

/* Its reader could hold the master up, or is not there at all: open(2) would wait for it. */
START_TEST(a_fifo_is_no_log_file)
{
    static struct settings settings = {.log = SETTINGS_LOG_FILE, .log_file = "logsink-test.fifo"};
    struct failure failure;
    int reader;

    unlink(settings.log_file); /* of a run that was ended */
    ck_assert_int_eq(mkfifo(settings.log_file, 0600), 0);
    ck_assert_int_eq(logsink_open(&settings, &failure), -1);
    ck_assert_int_eq(failure.code, EXIT_CODE_BAD_CONFIG);
    reader = open(settings.log_file, O_RDONLY | O_NONBLOCK);
    ck_assert_int_eq(logsink_open(&settings, &failure), -1);
    ck_assert_int_eq(failure.code, EXIT_CODE_BAD_CONFIG);
    close(reader);
    unlink(settings.log_file);
    memcpy(settings.log_file, "/dev/null", 10);
    reader = logsink_open(&settings, &failure);
    ck_assert_int_ge(reader, 0);
    close(reader);
}
END_TEST

START_TEST(long_line_is_passed_on_in_pieces)
{
    enum { SIZE = 60000 };
    char *text = malloc(SIZE), *got = malloc(SIZE);
    size_t size;

    ck_assert(text && got);
    memset(text, 'x', SIZE);
    size = pass_through(text, SIZE, got, SIZE);
    ck_assert_uint_eq(size, SIZE);
    ck_assert_mem_eq(got, text, SIZE);
    free(text);
    free(got);
}
END_TEST

START_TEST(missing_folder_of_the_log_is_an_error)
{
    static struct settings settings = {.log = SETTINGS_LOG_FILE, .log_file = "no/such/folder/log"};
    struct failure failure;

    ck_assert_int_eq(logsink_open(&settings, &failure), -1);
    ck_assert_int_eq(failure.code, EXIT_CODE_BAD_CONFIG);
    ck_assert_ptr_nonnull(strstr(failure.sentence, "no/such/folder/log"));
    settings.log = SETTINGS_LOG_STDERR;
    ck_assert_int_eq(logsink_open(&settings, &failure), -1);
    ck_assert_int_eq(failure.code, EXIT_CODE_OK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("logsink");
    TCase *tests = tcase_create("lines");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, whole_lines_end_at_the_last_newline);
    tcase_add_test(tests, pieces_are_cut_between_lines);
    tcase_add_test(tests, severity_is_read_from_both_formats);
    tcase_add_test(tests, lines_reach_the_file);
    tcase_add_test(tests, a_fifo_is_no_log_file);
    tcase_add_test(tests, a_link_of_ours_is_followed);
    tcase_add_test(tests, long_line_is_passed_on_in_pieces);
    tcase_add_test(tests, missing_folder_of_the_log_is_an_error);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
