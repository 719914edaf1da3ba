/* SPDX-License-Identifier: MPL-2.0
 *
 * Values of keys: which bytes of a request they are, and when a request has none.
 */
#include "policy/descriptor.h"

#include <check.h>
#include <stdio.h>

#include "config.h"
#include "policy/load.h"
#include "tests/policy/mmdb.h"

#define SCRATCH 512

static struct complaint_list complaints;

/* A bundle with one rule on KEY, and a cache for it. */
static struct bundle *load_key(const char *key)
{
    char text[512];
    struct bundle *bundle;

    snprintf(text, sizeof(text),
             "{\"bundle_version\": 1, \"policies\": [{\"id\": \"p\", \"spec\": {\"selector\": {\"pathPrefix\": \"/\"},"
             "\"rules\": [{\"name\": \"r\", \"limit_keys\": [\"%s\"], \"algorithm\": \"token_bucket\","
             "\"algorithm_config\": {\"tokens_per_second\": 1, \"burst\": 1}}]}}]}",
             key);
    bundle = load_bundle(slice_of(text), 0, &complaints);
    ck_assert_msg(bundle != NULL, "%s", complaints.items[0].sentence);
    return bundle;
}

static const struct fact_field fields[] = {
    {{"Host", 4}, {"h", 1}},     {{"X-Api-Key", 9}, {"secret", 6}}, {{"X-Twice", 7}, {"a", 1}},
    {{"X-Empty", 7}, {"", 0}},   {{"x-twice", 7}, {"b, c", 4}},     {{"X-Nothing", 9}, {"", 0}},
    {{"X-NOTHING", 9}, {"", 0}}, {{"X-Half", 6}, {"", 0}},          {{"X-Half", 6}, {"x", 1}},
    {{"X-Thrice", 8}, {"1", 1}}, {{"X-Thrice", 8}, {"2", 1}},       {{"X-Thrice", 8}, {"3", 1}},
};

