/* SPDX-License-Identifier: MPL-2.0
 *
 * The index against a matcher that simply asks every policy, over random selectors and requests, and by a table for the
 * meaning of each kind of selector.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/load.h"
#include "policy/match.h"

#define ROUNDS   200
#define REQUESTS 200
#define POLICIES 40
#define DOC_SIZE (64 << 10)

struct text {
    char bytes[DOC_SIZE];
    size_t used;
};

static struct complaint_list complaints;
static struct text document;
static uint64_t state;

static uint32_t dice(uint32_t sides)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 33) % sides;
}

static void put(const char *text)
{
    int size = snprintf(document.bytes + document.used, DOC_SIZE - document.used, "%s", text);

    ck_assert_uint_lt(document.used + (size_t)size, DOC_SIZE);
    document.used += (size_t)size;
}

/* ---- the reference --------------------------------------------------------------------------------------------- */

static bool is_under(struct slice path, struct slice prefix)
{
    if (!slice_has_prefix(path, prefix))
        return false;
    return prefix.data[prefix.size - 1] == '/' || path.size == prefix.size || path.data[prefix.size] == '/';
}

static bool method_is_in(const struct policy *policy, struct slice method)
{
    if (policy->method_bits == 0 && policy->other_method_count == 0)
        return true;
    for (uint32_t i = 0; i < BUNDLE_METHOD_COUNT; i++)
        if ((policy->method_bits >> i & 1) && slice_equal(bundle_methods[i], method))
            return true;
    for (uint32_t i = 0; i < policy->other_method_count; i++)
        if (slice_equal(policy->other_methods[i], method))
            return true;
    return false;
}

static bool host_is_in(const struct policy *policy, struct slice host)
{
    for (uint32_t i = 0; i < policy->host_count; i++)
        if (slice_equal(policy->hosts[i], host))
            return true;
    return policy->host_count == 0;
}

static bool is_match(const struct policy *policy, const struct facts *facts)
{
    bool path = policy->path_is_exact ? slice_equal(policy->path, facts->path) : is_under(facts->path, policy->path);

    if (policy->also_prefix.size > 0)
        path |= is_under(facts->path, policy->also_prefix);
    return path && method_is_in(policy, facts->method) && host_is_in(policy, facts->host);
}

static void check_same(const struct bundle *bundle, const struct facts *facts)
{
    uint32_t *found = calloc(bundle->policy_count + 1, sizeof(*found));
    size_t count, at = 0;

    ck_assert_ptr_nonnull(found);
    found[bundle->policy_count] = 4711;
    count = match_find(bundle, facts, found);
    for (uint32_t i = 0; i < bundle->policy_count; i++) {
        if (!is_match(&bundle->policies[i], facts))
            continue;
        ck_assert_msg(at < count && found[at] == i, "%.*s misses %.*s", (int)facts->path.size, facts->path.data,
                      (int)bundle->policies[i].id.size, bundle->policies[i].id.data);
        at++;
    }
    ck_assert_uint_eq(at, count);
    ck_assert_uint_eq(found[bundle->policy_count], 4711);
    free(found);
}

/* ---- random bundles and requests ------------------------------------------------------------------------------- */

static const char *const segments[] = {"a", "b", "aa", "ab", "v1"};
static const char *const methods[] = {"GET", "POST", "DELETE", "PURGE", "REPORT"};
static const char *const hosts[] = {"a.example", "b.example", "c.example", ""};

static void make_path(char path[64], bool may_be_root)
{
    uint32_t depth = dice(5);

    path[0] = '\0';
    if (depth == 0 && !may_be_root)
        depth = 1;
    for (uint32_t i = 0; i < depth; i++) {
        size_t used = strlen(path);

        snprintf(path + used, 64 - used, "/%s", segments[dice(5)]);
    }
    if (depth == 0 || dice(3) == 0)
        strncat(path, "/", 2);
}

static void put_list(const char *name, const char *const *words, uint32_t count)
{
    uint32_t mask = dice(1u << count);

    if (mask == 0)
        return;
    put(", \"");
    put(name);
    put("\": [");
    for (uint32_t i = 0, put_any = 0; i < count; i++) {
        if (!(mask >> i & 1))
            continue;
        put(put_any++ ? ", \"" : "\"");
        put(words[i]);
        put("\"");
    }
    put("]");
}

static void put_policy(int number)
{
    char path[64], id[32];
    uint32_t kind = dice(5);

    snprintf(id, sizeof(id), "%u-%d", dice(1000), number);
    put(number > 0 ? ",{\"id\": \"" : "{\"id\": \"");
    put(id);
    put("\", \"spec\": {\"rules\": [], \"selector\": {");
    make_path(path, true);
    put(kind < 2 ? "\"pathExact\": \"" : "\"pathPrefix\": \"");
    put(path);
    put("\"");
    if (kind == 0) {
        make_path(path, true);
        put(", \"pathPrefix\": \"");
        put(path);
        put("\"");
    }
    if (dice(2))
        put_list("methods", methods, 4);
    if (dice(2))
        put_list("hosts", hosts, 3);
    put("}}}");
}

static struct bundle *make_bundle(void)
{
    struct bundle *bundle;

    document.used = 0;
    put("{\"bundle_version\": 1, \"policies\": [");
    for (int i = 0; i < (int)dice(POLICIES) + 1; i++)
        put_policy(i);
    put("]}");
    bundle = load_bundle((struct slice){document.bytes, document.used}, 0, &complaints);
    ck_assert_msg(bundle != NULL, "%s", complaints.items[0].sentence);
    return bundle;
}

