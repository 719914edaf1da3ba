/* SPDX-License-Identifier: MPL-2.0
 *
 * No two identities share a cell, and none has two: random bundles and requests whose names and values are made to be
 * mistaken for each other (separators, lengths, empty and very long values, UTF-8 in two normal forms, NUL bytes,
 * headers that occur again) go to the real engine, and the keys of its cells are held against what the request is by the
 * contract's words, written out with lengths.
 *
 * FAIRVISOR_TEST_SEED plays another game, FAIRVISOR_TEST_REQUESTS a longer one.
 */
#include <check.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/decide_private.h"
#include "policy/load.h"
#include "tests/shm/arena_fixture.h"

#define REQUESTS         10000
#define REQUESTS_EACH    400 /* of one bundle */
#define POLICIES         4
#define RULES            3
#define FIELDS           12
#define PARAMETERS       4
#define KEYS             5
#define LONG             6000
#define SCRATCH          262144
#define CELLS_OF_REQUEST (POLICIES * (RULES * 2 + 3))
#define BOOT_NS          INT64_C(1000000000000)
#define EPOCH            INT64_C(1767225600)

static const char *const names[] = {"a", "rulea", "a/b", "a|b", "ab", "a,b", "rule", "b", "enforce", "shadow", "arule"};
static const char *const key_names[KEYS] = {"header:x-a", "header:x-b", "query:a", "query:b", "jwt:sub"};
static const char *const addresses[] = {"10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2", "2001:db8::1", "::a00:1"};

struct value {
    const char *bytes;
    size_t size;
};

#define VALUE(text) {text, sizeof(text) - 1}
static char longest[4][LONG + 2];
static struct value values[] = {
    VALUE(""), VALUE("a"), VALUE("b"), VALUE("ab"), VALUE("a|b"), VALUE("|"), VALUE("a, b"), VALUE("a,b"), VALUE(", "),
    VALUE("a, "), VALUE(", a"), VALUE("a\tb"), VALUE("shared"), VALUE("enforce"), VALUE("rate"), VALUE("a\0b"),
    VALUE("\0"), VALUE("\0\0"), VALUE("a\\u0000b"), VALUE("a%00b"), VALUE("\xc3\xa9"), VALUE("e\xcc\x81"), VALUE("\xe9"),
    VALUE("\1\0\0\0\0\0\0\0a"), VALUE("a\1\0\0\0\0\0\0\0b"), VALUE("a\1\0\0\0b"), VALUE("aaaaaaaa"), VALUE("aaaaaaa"),
    {longest[0], LONG}, {longest[1], LONG + 1}, {longest[2], LONG}, {longest[3], LONG},
};
#define VALUES (sizeof(values) / sizeof(values[0]))

/* ---- the world -----------------------------------------------------------------------------------------------------
 */

enum { RATE, BUDGET, TOKENS, FLIGHT, ALGORITHMS };
static const char *const algorithms[ALGORITHMS] = {"token_bucket", "cost_based", "token_bucket_llm", "concurrency"};
static const char *const configs[ALGORITHMS] = {
    "{\"tokens_per_second\":1000,\"burst\":1000000000}",
    "{\"budget\":1000000000,\"period\":\"1d\",\"staged_actions\":[{\"threshold_percent\":100,\"action\":\"reject\"}]}",
    "{\"tokens_per_minute\":1000000000,\"tokens_per_day\":1000000000,\"default_max_completion\":1}",
    "{\"max_in_flight\":1000000,\"ttl_seconds\":60}",
};

struct rule_plan {
    const char *name;
    int algorithm, key_count, keys[KEYS];
    bool shares;
};

struct policy_plan {
    const char *id;
    bool is_shadow, has_loop, has_breaker;
    int rule_count;
    struct rule_plan rules[RULES];
};

struct field_plan {
    bool is_b; /* x-b, or x-a */
    const struct value *value;
};

struct request {
    struct facts facts;
    struct fact_field fields[FIELDS];
    struct field_plan plans[FIELDS];
    struct {
        bool is_b;
        const struct value *value;
    } parameters[PARAMETERS];
    int parameter_count, address;
    const struct value *subject, *body; /* subject NULL: no token */
    const char *method;
    char query[PARAMETERS * (LONG * 3 + 8)];
    char token[4096];
    struct claims *claims;
};

