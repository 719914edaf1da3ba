/* SPDX-License-Identifier: MPL-2.0
 *
 * Countries and autonomous systems out of databases of both layouts, written here; damaged and foreign ones are
 * refused.
 */
#include "config.h"

#include "policy/geoip.h"

#include <sys/stat.h>

#include "tests/policy/mmdb.h"

static struct failure failure;
static struct mmdb mmdb;
static char path[MMDB_PATH_SIZE];

static struct address address_of(const char *text)
{
    struct address address;

    ck_assert(address_parse(slice_of(text), &address));
    return address;
}

static size_t add_nested_country(const char *code)
{
    size_t at = mmdb.data_size;

    mmdb_map(&mmdb, 2);
    mmdb_string(&mmdb, "continent");
    mmdb_map(&mmdb, 1);
    mmdb_string(&mmdb, "code");
    mmdb_string(&mmdb, "EU");
    mmdb_string(&mmdb, "country");
    mmdb_map(&mmdb, 1);
    mmdb_string(&mmdb, "iso_code");
    mmdb_string(&mmdb, code);
    return at;
}

static size_t add_text(const char *name, const char *value)
{
    size_t at = mmdb.data_size;

    mmdb_map(&mmdb, 1);
    mmdb_string(&mmdb, name);
    mmdb_string(&mmdb, value);
    return at;
}

static size_t add_number(const char *name, unsigned type, uint64_t value)
{
    size_t at = mmdb.data_size;

    mmdb_map(&mmdb, 1);
    mmdb_string(&mmdb, name);
    mmdb_number(&mmdb, type, value);
    return at;
}

static struct geoip *write_and_open(void)
{
    struct geoip *geoip;

    mmdb_write(&mmdb, path);
    geoip = geoip_open(path, "test.mmdb", &failure);
    ck_assert_msg(geoip != NULL, "%s", failure.sentence);
    return geoip;
}

static void close_and_remove(struct geoip *geoip)
{
    geoip_close(geoip);
    ck_assert_int_eq(unlink(path), 0);
}

static void check_country(const struct geoip *geoip, const char *address, const char *expected)
{
    struct address asked = address_of(address);
    char country[GEOIP_COUNTRY_SIZE];
    bool is_found = geoip_find_country(geoip, &asked, country);

    ck_assert_msg(is_found == (expected != NULL), "%s", address);
    if (expected)
        ck_assert_msg(memcmp(country, expected, sizeof(country)) == 0, "%s is %.2s", address, country);
}

START_TEST(countries_of_every_layout)
{
    struct address none = {.family = ADDRESS_NONE};
    char country[GEOIP_COUNTRY_SIZE];
    struct geoip *geoip;

    mmdb_init(&mmdb, 6);
    mmdb_insert(&mmdb, "192.0.2.0/24", add_nested_country("DE"));
    mmdb_insert(&mmdb, "198.51.100.0/25", add_text("country_code", "fr"));
    mmdb_insert(&mmdb, "198.51.100.128/25", add_text("country", "PL"));
    mmdb_insert(&mmdb, "203.0.113.0/24", add_text("country_code", "EUR"));
    mmdb_insert(&mmdb, "203.0.114.0/24", add_text("country_code", "1A"));
    mmdb_insert(&mmdb, "203.0.115.0/24", add_text("country_code", ""));
    mmdb_insert(&mmdb, "203.0.116.0/24", add_number("country_code", 6, 49));
    mmdb_insert(&mmdb, "2001:db8::/32", add_nested_country("JP"));
    geoip = write_and_open();
    check_country(geoip, "192.0.2.200", "DE");
    check_country(geoip, "::ffff:192.0.2.200", "DE");
    check_country(geoip, "192.0.3.1", NULL);
    check_country(geoip, "198.51.100.1", "FR");
    check_country(geoip, "198.51.100.129", "PL");
    check_country(geoip, "203.0.113.1", NULL);
    check_country(geoip, "203.0.114.1", NULL);
    check_country(geoip, "203.0.115.1", NULL);
    check_country(geoip, "203.0.116.1", NULL);
    check_country(geoip, "2001:db8::1", "JP");
    check_country(geoip, "2001:db9::1", NULL);
    ck_assert(!geoip_find_country(geoip, &none, country));
    ck_assert(geoip_check(geoip, GEOIP_COUNTRIES, "test.mmdb", &failure));
    ck_assert(!geoip_check(geoip, GEOIP_NUMBERS, "test.mmdb", &failure));
    ck_assert_str_eq(failure.sentence, "the database test.mmdb knows no autonomous system (neither "
                                       "autonomous_system_number nor asn); its type is Test-Database");
    close_and_remove(geoip);
}
END_TEST

