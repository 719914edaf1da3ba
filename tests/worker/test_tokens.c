/* SPDX-License-Identifier: MPL-2.0
 *
 * The cache of tokens: who is asked again is not verified again, as long as the token is good, and whatever the number
 * of tokens, the memory is bounded.
 */
#include "worker/tokens.h"

#include "tests/policy/jwt_maker.h"

#define S     INT64_C(1000000)
#define NOW   (1700000000 * S)
#define PLACE (TOKENS_SETS * TOKENS_WAYS)

static struct maker_key key;
static struct jwks *jwks;
static struct tokens tokens;
static char text[MAKER_TOKEN_SIZE + 16];

static void set_up(void)
{
    const struct jwt_rules rules = {.leeway_us = 10 * S};
    struct failure failure = {.code = EXIT_CODE_OK};
    char set[MAKER_SET_SIZE];

    key = maker_key(&maker_kinds[0]);
    jwks = jwks_parse("keys.json", slice_of(maker_set(&key, NULL, set)), &failure);
    ck_assert_msg(jwks != NULL, "%s", failure.sentence);
    ck_assert(tokens_init(&tokens, jwks, &rules));
}

static void tear_down(void)
{
    tokens_fini(&tokens);
    jwks_free(jwks);
}

/* The value of an Authorization field with the token of PAYLOAD. */
static struct slice make(const char *payload)
{
    struct slice token;

    memcpy(text, "Bearer ", 7);
    token = maker_token(&key, "{\"alg\":\"HS256\"}", payload, text + 7);
    return (struct slice){text, token.size + 7};
}

static struct tokens_answer ask(const char *payload, int64_t now_us)
{
    return tokens_ask(&tokens, make(payload), now_us);
}

static struct tokens_answer ask_number(int number)
{
    char payload[64];

    snprintf(payload, sizeof(payload), "{\"sub\":\"u%d\",\"exp\":2000000000}", number);
    return ask(payload, NOW);
}

static bool says(const struct tokens_answer *answer, const char *name, const char *value)
{
    struct slice found;

    return answer->claims && claims_find(answer->claims, slice_of(name), &found) && slice_equal(found, slice_of(value));
}

START_TEST(the_second_time_is_kept)
{
    struct tokens_answer first = ask("{\"sub\":\"a\",\"exp\":2000000000}", NOW);

    ck_assert(first.is_token && first.fault == JWT_GOOD && !first.was_kept && says(&first, "sub", "a"));
    first = ask("{\"sub\":\"a\",\"exp\":2000000000}", NOW);
    ck_assert(first.is_token && first.fault == JWT_GOOD && first.was_kept && says(&first, "sub", "a"));
    first = ask("{\"sub\":\"b\",\"exp\":2000000000}", NOW);
    ck_assert(!first.was_kept && says(&first, "sub", "b"));
}
END_TEST

START_TEST(other_bytes_are_another_token)
{
    struct slice value = make("{\"sub\":\"a\",\"exp\":2000000000}");

    ck_assert(tokens_ask(&tokens, value, NOW).claims);
    for (size_t i = 7; i < value.size; i++) {
        struct tokens_answer answer;

        text[i] ^= 1;
        answer = tokens_ask(&tokens, value, NOW);
        ck_assert_msg(!answer.claims && (answer.fault != JWT_GOOD || !answer.is_token), "byte %zu", i);
        text[i] ^= 1;
    }
    ck_assert(tokens_ask(&tokens, value, NOW).was_kept);
}
END_TEST

START_TEST(a_kept_token_ends)
{
    static const char payload[] = "{\"exp\":1700000100,\"nbf\":1700000000,\"sub\":\"a\"}";
    struct tokens_answer answer;

    ck_assert(ask(payload, NOW).claims);
    ck_assert(ask(payload, NOW + 109 * S).was_kept); /* the leeway is 10 s */
    answer = ask(payload, NOW + 110 * S);
    ck_assert(!answer.claims && answer.fault == JWT_expired);
    ck_assert(ask(payload, NOW - 10 * S).was_kept); /* the clock went back */
    answer = ask(payload, NOW - 11 * S);
    ck_assert(!answer.claims && answer.fault == JWT_early);
}
END_TEST

START_TEST(bad_tokens_are_not_kept)
{
    struct tokens_answer answer;

    ck_assert(ask_number(0).claims);
    for (int i = 0; i < 2; i++) {
        answer = ask("{\"sub\":\"a\",\"exp\":1}", NOW);
        ck_assert(answer.is_token && !answer.claims && answer.fault == JWT_expired && !answer.was_kept);
    }
    for (int i = 0; i < PLACE * 4; i++) {
        struct slice value = make("{\"sub\":\"a\",\"exp\":2000000000}");

        snprintf(text + value.size - 8, 9, "%08u", (unsigned)i % 100000000u); /* of the signature */
        ck_assert(!tokens_ask(&tokens, value, NOW).claims);
    }
    ck_assert(ask_number(0).was_kept);
}
END_TEST

