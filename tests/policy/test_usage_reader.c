/* SPDX-License-Identifier: MPL-2.0
 *
 * Answers on one side, their usage on the other: every NAME.json of tests/policy/usage is read whole, cut in two at every byte, and byte
 * by byte, and each time says what NAME.expect says. A prompt of 77 tokens was estimated.
 */
#include <check.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/usage_reader.h"

#define PROMPT    77
#define FILE_SIZE 65536

static const char *const dialects[] = {"unknown", "chat", "completions", "responses", "anthropic", "gemini",
                                       "interactions", "cohere", "ollama"};

static struct slice read_file(const char *path, char *bytes)
{
    FILE *file = fopen(path, "r");
    size_t size;

    ck_assert_msg(file != NULL, "cannot open %s", path);
    size = fread(bytes, 1, FILE_SIZE - 1, file);
    fclose(file);
    bytes[size] = '\0';
    return (struct slice){bytes, size};
}

/* Reads BYTES in a piece of FIRST bytes and pieces of STEP bytes behind it; words what came of it. */
static void read_in_pieces(struct slice bytes, size_t first, size_t step, char *out, size_t size)
{
    struct usage_reader reader;
    struct usage usage;
    bool clamped, is_told;

    usage_reader_init(&reader);
    for (size_t at = 0, piece = first; at < bytes.size; at += piece, piece = step) {
        if (piece > bytes.size - at)
            piece = bytes.size - at;
        usage_reader_feed(&reader, (struct slice){bytes.data + at, piece});
    }
    usage_reader_end(&reader);
    is_told = usage_reader_sum(&reader, PROMPT, &usage, &clamped);
    snprintf(out, size,
             "dialect=%s model=%.*s told=%d in=%" PRId64 " cached=%" PRId64 " write=%" PRId64 " out=%" PRId64
             " reasoning=%" PRId64 " clamped=%d bad=%d\n",
             dialects[reader.dialect], reader.model.size ? (int)reader.model.size : 1,
             reader.model.size ? reader.model.data : "-", is_told, usage.in_total, usage.in_cached,
             usage.in_cache_write, usage.out_total, usage.out_reasoning, clamped, reader.has_bad_figure);
}

static void check_file(const char *folder, const char *name)
{
    static char bytes[FILE_SIZE], expected[FILE_SIZE];
    char path[1024], got[1024];
    struct slice text;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    text = read_file(path, bytes);
    memcpy(strrchr(path, '.'), ".expect", 8);
    read_file(path, expected);
    for (size_t cut = 0; cut <= text.size; cut++) {
        read_in_pieces(text, cut, text.size, got, sizeof(got));
        ck_assert_msg(!strcmp(got, expected), "%s cut at %zu:\n%s%s", name, cut, expected, got);
    }
    read_in_pieces(text, 1, 1, got, sizeof(got));
    ck_assert_msg(!strcmp(got, expected), "%s byte by byte:\n%s%s", name, expected, got);
}

START_TEST(usage_is_as_written)
{
    const char *source = getenv("srcdir");
    struct dirent *entry;
    char folder[512];
    unsigned files = 0;
    DIR *directory;

    snprintf(folder, sizeof(folder), "%s/tests/policy/usage", source ? source : ".");
    directory = opendir(folder);
    ck_assert_msg(directory != NULL, "cannot open %s", folder);
    while ((entry = readdir(directory)))
        if (strstr(entry->d_name, ".json")) {
            check_file(folder, entry->d_name);
            files++;
        }
    closedir(directory);
    ck_assert_uint_ge(files, 20);
}
END_TEST

START_TEST(damage_does_no_harm)
{
    static const char seed[] = "{\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\\u00e9\"}}],"
                               "\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":4}}";
    uint64_t state = 7;

    for (int round = 0; round < 20000; round++) {
        char bytes[sizeof(seed)], got[1024];

        memcpy(bytes, seed, sizeof(seed));
        for (int i = 0; i < 3; i++) {
            state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            bytes[(state >> 33) % (sizeof(seed) - 1)] = (char)(state >> 25);
        }
        read_in_pieces((struct slice){bytes, sizeof(seed) - 1}, (size_t)(state >> 40) % sizeof(seed), 5, got, sizeof(got));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("usage_reader");
    TCase *tests = tcase_create("usage_reader");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, usage_is_as_written);
    tcase_add_test(tests, damage_does_no_harm);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