static uint64_t state;

static unsigned below(unsigned limit)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(state >> 33) % limit;
}

static void make_rule(struct rule_plan *rule, int number)
{
    /* Every rule of a policy has a name of its own. */
    *rule = (struct rule_plan){
        .name = names[below(3) + (unsigned)number * 3], .algorithm = (int)below(ALGORITHMS), .shares = below(2)};
    rule->key_count = (int)below(KEYS + 1);
    for (int i = 0; i < rule->key_count; i++) {
        bool is_twice;

        do {
            is_twice = false;
            rule->keys[i] = (int)below(KEYS);
            for (int j = 0; j < i; j++)
                is_twice |= rule->keys[j] == rule->keys[i];
        } while (is_twice);
    }
}

static void make_policies(struct policy_plan policies[POLICIES])
{
    unsigned first = below(sizeof(names) / sizeof(names[0]));

    for (unsigned i = 0; i < POLICIES; i++) {
        struct policy_plan *policy = &policies[i];

        *policy = (struct policy_plan){.id = names[(first + i) % (sizeof(names) / sizeof(names[0]))],
                                       .is_shadow = below(3) == 0,
                                       .has_loop = below(3) == 0,
                                       .has_breaker = below(3) == 0};
        policy->rule_count = 1 + (int)below(RULES);
        for (int j = 0; j < policy->rule_count; j++)
            make_rule(&policy->rules[j], j);
    }
}

static void write_rule(FILE *out, const struct rule_plan *rule)
{
    fprintf(out, "{\"name\":\"%s\",\"on_missing\":\"%s\",\"algorithm\":\"%s\",\"algorithm_config\":%s,\"limit_keys\":[",
            rule->name, rule->shares ? "share" : "skip", algorithms[rule->algorithm], configs[rule->algorithm]);
    for (int i = 0; i < rule->key_count; i++)
        fprintf(out, "%s\"%s\"", i ? "," : "", key_names[rule->keys[i]]);
    fputs("]}", out);
}

static struct bundle *load_policies(const struct policy_plan policies[POLICIES])
{
    static struct complaint_list complaints;
    struct bundle *bundle;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    fputs("{\"bundle_version\":1,\"policies\":[", out);
    for (int i = 0; i < POLICIES; i++) {
        const struct policy_plan *policy = &policies[i];

        fprintf(out, "%s{\"id\":\"%s\",\"spec\":{\"mode\":\"%s\",\"selector\":{\"pathPrefix\":\"/\"},\"rules\":[",
                i ? "," : "", policy->id, policy->is_shadow ? "shadow" : "enforce");
        for (int j = 0; j < policy->rule_count; j++) {
            fputs(j ? "," : "", out);
            write_rule(out, &policy->rules[j]);
        }
        fputs("]", out);
        if (policy->has_loop)
            fputs(",\"loop_detection\":{\"enabled\":true,\"window_seconds\":60,\"threshold_identical_requests\":"
                  "1000000,\"action\":\"warn\",\"similarity\":\"exact\"}",
                  out);
        if (policy->has_breaker)
            fputs(",\"circuit_breaker\":{\"enabled\":true,\"spend_rate_threshold_per_minute\":1000000000,\"action\":"
                  "\"reject\",\"auto_reset_after_minutes\":1}",
                  out);
        fputs("}}", out);
    }
    fputs("]}", out);
    fclose(out);
    bundle = load_bundle((struct slice){text, size}, EPOCH, &complaints);
    ck_assert_msg(bundle != NULL, "%s\n%s", complaints.items[0].sentence, text);
    free(text);
    return bundle;
}

/* ---- one request ---------------------------------------------------------------------------------------------------
 */

static const struct value *pick(void)
{
    return &values[below(below(12) ? VALUES - 4 : VALUES)];
}

/* Any byte as itself or in percent, as the dice fall; those that mean something always in percent. */
static char *encode(char *at, const struct value *value)
{
    for (size_t i = 0; i < value->size; i++) {
        unsigned char c = (unsigned char)value->bytes[i];

        if (c == ' ' && below(2))
            *at++ = '+';
        else if (c <= ' ' || c >= 0x7f || strchr("&%+=", c) || below(8) == 0)
            at += snprintf(at, 4, below(2) ? "%%%02X" : "%%%02x", c);
        else
            *at++ = (char)c;
    }
    return at;
}

