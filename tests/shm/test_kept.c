/* SPDX-License-Identifier: MPL-2.0
 *
 * Names of kept bundles: only what has such a name counts, and the highest numbers win.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm/kept.h"

static struct settings settings;
static char folder[] = "/tmp/test_kept.XXXXXX";

static void touch(const char *name)
{
    char path[KEPT_PATH_SIZE + 64];
    int fd;

    kept_folder(&settings, path);
    snprintf(path + strlen(path), 64, "/%s", name);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

START_TEST(lists_what_is_kept)
{
    static const char *const names[] = {"00000007.json", "00000001.json", "00000012.json", "00000000.json",
                                        "7.json",        "0000000a.json", "00000003.json~", "000000009.json",
                                        "00000003.json", "00000004.jsom", "-0000004.json",  ".json"};
    char path[KEPT_PATH_SIZE];
    uint32_t numbers[8];
    size_t count = 99;

    ck_assert(kept_list(&settings, numbers, 8, &count));
    ck_assert_uint_eq(count, 0);
    kept_folder(&settings, path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        touch(names[i]);
    ck_assert(kept_list(&settings, numbers, 8, &count));
    ck_assert_uint_eq(count, 4);
    ck_assert_uint_eq(numbers[0], 1);
    ck_assert_uint_eq(numbers[1], 3);
    ck_assert_uint_eq(numbers[2], 7);
    ck_assert_uint_eq(numbers[3], 12);
    ck_assert(kept_list(&settings, numbers, 2, &count));
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(numbers[0], 7);
    ck_assert_uint_eq(numbers[1], 12);
    kept_path(&settings, 12, path);
    ck_assert_int_eq(access(path, F_OK), 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char file[KEPT_PATH_SIZE + 64];

        kept_folder(&settings, path);
        snprintf(file, sizeof(file), "%s/%s", path, names[i]);
        unlink(file);
    }
    ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

static void write_note(const char *text, size_t size)
{
    char path[KEPT_PATH_SIZE];
    int fd;

    kept_note_path(&settings, 5, path);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, size), (ssize_t)size);
    close(fd);
}

START_TEST(notes_come_back_and_others_are_none)
{
    static const char *const others[] = {"", "push", "push 5", "push x y\n", "PUSH 5 y\n", "push -7 y\n", "push 4294967296 y\n", " 5 y\n"};
    struct kept_note notes[] = {{"push", 1000, "ticket 77"}, {"start", KEPT_USER_UNKNOWN, ""}, {"rollback", 0, " two  words "}};
    char text[KEPT_NOTE_SIZE], path[KEPT_PATH_SIZE];
    struct kept_note found;

    kept_folder(&settings, path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert(!kept_read_note(&settings, 5, &found));
    memset(notes[2].reason, 'x', sizeof(notes[2].reason) - 1);
    for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
        write_note(text, kept_print_note(&notes[i], text));
        ck_assert(kept_read_note(&settings, 5, &found));
        ck_assert_str_eq(found.how, notes[i].how);
        ck_assert_str_eq(found.reason, notes[i].reason);
        ck_assert_int_eq(found.user, notes[i].user);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        write_note(others[i], strlen(others[i]));
        ck_assert_msg(!kept_read_note(&settings, 5, &found), "'%s'", others[i]);
        ck_assert_int_eq(found.user, KEPT_USER_UNKNOWN);
        ck_assert_str_eq(found.how, "");
    }
    kept_note_path(&settings, 5, path);
    unlink(path);
    kept_folder(&settings, path);
    ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

/* Nobody will ever write into it. */
START_TEST(fifos_are_not_waited_for)
{
    char path[KEPT_PATH_SIZE];
    struct kept_note note;

    kept_folder(&settings, path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    kept_place_path(&settings, path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_uint_eq(kept_read_place(&settings), 0);
    unlink(path);
    kept_note_path(&settings, 3, path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert(!kept_read_note(&settings, 3, &note));
    unlink(path);
    kept_folder(&settings, path);
    ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kept");
    TCase *tests = tcase_create("kept");
    SRunner *runner = srunner_create(suite);
    int failed;

    if (!mkdtemp(folder))
        return 99;
    settings_default(&settings);
    snprintf(settings.state_dir, sizeof(settings.state_dir), "%s", folder);
    tcase_add_test(tests, lists_what_is_kept);
    tcase_add_test(tests, notes_come_back_and_others_are_none);
    tcase_add_test(tests, fifos_are_not_waited_for);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    rmdir(folder);
    return failed != 0;
}