static const struct {
    const char *key, *query, *client;
    const char *value; /* NULL: none */
} rows[] = {
    {"header:x-api-key", "", NULL, "secret"},
    {"header:X-API-KEY", "", NULL, "secret"},
    {"header:x-api", "", NULL, NULL},
    {"header:x-twice", "", NULL, "a, b, c"},
    {"header:x-thrice", "", NULL, "1, 2, 3"},
    {"header:x-empty", "", NULL, NULL},
    {"header:x-nothing", "", NULL, NULL},
    {"header:x-half", "", NULL, ", x"},
    {"query:a", "", NULL, NULL},
    {"query:a", "a=1", NULL, "1"},
    {"query:a", "b=2&a=1", NULL, "1"},
    {"query:a", "a=1&a=2", NULL, "1"},
    {"query:a", "a=&a=2", NULL, NULL},
    {"query:a", "a&a=2", NULL, NULL},
    {"query:a", "aa=1", NULL, NULL},
    {"query:a", "A=1", NULL, NULL},
    {"query:a", "=1&a=2", NULL, "2"},
    {"query:a", "&&a=2&", NULL, "2"},
    {"query:a", "%61=1", NULL, "1"},
    {"query:a", "a=b=c", NULL, "b=c"},
    {"query:a", "a=x+y%20z%2B", NULL, "x y z+"},
    {"query:a", "a=%4", NULL, "%4"},
    {"query:a", "a=%zz%41%", NULL, "%zzA%"},
    {"query:a b", "a+b=1", NULL, "1"},
    {"query:a b", "a%20b=1", NULL, "1"},
    {"query:\\u00e9", "%C3%A9=%c3%a9", NULL, "\xC3\xA9"},
    {"ip:address", "", NULL, NULL},
    {"ip:address", "", "192.0.2.7", "192.0.2.7"},
    {"ip:addr", "", "2001:DB8::1", "2001:db8::1"},
    {"ip:prefix", "", "192.0.2.7", "192.0.2.7"},
    {"ip:prefix", "", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
    {"ip:prefix", "", NULL, NULL},
    {"path", "", NULL, "/p"},
    {"method", "", NULL, "POST"},
    {"host", "", NULL, "example.com"},
    {"jwt:sub", "", NULL, NULL},
};

START_TEST(values_are_found)
{
    struct bundle *bundle = load_key(rows[_i].key);
    struct facts facts = {
        .method = SLICE("POST"),
        .host = SLICE("example.com"),
        .path = SLICE("/p"),
        .query = slice_of(rows[_i].query),
        .fields = fields,
        .field_count = sizeof(fields) / sizeof(fields[0]),
    };
    struct descriptor_cache cache;
    struct slice value;

    if (rows[_i].client)
        ck_assert(address_parse(slice_of(rows[_i].client), &facts.client));
    ck_assert(descriptor_cache_init(&cache, bundle, SCRATCH));
    descriptor_cache_begin(&cache, &facts, NULL);
    for (int again = 0; again < 2; again++) {
        bool is_found = descriptor_value(&cache, 0, &value);

        ck_assert_msg(is_found == (rows[_i].value != NULL), "%s of %s", rows[_i].key, rows[_i].query);
        if (is_found)
            ck_assert_msg(slice_equal(value, slice_of(rows[_i].value)), "%s of %s is %.*s", rows[_i].key,
                          rows[_i].query, (int)value.size, value.data);
    }
    descriptor_cache_fini(&cache);
    bundle_free(bundle);
}
END_TEST

START_TEST(a_new_request_forgets_the_old)
{
    struct bundle *bundle = load_key("query:a");
    struct facts with = {.query = SLICE("a=%31")}, without = {.query = SLICE("b=1")};
    struct descriptor_cache cache;
    struct slice value;

    ck_assert(descriptor_cache_init(&cache, bundle, SCRATCH));
    cache.request = UINT32_MAX - 3; /* the count of requests comes round in this test */
    for (int i = 0; i < 8; i++) {
        descriptor_cache_begin(&cache, &with, NULL);
        ck_assert(descriptor_value(&cache, 0, &value));
        ck_assert(slice_equal(value, SLICE("1")));
        ck_assert_uint_eq(cache.scratch_used, 3);
        descriptor_cache_begin(&cache, &without, NULL);
        ck_assert(!descriptor_value(&cache, 0, &value));
    }
    descriptor_cache_fini(&cache);
    bundle_free(bundle);
}
END_TEST

START_TEST(scratch_is_never_overrun)
{
    struct bundle *bundle = load_key("header:x-twice");
    struct facts facts = {.fields = fields, .field_count = sizeof(fields) / sizeof(fields[0])};
    struct slice value;

    for (size_t size = 0; size < 10; size++) {
        struct descriptor_cache cache;

        ck_assert(descriptor_cache_init(&cache, bundle, size));
        descriptor_cache_begin(&cache, &facts, NULL);
        ck_assert(descriptor_value(&cache, 0, &value) == (size >= 7));
        descriptor_cache_fini(&cache);
    }
    bundle_free(bundle);
}
END_TEST

START_TEST(claims_are_asked)
{
    struct bundle *bundle = load_key("jwt:org_id");
    struct facts facts = {.path = SLICE("/")};
    struct descriptor_cache cache;
    struct claims *claims =
        claims_read(SLICE("Bearer eyJhbGciOiJIUzI1NiJ9.eyJvcmdfaWQiOiJhY21lIn0.c2ln")); /* {"org_id":"acme"} */
    struct slice value;

    ck_assert_ptr_nonnull(claims);
    ck_assert(descriptor_cache_init(&cache, bundle, SCRATCH));
    descriptor_cache_begin(&cache, &facts, claims);
    ck_assert(descriptor_value(&cache, 0, &value));
    ck_assert(slice_equal(value, SLICE("acme")));
    descriptor_cache_fini(&cache);
    claims_free(claims);
    bundle_free(bundle);
}
END_TEST

/* ---- where a request comes from -------------------------------------------------------------------------------- */

/* What the keys are looked up in: lists, and databases where the build has the library. */
static void open_references(struct references *references)
{
    static struct failure failure;

    *references = (struct references){
        .types = asn_types_parse("types", SLICE("64496 hosting\n64500 isp\n"), &failure),
        .tor = networks_parse("tor", SLICE("192.0.2.0/24\n2001:db8::/32\n"), &failure),
        .bots = bots_parse("bots", SLICE("ai\tGPTBot\nsearch\tbingbot\ntool\tcurl/\n"), &failure),
    };
    ck_assert(references->types && references->tor && references->bots);
}

#ifdef HAVE_MAXMINDDB
static struct geoip *write_database(struct mmdb *mmdb)
{
    static struct failure failure;
    char path[MMDB_PATH_SIZE];
    struct geoip *geoip;

    mmdb_write(mmdb, path);
    geoip = geoip_open(path, path, &failure);
    ck_assert_msg(geoip != NULL, "%s", failure.sentence);
    ck_assert_int_eq(unlink(path), 0);
    return geoip;
}

static void open_databases(struct references *references)
{
    static struct mmdb mmdb;

    mmdb_init(&mmdb, 6);
    mmdb_map(&mmdb, 1);
    mmdb_string(&mmdb, "country_code");
    mmdb_string(&mmdb, "DE");
    mmdb_insert(&mmdb, "192.0.2.0/24", 0);
    references->countries = write_database(&mmdb);
    mmdb_init(&mmdb, 6);
    mmdb_map(&mmdb, 1);
    mmdb_string(&mmdb, "asn");
    mmdb_string(&mmdb, "AS64496");
    mmdb_insert(&mmdb, "192.0.2.0/24", 0);
    references->numbers = write_database(&mmdb);
}
#endif

static const struct {
    const char *key;
    const char *client; /* NULL: unknown */
    bool is_trusted;    /* the peer */
    const char *name[2], *field[2];
    const char *value;     /* NULL: none */
    int invalid, repeated; /* fields that are counted as ignored */
} origins[] = {
    {"ip:tor", "192.0.2.7", false, {0}, {0}, "true", 0, 0},
    {"ip:tor", "192.0.3.7", false, {0}, {0}, "false", 0, 0},
    {"ip:tor", "2001:db8::1", false, {0}, {0}, "true", 0, 0},
    {"ip:tor", NULL, false, {0}, {0}, NULL, 0, 0},
    {"ip:tor", "192.0.2.7", false, {"X-Tor-Exit"}, {"false"}, "true", 0, 0},
    {"ip:tor", "192.0.2.7", true, {"X-Tor-Exit"}, {"false"}, "false", 0, 0},
    {"ip:tor", "192.0.2.7", true, {"x-tor-exit"}, {" 0 "}, "false", 0, 0},
    {"ip:tor", "192.0.3.7", true, {"X-Tor-Exit"}, {"1"}, "true", 0, 0},
    {"ip:tor", NULL, true, {"X-Tor-Exit"}, {"TRUE"}, "true", 0, 0},
    {"ip:tor", "192.0.2.7", true, {"X-Tor-Exit"}, {"no"}, "true", 1, 0},
    {"ip:tor", "192.0.2.7", true, {"X-Tor-Exit"}, {""}, "true", 1, 0},
    {"ip:tor", "192.0.2.7", true, {"X-Tor-Exit", "X-Tor-Exit"}, {"false", "false"}, "true", 0, 1},
    {"ip:tor", "192.0.2.7", true, {"X-Tor-Exits", "X-Tor"}, {"false", "false"}, "true", 0, 0},
    {"ua:bot", NULL, false, {"User-Agent"}, {"Mozilla/5.0 (gptbot)"}, "true", 0, 0},
    {"ua:bot", NULL, false, {"User-Agent"}, {"Mozilla/5.0"}, "false", 0, 0},
    {"ua:bot", NULL, false, {0}, {0}, "true", 0, 0},
    {"ua:bot", NULL, false, {"User-Agent"}, {""}, "true", 0, 0},
    {"ua:bot", NULL, false, {"User-Agent", "user-agent"}, {"Mozilla/5.0", "curl/8"}, "true", 0, 0},
    {"ua:bot_category", NULL, false, {"User-Agent"}, {"Bingbot curl/8"}, "search", 0, 0},
    {"ua:bot_category", NULL, false, {"User-Agent"}, {"Mozilla/5.0"}, NULL, 0, 0},
    {"ua:bot_category", NULL, false, {0}, {0}, "empty", 0, 0},
    {"ua:bot_category", NULL, false, {"User-Agent", "user-agent"}, {"", "curl/8"}, "tool", 0, 0},
    {"ua:bot_category", NULL, false, {"User-Agent", "user-agent"}, {"curl/8", "GPTBot"}, "ai", 0, 0},
#ifdef HAVE_MAXMINDDB
    {"ip:country", "192.0.2.7", false, {0}, {0}, "DE", 0, 0},
    {"ip:country", "192.0.3.7", false, {0}, {0}, NULL, 0, 0},
    {"ip:country", NULL, false, {0}, {0}, NULL, 0, 0},
    {"ip:country", "192.0.2.7", false, {"X-Country-Code"}, {"FR"}, "DE", 0, 0},
    {"ip:country", "192.0.2.7", true, {"X-Country-Code"}, {"fr"}, "FR", 0, 0},
    {"ip:country", NULL, true, {"X-Country-Code"}, {"FR"}, "FR", 0, 0},
    {"ip:country", "192.0.2.7", true, {"X-Country-Code"}, {"FRA"}, "DE", 1, 0},
    {"ip:country", "192.0.3.7", true, {"X-Country-Code"}, {"F1"}, NULL, 1, 0},
    {"ip:country", "192.0.2.7", true, {"X-Country-Code", "X-COUNTRY-CODE"}, {"FR", "PL"}, "DE", 0, 1},
    {"ip:asn", "192.0.2.7", false, {0}, {0}, "64496", 0, 0},
    {"ip:asn", "192.0.3.7", false, {0}, {0}, NULL, 0, 0},
    {"ip:asn", "192.0.2.7", false, {"X-ASN"}, {"1"}, "64496", 0, 0},
    {"ip:asn", "192.0.2.7", true, {"X-ASN"}, {"AS4294967295"}, "4294967295", 0, 0},
    {"ip:asn", "192.0.2.7", true, {"X-ASN"}, {"64500"}, "64500", 0, 0},
    {"ip:asn", "192.0.2.7", true, {"X-ASN"}, {"4294967296"}, "64496", 1, 0},
    {"ip:asn", "192.0.2.7", true, {"X-ASN"}, {"64500, 1"}, "64496", 1, 0},
    {"ip:asn", "192.0.2.7", true, {"X-ASN", "X-ASN"}, {"64500", "64500"}, "64496", 0, 1},
    {"ip:type", "192.0.2.7", false, {0}, {0}, "hosting", 0, 0},
    {"ip:type", "192.0.3.7", false, {0}, {0}, NULL, 0, 0},
    {"ip:type", "192.0.2.7", true, {"X-ASN"}, {"64500"}, "isp", 0, 0},
    {"ip:type", "192.0.2.7", true, {"X-ASN"}, {"64501"}, NULL, 0, 0},
    {"ip:type", "192.0.2.7", true, {"X-ASN-Type"}, {"ISP"}, "isp", 0, 0},
    {"ip:type", "192.0.2.7", true, {"X-ASN-Type", "X-ASN"}, {"hosting", "64500"}, "hosting", 0, 0},
    {"ip:type", "192.0.2.7", true, {"X-ASN-Type"}, {"university"}, "hosting", 1, 0},
    {"ip:type", "192.0.2.7", true, {"X-ASN-Type", "X-ASN-Type"}, {"isp", "isp"}, "hosting", 0, 1},
    {"ip:type", "192.0.2.7", false, {"X-ASN-Type"}, {"isp"}, "hosting", 0, 0},
#endif
};

START_TEST(origins_are_looked_up)
{
    struct bundle *bundle = load_key(origins[_i].key);
    static struct counter_slot slot;
    struct fact_field given[2];
    struct facts facts = {.fields = given, .peer_is_trusted = origins[_i].is_trusted};
    struct descriptor_cache cache;
    struct references references;
    struct slice value;

    for (; facts.field_count < 2 && origins[_i].name[facts.field_count]; facts.field_count++)
        given[facts.field_count] = (struct fact_field){slice_of(origins[_i].name[facts.field_count]),
                                                       slice_of(origins[_i].field[facts.field_count])};
    if (origins[_i].client)
        ck_assert(address_parse(slice_of(origins[_i].client), &facts.client));
    open_references(&references);
#ifdef HAVE_MAXMINDDB
    open_databases(&references);
#endif
    ck_assert(descriptor_cache_init(&cache, bundle, SCRATCH));
    cache.origin.references = &references;
    cache.origin.slot = &slot;
    descriptor_cache_begin(&cache, &facts, NULL);
    for (int again = 0; again < 2; again++) {
        ck_assert_msg(descriptor_value(&cache, 0, &value) == (origins[_i].value != NULL), "row %d: %s", _i,
                      origins[_i].key);
        if (origins[_i].value)
            ck_assert_msg(slice_equal(value, slice_of(origins[_i].value)), "row %d: %s is %.*s", _i, origins[_i].key,
                          (int)value.size, value.data);
    }
    /* Asked twice, looked up once. */
    ck_assert_int_eq(slot.value[COUNTER_overrides_invalid], origins[_i].invalid);
    ck_assert_int_eq(slot.value[COUNTER_overrides_repeated], origins[_i].repeated);
    descriptor_cache_fini(&cache);
    references_close(&references);
    bundle_free(bundle);
}
END_TEST

START_TEST(without_references_only_a_proxy_knows)
{
    const struct fact_field field = {SLICE("X-Tor-Exit"), SLICE("true")};
    struct facts facts = {.fields = &field, .field_count = 1, .client = {.family = ADDRESS_IPV4}};
    struct bundle *tor = load_key("ip:tor"), *bot = load_key("ua:bot");
    struct descriptor_cache cache;
    struct slice value;

    ck_assert(descriptor_cache_init(&cache, tor, SCRATCH));
    descriptor_cache_begin(&cache, &facts, NULL);
    ck_assert(!descriptor_value(&cache, 0, &value));
    facts.peer_is_trusted = true;
    descriptor_cache_begin(&cache, &facts, NULL);
    ck_assert(descriptor_value(&cache, 0, &value) && slice_equal(value, SLICE("true")));
    descriptor_cache_fini(&cache);
    ck_assert(descriptor_cache_init(&cache, bot, SCRATCH));
    descriptor_cache_begin(&cache, &facts, NULL);
    ck_assert(!descriptor_value(&cache, 0, &value));
    descriptor_cache_fini(&cache);
    bundle_free(tor);
    bundle_free(bot);
}
END_TEST

START_TEST(bundles_tell_what_they_need)
{
    static const struct {
        const char *key;
        unsigned needs;
    } needs[] = {
        {"ip:address", 0},
        {"header:x", 0},
        {"ip:tor", 1u << SETTINGS_REFERENCE_TOR},
        {"ua:bot", 1u << SETTINGS_REFERENCE_BOTS},
        {"ua:bot_category", 1u << SETTINGS_REFERENCE_BOTS},
#ifdef HAVE_MAXMINDDB
        {"ip:country", 1u << SETTINGS_REFERENCE_COUNTRIES},
        {"ip:asn", 1u << SETTINGS_REFERENCE_NUMBERS},
        {"ip:type", 1u << SETTINGS_REFERENCE_NUMBERS | 1u << SETTINGS_REFERENCE_TYPES},
#endif
    };

    for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
        struct bundle *bundle = load_key(needs[i].key);

        ck_assert_uint_eq(bundle->references, needs[i].needs);
        bundle_free(bundle);
    }
}
END_TEST