static void check_asn(const struct geoip *geoip, const char *address, uint32_t expected)
{
    struct address asked = address_of(address);
    uint32_t number = 0;

    ck_assert(geoip_find_asn(geoip, &asked, &number) == (expected != 0));
    if (expected != 0)
        ck_assert_uint_eq(number, expected);
}

START_TEST(numbers_of_every_layout)
{
    struct geoip *geoip;

    mmdb_init(&mmdb, 6);
    mmdb_insert(&mmdb, "192.0.2.0/24", add_number("autonomous_system_number", 6, 4200000000u));
    mmdb_insert(&mmdb, "192.0.3.0/24", add_number("autonomous_system_number", 5, 64496));
    mmdb_insert(&mmdb, "192.0.4.0/24", add_number("asn", 9, 64497));
    mmdb_insert(&mmdb, "192.0.5.0/24", add_number("asn", 9, UINT64_C(1) << 32));
    mmdb_insert(&mmdb, "192.0.6.0/24", add_number("asn", 6, 0));
    mmdb_insert(&mmdb, "198.51.100.0/24", add_text("asn", "AS64498"));
    mmdb_insert(&mmdb, "198.51.101.0/24", add_text("asn", "64499"));
    mmdb_insert(&mmdb, "198.51.102.0/24", add_text("asn", "AS"));
    geoip = write_and_open();
    check_asn(geoip, "192.0.2.1", 4200000000u);
    check_asn(geoip, "192.0.3.1", 64496);
    check_asn(geoip, "192.0.4.1", 64497);
    check_asn(geoip, "192.0.5.1", 0);
    check_asn(geoip, "192.0.6.1", 0);
    check_asn(geoip, "198.51.100.1", 64498);
    check_asn(geoip, "198.51.101.1", 64499);
    check_asn(geoip, "198.51.102.1", 0);
    check_asn(geoip, "2001:db8::1", 0);
    ck_assert(geoip_check(geoip, GEOIP_NUMBERS, "test.mmdb", &failure));
    ck_assert(!geoip_check(geoip, GEOIP_COUNTRIES, "test.mmdb", &failure));
    ck_assert_ptr_nonnull(strstr(failure.sentence, "knows no country"));
    close_and_remove(geoip);
}
END_TEST

/* A database for IPv4 alone says nothing of IPv6, and is not damaged for it. */
START_TEST(a_tree_of_ipv4)
{
    struct geoip *geoip;

    mmdb_init(&mmdb, 4);
    mmdb_insert(&mmdb, "192.0.2.0/24", add_text("country_code", "DE"));
    geoip = write_and_open();
    check_country(geoip, "192.0.2.1", "DE");
    check_country(geoip, "2001:db8::1", NULL);
    ck_assert(geoip_check(geoip, GEOIP_COUNTRIES, "test.mmdb", &failure));
    close_and_remove(geoip);
}
END_TEST

START_TEST(what_is_no_database_is_refused)
{
    FILE *file;

    mmdb_init(&mmdb, 6);
    mmdb_insert(&mmdb, "192.0.2.0/24", add_text("country_code", "DE"));
    mmdb_write(&mmdb, path);
    ck_assert_int_eq(truncate(path, 100), 0);
    ck_assert_ptr_null(geoip_open(path, "test.mmdb", &failure));
    ck_assert_int_eq(failure.code, EXIT_CODE_BAD_CONFIG);
    ck_assert_ptr_nonnull(strstr(failure.sentence, "the database test.mmdb cannot be used: "));
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs("<html>Not found</html>\n", file);
    fclose(file);
    ck_assert_ptr_null(geoip_open(path, "test.mmdb", &failure));
    ck_assert_int_eq(truncate(path, 0), 0);
    ck_assert_ptr_null(geoip_open(path, "test.mmdb", &failure));
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_ptr_null(geoip_open(path, "test.mmdb", &failure));
}
END_TEST