/* More tokens than there are places: each is answered, those that are used again stay. */
START_TEST(places_are_bounded)
{
    size_t kept = 0;

    ck_assert(ask_number(0).claims);
    for (int i = 1; i < PLACE * 3; i++) {
        struct tokens_answer answer = ask_number(i);

        ck_assert(answer.claims && !answer.was_kept);
        ck_assert_msg(ask_number(0).was_kept, "token %d", i);
    }
    kept = 0;
    for (int i = PLACE * 3; i-- > 0;)
        kept += ask_number(i).was_kept;
    ck_assert_uint_gt(kept, PLACE / 2);
    ck_assert_uint_le(kept, PLACE);
}
END_TEST

START_TEST(large_claims_are_not_kept)
{
    static char payload[6000];
    struct tokens_answer answer;

    memset(payload, 'x', 5000);
    memcpy(payload, "{\"exp\":2000000000,\"sub\":\"", 25);
    snprintf(payload + 5000, 3, "\"}");
    for (int i = 0; i < 2; i++) {
        struct slice value;

        answer = ask(payload, NOW);
        ck_assert(answer.claims && !answer.was_kept);
        ck_assert(claims_find(answer.claims, SLICE("sub"), &value) && value.size == 4975);
    }
}
END_TEST

static const char *const others[] = {"",           "Bearer",         "Bearer ",     "Bearer sk-live-1",
                                     "Bearer a.b", "Bearer a.b.c.d", "Basic a.b.c", "a.b.c"};

START_TEST(what_is_no_token_is_nothing)
{
    struct tokens_answer answer = tokens_ask(&tokens, slice_of(others[_i]), NOW);

    ck_assert(!answer.is_token && !answer.claims && answer.fault == JWT_GOOD && !answer.was_kept);
}
END_TEST

/* What some upstream or other takes a good token out of: one word of it, and a space is more than ' ' to them. */
static const struct {
    const char *before, *behind;
} words[] = {
    {"Bearer ", " ."},        {"Bearer ", " x"},    {"Bearer ", " x.y.z"},      {"Bearer ", ", Bearer x.y.z"}, {"Bearer ", ",x.y"},
    {"Bearer ", "\tx.y"},     {"Bearer ", "\xA0."}, {"Bearer ", "\x85."},       {"Bearer x.y ", ""},            {"Bearer . ", " ."},
};

START_TEST(a_token_among_words_is_refused)
{
    struct slice token = make("{\"sub\":\"a\",\"exp\":2000000000}");
    struct tokens_answer answer;
    char value[MAKER_TOKEN_SIZE];

    token = (struct slice){token.data + 7, token.size - 7};
    snprintf(value, sizeof(value), "%s%.*s%s", words[_i].before, (int)token.size, token.data, words[_i].behind);
    answer = tokens_ask(&tokens, slice_of(value), NOW);
    ck_assert_msg(answer.is_token && !answer.claims && answer.fault == JWT_malformed, "\"%s...%s\" is no token: %d", words[_i].before,
                  words[_i].behind, answer.is_token);
}
END_TEST

START_TEST(without_keys_claims_are_read)
{
    const struct jwt_rules rules = {.leeway_us = 0};
    struct tokens plain;
    struct tokens_answer answer;
    struct slice value = make("{\"sub\":\"a\",\"exp\":1}");

    ck_assert(tokens_init(&plain, NULL, &rules));
    text[value.size - 1] = text[value.size - 1] == 'A' ? 'E' : 'A';
    for (int i = 0; i < 2; i++) {
        answer = tokens_ask(&plain, value, NOW);
        ck_assert(answer.is_token && says(&answer, "sub", "a") && answer.fault == JWT_GOOD &&
                  answer.was_kept == (i == 1));
    }
    answer = tokens_ask(&plain, SLICE("Bearer a.b.c"), NOW);
    ck_assert(answer.is_token && !answer.claims && answer.fault == JWT_GOOD);
    tokens_fini(&plain);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker/tokens");
    TCase *tcase = tcase_create("tokens");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, the_second_time_is_kept);
    tcase_add_test(tcase, other_bytes_are_another_token);
    tcase_add_test(tcase, a_kept_token_ends);
    tcase_add_test(tcase, bad_tokens_are_not_kept);
    tcase_add_test(tcase, places_are_bounded);
    tcase_add_test(tcase, large_claims_are_not_kept);
    tcase_add_loop_test(tcase, what_is_no_token_is_nothing, 0, sizeof(others) / sizeof(others[0]));
    tcase_add_loop_test(tcase, a_token_among_words_is_refused, 0, sizeof(words) / sizeof(words[0]));
    tcase_add_test(tcase, without_keys_claims_are_read);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
