/* SPDX-License-Identifier: MPL-2.0
 *
 * Substrings of user agents: overlapping ones, one inside another, either case; against a plain search; bad lines with
 * their place; the list that is shipped.
 */
#include "policy/bots.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define MANY 400

static struct failure failure;

static struct bots *parse(const char *text)
{
    return bots_parse("list", slice_of(text), &failure);
}

static void check(const struct bots *bots, const char *agent, const char *category)
{
    uint32_t found = bots_find(bots, slice_of(agent), BOTS_NONE);

    if (!category) {
        ck_assert_msg(found == BOTS_NONE, "%s", agent);
        return;
    }
    ck_assert_msg(found != BOTS_NONE, "%s", agent);
    ck_assert_msg(slice_equal(bots_category(bots, found), slice_of(category)), "%s is %.*s", agent,
                  (int)bots_category(bots, found).size, bots_category(bots, found).data);
}

START_TEST(patterns_are_found)
{
    struct bots *bots = parse("# comment\nsearch\tGooglebot\r\nai\tGPTBot\n\ntool\tcurl/\nsocial\tbot\nlate\tgpt\n"
                              "overlap\tabcabd\ninner\tcab\nspace\tBaidu Spider \n");

    ck_assert_msg(bots != NULL, "%s", failure.sentence);
    check(bots, "", NULL);
    check(bots, "Mozilla/5.0 (X11; Linux x86_64)", NULL);
    check(bots, "googleBOT", "search");
    check(bots, "Mozilla/5.0 (compatible; Googlebot/2.1)", "search");
    check(bots, "Mozilla/5.0 gptbot", "ai");
    check(bots, "xxgptxx", "late");
    check(bots, "a robot", "social");
    check(bots, "curl/8.0", "tool");
    check(bots, "curl 8.0", NULL);
    check(bots, "CURL/8.0 Googlebot", "search"); /* the line that stands first */
    check(bots, "abcabcabd", "overlap");
    check(bots, "abcabx", "inner");
    check(bots, "xcab", "inner");
    check(bots, "baidu spider", "space");
    check(bots, "gptbo\xff", "late");
    check(bots, "go ogle bo t", NULL);
    ck_assert_uint_eq(bots_find(bots, SLICE("curl/"), 0), 0);
    ck_assert_uint_eq(bots_find(bots, SLICE("nothing"), 1), 1);
    bots_free(bots);
}
END_TEST

static const struct {
    const char *text, *sentence;
} bad[] = {
    {"search Googlebot\n", "list:1: \"search Googlebot\" has no tab"},
    {"search\tGooglebot\nai\t\tGPTBot\tx\n", "list:2: there is a second tab"},
    {"search\tab\n", "list:1: \"ab\" has 2 bytes"},
    {"search\t\n", "list:1: \"search\" has no tab"},
    {"Search\tGooglebot\n", "list:1: \"Search\" cannot be a category"},
    {"empty\tGooglebot\n", "list:1: \"empty\" cannot be a category"},
    {"two words\tGooglebot\n", "list:1: \"two words\" cannot be a category"},
    {"a\tGooglebot\n# x\nb\tgooglebot\n", "list:3: \"googlebot\" stands in line 1 already"},
    {"a\tGoogle\x7f", "list:1: byte 9 of the line is the control byte 0x7f"},
    {"", "the list list holds no line"},
    {"#\n\n", "the list list holds no line"},
};

START_TEST(bad_lines_have_their_place)
{
    ck_assert_ptr_null(parse(bad[_i].text));
    ck_assert_msg(strncmp(failure.sentence, bad[_i].sentence, strlen(bad[_i].sentence)) == 0, "%s", failure.sentence);
}
END_TEST

START_TEST(too_much_is_refused)
{
    static char text[1 << 20];
    size_t used = 0;

    for (unsigned i = 0; i < 8000; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "a\tpattern%08u\n", i);
    ck_assert_ptr_null(bots_parse("list", (struct slice){text, used}, &failure));
    ck_assert_ptr_nonnull(strstr(failure.sentence, "list:4369: the substrings up to here have more than 65534 bytes"));
}
END_TEST

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* Few letters, so that patterns overlap in every way there is. */
static size_t random_word(uint32_t *state, char *word, size_t least, size_t most)
{
    size_t size = least + next(state) % (most - least + 1);

    for (size_t i = 0; i < size; i++)
        word[i] = "abcAB"[next(state) % 5];
    word[size] = '\0';
    return size;
}