static void make_query(struct request *request)
{
    char *at = request->query;

    request->parameter_count = (int)below(PARAMETERS);
    for (int i = 0; i < request->parameter_count; i++) {
        bool is_b = below(2);

        request->parameters[i].is_b = is_b;
        request->parameters[i].value = pick();
        if (i > 0)
            *at++ = '&';
        *at++ = is_b ? 'b' : 'a';
        *at++ = '=';
        at = encode(at, request->parameters[i].value);
    }
    *at = '\0';
    request->facts.query = (struct slice){request->query, (size_t)(at - request->query)};
}

static char *base64url(char *at, const char *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned held = 0, bits = 0;

    for (size_t i = 0; i < size; i++) {
        held = held << 8 | (unsigned char)bytes[i];
        for (bits += 8; bits >= 6; bits -= 6)
            *at++ = digits[held >> (bits - 6) & 63];
    }
    if (bits > 0)
        *at++ = digits[held << (6 - bits) & 63];
    return at;
}

/* A token of this subject, whose characters stand as themselves or as escapes. NULL when JSON has no such text. */
static struct claims *make_claims(struct request *request, const struct value *subject)
{
    static const char header[] = "{\"alg\":\"HS256\"}";
    char payload[1024], *at = payload, *out = request->token;

    at += snprintf(at, 16, "{\"sub\":\"");
    for (size_t i = 0; i < subject->size; i++) {
        unsigned char c = (unsigned char)subject->bytes[i];

        if (c < ' ' || c == '"' || c == '\\' || (c < 0x80 && below(4) == 0))
            at += snprintf(at, 7, "\\u%04x", c);
        else
            *at++ = (char)c;
    }
    *at++ = '"';
    *at++ = '}';
    out += snprintf(out, 16, "Bearer ");
    out = base64url(out, header, sizeof(header) - 1);
    *out++ = '.';
    out = base64url(out, payload, (size_t)(at - payload));
    *out++ = '.';
    out = base64url(out, "signature", 9);
    return claims_read((struct slice){request->token, (size_t)(out - request->token)});
}

static void make_fields(struct request *request)
{
    static const char *const spellings[2][2] = {{"x-a", "X-A"}, {"x-b", "X-b"}};

    request->facts.field_count = below(5) ? below(5) : below(FIELDS);
    for (size_t i = 0; i < request->facts.field_count; i++) {
        struct field_plan *plan = &request->plans[i];

        *plan = (struct field_plan){.is_b = below(2), .value = pick()};
        request->fields[i] = (struct fact_field){slice_of(spellings[plan->is_b][below(2)]),
                                                 {plan->value->bytes, plan->value->size}};
    }
    request->facts.fields = request->fields;
}

static void make_request(struct request *request)
{
    memset(&request->facts, 0, sizeof(request->facts));
    make_fields(request);
    make_query(request);
    request->address = (int)below(sizeof(addresses) / sizeof(addresses[0]));
    ck_assert(address_parse(slice_of(addresses[request->address]), &request->facts.client));
    request->method = below(2) ? "GET" : "POST";
    request->facts.method = slice_of(request->method);
    request->facts.path = SLICE("/");
    request->body = &values[below(VALUES)];
    request->facts.body = (struct slice){request->body->bytes, request->body->size};
    request->subject = below(2) ? &values[below(VALUES - 4)] : NULL;
    request->claims = request->subject ? make_claims(request, request->subject) : NULL;
}

/* ---- who a request is, written out ---------------------------------------------------------------------------------
 */

struct text {
    size_t size;
    char bytes[1 << 20];
};

static void add(struct text *text, const char *bytes, size_t size)
{
    ck_assert_uint_lt(text->size + sizeof(size) + size, sizeof(text->bytes));
    memcpy(text->bytes + text->size, &size, sizeof(size));
    if (size > 0)
        memcpy(text->bytes + text->size + sizeof(size), bytes, size);
    text->size += sizeof(size) + size;
}

static void add_word(struct text *text, const char *word)
{
    add(text, word, strlen(word));
}

