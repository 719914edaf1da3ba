/* SPDX-License-Identifier: MPL-2.0
 *
 * Key sets: what is taken, and for each way in which one can be wrong, that it is refused with its place and reason,
 * and without a word of what stands in it.
 */
#include "policy/jwks.h"

#include "tests/policy/jwt_maker.h"

static struct maker_key keys[MAKER_KINDS];
static char members[MAKER_KINDS][MAKER_JWK_SIZE];

static void make_keys(void)
{
    for (int i = 0; i < MAKER_KINDS; i++) {
        keys[i] = maker_key(&maker_kinds[i]);
        maker_members(&keys[i], members[i]);
    }
}

static void free_keys(void)
{
    for (int i = 0; i < MAKER_KINDS; i++)
        EVP_PKEY_free(keys[i].pkey);
}

static struct jwks *parse(const char *text, struct failure *failure)
{
    size_t size = strlen(text);
    char *copy = malloc(size > 0 ? size : 1); /* the sanitizers see a read behind its end */
    struct jwks *jwks;

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, text, size);
    jwks = jwks_parse("keys.json", (struct slice){copy, size}, failure);
    free(copy);
    return jwks;
}

static void expect_refusal(const char *text, const char *part)
{
    struct failure failure = {.code = EXIT_CODE_OK};
    struct jwks *jwks = parse(text, &failure);

    ck_assert_msg(jwks == NULL, "taken: %s", text);
    ck_assert_int_eq(failure.code, EXIT_CODE_BAD_CONFIG);
    ck_assert_msg(strncmp(failure.sentence, "keys.json:", 10) == 0, "%s", failure.sentence);
    ck_assert_msg(strstr(failure.sentence, part) != NULL, "%s\ndoes not say: %s", failure.sentence, part);
}

START_TEST(every_kind_is_taken)
{
    struct failure failure = {.code = EXIT_CODE_OK};
    char set[MAKER_SET_SIZE];
    struct jwks *jwks = parse(maker_set(&keys[_i], "k-1", set), &failure);

    ck_assert_msg(jwks != NULL, "%s", failure.sentence);
    ck_assert_uint_eq(jwks->count, 1);
    ck_assert_str_eq(jwks->keys[0].key.algorithm->name, maker_kinds[_i].alg);
    ck_assert(slice_equal((struct slice){jwks->keys[0].id, jwks->keys[0].id_size}, SLICE("k-1")));
    ck_assert((jwks->keys[0].key.secret == NULL) == (keys[_i].pkey != NULL));
    if (keys[_i].pkey)
        ck_assert_int_eq(EVP_PKEY_eq(jwks->keys[0].key.public_key, keys[_i].pkey), 1);
    else
        ck_assert_mem_eq(jwks->keys[0].key.secret, keys[_i].secret, sizeof(keys[_i].secret));
    jwks_free(jwks);
}
END_TEST

START_TEST(all_kinds_together)
{
    static char set[MAKER_KINDS * MAKER_JWK_SIZE];
    struct failure failure = {.code = EXIT_CODE_OK};
    struct jwks *jwks;
    size_t used = (size_t)snprintf(set, sizeof(set), " {\"version\":[{}],\"keys\":[");

    for (int i = 0; i < MAKER_KINDS; i++)
        used += (size_t)snprintf(
            set + used, sizeof(set) - used,
            "%s{\"use\":\"sig\",\"x5c\":[\"x\"],\"unknown\":{\"a\":1},\"key_ops\":[\"sign\",\"verify\"],"
            "\"alg\":\"%s\",%s}\n",
            i > 0 ? "," : "", maker_kinds[i].alg, members[i]);
    snprintf(set + used, sizeof(set) - used, "]} ");
    jwks = parse(set, &failure);
    ck_assert_msg(jwks != NULL, "%s", failure.sentence);
    ck_assert_uint_eq(jwks->count, MAKER_KINDS);
    ck_assert_ptr_null(jwks->keys[3].id);
    jwks_free(jwks);
}
END_TEST