/* Bytes in the middle are overwritten: opening does not notice, checking does. */
START_TEST(a_damaged_database_is_noticed)
{
    struct geoip *geoip;
    FILE *file;

    mmdb_init(&mmdb, 6);
    mmdb_insert(&mmdb, "192.0.2.0/24", add_text("country_code", "DE"));
    mmdb_write(&mmdb, path);
    file = fopen(path, "r+");
    ck_assert_ptr_nonnull(file);
    fputs("\xff\xff\xff", file); /* the first record: far behind the end */
    fclose(file);
    geoip = geoip_open(path, "test.mmdb", &failure);
    ck_assert_ptr_nonnull(geoip);
    ck_assert(!geoip_check(geoip, GEOIP_COUNTRIES, "test.mmdb", &failure));
    ck_assert_str_eq(failure.sentence, "the database test.mmdb is damaged; download it again");
    close_and_remove(geoip);
    mmdb.data[0] = 7u << 5 | 20; /* a map of more pairs than there are */
    geoip = write_and_open();
    ck_assert(!geoip_check(geoip, GEOIP_COUNTRIES, "test.mmdb", &failure));
    ck_assert_str_eq(failure.sentence, "the database test.mmdb is damaged; download it again");
    close_and_remove(geoip);
}
END_TEST

START_TEST(a_build_without_the_library_says_so)
{
    ck_assert_ptr_null(geoip_open("/dev/null", "test.mmdb", &failure));
    ck_assert_ptr_nonnull(strstr(failure.sentence, "libmaxminddb-dev"));
    ck_assert(!geoip_is_built_in());
}
END_TEST

static const struct {
    const char *text;
    uint32_t number; /* 0: refused */
} numbers[] = {
    {"1", 1},          {"AS1", 1}, {"as64496", 64496}, {"4294967295", 4294967295u},
    {"4294967296", 0}, {"0", 0},   {"00", 0},          {"AS", 0},
    {"", 0},           {"S1", 0},  {" 1", 0},          {"1 ", 0},
    {"9999999999", 0}, {"+1", 0},  {"1a", 0},          {"ASAS1", 0},
    {"AS01", 0},
};

START_TEST(spellings)
{
    char country[GEOIP_COUNTRY_SIZE], digits[GEOIP_ASN_SIZE];
    uint32_t number;

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        bool is_taken = geoip_parse_asn(slice_of(numbers[i].text), &number);

        ck_assert_msg(is_taken == (numbers[i].number != 0), "%s", numbers[i].text);
        ck_assert(!is_taken || number == numbers[i].number);
    }
    ck_assert(geoip_parse_country(SLICE("dE"), country) && memcmp(country, "DE", 2) == 0);
    ck_assert(!geoip_parse_country(SLICE("D"), country) && !geoip_parse_country(SLICE("DEU"), country));
    ck_assert(!geoip_parse_country(SLICE("D1"), country) && !geoip_parse_country(SLICE("\xc3\xa4"), country));
    ck_assert(slice_equal((struct slice){digits, geoip_print_asn(4294967295u, digits)}, SLICE("4294967295")));
    ck_assert(slice_equal((struct slice){digits, geoip_print_asn(0, digits)}, SLICE("0")));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("geoip");
    TCase *tcase = tcase_create("geoip");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, spellings);
#ifdef HAVE_MAXMINDDB
    (void)a_build_without_the_library_says_so;
    tcase_add_test(tcase, countries_of_every_layout);
    tcase_add_test(tcase, numbers_of_every_layout);
    tcase_add_test(tcase, a_tree_of_ipv4);
    tcase_add_test(tcase, what_is_no_database_is_refused);
    tcase_add_test(tcase, a_damaged_database_is_noticed);
#else
    tcase_add_test(tcase, a_build_without_the_library_says_so);
    (void)countries_of_every_layout;
    (void)numbers_of_every_layout;
    (void)a_tree_of_ipv4;
    (void)what_is_no_database_is_refused;
    (void)a_damaged_database_is_noticed;
#endif
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