/* The header's values joined with a comma and a space. false when none has a byte. */
static bool join(const struct request *request, bool is_b, char *out, size_t *size)
{
    bool is_first = true, has_any = false;

    *size = 0;
    for (size_t i = 0; i < request->facts.field_count; i++) {
        const struct field_plan *plan = &request->plans[i];

        if (plan->is_b != is_b)
            continue;
        if (!is_first) {
            memcpy(out + *size, ", ", 2);
            *size += 2;
        }
        is_first = false;
        has_any = has_any || plan->value->size > 0;
        memcpy(out + *size, plan->value->bytes, plan->value->size);
        *size += plan->value->size;
    }
    return has_any;
}

/* JSON has no text with a NUL and none that is not UTF-8. */
static bool is_json(const struct value *value)
{
    return !memchr(value->bytes, 0, value->size) && !memchr(value->bytes, 0xe9, value->size);
}

/* The value of a key; false when the request has none. */
static bool value_of(const struct request *request, int key, char *out, size_t *size)
{
    const struct value *value = NULL;

    *size = 0;
    if (key < 2)
        return join(request, key == 1, out, size);
    if (key == 4)
        value = request->subject && is_json(request->subject) ? request->subject : NULL;
    for (int i = 0; key < 4 && i < request->parameter_count && !value; i++)
        if (request->parameters[i].is_b == (key == 3))
            value = request->parameters[i].value;
    if (!value || value->size == 0)
        return false;
    memcpy(out, value->bytes, value->size);
    *size = value->size;
    return true;
}

/* Name and value of every key of the policy's rules, each once in the order in which the rules name them; without any
 * value, the address. */
static void add_identity(struct text *text, const struct policy_plan *policy, const struct request *request)
{
    static char value[FIELDS * (LONG + 4)];
    bool is_seen[KEYS] = {false}, has_any = false;
    size_t size;

    for (int i = 0; i < policy->rule_count; i++)
        for (int j = 0; j < policy->rules[i].key_count; j++) {
            int key = policy->rules[i].keys[j];
            bool is_found = !is_seen[key] && value_of(request, key, value, &size);

            if (is_seen[key])
                continue;
            is_seen[key] = true;
            has_any = has_any || is_found;
            add_word(text, key_names[key]);
            add(text, value, is_found ? size : 0);
        }
    /* ::ffff:10.0.0.1 is 10.0.0.1, who comes over a socket of both families. */
    if (!has_any)
        add_word(text, addresses[request->address == 1 ? 0 : request->address]);
}

static int compare_values(const void *left, const void *right)
{
    const struct slice *a = left, *b = right;
    size_t shorter = a->size < b->size ? a->size : b->size;
    int order = shorter ? memcmp(a->data, b->data, shorter) : 0;

    return order ? order : (a->size > b->size) - (a->size < b->size);
}

/* The parameters as they are written, in any order. */
static void add_query(struct text *text, const struct request *request)
{
    struct slice parts[PARAMETERS];
    const char *at = request->query;

    for (int i = 0; i < request->parameter_count; i++) {
        size_t size = strcspn(at, "&");

        parts[i] = (struct slice){at, size};
        at += size + 1;
    }
    qsort(parts, (size_t)request->parameter_count, sizeof(parts[0]), compare_values);
    for (int i = 0; i < request->parameter_count; i++)
        add(text, parts[i].data, parts[i].size);
}

/* false when the rule has no identity for this request. */
static bool describe_rule(struct text *text, const struct rule_plan *rule, const struct request *request)
{
    static char value[FIELDS * (LONG + 4)];
    bool is_complete = true;
    size_t size, begun;

    add_word(text, rule->name);
    add_word(text, algorithms[rule->algorithm]);
    for (int i = 0; i < rule->key_count; i++)
        add_word(text, key_names[rule->keys[i]]);
    add_word(text, "of");
    begun = text->size;
    for (int i = 0; i < rule->key_count; i++) {
        is_complete = value_of(request, rule->keys[i], value, &size) && is_complete;
        add(text, value, size);
    }
    if (is_complete)
        return true;
    text->size = begun;
    add_word(text, "any number of values is not this text, so it is nobody's");
    add_word(text, "shared");
    return rule->shares;
}

/* ---- both, side by side --------------------------------------------------------------------------------------------
 */

struct pair {
    char role[12]; /* for the reader of a failure */
    unsigned char text[32]; /* SHA-256 */
    uint64_t key[2];
};