static const struct {
    const char *text, *part;
} documents[] = {
    {"", "keys.json:1:1: "},
    {"{", "keys.json:1:1: "},
    {"\n\n  x", "keys.json:3:3: "},
    {"[]", "a key set is an object"},
    {"\"keys\"", "a key set is an object"},
    {"{}", "the list \"keys\" is missing"},
    {"{\"keys\":{}}", "the list \"keys\" is missing"},
    {"{\"keys\":\"x\"}", "the list \"keys\" is missing"},
    {"{\"keys\":[]}", "the set has no key"},
    {"{\"keys\":[],\"keys\":[]}", "a name stands twice"},
    {"{\"keys\":[],\"k\\u0065ys\":[]}", "a name stands twice"},
    {"{\"keys\":[]} {}", "keys.json:1:13: "},
    {"{\"keys\":[],}", "keys.json:1:11: "},
    {"{\"keys\":[\xFF]}", "keys.json:1:10: "},
    {"{\"keys\":[7]}", "keys.json:1:10: key 1: a key is an object"},
    {"{\"keys\":[null]}", "a key is an object"},
    {"{\"keys\":[{}]}", "keys.json:1:10: key 1: alg is missing"},
    {"{\"keys\":[{\"kty\":\"oct\"}]}", "alg is missing: a key must name its algorithm"},
    {"{\"keys\":[{\"alg\":7}]}", "alg must be a string"},
    {"{\"keys\":[{\"alg\":\"none\"}]}", "alg must be one of HS256, HS384"},
    {"{\"keys\":[{\"alg\":\"None\"}]}", "alg must be one of"},
    {"{\"keys\":[{\"alg\":\"rs256\"}]}", "alg must be one of"},
    {"{\"keys\":[{\"alg\":\"RS1\"}]}", "alg must be one of"},
    {"{\"keys\":[{\"alg\":\"RSA-OAEP\"}]}", "alg must be one of"},
    {"{\"keys\":[{\"alg\":\"\"}]}", "EdDSA"},
    {"{\"keys\":[{\"alg\":\"RS256\"}]}", "kty is missing"},
    {"{\"keys\":[{\"alg\":\"RS256\",\"kty\":\"oct\"}]}", "a key whose alg is RS256 has the kty RSA"},
    {"{\"keys\":[{\"alg\":\"HS256\",\"kty\":\"RSA\"}]}", "a key whose alg is HS256 has the kty oct"},
    {"{\"keys\":[{\"alg\":\"EdDSA\",\"kty\":\"EC\"}]}", "a key whose alg is EdDSA has the kty OKP"},
    {"{\"keys\":[{\"alg\":\"HS256\",\"alg\":\"HS256\"}]}", "a name stands twice"},
    {"{\"keys\":[{\"alg\":\"HS256\",\"kty\":\"oct\"}]}", "k is missing"},
    {"{\"keys\":[{\"alg\":\"HS256\",\"kty\":\"oct\",\"k\":[]}]}", "k must be a string"},
    {"{\"keys\":[{\"alg\":\"HS256\",\"kty\":\"oct\",\"k\":\"\"}]}", "k must be base64url"},
    {"{\"keys\":[{\"alg\":\"HS256\",\"kty\":\"oct\",\"k\":\"AyM1==\"}]}", "k must be base64url"},
    {"{\"keys\":[{\"alg\":\"HS256\",\"kty\":\"oct\",\"k\":\"A\\u0079M1\"}]}", "k must be base64url"},
    {"{\"keys\":[{\"alg\":\"HS256\",\"kty\":\"oct\",\"k\":\"AyM1\"}]}", "k has 3 bytes; HS256 needs 32 at least"},
    {"{\"keys\":[{\"alg\":\"RS256\",\"kty\":\"RSA\",\"e\":\"AQAB\"}]}", "n is missing"},
    {"{\"keys\":[{\"alg\":\"RS256\",\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}", "n has 17 bits"},
    {"{\"keys\":[{\"alg\":\"ES256\",\"kty\":\"EC\"}]}", "crv is missing"},
    {"{\"keys\":[{\"alg\":\"ES256\",\"kty\":\"EC\",\"crv\":\"P-384\"}]}", "a key whose alg is ES256 has the crv P-256"},
    {"{\"keys\":[{\"alg\":\"ES256\",\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQAB\",\"y\":\"AQAB\"}]}",
     "x has 3 bytes"},
    {"{\"keys\":[{\"alg\":\"EdDSA\",\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AQAB\"}]}",
     "crv must be Ed25519 or Ed448"},
    {"{\"keys\":[{\"alg\":\"EdDSA\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQAB\"}]}", "x has 3 bytes"},
    {"{\"keys\":[{\"alg\":\"EdDSA\",\"kty\":\"OKP\",\"crv\":\"Ed25519\"}]}", "x is missing"},
    {"{\"keys\":[{\"alg\":\"Ed25519\",\"kty\":\"OKP\"}]}", "crv is missing"},
    {"{\"keys\":[{\"alg\":\"Ed25519\",\"kty\":\"OKP\",\"crv\":\"Ed448\"}]}",
     "a key whose alg is Ed25519 has the crv Ed25519"},
    {"{\"keys\":[{\"alg\":\"Ed448\",\"kty\":\"OKP\",\"crv\":\"X448\"}]}",
     "a key whose alg is Ed448 has the crv Ed448"},
    {"{\"keys\":[{\"alg\":\"ed25519\",\"kty\":\"OKP\"}]}", "alg must be one of"},
};

