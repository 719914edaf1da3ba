/* SPDX-License-Identifier: MPL-2.0
 *
 * The lock admits one master, names it, is not disturbed by questions, and passes to whoever inherits the descriptor;
 * pidfiles with anything but a sane number in them name nobody.
 */
#include "master/pidfile.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct settings settings;
static char folder[] = "pidfile-test.XXXXXX";
static char path[64];

static void set_up(void)
{
    memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(settings.runtime_dir, sizeof(settings.runtime_dir), "%s", folder);
    snprintf(settings.instance, sizeof(settings.instance), "one");
    snprintf(path, sizeof(path), "%s/pid", folder);
}

static void tear_down(void)
{
    char lock[64];

    snprintf(lock, sizeof(lock), "%s/one.lock", folder);
    unlink(lock);
    unlink(path);
    ck_assert_int_eq(rmdir(folder), 0);
}

static pid_t read_text(const char *text)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
    return pidfile_read(path);
}

START_TEST(pidfile_is_read_as_written)
{
    struct failure failure;

    ck_assert_int_eq(pidfile_read(path), 0);
    ck_assert(pidfile_write(path, 4711, &failure));
    ck_assert_int_eq(pidfile_read(path), 4711);
    pidfile_remove(path, 4712);
    ck_assert_int_eq(pidfile_read(path), 4711);
    pidfile_remove(path, 4711);
    ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(insane_pidfiles_name_nobody)
{
    static const char *const texts[] = {"", "\n", "x", "0", "1", "-5", "12x", "99999999999999999999", "4294967297"};

    ck_assert_int_eq(read_text("12\n"), 12);
    ck_assert_int_eq(read_text("12"), 12);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        ck_assert_msg(read_text(texts[i]) == 0, "'%s' named somebody", texts[i]);
}
END_TEST

START_TEST(pidfile_in_a_missing_folder_is_an_error)
{
    struct failure failure;

    ck_assert(!pidfile_write("no/such/folder/pid", 4711, &failure));
    ck_assert_int_eq(failure.code, EXIT_CODE_PIDFILE);
}
END_TEST

START_TEST(second_master_is_refused_and_told_of_the_first)
{
    struct failure failure;
    char number[32];
    int fd;

    ck_assert_int_eq(pidfile_find_holder(&settings), 0);
    fd = pidfile_lock(&settings, &failure);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pidfile_find_holder(&settings), getpid());
    ck_assert_int_eq(pidfile_lock(&settings, &failure), -1);
    ck_assert_int_eq(failure.code, EXIT_CODE_PIDFILE);
    snprintf(number, sizeof(number), "process %d:", (int)getpid());
    ck_assert_ptr_nonnull(strstr(failure.sentence, number));
    close(fd);
    ck_assert_int_eq(pidfile_find_holder(&settings), 0);
    fd = pidfile_lock(&settings, &failure);
    ck_assert_int_ge(fd, 0);
    close(fd);
}
END_TEST

START_TEST(lock_passes_to_the_heir)
{
    struct failure failure;
    int fd = pidfile_lock(&settings, &failure);
    int ends[2];
    pid_t heir;
    char word;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pipe(ends), 0);
    heir = fork();
    if (heir == 0) {
        close(ends[1]);
        _exit(pidfile_adopt_lock(&settings, fd, &failure) && pidfile_sign_lock(fd, getpid()) &&
                      read(ends[0], &word, 1) == 0
                  ? 0
                  : 1);
    }
    close(ends[0]);
    close(fd);
    while (pidfile_find_holder(&settings) == getpid()) /* until the heir has signed */
        ck_assert_int_eq(waitpid(heir, NULL, WNOHANG), 0);
    ck_assert_int_eq(pidfile_find_holder(&settings), heir);
    ck_assert_int_eq(pidfile_lock(&settings, &failure), -1);
    close(ends[1]);
    ck_assert_int_eq(waitpid(heir, NULL, 0), heir);
    ck_assert_int_eq(pidfile_find_holder(&settings), 0);
}
END_TEST