#define SAME(a, b, field) (!memcmp((a)->field, (b)->field, sizeof((a)->field)))

static int compare_texts(const void *left, const void *right)
{
    const struct pair *a = left, *b = right;

    return memcmp(a->text, b->text, sizeof(a->text));
}

static int compare_keys(const void *left, const void *right)
{
    const struct pair *a = left, *b = right;

    return memcmp(a->key, b->key, sizeof(a->key));
}

static const struct policy_plan *plan_of(const struct policy_plan policies[POLICIES], const struct policy *policy)
{
    for (int i = 0; i < POLICIES; i++)
        if (slice_equal(policy->id, slice_of(policies[i].id)))
            return &policies[i];
    return NULL;
}

static const struct rule_plan *rule_plan_of(const struct policy_plan *policy, const struct rule *rule)
{
    for (int i = 0; i < policy->rule_count; i++)
        if (slice_equal(rule->name, slice_of(policy->rules[i].name)))
            return &policy->rules[i];
    return NULL;
}

static void describe(const struct policy_plan policies[POLICIES], const struct charge_source *source,
                     const struct request *request, struct pair *pair)
{
    const struct policy_plan *policy = plan_of(policies, source->policy);
    static struct text text;

    ck_assert_ptr_nonnull(policy);
    snprintf(pair->role, sizeof(pair->role), "%s", decide_limits_roles[source->role].name);
    text.size = 0;
    add_word(&text, decide_limits_roles[source->role].name);
    add_word(&text, policy->is_shadow ? "in shadow" : "in earnest");
    add_word(&text, policy->id);
    if (source->rule) {
        const struct rule_plan *rule = rule_plan_of(policy, source->rule);

        ck_assert_ptr_nonnull(rule);
        ck_assert(describe_rule(&text, rule, request));
    } else {
        if (source->role == CHARGE_LOOP) {
            add_word(&text, request->method);
            add_query(&text, request);
            add(&text, request->body->bytes, request->body->size);
        }
        add_identity(&text, policy, request);
    }
    ck_assert_int_eq(EVP_Digest(text.bytes, text.size, pair->text, NULL, EVP_sha256(), NULL), 1);
}

static size_t play(const struct policy_plan policies[POLICIES], struct decider *decider, struct request *request,
                   struct pair *pairs)
{
    struct moment now = {.boot_ns = BOOT_NS, .wall_ns = EPOCH * NANOSECONDS_PER_SECOND};
    struct verdict verdict;
    size_t count = 0;

    make_request(request);
    decide_explain(decider, &request->facts, request->claims, now, &verdict, NULL, NULL);
    /* The charges of the decision are left in its scratch: as many as have a key. */
    for (; count < CELLS_OF_REQUEST && (decider->charges[count].key[0] | decider->charges[count].key[1]); count++) {
        describe(policies, &decider->sources[count], request, &pairs[count]);
        memcpy(pairs[count].key, decider->charges[count].key, sizeof(pairs[count].key));
    }
    memset(decider->charges, 0, (count + 1) * sizeof(decider->charges[0]));
    claims_free(request->claims);
    return count;
}

static long check(struct pair *pairs, size_t count)
{
    long distinct = count > 0;

    qsort(pairs, count, sizeof(*pairs), compare_texts);
    for (size_t i = 1; i < count; i++) {
        distinct += !SAME(&pairs[i], &pairs[i - 1], text);
        ck_assert_msg(!SAME(&pairs[i], &pairs[i - 1], text) || SAME(&pairs[i], &pairs[i - 1], key),
                      "one identity has two cells (%s)", pairs[i].role);
    }
    qsort(pairs, count, sizeof(*pairs), compare_keys);
    for (size_t i = 1; i < count; i++)
        ck_assert_msg(!SAME(&pairs[i], &pairs[i - 1], key) || SAME(&pairs[i], &pairs[i - 1], text),
                      "two identities share a cell (%s and %s)", pairs[i - 1].role, pairs[i].role);
    return distinct;
}

static void fill_longest(void)
{
    for (int i = 0; i < 4; i++)
        memset(longest[i], 'x', LONG + 1);
    longest[2][LONG - 1] = 'y';
    longest[3][0] = 'y';
}

