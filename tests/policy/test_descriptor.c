/* SPDX-License-Identifier: MPL-2.0
 *
 * Values of keys: which bytes of a request they are, and when a request has none.
 */
#include "policy/descriptor.h"

#include <check.h>
#include <stdio.h>

#include "policy/load.h"

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
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