/* A child that a killed master had just made: it has the lock until it runs. */
START_TEST(lock_of_a_dead_master_is_waited_for)
{
    struct failure failure;
    pid_t master, child = -1;
    int told[2], fd, status;

    ck_assert_int_eq(pipe(told), 0);
    master = fork();
    if (master == 0) {
        if (pidfile_lock(&settings, &failure) < 0)
            _exit(1);
        child = fork();
        if (child == 0) {
            usleep(300000);
            _exit(0);
        }
        _exit(write(told[1], &child, sizeof(child)) == (ssize_t)sizeof(child) ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(master, &status, 0), master);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(read(told[0], &child, sizeof(child)), (ssize_t)sizeof(child));
    fd = pidfile_lock(&settings, &failure);
    ck_assert_msg(fd >= 0, "%s", failure.sentence);
    ck_assert_int_eq(pidfile_find_holder(&settings), getpid());
    close(fd);
}
END_TEST

START_TEST(foreign_descriptor_is_no_lock)
{
    struct failure failure;
    int fd = pidfile_lock(&settings, &failure), other = open("/dev/null", O_RDWR);

    ck_assert(pidfile_adopt_lock(&settings, fd, &failure));
    ck_assert(!pidfile_adopt_lock(&settings, other, &failure));
    ck_assert(!pidfile_adopt_lock(&settings, 999, &failure));
    close(fd);
    close(other);
}
END_TEST

/* What is written into it must not land elsewhere, and nobody else may hold it. */
START_TEST(lock_that_is_no_file_of_ours_is_refused)
{
    static const char victim[] = "something\n";
    char lock[64], text[sizeof(victim)] = "";
    struct failure failure;
    int fd;

    snprintf(lock, sizeof(lock), "%s/one.lock", folder);
    read_text(victim);
    switch (_i) {
    case 0:
        ck_assert_int_eq(link(path, lock), 0);
        break;
    case 1:
        ck_assert_int_eq(symlink("pid", lock), 0);
        break;
    case 2:
        ck_assert_int_eq(mkfifo(lock, 0600), 0);
        break;
    case 3:
        ck_assert_int_eq(mkdir(lock, 0700), 0);
        break;
    default:
        fd = open(lock, O_RDWR | O_CREAT, 0600);
        ck_assert_int_eq(fchmod(fd, 0666), 0);
        close(fd);
    }
    ck_assert_int_eq(pidfile_find_holder(&settings), 0 - (_i == 1));
    ck_assert_int_eq(pidfile_lock(&settings, &failure), -1);
    ck_assert_int_eq(failure.code, EXIT_CODE_PIDFILE);
    ck_assert_msg(strstr(failure.sentence, "no file of ours") && strstr(failure.sentence, lock), "%s", failure.sentence);
    fd = open(path, O_RDONLY);
    ck_assert_int_eq(read(fd, text, sizeof(text)), (ssize_t)sizeof(victim) - 1);
    close(fd);
    ck_assert_str_eq(text, victim);
    if (_i == 3)
        ck_assert_int_eq(rmdir(lock), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pidfile");
    TCase *tests = tcase_create("lock");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, pidfile_is_read_as_written);
    tcase_add_test(tests, insane_pidfiles_name_nobody);
    tcase_add_test(tests, pidfile_in_a_missing_folder_is_an_error);
    tcase_add_test(tests, second_master_is_refused_and_told_of_the_first);
    tcase_add_test(tests, lock_passes_to_the_heir);
    tcase_add_test(tests, lock_of_a_dead_master_is_waited_for);
    tcase_add_test(tests, foreign_descriptor_is_no_lock);
    tcase_add_loop_test(tests, lock_that_is_no_file_of_ours_is_refused, 0, 5);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
