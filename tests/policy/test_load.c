/* SPDX-License-Identifier: MPL-2.0
 *
 * What a bundle becomes: values, defaults, order, identities; its warnings; and its limits, which no file in the
 * folders can hold.
 */
#include "policy/load.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NOW INT64_C(1790000000)

static struct complaint_list complaints;

static struct bundle *load(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The bundle of a text in which ' stands for ". */
static struct bundle *load(const char *format, ...)
{
    struct bundle *bundle;
    va_list arguments;
    char *text;
    int size;

    va_start(arguments, format);
    size = vasprintf(&text, format, arguments);
    va_end(arguments);
    ck_assert_int_ge(size, 0);
    for (int i = 0; i < size; i++)
        if (text[i] == '\'')
            text[i] = '"';
    bundle = load_bundle((struct slice){text, (size_t)size}, NOW, &complaints);
    memset(text, 'x', (size_t)size); /* the bundle must not hold on to the text */
    free(text);
    return bundle;
}

#define POLICY(id, spec) "{'id': '" id "', 'spec': {'selector': {'pathPrefix': '/'}, " spec "}}"
#define BUCKET(rate, burst) \
    "'algorithm': 'token_bucket', 'algorithm_config': {'tokens_per_second': " rate ", 'burst': " burst "}"

static void check_text(struct slice found, const char *expected)
{
    ck_assert_msg(slice_equal(found, slice_of(expected)), "%.*s is not %s", (int)found.size, found.data, expected);
}

START_TEST(values_and_defaults)
{
    struct bundle *bundle = load("{'bundle_version': 1.50, 'issued_at': '2026-01-01T00:00:00Z', 'policies': [" POLICY(
        "p", "'rules': [{'name': 'r', 'limit_keys': ['header:X-A', 'ip:addr', 'header:x-a2'], " BUCKET(
                 "2.5", "1e1") "}]") "]}");
    const struct policy *policy;
    const struct rule *rule;

    ck_assert_ptr_nonnull(bundle);
    check_text(bundle->version_text, "1.5");
    ck_assert_int_eq(bundle->issued_at, 1767225600);
    ck_assert_int_eq(bundle->expires_at, BUNDLE_NEVER);
    ck_assert(!bundle->rejects_unmatched && !bundle->uses_jwt && !bundle->global_shadow.is_enabled);
    ck_assert_uint_eq(bundle->policy_count, 1);
    ck_assert_uint_eq(bundle->rule_count, 1);
    policy = &bundle->policies[0];
    ck_assert(!policy->is_shadow && !policy->path_is_exact && !policy->fallback);
    ck_assert_int_eq(policy->error_format, ERROR_FORMAT_AUTO);
    ck_assert_uint_eq(policy->method_bits, 0);
    rule = &policy->rules[0];
    ck_assert_int_eq(rule->algorithm, ALGORITHM_TOKEN_BUCKET);
    ck_assert_int_eq(rule->on_missing, ON_MISSING_SKIP);
    ck_assert(rule->admits_when_full && !rule->is_fallback);
    ck_assert_int_eq(rule->config.token_bucket.rate, 2500000);
    ck_assert_int_eq(rule->config.token_bucket.burst, 10000000);
    ck_assert_int_eq(rule->config.token_bucket.cost.source, COST_SOURCE_FIXED);
    ck_assert_int_eq(rule->config.token_bucket.cost.fixed, 1000000);
    ck_assert_int_eq(rule->config.token_bucket.cost.standard, 1000000);
    ck_assert_uint_eq(rule->key_count, 3);
    check_text(bundle->descriptors[rule->keys[0]].text, "header:x-a");
    check_text(bundle->descriptors[rule->keys[0]].name, "x-a");
    check_text(bundle->descriptors[rule->keys[1]].text, "ip:address");
    check_text(bundle->descriptors[rule->keys[2]].text, "header:x-a2");
    bundle_free(bundle);
}
END_TEST

START_TEST(underscores_in_headers_are_known)
{
    static const struct {
        const char *key;
        bool uses_underscores;
    } rows[] = {{"header:x-a", false}, {"header:x_a", true}, {"query:x_a", false}, {"jwt:x_a", false}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bundle *bundle = load("{'bundle_version': 1, 'policies': [" POLICY(
            "p", "'rules': [{'name': 'r', 'limit_keys': ['ip:address', '%s'], " BUCKET("1", "1") "}]") "]}", rows[i].key);

        ck_assert_ptr_nonnull(bundle);
        ck_assert_msg(bundle->uses_underscores == rows[i].uses_underscores, "%s", rows[i].key);
        bundle_free(bundle);
    }
}
END_TEST

START_TEST(everything_given)
{
    struct bundle *bundle =
        load("{'bundle_version': 1, 'expires_at': '2030-01-01T00:00:00Z', 'defaults': {'unmatched': 'reject'},"
             "'global_shadow': {'enabled': true, 'reason': 'trial', 'expires_at': '2029-01-01T00:00:00Z'},"
             "'kill_switches': [{'scope_key': 'ip:prefix', 'scope_value': '2001:DB8:0:0:1::', 'route': '/v1',"
             "  'reason': 'abuse', 'expires_at': '2028-01-01T00:00:00Z'}],"
             "'policies': [{'id': 'p', 'spec': {'mode': 'shadow', 'error_format': 'gemini',"
             "  'selector': {'pathExact': '/x', 'methods': ['PATCH', 'PURGE'], 'hosts': ['A.Example:80', 'b.']},"
             "  'rules': [{'name': 'r', 'limit_keys': ['jwt:org'], 'on_missing': 'share', 'on_full': 'reject',"
             "    'match': {'host': 'A.EXAMPLE'}, 'algorithm': 'token_bucket', 'algorithm_config':"
             "    {'rps': 1, 'burst': 2, 'cost_source': 'query:n', 'default_cost': 0.5}}],"
             "  'fallback_limit': {'limit_keys': [], 'on_missing': 'reject', " BUCKET("3", "4") "}}}]}");
    const struct policy *policy;

    ck_assert_msg(bundle != NULL, "%s", complaints.items[0].sentence);
    ck_assert(bundle->rejects_unmatched && bundle->uses_jwt && bundle->global_shadow.is_enabled);
    check_text(bundle->global_shadow.reason, "trial");
    check_text(bundle->kill_switches[0].value, "2001:db8::");
    check_text(bundle->kill_switches[0].route, "/v1");
    ck_assert_int_eq(bundle->kill_switches[0].expires_at, 1830297600);
    policy = &bundle->policies[0];
    ck_assert(policy->is_shadow && policy->path_is_exact);
    ck_assert_int_eq(policy->error_format, ERROR_FORMAT_GEMINI);
    ck_assert_uint_eq(policy->method_bits, 1u << bundle_method_index(SLICE("PATCH")));
    ck_assert_uint_eq(policy->other_method_count, 1);
    check_text(policy->hosts[0], "a.example");
    check_text(policy->hosts[1], "b");
    ck_assert_int_eq(policy->rules[0].on_missing, ON_MISSING_SHARE);
    ck_assert(!policy->rules[0].admits_when_full);
    check_text(policy->rules[0].conditions[0].value, "a.example");
    ck_assert_int_eq(policy->rules[0].config.token_bucket.cost.source, COST_SOURCE_QUERY);
    check_text(bundle->descriptors[policy->rules[0].config.token_bucket.cost.descriptor].name, "n");
    ck_assert(policy->fallback->is_fallback);
    check_text(policy->fallback->name, "fallback");
    ck_assert_uint_eq(bundle->rule_count, 2);
    bundle_free(bundle);
}
END_TEST

START_TEST(policies_come_sorted)
{
    struct bundle *bundle = load("{'bundle_version': 1, 'policies': [" POLICY("b", "'rules': []") "," POLICY(
        "ab", "'rules': []") "," POLICY("a", "'rules': []") "," POLICY("B", "'rules': []") "]}");
    static const char *const order[] = {"B", "a", "ab", "b"};

    ck_assert_ptr_nonnull(bundle);
    for (uint32_t i = 0; i < 4; i++)
        check_text(bundle->policies[i].id, order[i]);
    bundle_free(bundle);
}
END_TEST

/* ---- identities ------------------------------------------------------------------------------------------------ */

/* The identity of the one rule of a bundle, copied. */
static struct slice identity_of(const char *id, const char *spec)
{
    struct bundle *bundle = load("{'policies': [{'spec': {%s, 'selector': {'pathPrefix': '/'}}, 'id': '%s'}], "
                                 "'bundle_version': 7}",
                                 spec, id);
    const struct policy *policy;
    const struct rule *rule;
    struct slice copy;

    ck_assert_msg(bundle != NULL, "%s", complaints.items[0].sentence);
    policy = &bundle->policies[0];
    rule = policy->fallback ? policy->fallback : &policy->rules[0];
    copy = (struct slice){memcpy(malloc(rule->identity.size), rule->identity.data, rule->identity.size),
                          rule->identity.size};
    bundle_free(bundle);
    return copy;
}

static const char plain[] = "'rules': [{'name': 'r', 'limit_keys': ['path', 'header:ab'], " BUCKET("1", "2") "}]";

static const struct {
    const char *id, *spec;
    bool is_same;
} identities[] = {
    {"p", plain, true},
    {"p", "'rules': [{" BUCKET("5", "9") ", 'limit_keys': ['path', 'header:AB'], 'name': 'r'}], 'mode': 'shadow'",
     true},
    {"p",
     "'rules': [{'name': 'r', 'on_missing': 'share', 'match': {'path': '/'}, 'limit_keys': ['path', "
     "'header:ab'], " BUCKET("1", "2") "}]",
     true},
    {"q", plain, false},
    {"p", "'rules': [{'name': 's', 'limit_keys': ['path', 'header:ab'], " BUCKET("1", "2") "}]", false},
    {"p", "'rules': [{'name': 'r', 'limit_keys': ['header:ab', 'path'], " BUCKET("1", "2") "}]", false},
    {"p", "'rules': [{'name': 'r', 'limit_keys': ['path'], " BUCKET("1", "2") "}]", false},
    {"p", "'rules': [{'name': 'r', 'limit_keys': [], " BUCKET("1", "2") "}]", false},
    {"p", "'rules': [{'name': 'r', 'limit_keys': ['path', 'header:a', 'query:b'], " BUCKET("1", "2") "}]", false},
    {"p", "'rules': [], 'fallback_limit': {'name': 'r', 'limit_keys': ['path', 'header:ab'], " BUCKET("1", "2") "}",
     false},
};

START_TEST(identities_know_what_matters)
{
    struct slice first = identity_of("p", plain), second;

    second = identity_of(identities[_i].id, identities[_i].spec);
    ck_assert_msg(slice_equal(first, second) == identities[_i].is_same, "%s", identities[_i].spec);
    free((void *)(uintptr_t)first.data);
    free((void *)(uintptr_t)second.data);
}
END_TEST

/* ---- warnings -------------------------------------------------------------------------------------------------- */

#define RULE(keys, rest) "'rules': [{'name': 'r', 'limit_keys': [" keys "], " BUCKET("1", "2") rest "}]"
#define TWO(keys, rest, more, more_rest)                                           \
    "'rules': [{'name': 'r', 'limit_keys': [" keys "], " BUCKET("1", "2") rest "}, " \
    "{'name': 's', 'limit_keys': [" more "], " BUCKET("1", "2") more_rest "}]"
#define FALLBACK         ", 'fallback_limit': {'limit_keys': [], " BUCKET("1", "2") "}"
#define ONE(top, spec)   "{'bundle_version': 1, 'policies': [" POLICY("p", spec) "]" top "}"
#define FOR(methods)                                                                                               \
    "{'bundle_version': 1, 'policies': [{'id': 'p', 'spec': {'selector': {'pathPrefix': '/', 'methods': [" methods \
    "]}, " RULE("", "") "}}]}"

static const struct {
    const char *text;
    const char *codes; /* of the warnings, in order */
} warnings[] = {
    {ONE("", RULE("'ip:prefix'", "")), ""},
    {ONE("", RULE("", "")), ""},
    {ONE("", RULE("'ip:address'", "")), "ipv6_blind "},
    {FOR("'GTE', 'PST', 'GETT', 'OPTOINS', 'PUTT'"),
     "unusual_method unusual_method unusual_method unusual_method unusual_method "},
    {FOR("'ANY', 'ALL'"), "unusual_method unusual_method "},
    {FOR("'GET', 'HEAD', 'LIST', 'PURGE', 'PROPFIND', 'LOCK', 'X'"), ""},
    {"{'bundle_version': 1, 'policies': [{'id': 'p', 'spec': {'selector': {'pathExact': '/v1/*', 'pathPrefix': '/a/{id}'}, " RULE(
         "", "") "}}]}",
     "literal_path literal_path "},
    {ONE("", RULE("'header:x'", "")), "client_chosen_key "},
    {ONE("", RULE("'query:x'", "")), "client_chosen_key "},
    {ONE("", RULE("'header:x', 'query:y'", "")), "client_chosen_key "},
    {ONE("", RULE("'header:x', 'ip:prefix'", "")), ""},
    {ONE("", RULE("'header:x'", ", 'match': {'header:x': 'a'}")), ""},
    {ONE("", RULE("'header:x'", ", 'match': {'header:y': 'a'}")), "client_chosen_key "},
    {ONE("", RULE("'header:x', 'header:y'", ", 'match': {'header:x': 'a'}")), "client_chosen_key "},
    {ONE("", RULE("'header:x', 'ip:prefix'", ", 'match': {'header:x': 'a'}")), ""},
    {ONE("", TWO("'header:x'", "", "'header:x'", ", 'on_missing': 'reject'")), ""},
    {ONE("", TWO("'header:x'", "", "'header:x', 'ip:prefix'", ", 'on_missing': 'reject'")), ""},
    {ONE("", TWO("'header:x'", "", "'header:y'", ", 'on_missing': 'reject'")), "client_chosen_key "},
    {ONE("", TWO("'header:x', 'query:y'", "", "'header:x'", ", 'on_missing': 'reject'")), "client_chosen_key "},
    {ONE("", TWO("'header:x'", "", "'header:x'", ", 'on_missing': 'share'")), "client_chosen_key "},
    {ONE("", TWO("'header:x'", "", "'ip:prefix'", "")), "client_chosen_key "},
    {ONE("", TWO("'header:x'", "", "'header:x'", ", 'on_missing': 'reject', 'match': {'method': 'GET'}")),
     "client_chosen_key "},
    {ONE("", TWO("'header:x'", ", 'match': {'method': 'GET'}", "'header:x'",
                 ", 'on_missing': 'reject', 'match': {'method': 'GET'}")),
     ""},
    {ONE("", TWO("'header:x'", ", 'match': {'method': 'PUT'}", "'header:x'",
                 ", 'on_missing': 'reject', 'match': {'method': 'GET'}")),
     "client_chosen_key "},
    {ONE("", RULE("'header:x'", ", 'on_missing': 'reject'")), ""},
    {ONE("", RULE("'header:x'", ", 'on_missing': 'share'")), ""},
    {ONE("", RULE("", ", 'match': {'header:x': 'a '}")), "stray_space "},
    {ONE("", RULE("", ", 'match': {'query:x': ' a'}")), "stray_space "},
    {ONE("", RULE("", ", 'match': {'header:x': 'a b'}")), ""},
    {ONE(", 'kill_switches': [{'scope_key': 'header:x', 'scope_value': 'a '}]", RULE("", "")), "stray_space "},
    {ONE("", RULE("'jwt:a'", "")), "optional_claim unverified_jwt "},
    {ONE("", RULE("'jwt:a', 'jwt:b'", ", 'match': {'jwt:c': 'd'}")), "optional_claim unverified_jwt "},
    {ONE("", RULE("'jwt:a'", ", 'on_missing': 'reject'")), "unverified_jwt "},
    {ONE("", RULE("'jwt:a'", ", 'on_missing': 'share'")), "unverified_jwt "},
    {ONE("", RULE("'jwt:a', 'ip:prefix'", "")), "unverified_jwt "},
    {ONE("", RULE("'jwt:a', 'header:x'", "")), "client_chosen_key unverified_jwt "},
    {ONE("", TWO("'jwt:a'", "", "'jwt:a'", ", 'on_missing': 'reject'")), "unverified_jwt "},
    {ONE("", RULE("'jwt:a'", ", 'match': {'path': '/x'}") ", 'fallback_limit': {'limit_keys': [], " BUCKET("1", "2") "}"),
     "unverified_jwt "},
    {FOR("'GET'"), "head_left_out "},
    {FOR("'POST', 'GET'"), "head_left_out "},
    {FOR("'GET', 'HEAD'"), ""},
    {FOR("'HEAD'"), ""},
    {FOR("'POST'"), ""},
    {"{'bundle_version': 1, 'policies': []}", "no_policies "},
    {"{'bundle_version': 1, 'policies': [], 'defaults': {'unmatched': 'reject'}}", ""},
    {ONE("", RULE("", ", 'match': {'header:x': 'free*'}")), "literal_value "},
    {ONE("", RULE("", ", 'match': {'query:x': '*'}")), "literal_value "},
    {ONE("", RULE("", ", 'match': {'header:accept': '*/*'}")), ""},
    {ONE("", RULE("", ", 'match': {'header:x': '*free'}")), ""},
    {ONE(", 'kill_switches': [{'scope_key': 'header:x', 'scope_value': 'a*'}]", RULE("", "")), "literal_value "},
    {ONE(", 'kill_switches': [{'scope_key': 'header:x', 'scope_value': '#d574ee4331648f87'}]", RULE("", "")),
     "hashed_value "},
    {ONE(", 'kill_switches': [{'scope_key': 'header:x', 'scope_value': '#D574EE4331648F87'}]", RULE("", "")), ""},
    {ONE(", 'kill_switches': [{'scope_key': 'header:x', 'scope_value': '#d574ee4331648f8'}]", RULE("", "")), ""},
    {ONE("", RULE("", ", 'match': {'header:x': '#d574ee4331648f87'}")), "hashed_value "},
    {ONE(", 'kill_switches': [{'scope_key': 'header:x-apikey', 'scope_value': '1'}, {'scope_key': 'ip:address', "
         "'scope_value': '192.0.2.1'}]", RULE("'header:x-api-key', 'ip:prefix'", "")), "unknown_name "},
    {ONE(", 'kill_switches': [{'scope_key': 'jwt:org', 'scope_value': '1'}, {'scope_key': 'header:x-api-key', "
         "'scope_value': '1'}]", RULE("'header:x-api-key', 'ip:prefix'", "")), "unknown_name unverified_jwt "},
    {ONE(", 'kill_switches': [{'scope_key': 'header:x', 'scope_value': '1'}]", RULE("", ", 'match': {'header:x': '2'}")), ""},
    {ONE(", 'kill_switches': [{'scope_key': 'header:x', 'scope_value': '1'}]", RULE("'ip:prefix'", "")), ""},
    {ONE("", RULE("", ", 'match': {'path': '/api/*'}")), "literal_path "},
    {ONE("", RULE("", ", 'match': {'path': '/users/{id}'}")), "literal_path "},
    {ONE("", RULE("", ", 'match': {'path': '/users/:id'}")), "literal_path "},
    {ONE("", RULE("", ", 'match': {'path': '/models/x:verb/$metadata'}")), ""},
    {"{'bundle_version': 1, 'policies': [{'id': 'p', 'spec': {'selector': {'pathExact': '/v1/x:verb', 'pathPrefix': '/a/:id/b'}, " RULE(
         "", "") "}}]}",
     "literal_path "},
    {ONE("", RULE("'header:Host', 'ip:prefix'", "")), "told_field "},
    {ONE("", RULE("'header:x-forwarded-for'", ", 'on_missing': 'share'")), "told_field "},
    {ONE("", RULE("", ", 'match': {'header:host': 'a.example'}")), "told_field "},
    {ONE("", RULE("'host', 'header:x-hosts'", "")), ""},
    {ONE(", 'kill_switches': [{'scope_key': 'path', 'scope_value': '/a*', 'route': '/b*'}]", RULE("", "")),
     "literal_path literal_path "},
    {ONE("", RULE("'header:x_api_key', 'ip:prefix'", "")), "underscore "},
    {ONE("", RULE("'query:x_api_key', 'ip:prefix'", "")), ""},
    {ONE(", 'price_table': {'m': {'input': 1, 'output': 2}}", RULE("", "")), "unused_field "},
    {ONE("", RULE("'header:x'", ", 'match': {'path': '/x'}") ", 'fallback_limit': {'limit_keys': [], " BUCKET("1",
                                                                                                              "2") "}"),
     ""},
    {ONE("", RULE("", "") FALLBACK), "unreachable_rule "},
    {ONE("", RULE("'path', 'method', 'ua:bot'", "") FALLBACK), "unreachable_rule "},
    {ONE("", RULE("'ip:prefix'", "") FALLBACK), "unreachable_rule "},
    {ONE("", RULE("'header:x'", ", 'on_missing': 'share'") FALLBACK), "unreachable_rule "},
    {ONE("", RULE("'header:x'", ", 'on_missing': 'reject'") FALLBACK), "unreachable_rule "},
    {ONE("", RULE("'header:x'", "") FALLBACK), ""},
    {ONE("", RULE("'ip:prefix', 'header:x'", "") FALLBACK), ""},
    {ONE("", RULE("'host'", "") FALLBACK), ""},
    {ONE("", RULE("'ip:country'", "") FALLBACK), ""},
    {ONE("", TWO("'header:x'", "", "'ip:prefix'", "") FALLBACK), "unreachable_rule "},
    {ONE("", "'rules': []"), "no_rules "},
    {ONE("", RULE("", "") ", 'provider_rate_headers': true"), "proxy_only "},
    {ONE("", RULE("", "") ", 'provider_rate_headers': false"), ""},
    {ONE("", RULE("", ", 'match': {'header:a': '1', 'header:A': '2'}")), "unreachable_rule "},
    {ONE("", RULE("", ", 'match': {'header:a': '1', 'header:A': '1'}")), ""},
    {ONE("", RULE("", ", 'match': {'ip:addr': '::1', 'ip:address': '::2'}")), "unreachable_rule "},
    {ONE(", 'kill_switches': [{'scope_key': 'header:a', 'scope_value': '1'}]",
         RULE("", ", 'match': {'header:a': '1'}")),
     "unreachable_rule "},
    {ONE(", 'kill_switches': [{'scope_key': 'header:a', 'scope_value': '1', 'route': '/x'}]",
         RULE("", ", 'match': {'header:a': '1'}")),
     ""},
    {ONE(", 'kill_switches': [{'scope_key': 'header:a', 'scope_value': '2'}]",
         RULE("", ", 'match': {'header:a': '1'}")),
     ""},
    {ONE(", 'kill_switches': [{'scope_key': 'header:a', 'scope_value': '2', 'expires_at': '2020-01-01T00:00:00Z'}]",
         RULE("", "")),
     "expired "},
    {ONE(", 'kill_switches': [{'scope_key': 'header:a', 'scope_value': '2', 'expires_at': '2026-09-22T00:00:00Z'}]",
         RULE("", "")),
     "expires_soon "},
    {ONE(", 'expires_at': '2026-09-22T00:00:00Z'", RULE("", "")), "expires_soon "},
    {ONE(", 'expires_at': '2026-10-22T00:00:00Z'", RULE("", "")), ""},
    {ONE(", 'global_shadow': {'enabled': true, 'expires_at': '2026-10-22T00:00:00Z'}", RULE("", "")),
     "override_active "},
    {ONE(", 'global_shadow': {'enabled': true, 'expires_at': '2026-09-22T00:00:00Z'}", RULE("", "")),
     "override_active expires_soon "},
    {ONE(", 'kill_switch_override': {'enabled': true, 'expires_at': '2026-10-22T00:00:00Z'}", RULE("", "")),
     "override_active "},
    {ONE(", 'global_shadow': {'enabled': false, 'expires_at': '2020-10-22T00:00:00Z'}", RULE("", "")), ""},
};

static void gather_codes(char *out, size_t size)
{
    out[0] = '\0';
    for (size_t i = 0; i < complaints.count; i++)
        snprintf(out + strlen(out), size - strlen(out), "%s ", complaints.items[i].code);
}

START_TEST(warnings_are_given)
{
    struct bundle *bundle = load("%s", warnings[_i].text);
    char codes[256];

    ck_assert_msg(bundle != NULL, "%s: %s", warnings[_i].text, complaints.items[0].sentence);
    gather_codes(codes, sizeof(codes));
    ck_assert_msg(strcmp(codes, warnings[_i].codes) == 0, "%s: %s", warnings[_i].text, codes);
    ck_assert_uint_eq(complaints.errors, 0);
    bundle_free(bundle);
}
END_TEST

static const struct {
    const char *selector, *match;
    bool is_reachable;
} reaches[] = {
    {"'pathPrefix': '/v1'", "'path': '/v1/x'", true},
    {"'pathPrefix': '/v1'", "'path': '/v1'", true},
    {"'pathPrefix': '/v1'", "'path': '/v2'", false},
    {"'pathPrefix': '/v1/'", "'path': '/v1'", false},
    {"'pathExact': '/v1'", "'path': '/v1/x'", false},
    {"'pathExact': '/v1', 'pathPrefix': '/v2'", "'path': '/v2/x'", true},
    {"'pathPrefix': '/', 'methods': ['PUT', 'PURGE']", "'method': 'PURGE'", true},
    {"'pathPrefix': '/', 'methods': ['PUT', 'PURGE']", "'method': 'POST'", false},
    {"'pathPrefix': '/', 'methods': ['PUT', 'PURGE']", "'method': 'BREW'", false},
    {"'pathPrefix': '/', 'hosts': ['a.example']", "'host': 'A.example:80'", true},
    {"'pathPrefix': '/', 'hosts': ['a.example']", "'host': 'b.example'", false},
};

START_TEST(conditions_are_held_against_the_selector)
{
    struct bundle *bundle = load("{'bundle_version': 1, 'policies': [{'id': 'p', 'spec': {'selector': {%s}, 'rules': [{"
                                 "'name': 'r', 'limit_keys': [], 'match': {%s}, " BUCKET("1", "2") "}]}}]}",
                                 reaches[_i].selector, reaches[_i].match);

    ck_assert_msg(bundle != NULL, "%s", complaints.items[0].sentence);
    ck_assert_uint_eq(complaints.warnings, reaches[_i].is_reachable ? 0 : 1);
    bundle_free(bundle);
}
END_TEST

static const struct {
    const char *config, *codes;
} costs[] = {
    {"'fixed_cost': 10", ""},
    {"'fixed_cost': 10.000001", "unmeetable_limit "},
    {"'default_cost': 3", "unused_field "},
    {"'cost_source': 'header:c'", ""},
    {"'cost_source': 'header:c', 'default_cost': 11", "unmeetable_limit "},
    {"'cost_source': 'header:c', 'fixed_cost': 2", "unused_field "},
};

#define LLM "'algorithm': 'token_bucket_llm', 'algorithm_config': {'tokens_per_minute': 9000}"

static const struct {
    const char *spec, *rule, *format; /* what is advised; NULL: nothing */
} formats[] = {
    {"'selector': {'pathExact': '/v1beta/models/gemini-2.5-pro:generateContent'}", LLM, "gemini"},
    {"'selector': {'pathExact': '/v1beta/models/g:streamGenerateContent'}", LLM, "gemini"},
    {"'selector': {'pathPrefix': '/v1beta/models/'}", LLM, "gemini"},
    {"'selector': {'pathPrefix': '/google/v1beta/models'}", BUCKET("1", "2"), "gemini"},
    {"'selector': {'pathExact': '/v1/projects/p/locations/l/publishers/google/models/g:generateContent'}", LLM, "gemini"},
    {"'selector': {'pathExact': '/v1beta/models/g:generateContent'}, 'error_format': 'auto'", LLM, "gemini"},
    {"'selector': {'pathExact': '/v1/fim/completions', 'pathPrefix': '/v1/agents/completions'}", LLM, "mistral"},
    {"'selector': {'pathExact': '/v2/chat'}", LLM, "mistral"},
    {"'selector': {'pathExact': '/v1beta/models/g:generateContent'}, 'error_format': 'gemini'", LLM, NULL},
    {"'selector': {'pathExact': '/v1beta/models/g:generateContent'}, 'error_format': 'problem'", LLM, NULL},
    {"'selector': {'pathExact': '/v1beta/models/g:generateContent', 'pathPrefix': '/v1/chat'}", LLM, NULL},
    {"'selector': {'pathExact': '/v1beta/models/g:generateContent', 'pathPrefix': '/v1/fim/completions'}", LLM, NULL},
    {"'selector': {'pathPrefix': '/v1beta'}", LLM, NULL}, /* its openai/chat/completions are there, too */
    {"'selector': {'pathPrefix': '/v1beta/openai'}", LLM, NULL},
    {"'selector': {'pathPrefix': '/v1beta/modelsets'}", LLM, NULL},
    {"'selector': {'pathPrefix': '/v2/chat'}", LLM, NULL},
    {"'selector': {'pathExact': '/v2/chat'}", BUCKET("1", "2"), NULL},
    {"'selector': {'pathExact': '/v2/chat/completions'}", LLM, NULL},
    {"'selector': {'pathExact': '/v1/chat/completions', 'hosts': ['api.mistral.ai']}", LLM, NULL},
    {"'selector': {'pathPrefix': '/mistral/v1'}", LLM, NULL},
    {"'selector': {'pathExact': '/v1/messages'}", LLM, NULL},
    {"'selector': {'pathExact': '/v1/responses', 'pathPrefix': '/v1/models'}", LLM, NULL},
    {"'selector': {'pathPrefix': '/'}", LLM, NULL},
};

START_TEST(formats_are_held_against_the_selector)
{
    struct bundle *bundle = load("{'bundle_version': 1, 'policies': [{'id': 'p', 'spec': {%s, 'rules': [{'name': 'r', "
                                 "'limit_keys': [], %s}]}}]}", formats[_i].spec, formats[_i].rule);
    char advice[64] = "";

    ck_assert_msg(bundle != NULL, "%s", complaints.items[0].sentence);
    ck_assert_msg(complaints.warnings == (formats[_i].format ? 1 : 0), "%s", formats[_i].spec);
    if (formats[_i].format)
        snprintf(advice, sizeof(advice), "; set \"error_format\": \"%s\"", formats[_i].format);
    if (formats[_i].format)
        ck_assert_ptr_nonnull(strstr(complaints.items[0].sentence, advice));
    bundle_free(bundle);
}
END_TEST

START_TEST(costs_are_held_against_the_burst)
{
    struct bundle *bundle = load(ONE("", "'rules': [{'name': 'r', 'limit_keys': [], 'algorithm': 'token_bucket',"
                                         "'algorithm_config': {'rps': 5, 'burst': 10, %s}}]"),
                                 costs[_i].config);
    char codes[256];

    ck_assert_msg(bundle != NULL, "%s", complaints.items[0].sentence);
    gather_codes(codes, sizeof(codes));
    ck_assert_str_eq(codes, costs[_i].codes);
    bundle_free(bundle);
}
END_TEST

static const struct {
    const char *prices, *config, *codes;
} budgets[] = {
    {"'m': {'input': 1, 'output': 2}", "'cost_key': 'usage'", ""},
    {"'m*': {'input': 0, 'cached_input': 0, 'output': 0}", "'cost_key': 'usage', 'unpriced': 'reject'", ""},
    {"", "'cost_key': 'usage'", "no_prices "},
    {"'m': {'input': 1, 'output': 2}", "'cost_key': 'usage', 'unpriced': 'allow'", "unpriced_is_free "},
    {"'m': {'input': 1, 'output': 2}", "'cost_key': 'usage', 'default_cost': 2", "unused_field "},
    {"'m': {'input': 1, 'output': 2}", "'cost_key': 'usage', 'fixed_cost': 2", "unused_field "},
    {"'m': {'input': 1, 'output': 2}", "'cost_key': 'usage', 'unpriced': 'charge_default', 'default_cost': 11",
     "unmeetable_limit "},
    {"'m': {'input': 1, 'output': 2}", "'unpriced': 'reject'", "unused_field unused_field "},
    {"'m': {'input': 1, 'output': 10000}", "'cost_key': 'usage'", ""},
    {"'m': {'input': 1, 'output': 10001}", "'cost_key': 'usage'", "unmeetable_limit "},
    {"'m*': {'input': 1, 'output': 10001}, 'n': {'input': 1, 'output': 20000}", "'cost_key': 'usage'", "unmeetable_limit "},
    {"'m': {'input': 1, 'output': 10001}", "'cost_key': 'fixed'", "unused_field "},
};

START_TEST(budgets_by_usage_are_looked_through)
{
    struct bundle *bundle =
        load("{'bundle_version': 1, 'price_table': {%s}, 'policies': [{'id': 'p', 'spec': {'selector': {'pathPrefix': "
             "'/'}, 'rules': [{'name': 'r', 'limit_keys': [], 'algorithm': 'cost_based', 'algorithm_config': {"
             "'budget': 10, 'period': '1d', 'staged_actions': [{'threshold_percent': 100, 'action': 'reject'}], %s}}]}}]}",
             budgets[_i].prices, budgets[_i].config);
    char codes[256];

    ck_assert_msg(bundle != NULL, "%s", complaints.items[0].sentence);
    gather_codes(codes, sizeof(codes));
    ck_assert_str_eq(codes, budgets[_i].codes);
    bundle_free(bundle);
}
END_TEST

/* What goes wrong behind a gateway only. */
static const struct {
    const char *algorithm, *config;
    const char *complaint; /* code and pointer below algorithm_config; NULL: there is none */
} behind_gateways[] = {
    {"cost_based", "'budget': 10, 'period': '1d', 'staged_actions': [{'threshold_percent': 80, 'action': 'throttle', "
                   "'delay_ms': 1500}, {'threshold_percent': 100, 'action': 'reject'}]", NULL},
    {"cost_based", "'budget': 10, 'period': '1d', 'staged_actions': [{'threshold_percent': 70, 'action': 'warn'}, "
                   "{'threshold_percent': 80, 'action': 'throttle', 'delay_ms': 1501}, {'threshold_percent': 100, 'action': "
                   "'reject'}]", "long_delay /staged_actions/1/delay_ms"},
    {"concurrency", "'max_in_flight': 2, 'ttl_seconds': 7", "unsettled "},
    {"token_bucket_llm", "'tokens_per_minute': 9000, 'clamp_completion': true", "proxy_only /clamp_completion"},
    {"token_bucket_llm", "'tokens_per_minute': 9000, 'streaming': {'buffer_tokens': 10}", "proxy_only /streaming"},
    {"token_bucket_llm", "'tokens_per_minute': 9000, 'streaming': {}", "proxy_only /streaming"},
    {"token_bucket_llm", "'tokens_per_minute': 9000, 'streaming': {'enabled': true}", "proxy_only /streaming"},
    {"token_bucket_llm", "'tokens_per_minute': 9000, 'streaming': {'enabled': false}", NULL},
    {"token_bucket_llm", "'tokens_per_minute': 9000, 'streaming': {'buffer_tokens': 10, 'enabled': false}", NULL},
    {"token_bucket_llm", "'tokens_per_minute': 9000, 'streaming': {'enabled': false, 'on_client_gone': 'abort'}",
     "proxy_only /streaming"},
    {"token_bucket_llm", "'tokens_per_minute': 9000, 'streaming': {'enabled': false, 'drain_seconds': 5}",
     "proxy_only /streaming"},
    {"token_bucket_llm", "'tokens_per_minute': 9000, 'token_source': {'request_usage': true}",
     "proxy_only /token_source/request_usage"},
    {"token_bucket_llm", "'tokens_per_minute': 9000, 'clamp_completion': false, 'token_source': {'request_usage': false}", NULL},
};

START_TEST(gateways_are_thought_of)
{
    struct bundle *bundle = load(ONE("", "'rules': [{'name': 'r', 'limit_keys': [], 'algorithm': '%s', 'algorithm_config': "
                                         "{%s}}]"),
                                 behind_gateways[_i].algorithm, behind_gateways[_i].config);
    const char *wanted = behind_gateways[_i].complaint;
    char text[256];

    ck_assert_msg(bundle != NULL, "%s", complaints.items[0].sentence);
    ck_assert_uint_eq(complaints.count, wanted != NULL);
    if (wanted) {
        snprintf(text, sizeof(text), "%s %s", complaints.items[0].code,
                 strstr(complaints.items[0].pointer, "/algorithm_config") + strlen("/algorithm_config"));
        ck_assert_str_eq(text, wanted);
    }
    bundle_free(bundle);
}
END_TEST

static const struct {
    const char *percent, *codes;
} stages[] = {
    {"0", ""}, {"0.8", "tiny_threshold "}, {"0.999999", "tiny_threshold "}, {"1", ""}, {"80", ""},
};

START_TEST(stages_are_in_percent)
{
    struct bundle *bundle =
        load(ONE("", "'rules': [{'name': 'r', 'limit_keys': [], 'algorithm': 'cost_based', 'algorithm_config': {'budget': 10,"
                     "'period': '1d', 'staged_actions': [{'threshold_percent': %s, 'action': 'warn'},"
                     "{'threshold_percent': 100, 'action': 'reject'}]}}]"),
             stages[_i].percent);
    char codes[256];

    ck_assert_msg(bundle != NULL, "%s", complaints.items[0].sentence);
    gather_codes(codes, sizeof(codes));
    ck_assert_str_eq(codes, stages[_i].codes);
    bundle_free(bundle);
}
END_TEST

/* What a request is held against for ever: the figures of token_bucket_llm. */
static const struct {
    const char *config;
    const char *pointer; /* of the one warning, below algorithm_config; NULL: there is none */
} tokens[] = {
    {"'tokens_per_minute': 1001", NULL},
    {"'tokens_per_minute': 1000", ""},
    {"'tokens_per_minute': 500, 'burst_tokens': 2000", NULL},
    {"'tokens_per_minute': 500, 'burst_tokens': 900", ""},
    {"'tokens_per_minute': 500, 'default_max_completion': 400", NULL},
    {"'tokens_per_minute': 500, 'default_max_completion': 500", "/default_max_completion"},
    {"'tokens_per_minute': 500, 'default_max_completion_tokens': 500", "/default_max_completion_tokens"},
    {"'tokens_per_minute': 500, 'clamp_completion': true", NULL},
    {"'tokens_per_day': 999", ""},
    {"'tokens_per_day': 5000, 'default_max_completion': 5000", "/default_max_completion"},
    {"'tokens_per_day': 5000, 'max_tokens_per_request': 1000", ""},
    {"'tokens_per_day': 5000, 'max_tokens_per_request': 1001", NULL},
    {"'tokens_per_day': 5000, 'max_completion_tokens': 999", ""},
    {"'tokens_per_day': 5000, 'max_completion_tokens': 1000", NULL},
    {"'tokens_per_day': 5000, 'max_completion_tokens': 5000", NULL},
    {"'tokens_per_day': 5000, 'max_completion_tokens': 5001", "/max_completion_tokens"},
    {"'tokens_per_day': 5000, 'max_prompt_tokens': 5001", "/max_prompt_tokens"},
    {"'tokens_per_day': 5000, 'max_prompt_tokens': 5000", NULL},
    {"'tokens_per_day': 5000, 'max_tokens_per_request': 5001", "/max_tokens_per_request"},
    {"'tokens_per_day': 5000, 'max_tokens_per_request': 4000, 'max_prompt_tokens': 4001", "/max_prompt_tokens"},
    {"'tokens_per_day': 5000, 'tokens_per_minute': 6000, 'max_prompt_tokens': 5500", "/max_prompt_tokens"},
};

START_TEST(tokens_are_held_against_the_bucket)
{
    struct bundle *bundle = load(ONE("", "'rules': [{'name': 'r', 'limit_keys': [], 'algorithm': 'token_bucket_llm',"
                                         "'algorithm_config': {%s}}]"),
                                 tokens[_i].config);
    char pointer[COMPLAINT_POINTER_SIZE];

    ck_assert_msg(bundle != NULL, "%s", complaints.items[0].sentence);
    complaint_remove_warnings(&complaints, LOAD_PROXY_ONLY);
    ck_assert_uint_eq(complaints.count, tokens[_i].pointer != NULL);
    if (tokens[_i].pointer) {
        ck_assert_str_eq(complaints.items[0].code, "unmeetable_limit");
        snprintf(pointer, sizeof(pointer), "/policies/0/spec/rules/0/algorithm_config%s", tokens[_i].pointer);
        ck_assert_str_eq(complaints.items[0].pointer, pointer);
    }
    bundle_free(bundle);
}
END_TEST

/* ---- limits ---------------------------------------------------------------------------------------------------- */

START_TEST(too_many_complaints_are_counted)
{
    struct slice text;
    char *bytes = NULL;
    size_t size;
    FILE *out = open_memstream(&bytes, &size);

    fputs("{\n\"bundle_version\": 1, \"policies\": [", out);
    for (int i = 0; i < 1000; i++)
        fprintf(out, "%s7", i > 0 ? ",\n" : "");
    fputs("]}", out);
    fclose(out);
    text = (struct slice){bytes, size};
    ck_assert_ptr_null(load_bundle(text, NOW, &complaints));
    ck_assert_uint_eq(complaints.count, COMPLAINT_MAX);
    ck_assert_uint_ge(complaints.errors, 1000);
    ck_assert_uint_eq(complaints.items[0].line, 2);
    free(bytes);
}
END_TEST

START_TEST(a_large_bundle_is_refused)
{
    size_t size = LOAD_MAX_BYTES + 1;
    char *bytes = malloc(size);

    ck_assert_ptr_nonnull(bytes);
    memset(bytes, ' ', size);
    memcpy(bytes, "{}", 2);
    ck_assert_ptr_null(load_bundle((struct slice){bytes, size}, NOW, &complaints));
    ck_assert_str_eq(complaints.items[0].code, "bad_json");
    ck_assert_ptr_null(load_bundle((struct slice){bytes, size - 1}, NOW, &complaints));
    ck_assert_str_eq(complaints.items[0].code, "missing_field");
    free(bytes);
}
END_TEST

START_TEST(many_policies_load)
{
    char *bytes = NULL;
    size_t size;
    FILE *out = open_memstream(&bytes, &size);
    struct bundle *bundle;

    fputs("{\"bundle_version\": 1, \"policies\": [", out);
    for (int i = 0; i < 20000; i++)
        fprintf(out,
                "%s{\"id\":\"p%d\",\"spec\":{\"selector\":{\"pathPrefix\":\"/"
                "s%d\"},\"rules\":[{\"name\":\"r\",\"limit_keys\":"
                "[\"ip:prefix\",\"header:x-%d\"],\"algorithm\":\"token_bucket\",\"algorithm_config\":{\"rps\":1,"
                "\"burst\":2}}]}}",
                i > 0 ? "," : "", i, i, i);
    fputs("]}", out);
    fclose(out);
    bundle = load_bundle((struct slice){bytes, size}, NOW, &complaints);
    ck_assert_ptr_nonnull(bundle);
    ck_assert_uint_eq(bundle->policy_count, 20000);
    ck_assert_uint_eq(bundle->descriptor_count, 20001);
    bundle_free(bundle);
    free(bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("load");
    TCase *tcase = tcase_create("load");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, values_and_defaults);
    tcase_add_test(tcase, underscores_in_headers_are_known);
    tcase_add_test(tcase, everything_given);
    tcase_add_test(tcase, policies_come_sorted);
    tcase_add_loop_test(tcase, identities_know_what_matters, 0, sizeof(identities) / sizeof(identities[0]));
    tcase_add_loop_test(tcase, warnings_are_given, 0, sizeof(warnings) / sizeof(warnings[0]));
    tcase_add_loop_test(tcase, conditions_are_held_against_the_selector, 0, sizeof(reaches) / sizeof(reaches[0]));
    tcase_add_loop_test(tcase, formats_are_held_against_the_selector, 0, sizeof(formats) / sizeof(formats[0]));
    tcase_add_loop_test(tcase, costs_are_held_against_the_burst, 0, sizeof(costs) / sizeof(costs[0]));
    tcase_add_loop_test(tcase, budgets_by_usage_are_looked_through, 0, sizeof(budgets) / sizeof(budgets[0]));
    tcase_add_loop_test(tcase, gateways_are_thought_of, 0, sizeof(behind_gateways) / sizeof(behind_gateways[0]));
    tcase_add_loop_test(tcase, stages_are_in_percent, 0, sizeof(stages) / sizeof(stages[0]));
    tcase_add_loop_test(tcase, tokens_are_held_against_the_bucket, 0, sizeof(tokens) / sizeof(tokens[0]));
    tcase_add_test(tcase, too_many_complaints_are_counted);
    tcase_add_test(tcase, a_large_bundle_is_refused);
    tcase_add_test(tcase, many_policies_load);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