START_TEST(index_agrees_with_the_reference)
{
    state = 4711;
    for (int round = 0; round < ROUNDS; round++) {
        struct bundle *bundle = make_bundle();

        for (int i = 0; i < REQUESTS; i++) {
            char path[64];

            make_path(path, true);
            check_same(bundle, &(struct facts){
                                   .method = slice_of(methods[dice(5)]),
                                   .host = slice_of(hosts[dice(4)]),
                                   .path = slice_of(path),
                               });
        }
        bundle_free(bundle);
    }
}
END_TEST

/* ---- meaning --------------------------------------------------------------------------------------------------- */

static const struct {
    const char *selector, *method, *host, *path;
    bool matches;
} rows[] = {
    {"\"pathPrefix\": \"/\"", "GET", "", "/", true},
    {"\"pathPrefix\": \"/\"", "GET", "h", "/v1/chat", true},
    {"\"pathPrefix\": \"/v1/chat\"", "GET", "", "/v1/chat", true},
    {"\"pathPrefix\": \"/v1/chat\"", "GET", "", "/v1/chat/", true},
    {"\"pathPrefix\": \"/v1/chat\"", "GET", "", "/v1/chat/completions", true},
    {"\"pathPrefix\": \"/v1/chat\"", "GET", "", "/v1/chats", false},
    {"\"pathPrefix\": \"/v1/chat\"", "GET", "", "/v1", false},
    {"\"pathPrefix\": \"/v1/chat\"", "GET", "", "/V1/chat", false},
    {"\"pathPrefix\": \"/v1/chat/\"", "GET", "", "/v1/chat", false},
    {"\"pathPrefix\": \"/v1/chat/\"", "GET", "", "/v1/chat/x", true},
    {"\"pathPrefix\": \"/v1/chat/\"", "GET", "", "/v1/chat/x/y", true},
    {"\"pathExact\": \"/v1/chat\"", "GET", "", "/v1/chat", true},
    {"\"pathExact\": \"/v1/chat\"", "GET", "", "/v1/chat/", false},
    {"\"pathExact\": \"/v1/chat/\"", "GET", "", "/v1/chat/", true},
    {"\"pathExact\": \"/v1/chat/\"", "GET", "", "/v1/chat", false},
    {"\"pathExact\": \"/\"", "GET", "", "/", true},
    {"\"pathExact\": \"/\"", "GET", "", "/a", false},
    {"\"pathExact\": \"/a\", \"pathPrefix\": \"/b\"", "GET", "", "/a", true},
    {"\"pathExact\": \"/a\", \"pathPrefix\": \"/b\"", "GET", "", "/b/c", true},
    {"\"pathExact\": \"/a\", \"pathPrefix\": \"/b\"", "GET", "", "/a/c", false},
    {"\"pathExact\": \"/a/b\", \"pathPrefix\": \"/a\"", "GET", "", "/a/b", true},
    {"\"pathPrefix\": \"/\", \"methods\": [\"GET\", \"PURGE\"]", "GET", "", "/", true},
    {"\"pathPrefix\": \"/\", \"methods\": [\"GET\", \"PURGE\"]", "PURGE", "", "/", true},
    {"\"pathPrefix\": \"/\", \"methods\": [\"GET\", \"PURGE\"]", "POST", "", "/", false},
    {"\"pathPrefix\": \"/\", \"methods\": [\"GET\", \"PURGE\"]", "PURGES", "", "/", false},
    {"\"pathPrefix\": \"/\", \"methods\": [\"GET\", \"PURGE\"]", "get", "", "/", false},
    {"\"pathPrefix\": \"/\", \"methods\": [\"PURGE\"]", "GET", "", "/", false},
    {"\"pathPrefix\": \"/\", \"hosts\": [\"API.example.com:8443\"]", "GET", "api.example.com", "/", true},
    {"\"pathPrefix\": \"/\", \"hosts\": [\"api.example.com\"]", "GET", "", "/", false},
    {"\"pathPrefix\": \"/\", \"hosts\": [\"api.example.com\"]", "GET", "example.com", "/", false},
};

START_TEST(selectors_mean_what_they_say)
{
    uint32_t found[1];
    struct bundle *bundle;

    document.used = 0;
    put("{\"bundle_version\": 1, \"policies\": [{\"id\": \"p\", \"spec\": {\"rules\": [], \"selector\": {");
    put(rows[_i].selector);
    put("}}}]}");
    bundle = load_bundle((struct slice){document.bytes, document.used}, 0, &complaints);
    ck_assert_msg(bundle != NULL, "%s", complaints.items[0].sentence);
    ck_assert_msg(match_find(bundle,
                             &(struct facts){
                                 .method = slice_of(rows[_i].method),
                                 .host = slice_of(rows[_i].host),
                                 .path = slice_of(rows[_i].path),
                             },
                             found) == rows[_i].matches,
                  "%s %s %s", rows[_i].selector, rows[_i].method, rows[_i].path);
    bundle_free(bundle);
}
END_TEST

START_TEST(an_empty_bundle_matches_nothing)
{
    struct bundle *bundle = load_bundle(SLICE("{\"bundle_version\": 1, \"policies\": []}"), 0, &complaints);
    uint32_t found[1];

    ck_assert_ptr_nonnull(bundle);
    ck_assert_uint_eq(match_find(bundle, &(struct facts){.path = SLICE("/")}, found), 0);
    bundle_free(bundle);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("match");
    TCase *tcase = tcase_create("match");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, index_agrees_with_the_reference);
    tcase_add_loop_test(tcase, selectors_mean_what_they_say, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_test(tcase, an_empty_bundle_matches_nothing);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