#ifdef HAVE_MAXMINDDB
START_TEST(values_are_brought_to_one_form)
{
    static const struct {
        const char *key, *given, *value; /* NULL: refused */
    } values[] = {
        {"ip:country", "de", "DE"},     {"ip:country", "DEU", NULL},
        {"ip:asn", "AS64496", "64496"}, {"ip:asn", "64496", "64496"},
        {"ip:asn", "0", NULL},          {"ip:asn", "Google", NULL},
        {"ip:type", "Hosting", NULL},   {"ip:type", "hosting", "hosting"},
    };

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct bundle *bundle;
        char text[512];

        snprintf(text, sizeof(text),
                 "{\"bundle_version\": 1, \"policies\": [], \"kill_switches\": [{\"scope_key\": \"%s\","
                 "\"scope_value\": \"%s\"}]}",
                 values[i].key, values[i].given);
        bundle = load_bundle(slice_of(text), 0, &complaints);
        ck_assert_msg((bundle != NULL) == (values[i].value != NULL), "%s", values[i].given);
        if (bundle)
            ck_assert(slice_equal(bundle->kill_switches[0].value, slice_of(values[i].value)));
        else
            ck_assert_str_eq(complaints.items[0].code, "bad_value");
        bundle_free(bundle);
    }
}
END_TEST
#else
START_TEST(a_build_without_the_library_refuses_keys)
{
    static const char *const keys[] = {"ip:country", "ip:asn", "ip:type"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char text[256];

        snprintf(text, sizeof(text),
                 "{\"bundle_version\": 1, \"policies\": [], \"kill_switches\": [{\"scope_key\": \"%s\","
                 "\"scope_value\": \"x\"}]}",
                 keys[i]);
        ck_assert_ptr_null(load_bundle(slice_of(text), 0, &complaints));
        ck_assert_str_eq(complaints.items[0].code, "not_built_in");
        ck_assert_ptr_nonnull(strstr(complaints.items[0].sentence, "libmaxminddb-dev"));
    }
}
END_TEST
#endif

int main(void)
{
    Suite *suite = suite_create("descriptor");
    TCase *tcase = tcase_create("descriptor");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, values_are_found, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_test(tcase, a_new_request_forgets_the_old);
    tcase_add_test(tcase, scratch_is_never_overrun);
    tcase_add_test(tcase, claims_are_asked);
    tcase_add_loop_test(tcase, origins_are_looked_up, 0, sizeof(origins) / sizeof(origins[0]));
    tcase_add_test(tcase, without_references_only_a_proxy_knows);
    tcase_add_test(tcase, bundles_tell_what_they_need);
#ifdef HAVE_MAXMINDDB
    tcase_add_test(tcase, values_are_brought_to_one_form);
#else
    tcase_add_test(tcase, a_build_without_the_library_refuses_keys);
#endif
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
