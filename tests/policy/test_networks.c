/* SPDX-License-Identifier: MPL-2.0
 *
 * Sets of networks: what is in them and what is not, against a plain walk over the list; bad lines with their place.
 */
#include "policy/networks.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define MANY 100000

static struct failure failure;

static struct networks *parse(const char *text)
{
    return networks_parse("list", slice_of(text), &failure);
}

static bool has(const struct networks *networks, const char *text)
{
    struct address address;

    ck_assert_msg(address_parse(slice_of(text), &address), "%s", text);
    return networks_has(networks, &address);
}

START_TEST(addresses_and_networks)
{
    struct networks *networks = parse("# exits\r\n\n192.0.2.1\r\n  10.0.0.0/8  \n10.1.0.0/16\n2001:db8::/32\n"
                                      "2001:db8:1::1\n::/128\n255.255.255.255");
    struct address none = {.family = ADDRESS_NONE};

    ck_assert_msg(networks != NULL, "%s", failure.sentence);
    ck_assert(has(networks, "192.0.2.1") && !has(networks, "192.0.2.0") && !has(networks, "192.0.2.2"));
    ck_assert(has(networks, "10.0.0.0") && has(networks, "10.255.255.255") && has(networks, "10.1.2.3"));
    ck_assert(!has(networks, "9.255.255.255") && !has(networks, "11.0.0.0") && has(networks, "255.255.255.255"));
    ck_assert(has(networks, "2001:db8::") && has(networks, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"));
    ck_assert(!has(networks, "2001:db9::") && has(networks, "::") && !has(networks, "::1"));
    ck_assert(has(networks, "::ffff:192.0.2.1")); /* the same address */
    ck_assert(!networks_has(networks, &none));
    networks_free(networks);
}
END_TEST

START_TEST(families_are_apart)
{
    struct networks *networks = parse("::/0\n");

    ck_assert(has(networks, "::1") && has(networks, "ffff::") && !has(networks, "192.0.2.1"));
    networks_free(networks);
    networks = parse("0.0.0.0/0\n");
    ck_assert(has(networks, "0.0.0.0") && has(networks, "255.255.255.255") && !has(networks, "::1"));
    networks_free(networks);
}
END_TEST

/* Whatever their order: what lies within another widens nothing and narrows nothing. */
START_TEST(networks_within_networks)
{
    static const char *const texts[] = {
        "10.0.0.0/24\n10.0.0.0/8\n10.255.0.0/16\n",
        "10.0.0.0/8\n10.255.0.0/16\n10.0.0.0/24\n",
        "10.255.0.0/16\n10.0.0.0/32\n10.0.0.0/24\n10.0.0.0/8\n10.0.0.0/8\n",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct networks *networks = parse(texts[i]);

        ck_assert(has(networks, "10.0.0.0") && has(networks, "10.1.2.3") && has(networks, "10.255.255.255"));
        ck_assert(!has(networks, "9.255.255.255") && !has(networks, "11.0.0.0"));
        networks_free(networks);
    }
}
END_TEST

static const struct {
    const char *text, *sentence;
} bad[] = {
    {"192.0.2.1\n192.0.2\n", "list:2: \"192.0.2\" is neither"},
    {"192.0.2.1/33\n", "list:1: \"192.0.2.1/33\" is neither"},
    {"# x\n\n192.0.2.1/24\n", "list:3: \"192.0.2.1/24\" is neither"},
    {"2001:db8::1/64\n", "list:1: \"2001:db8::1/64\" is neither"},
    {"192.0.2.1 # exit\n", "list:1: \"192.0.2.1 # exit\" is neither"},
    {"192.0.2.1, 192.0.2.2\n", "list:1: \"192.0.2.1, 192.0.2.2\" is neither"},
    {"0123456789012345678901234567890123456789012345678901234567890123456789\n",
     "list:1: \"0123456789012345678901234567890123456789012345678901234567890123\" is neither"},
    {"192.0.2.1\n\x01\n", "list:2: byte 1 of the line is the control byte 0x01"},
    {"", "the list list holds no address"},
    {"# nothing\n", "the list list holds no address"},
};

START_TEST(bad_lines_have_their_place)
{
    ck_assert_ptr_null(parse(bad[_i].text));
    ck_assert_msg(strncmp(failure.sentence, bad[_i].sentence, strlen(bad[_i].sentence)) == 0, "%s", failure.sentence);
    ck_assert_int_eq(failure.code, EXIT_CODE_BAD_CONFIG);
}
END_TEST

START_TEST(long_lines_and_nul_are_refused)
{
    static char text[2000];

    memset(text, '1', sizeof(text));
    ck_assert_ptr_null(networks_parse("list", (struct slice){text, sizeof(text)}, &failure));
    ck_assert_ptr_nonnull(strstr(failure.sentence, "list:1: the line is longer than 1024 bytes"));
    ck_assert_ptr_null(networks_parse("list", (struct slice){"192.0.2.1\0", 10}, &failure));
    ck_assert_ptr_nonnull(strstr(failure.sentence, "control byte 0x00"));
}
END_TEST

/* A number that looks random and is the same in every run. */
static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

START_TEST(a_hundred_thousand_agree_with_a_plain_walk)
{
    static struct network list[MANY];
    static char text[MANY * 24];
    uint32_t state = 1;
    size_t used = 0;
    struct networks *networks;
    unsigned hits = 0;

    for (size_t i = 0; i < MANY; i++) {
        unsigned bits = 20 + next(&state) % 13;
        uint32_t value = (next(&state) << 12 ^ next(&state)) & (uint32_t)(UINT64_C(0xffffffff) << (32 - bits));
        size_t size = (size_t)snprintf(text + used, sizeof(text) - used, "%u.%u.%u.%u/%u\n", value >> 24,
                                       value >> 16 & 255, value >> 8 & 255, value & 255, bits);

        ck_assert(address_parse_network((struct slice){text + used, size - 1}, &list[i]));
        used += size;
    }
    networks = networks_parse("list", (struct slice){text, used}, &failure);
    ck_assert_msg(networks != NULL, "%s", failure.sentence);
    for (size_t i = 0; i < 2000; i++) {
        uint32_t value = next(&state) << 12 ^ next(&state);
        struct address address = {.family = ADDRESS_IPV4};
        bool expected = false;

        for (int k = 0; k < 4; k++)
            address.bytes[k] = (uint8_t)(value >> (24 - 8 * k));
        for (size_t k = 0; k < MANY && !expected; k++)
            expected = address_in_network(&address, &list[k]);
        ck_assert(networks_has(networks, &address) == expected);
        hits += expected;
    }
    ck_assert(hits > 0 && hits < 2000);
    networks_free(networks);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("networks");
    TCase *tcase = tcase_create("networks");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, addresses_and_networks);
    tcase_add_test(tcase, families_are_apart);
    tcase_add_test(tcase, networks_within_networks);
    tcase_add_loop_test(tcase, bad_lines_have_their_place, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(tcase, long_lines_and_nul_are_refused);
    tcase_add_test(tcase, a_hundred_thousand_agree_with_a_plain_walk);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