START_TEST(bad_documents_are_refused)
{
    expect_refusal(documents[_i].text, documents[_i].part);
}
END_TEST

/* For these, a signature whose R is the neutral point and whose S is 0 verifies all there is to sign, or one of a few of it: y as 0, 1,
 * -1, the prime more, and of order eight, each with both signs of x. */
static const struct {
    const char *curve, *x;
} small_points[] = {
    {"Ed25519", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
    {"Ed25519", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA"},
    {"Ed25519", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
    {"Ed25519", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA"},
    {"Ed25519", "7P_______________________________________38"},
    {"Ed25519", "7P________________________________________8"},
    {"Ed25519", "7f_______________________________________38"},
    {"Ed25519", "7f________________________________________8"},
    {"Ed25519", "7v_______________________________________38"},
    {"Ed25519", "7v________________________________________8"},
    {"Ed25519", "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU"},
    {"Ed25519", "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_IU"},
    {"Ed25519", "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o"},
    {"Ed25519", "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA_o"},
    {"Ed448", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
    {"Ed448", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACA"},
    {"Ed448", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
    {"Ed448", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACA"},
    {"Ed448", "_v____________________________________7___________________________________8A"},
    {"Ed448", "_v____________________________________7___________________________________-A"},
    {"Ed448", "______________________________________7___________________________________8A"},
    {"Ed448", "______________________________________7___________________________________-A"},
    {"Ed448", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP____________________________________8A"},
    {"Ed448", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP____________________________________-A"},
};

START_TEST(points_of_small_order_are_refused)
{
    char text[512];

    snprintf(text, sizeof(text), "{\"keys\":[{\"alg\":\"EdDSA\",\"kty\":\"OKP\",\"crv\":\"%s\",\"x\":\"%s\"}]}",
             small_points[_i].curve, small_points[_i].x);
    expect_refusal(text, "x is a point of small order, for which anybody can sign");
}
END_TEST

/* Kind 3 is RS256, 9 is ES256, 0 is HS256, 12 is Ed25519: a good key and one thing too much. */
static const struct {
    int kind;
    const char *more, *part;
} additions[] = {
    {3, ",\"d\":\"AQAB\"", "d is a part of a private key"},
    {3, ",\"p\":\"AQAB\"", "p is a part of a private key"},
    {3, ",\"q\":\"AQAB\"", "q is a part of a private key"},
    {3, ",\"dp\":\"AQAB\"", "dp is a part of a private key"},
    {3, ",\"dq\":\"AQAB\"", "dq is a part of a private key"},
    {3, ",\"qi\":\"AQAB\"", "qi is a part of a private key"},
    {3, ",\"oth\":[]", "oth is a part of a private key"},
    {3, ",\"\\u0064\":\"AQAB\"", "d is a part of a private key"},
    {3, ",\"k\":\"AQAB\"", "k is the secret of a key of kty oct"},
    {9, ",\"d\":\"AQAB\"", "d is a part of a private key"},
    {12, ",\"d\":null", "d is a part of a private key"},
    {0, ",\"d\":\"AQAB\"", "d is a part of a private key"},
    {3, ",\"use\":\"ENC\"", "use is not sig"},
    {3, ",\"use\":\"enc\",\"d\":\"AQAB\"", "d is a part of a private key"},
    {3, ",\"use\":\"\"", "use is not sig"},
    {3, ",\"use\":[\"sig\"]", "use must be a string"},
    {3, ",\"key_ops\":[\"sign\"]", "key_ops does not list verify"},
    {3, ",\"key_ops\":[]", "key_ops does not list verify"},
    {3, ",\"key_ops\":[[\"verify\"]]", "key_ops does not list verify"},
    {3, ",\"key_ops\":\"verify\"", "key_ops must be a list"},
    {3, ",\"kid\":7", "kid must be a string"},
    {3, ",\"kid\":\"\"", "kid must have 1 to 256 bytes"},
};

START_TEST(additions_are_refused)
{
    char set[MAKER_JWK_SIZE * 4];
    int kind = additions[_i].kind;

    snprintf(set, sizeof(set), "{\"keys\":[\n{\"alg\":\"%s\",%s%s}]}", maker_kinds[kind].alg, members[kind],
             additions[_i].more);
    expect_refusal(set, additions[_i].part);
    expect_refusal(set, "keys.json:2:");
    expect_refusal(set, ": key 1: ");
}
END_TEST

/* Shapes of key sets that issuers publish; $ stands for the members of an RSA key, @ for those of one on P-256. How many
 * keys are taken and left out; or what is said when none is. */
static const struct {
    const char *keys;
    size_t taken, left_out;
    const char *refusal;
} published[] = {
    {"$,\"use\":\"sig\",\"alg\":\"RS256\",\"kid\":\"a\",\"x5t\":\"x\",\"x5c\":[\"MII+/=\"]", 1, 0, NULL},
    {"$,\"use\":\"sig\",\"alg\":\"RS256\",\"kid\":\"a=\"|"
     "$,\"use\":\"sig\",\"alg\":\"RS256\",\"kid\":\"b=\"",
     2, 0, NULL},
    {"@,\"alg\":\"ES256\",\"kid\":\"a\",\"ext\":true,\"key_ops\":[\"verify\"]", 1, 0, NULL},
    {"$,\"kid\":\"a\",\"alg\":\"RSA-OAEP\",\"use\":\"enc\",\"x5c\":[\"MII\"],\"x5t#S256\":\"x\"|"
     "$,\"kid\":\"b\",\"alg\":\"RS256\",\"use\":\"sig\",\"x5c\":[\"MII\"],\"x5t#S256\":\"x\"",
     1, 1, NULL},
    {"$,\"alg\":\"RS256\"|\"kty\":\"unknown\",\"use\":\"enc\"", 1, 1, NULL},
    {"$,\"alg\":\"RS256\",\"use\":\"enc\"", 0, 1, "keys.json:1:9: every key of the set is there to encrypt"},
    {"$,\"use\":\"sig\",\"kid\":\"a\",\"x5t\":\"a\",\"x5c\":[\"MII\"],"
     "\"issuer\":\"https://id.example/{tenantid}/v2.0\"",
     0, 0, "key 1: alg is missing"},
    {"$,\"use\":\"enc\"|$,\"kid\":\"a\"", 0, 0, "key 2: alg is missing"},
};

static void write_set(const char *shape, char *set, size_t size)
{
    size_t used = (size_t)snprintf(set, size, "{\"keys\":[{");

    for (; *shape && used < size; shape++)
        used += *shape == '$'   ? (size_t)snprintf(set + used, size - used, "%s", members[3])
                : *shape == '@' ? (size_t)snprintf(set + used, size - used, "%s", members[9])
                : *shape == '|' ? (size_t)snprintf(set + used, size - used, "},{")
                                : (size_t)snprintf(set + used, size - used, "%c", *shape);
    snprintf(set + used, size - used, "}]}");
}

START_TEST(published_sets_are_taken)
{
    char set[MAKER_JWK_SIZE * 4];
    struct failure failure;
    struct jwks *jwks;

    write_set(published[_i].keys, set, sizeof(set));
    if (published[_i].refusal) {
        expect_refusal(set, published[_i].refusal);
        return;
    }
    jwks = parse(set, &failure);
    ck_assert_msg(jwks != NULL, "%s: %s", set, failure.sentence);
    ck_assert_uint_eq(jwks->count, published[_i].taken);
    ck_assert_uint_eq(jwks->left_out, published[_i].left_out);
    jwks_free(jwks);
}
END_TEST

START_TEST(a_kid_belongs_to_one_key)
{
    char set[MAKER_JWK_SIZE * 4];
    struct failure failure;
    struct jwks *jwks;

    snprintf(set, sizeof(set),
             "{\"keys\":[{\"alg\":\"HS256\",%s,\"kid\":\"a\"},\n {\"alg\":\"ES256\",%s,\"kid\":\"\\u0061\"}]}",
             members[0], members[9]);
    expect_refusal(set, "keys.json:2:2: key 2: an earlier key has the same kid");
    snprintf(set, sizeof(set), "{\"keys\":[{\"alg\":\"HS256\",%s},{\"alg\":\"ES256\",%s}]}", members[0], members[9]);
    jwks = parse(set, &failure);
    ck_assert_ptr_nonnull(jwks);
    jwks_free(jwks);
}
END_TEST

START_TEST(the_bounds_of_a_kid)
{
    char set[MAKER_SET_SIZE], kid[JWKS_MAX_ID + 2];
    struct failure failure;
    struct jwks *jwks;

    memset(kid, 'k', sizeof(kid));
    kid[JWKS_MAX_ID] = '\0';
    jwks = parse(maker_set(&keys[0], kid, set), &failure);
    ck_assert_ptr_nonnull(jwks);
    jwks_free(jwks);
    kid[JWKS_MAX_ID] = 'k';
    kid[JWKS_MAX_ID + 1] = '\0';
    expect_refusal(maker_set(&keys[0], kid, set), "kid must have 1 to 256 bytes");
}
END_TEST

/* Each HMAC algorithm takes a secret as long as its hash, and none that is a byte shorter. */
START_TEST(short_secrets_are_refused)
{
    static const size_t least[] = {32, 48, 64};
    char set[MAKER_SET_SIZE], text[128], part[64];
    unsigned char secret[64] = {1, 2, 3};
    struct failure failure;
    struct jwks *jwks;

    maker_base64url(secret, least[_i], text);
    snprintf(set, sizeof(set), "{\"keys\":[{\"alg\":\"%s\",\"kty\":\"oct\",\"k\":\"%s\"}]}", maker_kinds[_i].alg, text);
    jwks = parse(set, &failure);
    ck_assert_ptr_nonnull(jwks);
    jwks_free(jwks);
    maker_base64url(secret, least[_i] - 1, text);
    snprintf(set, sizeof(set), "{\"keys\":[{\"alg\":\"%s\",\"kty\":\"oct\",\"k\":\"%s\"}]}", maker_kinds[_i].alg, text);
    snprintf(part, sizeof(part), "k has %zu bytes; %s needs %zu at least", least[_i] - 1, maker_kinds[_i].alg,
             least[_i]);
    expect_refusal(set, part);
}
END_TEST

START_TEST(weak_rsa_keys_are_refused)
{
    struct maker_key weak = {.kind = &maker_kinds[_i], .pkey = EVP_RSA_gen(1024)};
    char set[MAKER_SET_SIZE];

    ck_assert_ptr_nonnull(weak.pkey);
    expect_refusal(maker_set(&weak, NULL, set), "n has 1024 bits; an RSA key needs 2048 at least");
    EVP_PKEY_free(weak.pkey);
}
END_TEST

/* The exponent 1 makes every signature its own message; even ones, and huge ones, are no keys either. */
START_TEST(bad_exponents_are_refused)
{
    static const char *const exponents[] = {"AQ", "Ag", "AA", "AQAA", "AQAAAAAAAAAB"};
    char set[MAKER_SET_SIZE], n[1024];

    maker_number(keys[3].pkey, OSSL_PKEY_PARAM_RSA_N, 0, n);
    snprintf(set, sizeof(set), "{\"keys\":[{\"alg\":\"RS256\",\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}]}", n,
             exponents[_i]);
    expect_refusal(set, "e must be odd, 3 or more, and of 64 bits at most");
}
END_TEST

static void expect_bad_modulus(BIGNUM *number, const char *part)
{
    char set[MAKER_JWK_SIZE * 4], n[4096];
    unsigned char bytes[2048];

    maker_base64url(bytes, (size_t)BN_bn2bin(number, bytes), n);
    snprintf(set, sizeof(set), "{\"keys\":[{\"alg\":\"PS256\",\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}]}", n);
    expect_refusal(set, part);
    BN_free(number);
}

START_TEST(bad_moduli_are_refused)
{
    BIGNUM *even = BN_new(), *prime = BN_new(), *huge = BN_new();

    ck_assert(even && prime && huge);
    BN_set_bit(even, 2047);
    expect_bad_modulus(even, "n and e are no sound RSA key");
    ck_assert_int_eq(BN_generate_prime_ex(prime, 2048, 0, NULL, NULL, NULL), 1);
    expect_bad_modulus(prime, "n and e are no sound RSA key");
    BN_set_bit(huge, 8192);
    BN_set_bit(huge, 0);
    expect_bad_modulus(huge, "n has 8193 bits; at most 8192 are taken");
}
END_TEST

START_TEST(points_beside_the_curve_are_refused)
{
    char set[MAKER_SET_SIZE], x[128];

    maker_number(keys[_i].pkey, OSSL_PKEY_PARAM_EC_PUB_X, keys[_i].kind->half, x);
    snprintf(set, sizeof(set), "{\"keys\":[{\"alg\":\"%s\",\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"}]}",
             keys[_i].kind->alg, keys[_i].kind->crv, x, x);
    expect_refusal(set, "the point (x, y) does not lie on the curve");
    memset(x, 'A', keys[_i].kind->half * 4 / 3 + 1);
    x[(keys[_i].kind->half * 4 + 2) / 3] = '\0';
    snprintf(set, sizeof(set), "{\"keys\":[{\"alg\":\"%s\",\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"}]}",
             keys[_i].kind->alg, keys[_i].kind->crv, x, x);
    expect_refusal(set, "the point (x, y) does not lie on the curve");
}
END_TEST

START_TEST(too_many_keys_are_refused)
{
    static char set[JWKS_MAX_KEYS * 160];
    struct failure failure;
    struct jwks *jwks;
    size_t used = (size_t)snprintf(set, sizeof(set), "{\"keys\":["), end;

    for (int i = 0; i < JWKS_MAX_KEYS; i++)
        used +=
            (size_t)snprintf(set + used, sizeof(set) - used, "%s{\"alg\":\"HS256\",%s}", i > 0 ? "," : "", members[0]);
    end = used;
    snprintf(set + used, sizeof(set) - used, "]}");
    jwks = parse(set, &failure);
    ck_assert_ptr_nonnull(jwks);
    ck_assert_uint_eq(jwks->count, JWKS_MAX_KEYS);
    jwks_free(jwks);
    snprintf(set + end, sizeof(set) - end, ",{\"alg\":\"HS256\"}]}");
    expect_refusal(set, "key 129: a set may have 128 keys at most");
}
END_TEST

/* Nothing of a key is repeated in a complaint, wherever in the file it is wrong. */
START_TEST(secrets_are_not_told)
{
    static const char secret[] = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA";
    static const char *const forms[] = {"{\"keys\":[{\"alg\":\"HS256\",\"kty\":\"oct\",\"k\":\"%s=\"}]}",
                                        "{\"keys\":[{\"alg\":\"HS512\",\"kty\":\"oct\",\"k\":\"%s\"}]}",
                                        "{\"keys\":[{\"alg\":\"HS256\",\"kty\":\"oct\",\"k\":\"%s\"]}",
                                        "{\"keys\":[{\"alg\":\"HS256\",\"kty\":\"oct\",\"k\":\"%s\",\"use\":\"x\"}]}",
                                        "{\"keys\":[{\"alg\":\"%s\",\"kty\":\"oct\"}]}",
                                        "{\"keys\":[{\"alg\":\"HS256\",\"kty\":\"%s\"}]}",
                                        "{\"keys\":[{\"alg\":\"ES256\",\"kty\":\"EC\",\"crv\":\"%s\"}]}"};
    struct failure failure = {.code = EXIT_CODE_OK};
    char set[1024];

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(set, sizeof(set), forms[i], secret);
#pragma GCC diagnostic pop
        ck_assert_ptr_null(parse(set, &failure));
        ck_assert_msg(strstr(failure.sentence, "c2Vj") == NULL, "%s", failure.sentence);
    }
}
END_TEST

/* Any byte of a good set changed: taken or refused, never out of bounds (the sanitizers watch). */
START_TEST(damaged_sets_do_no_harm)
{
    char set[MAKER_SET_SIZE];
    size_t size = strlen(maker_set(&keys[9], "k", set));

    for (size_t i = 0; i < size; i++) {
        for (size_t step = 0; step < 8; step++) {
            struct failure failure;
            char before = set[i];

            set[i] = "\"\\{}[,\x80 "[step];
            jwks_free(parse(set, &failure));
            set[i] = before;
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("jwks");
    TCase *tcase = tcase_create("jwks");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 120);
    tcase_add_unchecked_fixture(tcase, make_keys, free_keys);
    tcase_add_loop_test(tcase, every_kind_is_taken, 0, MAKER_KINDS);
    tcase_add_test(tcase, all_kinds_together);
    tcase_add_loop_test(tcase, bad_documents_are_refused, 0, sizeof(documents) / sizeof(documents[0]));
    tcase_add_loop_test(tcase, points_of_small_order_are_refused, 0, sizeof(small_points) / sizeof(small_points[0]));
    tcase_add_loop_test(tcase, additions_are_refused, 0, sizeof(additions) / sizeof(additions[0]));
    tcase_add_loop_test(tcase, published_sets_are_taken, 0, sizeof(published) / sizeof(published[0]));
    tcase_add_test(tcase, a_kid_belongs_to_one_key);
    tcase_add_test(tcase, the_bounds_of_a_kid);
    tcase_add_loop_test(tcase, short_secrets_are_refused, 0, 3);
    tcase_add_loop_test(tcase, weak_rsa_keys_are_refused, 3, 9);
    tcase_add_loop_test(tcase, bad_exponents_are_refused, 0, 5);
    tcase_add_test(tcase, bad_moduli_are_refused);
    tcase_add_loop_test(tcase, points_beside_the_curve_are_refused, 9, 12);
    tcase_add_test(tcase, too_many_keys_are_refused);
    tcase_add_test(tcase, secrets_are_not_told);
    tcase_add_test(tcase, damaged_sets_do_no_harm);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