static bool contains(const char *text, const char *part)
{
    struct slice rest = slice_of(text), wanted = slice_of(part);

    for (; rest.size >= wanted.size; rest = (struct slice){rest.data + 1, rest.size - 1})
        if (slice_equal_nocase((struct slice){rest.data, wanted.size}, wanted))
            return true;
    return false;
}

START_TEST(one_pass_agrees_with_a_plain_search)
{
    static char words[MANY][16], text[MANY * 24];
    uint32_t state = 7;
    size_t used = 0, count = 0;
    struct bots *bots;

    while (count < MANY) {
        bool is_new = true;

        random_word(&state, words[count], 3, 9);
        for (size_t i = 0; i < count; i++)
            is_new &= !slice_equal_nocase(slice_of(words[i]), slice_of(words[count]));
        if (is_new)
            used += (size_t)snprintf(text + used, sizeof(text) - used, "c%zu\t%s\n", count, words[count]);
        count += is_new;
    }
    bots = bots_parse("list", (struct slice){text, used}, &failure);
    ck_assert_msg(bots != NULL, "%s", failure.sentence);
    for (unsigned round = 0; round < 20000; round++) {
        char agent[16];
        size_t first = 0;

        random_word(&state, agent, 0, 12);
        while (first < MANY && !contains(agent, words[first]))
            first++;
        ck_assert_uint_eq(bots_find(bots, slice_of(agent), BOTS_NONE), first < MANY ? first : BOTS_NONE);
    }
    bots_free(bots);
}
END_TEST

static struct bots *read_shipped(void)
{
    static char text[1 << 16];
    const char *source = getenv("srcdir");
    char path[512];
    struct bots *bots;
    size_t size;
    FILE *file;

    snprintf(path, sizeof(path), "%s/packaging/data/bots.txt", source ? source : ".");
    file = fopen(path, "r");
    ck_assert_msg(file != NULL, "cannot open %s", path);
    size = fread(text, 1, sizeof(text), file);
    fclose(file);
    bots = bots_parse(path, (struct slice){text, size}, &failure);
    ck_assert_msg(bots != NULL, "%s", failure.sentence);
    return bots;
}

START_TEST(the_shipped_list_knows_who_is_who)
{
    struct bots *bots = read_shipped();

    check(bots, "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "search");
    check(bots,
          "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
          "ai");
    check(bots, "Mozilla/5.0 (compatible; ClaudeBot/1.0; +claudebot@anthropic.com)", "ai");
    check(bots, "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", "seo");
    check(bots, "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)", "monitor");
    check(bots, "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "social");
    check(bots, "curl/7.88.1", "tool");
    check(bots, "python-requests/2.31.0", "tool");
    /* Browsers, and SDKs of services that people use on purpose. */
    check(bots,
          "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
          "Safari/537.36 Edg/126.0.0.0",
          NULL);
    check(bots,
          "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
          "Version/17.5 Mobile/15E148 Safari/604.1",
          NULL);
    check(bots, "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0", NULL);
    check(bots, "Mozilla/5.0 (Linux; Android 13; CUBOT X70) AppleWebKit/537.36 Chrome/126.0.0.0 Mobile Safari/537.36",
          NULL);
    check(bots, "OpenAI/Python 1.35.0", NULL);
    check(bots, "Anthropic/Python 0.30.0", NULL);
    bots_free(bots);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bots");
    TCase *tcase = tcase_create("bots");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, patterns_are_found);
    tcase_add_loop_test(tcase, bad_lines_have_their_place, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(tcase, too_much_is_refused);
    tcase_add_test(tcase, one_pass_agrees_with_a_plain_search);
    tcase_add_test(tcase, the_shipped_list_knows_who_is_who);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