START_TEST(every_identity_has_one_cell_of_its_own)
{
    const char *seed = getenv("FAIRVISOR_TEST_SEED"), *wanted = getenv("FAIRVISOR_TEST_REQUESTS");
    long requests = wanted ? strtol(wanted, NULL, 10) : REQUESTS, distinct;
    struct pair *pairs = malloc((size_t)requests * CELLS_OF_REQUEST * sizeof(*pairs));
    struct policy_plan policies[POLICIES];
    struct request *request = malloc(sizeof(*request));
    struct arena_fixture fixture;
    size_t count = 0;

    ck_assert(pairs && request);
    state = seed ? strtoull(seed, NULL, 10) : 20260101;
    fill_longest();
    arena_fixture_open(&fixture, "identities", ARENA_MIN_SIZE, NULL);
    for (long i = 0; i < requests;) {
        struct bundle *bundle;
        struct decider *decider;

        make_policies(policies);
        bundle = load_policies(policies);
        decider = decide_new(bundle, &fixture.arena, NULL, SCRATCH);
        ck_assert_ptr_nonnull(decider);
        for (int j = 0; j < REQUESTS_EACH && i < requests; j++, i++)
            count += play(policies, decider, request, pairs + count);
        decide_free(decider);
        bundle_free(bundle);
    }
    distinct = check(pairs, count);
    printf("%ld requests asked %zu cells of %ld identities: each has its own\n", requests, count, distinct);
    /* Enough that are met again, or the test proved half. */
    ck_assert_int_gt(distinct, requests / 4);
    ck_assert_int_gt((long)count - distinct, requests / 4);
    arena_fixture_close(&fixture);
    free(pairs);
    free(request);
}
END_TEST

/* What arenas and snapshots hold is found by these keys: another key needs another CELL_KEY_FORM. */
START_TEST(keys_are_those_of_their_form)
{
    static const char text[] = "{\"bundle_version\":1,\"policies\":[{\"id\":\"p\",\"spec\":{\"selector\":{\"pathPrefix\":\"/\"},"
                               "\"rules\":[{\"name\":\"r\",\"limit_keys\":[\"header:x-a\",\"path\"],"
                               "\"algorithm\":\"token_bucket_llm\",\"algorithm_config\":"
                               "{\"tokens_per_minute\":1000,\"tokens_per_day\":1000}}],\"mode\":\"enforce\"}}]}";
    static const uint64_t minute[2] = {UINT64_C(0x4b353f5bfc5e5b0c), UINT64_C(0x906a1486f88d723f)};
    struct fact_field field = {SLICE("x-a"), SLICE("between eight and 254 bytes")};
    struct facts facts = {.method = SLICE("POST"), .path = SLICE("/v1"), .fields = &field, .field_count = 1};
    static struct complaint_list complaints;
    struct bundle *bundle = load_bundle((struct slice){text, sizeof(text) - 1}, EPOCH, &complaints);
    struct moment now = {.boot_ns = BOOT_NS, .wall_ns = EPOCH * NANOSECONDS_PER_SECOND};
    struct decider *decider;
    struct verdict verdict;

    ck_assert_ptr_nonnull(bundle);
    decider = decide_new(bundle, NULL, NULL, SCRATCH); /* its hash key is zeros */
    ck_assert_ptr_nonnull(decider);
    decide_explain(decider, &facts, NULL, now, &verdict, NULL, NULL);
    ck_assert(decider->sources[0].role == CHARGE_MINUTE && decider->sources[1].role == CHARGE_DAY);
    ck_assert_int_eq(CELL_KEY_FORM, 2);
    ck_assert_msg(decider->charges[0].key[0] == minute[0] && decider->charges[0].key[1] == minute[1],
                  "UINT64_C(0x%016llx), UINT64_C(0x%016llx)", (unsigned long long)decider->charges[0].key[0],
                  (unsigned long long)decider->charges[0].key[1]);
    ck_assert_uint_eq(decider->charges[1].key[0], minute[0]);
    ck_assert_uint_eq(decider->charges[1].key[1], minute[1] ^ CHARGE_MINUTE ^ CHARGE_DAY);
    decide_free(decider);
    bundle_free(bundle);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("identities");
    TCase *tests = tcase_create("identities");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, every_identity_has_one_cell_of_its_own);
    tcase_add_test(tests, keys_are_those_of_their_form);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
