/* SPDX-License-Identifier: MPL-2.0
 *
 * Tokens against keys: the examples of RFC 7515 (appendix A) and RFC 8037 (A.4, A.5), every algorithm with keys made
 * here, and each attack that a verifier is known to fall for.
 */
#include "policy/jwt.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "tests/policy/jwt_maker.h"

#define NOW_S 1700000000 /* when tests take place */
#define S     INT64_C(1000000)

static struct maker_key keys[MAKER_KINDS], others[MAKER_KINDS];
static struct jwks *sets[MAKER_KINDS]; /* each key alone, without kid */

static struct jwks *parse(const char *text)
{
    struct failure failure = {.code = EXIT_CODE_OK};
    struct jwks *jwks = jwks_parse("keys.json", slice_of(text), &failure);

    ck_assert_msg(jwks != NULL, "%s", failure.sentence);
    return jwks;
}

static void make_keys(void)
{
    char set[MAKER_SET_SIZE];

    for (int i = 0; i < MAKER_KINDS; i++) {
        keys[i] = maker_key(&maker_kinds[i]);
        others[i] = maker_key(&maker_kinds[i]);
        others[i].secret[0] ^= 1;
        sets[i] = parse(maker_set(&keys[i], NULL, set));
    }
}

static void free_keys(void)
{
    for (int i = 0; i < MAKER_KINDS; i++) {
        EVP_PKEY_free(keys[i].pkey);
        EVP_PKEY_free(others[i].pkey);
        jwks_free(sets[i]);
    }
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

/* Opens a copy of TOKEN of its very size, so that the sanitizers see a read behind its end. */
static enum jwt_fault open_only(struct slice token, const struct jwks *jwks)
{
    char *copy = malloc(token.size > 0 ? token.size : 1);
    struct jwt jwt;
    enum jwt_fault fault;

    ck_assert_ptr_nonnull(copy);
    if (token.size > 0)
        memcpy(copy, token.data, token.size);
    fault = jwt_open((struct slice){copy, token.size}, jwks, &jwt);
    ck_assert((jwt.key != NULL) == (fault == JWT_GOOD));
    jwt_close(&jwt);
    free(copy);
    return fault;
}

static enum jwt_fault verify(struct slice token, const struct jwks *jwks, const struct jwt_rules *rules, int64_t now_us)
{
    static const struct jwt_rules none = {.leeway_us = 60 * S};
    struct claims *claims = NULL;
    struct jwt_span span;
    struct jwt jwt;
    enum jwt_fault fault = jwt_open(token, jwks, &jwt);

    if (fault == JWT_GOOD)
        fault = jwt_check(&jwt, rules ? rules : &none, now_us, &claims, &span);
    ck_assert((claims != NULL) == (fault == JWT_GOOD));
    claims_free(claims);
    jwt_close(&jwt);
    return fault;
}

#define EXPECT(call, wanted) expect(call, wanted, __LINE__)

static void expect(enum jwt_fault got, enum jwt_fault wanted, int line)
{
    ck_assert_msg(got == wanted, "line %d: got \"%s\", wanted \"%s\"", line, jwt_faults[got].name,
                  jwt_faults[wanted].name);
}

/* A token of KIND with the payload {"sub":"x","exp":2000000000}. */
static struct slice good_token(int kind, char out[MAKER_TOKEN_SIZE])
{
    char header[64];

    snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", maker_kinds[kind].alg);
    return maker_token(&keys[kind], header, "{\"sub\":\"x\",\"exp\":2000000000}", out);
}

/* ---- the examples of the RFCs ------------------------------------------------------------------------------------ */

#define JOE "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

static const struct {
    const char *name, *key, *token, *payload;
} examples[] = {
    {"RFC 7515 A.1",
     "{\"keys\":[{\"alg\":\"HS256\",\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-"
     "1qS0gZH75aKtMN3Yj0i"
     "PS4hcgUuTwjAzZr1Z9CAow\"}]}",
     "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." JOE ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
     "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"},
    {"RFC 7515 A.2",
     "{\"keys\":[{\"alg\":\"RS256\",\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_"
     "wWJcyQoTbji9k0l8W26mPddxHmfHQp-V"
     "aw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-"
     "bSf63kpaSHSXndS5"
     "z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-"
     "DWNmoudF8NAco"
     "9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}]}",
     "eyJhbGciOiJSUzI1NiJ9." JOE
     ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t"
     "1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--"
     "xi12jzD"
     "wusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_"
     "IoypGlUPQGe77"
     "Rw",
     "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"},
    {"RFC 7515 A.3",
     "{\"keys\":[{\"alg\":\"ES256\",\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
     "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
     "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}",
     "eyJhbGciOiJFUzI1NiJ9." JOE
     ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
     "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"},
    {"RFC 7515 A.4",
     "{\"keys\":[{\"alg\":\"ES512\",\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":"
     "\"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EO"
     "nYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk\",\"y\":\"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-"
     "x3S1WDhjDly79ajL4Kkd0A"
     "ZMaZmh9ubmf63e3kyMj2\"}]}",
     "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-"
     "KGDKB34XO0a"
     "w_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
     "Payload"},
    {"RFC 8037 A.4, A.5",
     "{\"keys\":[{\"alg\":\"EdDSA\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"
     "7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}",
     "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-"
     "09PGcvMg3AIbQR6dWbhijcNR4ki4i"
     "ylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
     "Example of Ed25519 signing"},
};
#define EXAMPLES ((int)(sizeof(examples) / sizeof(examples[0])))

START_TEST(examples_verify)
{
    struct jwks *jwks = parse(examples[_i].key);
    bool is_claims = examples[_i].payload[0] == '{';
    struct jwt jwt;

    EXPECT(jwt_open(slice_of(examples[_i].token), jwks, &jwt), JWT_GOOD);
    ck_assert(slice_equal(jwt.payload, slice_of(examples[_i].payload)));
    jwt_close(&jwt);
    EXPECT(verify(slice_of(examples[_i].token), jwks, NULL, 1300819379 * S), is_claims ? JWT_GOOD : JWT_payload);
    EXPECT(verify(slice_of(examples[_i].token), jwks, NULL, NOW_S * S), is_claims ? JWT_expired : JWT_payload);
    jwks_free(jwks);
}
END_TEST

/* Any letter of an example changed to its neighbour in the alphabet: refused. */
START_TEST(changed_examples_are_refused)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    struct jwks *jwks = parse(examples[_i].key);
    struct slice token = slice_of(examples[_i].token);
    char changed[4096];

    for (size_t i = 0; i < token.size; i++) {
        memcpy(changed, token.data, token.size);
        changed[i] = token.data[i] == '.' ? 'A' : digits[(strchr(digits, token.data[i]) - digits + 1) % 64];
        ck_assert_msg(open_only((struct slice){changed, token.size}, jwks) != JWT_GOOD, "letter %zu", i);
    }
    jwks_free(jwks);
}
END_TEST

/* RFC 7515 A.5, against every key. */
START_TEST(the_unsecured_example_is_refused)
{
    EXPECT(open_only(SLICE("eyJhbGciOiJub25lIn0." JOE "."), sets[_i]), JWT_malformed);
    EXPECT(open_only(SLICE("eyJhbGciOiJub25lIn0." JOE ".AA"), sets[_i]), JWT_algorithm);
}
END_TEST

/* ---- every algorithm --------------------------------------------------------------------------------------------- */

START_TEST(every_algorithm_verifies)
{
    char token[MAKER_TOKEN_SIZE];

    EXPECT(verify(good_token(_i, token), sets[_i], NULL, NOW_S * S), JWT_GOOD);
}
END_TEST

START_TEST(another_key_does_not_verify)
{
    char token[MAKER_TOKEN_SIZE], header[64];

    snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", maker_kinds[_i].alg);
    EXPECT(open_only(maker_token(&others[_i], header, "{}", token), sets[_i]), JWT_signature);
}
END_TEST

/* A good token of each kind, with each kind's algorithm in its header, against each kind's key. */
START_TEST(no_algorithm_stands_for_another)
{
    char token[MAKER_TOKEN_SIZE], header[64];

    for (int named = 0; named < MAKER_KINDS; named++) {
        snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", maker_kinds[named].alg);
        for (int key = 0; key < MAKER_KINDS; key++) {
            enum jwt_fault fault = open_only(maker_token(&keys[_i], header, "{}", token), sets[key]);
            bool is_same = strcmp(maker_kinds[named].alg, maker_kinds[key].alg) == 0;

            if (key == _i && is_same)
                EXPECT(fault, JWT_GOOD);
            else
                EXPECT(fault, (is_same ? JWT_signature : JWT_algorithm));
        }
    }
}
END_TEST

/* Each bit of a signature counts, and so does each byte that is missing or too much. */
START_TEST(changed_signatures_are_refused)
{
    unsigned char signature[2048];
    char token[MAKER_TOKEN_SIZE], header[64];
    size_t used, size;

    snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", maker_kinds[_i].alg);
    used = maker_input(slice_of(header), SLICE("{}"), token);
    size = maker_sign(&keys[_i], (struct slice){token, used}, (struct maker_way){.as_der = false}, signature);
    EXPECT(open_only(maker_append(token, used, signature, size), sets[_i]), JWT_GOOD);
    for (size_t i = 0; i < size; i += size / 16) {
        signature[i] ^= 0x10;
        EXPECT(open_only(maker_append(token, used, signature, size), sets[_i]), JWT_signature);
        signature[i] ^= 0x10;
    }
    signature[size] = 0;
    EXPECT(open_only(maker_append(token, used, signature, size + 1), sets[_i]), JWT_signature);
    EXPECT(open_only(maker_append(token, used, signature, size - 1), sets[_i]), JWT_signature);
    EXPECT(open_only(maker_append(token, used, signature, 1), sets[_i]), JWT_signature);
    memset(signature, 0, sizeof(signature));
    EXPECT(open_only(maker_append(token, used, signature, size), sets[_i]), JWT_signature);
    memset(signature, 0xFF, sizeof(signature));
    EXPECT(open_only(maker_append(token, used, signature, size), sets[_i]), JWT_signature);
    EXPECT(open_only(maker_append(token, used, signature, 2000), sets[_i]), JWT_signature);
}
END_TEST

/* ---- attacks on signatures --------------------------------------------------------------------------------------- */

/* The public RSA key as the secret of HS256: as PEM, as DER, and as the n of its JWK. */
START_TEST(a_public_key_is_no_secret)
{
    char input[MAKER_TOKEN_SIZE], n[1024];
    unsigned char mac[EVP_MAX_MD_SIZE], *der = NULL, pem[2048];
    size_t used = maker_input(SLICE("{\"alg\":\"HS256\"}"), SLICE("{\"sub\":\"admin\",\"exp\":2000000000}"), input);
    int der_size = i2d_PUBKEY(keys[_i].pkey, &der), pem_size;
    BIO *bio = BIO_new(BIO_s_mem());
    const struct {
        const void *bytes;
        int size;
    } secrets[] = {{pem, 0}, {der, der_size}, {n, 0}};

    ck_assert(der_size > 0 && bio && PEM_write_bio_PUBKEY(bio, keys[_i].pkey));
    pem_size = BIO_read(bio, pem, sizeof(pem));
    maker_number(keys[_i].pkey, OSSL_PKEY_PARAM_RSA_N, 0, n);
    for (size_t i = 0; i < 3; i++) {
        int size = i == 0 ? pem_size : i == 1 ? der_size : (int)strlen(n);
        unsigned mac_size = 0;

        ck_assert_ptr_nonnull(HMAC(EVP_sha256(), secrets[i].bytes, size, (unsigned char *)input, used, mac, &mac_size));
        EXPECT(open_only(maker_append(input, used, mac, mac_size), sets[_i]), JWT_algorithm);
    }
    BIO_free(bio);
    OPENSSL_free(der);
}
END_TEST

static const char *const nones[] = {"none",  "None",       "NONE", "nOnE", "noNe",   "NoNe",  "nonE",   "none ",
                                    " none", "no\\u006ee", "",     "null", "HS256 ", "hs256", "HS-256", "HS256,RS256"};

START_TEST(no_algorithm_is_no_way_in)
{
    char token[MAKER_TOKEN_SIZE], header[128];

    snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", nones[_i]);
    for (int i = 0; i < MAKER_KINDS; i++) {
        size_t used = maker_input(slice_of(header), SLICE("{\"exp\":2000000000}"), token);

        EXPECT(open_only(maker_append(token, used, "", 0), sets[i]), JWT_malformed);
        EXPECT(open_only(maker_append(token, used, "x", 1), sets[i]), JWT_algorithm);
        EXPECT(open_only(maker_token(&keys[i], header, "{\"exp\":2000000000}", token), sets[i]), JWT_algorithm);
    }
}
END_TEST

/* r = 0 or s = 0, and both as the order of the curve: the signatures of CVE-2022-21449. */
START_TEST(empty_ecdsa_signatures_are_refused)
{
    unsigned char order[66 * 2] = {0}, signature[66 * 2] = {0};
    char token[MAKER_TOKEN_SIZE], header[64];
    size_t half = maker_kinds[_i].half, used;
    EC_GROUP *group = EC_GROUP_new_by_curve_name(EC_curve_nist2nid(maker_kinds[_i].crv));

    ck_assert_ptr_nonnull(group);
    ck_assert_int_eq(BN_bn2binpad(EC_GROUP_get0_order(group), order, (int)half), (int)half);
    memcpy(order + half, order, half);
    EC_GROUP_free(group);
    snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", maker_kinds[_i].alg);
    used = maker_input(slice_of(header), SLICE("{}"), token);
    EXPECT(open_only(maker_append(token, used, signature, 2 * half), sets[_i]), JWT_signature);
    signature[half - 1] = 1;
    EXPECT(open_only(maker_append(token, used, signature, 2 * half), sets[_i]), JWT_signature);
    signature[half - 1] = 0;
    signature[2 * half - 1] = 1;
    EXPECT(open_only(maker_append(token, used, signature, 2 * half), sets[_i]), JWT_signature);
    EXPECT(open_only(maker_append(token, used, order, 2 * half), sets[_i]), JWT_signature);
}
END_TEST

START_TEST(ecdsa_signatures_in_der_are_refused)
{
    char token[MAKER_TOKEN_SIZE], header[64];

    snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", maker_kinds[_i].alg);
    EXPECT(
        open_only(maker_token_way(&keys[_i], header, SLICE("{}"), (struct maker_way){.as_der = true}, token), sets[_i]),
        JWT_signature);
}
END_TEST

START_TEST(pss_salts_have_one_length)
{
    static const int lengths[] = {-1, 1, 20, 31, 33, 47, 49, 63, 65, 100};
    char token[MAKER_TOKEN_SIZE], header[64];

    snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", maker_kinds[_i].alg);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct maker_way way = {.salt_length = lengths[i]};

        EXPECT(open_only(maker_token_way(&keys[_i], header, SLICE("{}"), way, token), sets[_i]), JWT_signature);
    }
}
END_TEST

/* One of 256 signatures begins with a zero; without it the number is the same, and the signature is not (RFC 8017 8.1.2, 8.2.2). */
START_TEST(rsa_signatures_are_as_long_as_the_modulus)
{
    unsigned char signature[2048];
    char token[MAKER_TOKEN_SIZE], header[64];
    size_t used, size;
    int number = 0;

    do {
        snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"x\":%d}", maker_kinds[_i].alg, number++);
        used = maker_input(slice_of(header), SLICE("{}"), token);
        size = maker_sign(&keys[_i], (struct slice){token, used}, (struct maker_way){.as_der = false}, signature);
    } while (signature[0] != 0);
    EXPECT(open_only(maker_append(token, used, signature, size), sets[_i]), JWT_GOOD);
    EXPECT(open_only(maker_append(token, used, signature + 1, size - 1), sets[_i]), JWT_signature);
}
END_TEST

/* ---- headers ----------------------------------------------------------------------------------------------------- */

static const struct {
    const char *header;
    enum jwt_fault fault;
} headers[] = {
    {"{\"alg\":\"HS256\"}", JWT_GOOD},
    {"{\"alg\":\"HS256\",\"typ\":\"JWT\"}", JWT_GOOD},
    {"{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", JWT_GOOD},
    {"{\"typ\":\"application/at+jwt\",\"alg\":\"HS256\",\"cty\":\"x\"}", JWT_GOOD},
    {" {\"alg\"\n:\"HS256\"} ", JWT_GOOD},
    {"{\"al\\u0067\":\"HS\\u0032\\u00356\"}", JWT_GOOD},
    {"{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", JWT_critical},
    {"{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", JWT_critical},
    {"{\"alg\":\"HS256\",\"crit\":[]}", JWT_critical},
    {"{\"alg\":\"HS256\",\"crit\":null}", JWT_critical},
    {"{\"alg\":\"HS256\",\"cri\\u0074\":[\"x\"]}", JWT_critical},
    {"{\"alg\":\"HS256\",\"alg\":\"HS256\"}", JWT_header},
    {"{\"alg\":\"none\",\"alg\":\"HS256\"}", JWT_header},
    {"{\"alg\":\"HS256\",\"al\\u0067\":\"none\"}", JWT_header},
    {"{\"alg\":\"HS256\",\"jwk\":{\"a\":1,\"a\":2}}", JWT_header},
    {"{\"alg\":256}", JWT_header},
    {"{\"alg\":null}", JWT_header},
    {"{\"alg\":[\"HS256\"]}", JWT_header},
    {"{\"alg\":{\"x\":\"HS256\"}}", JWT_header},
    {"{\"ALG\":\"HS256\"}", JWT_header},
    {"{}", JWT_header},
    {"[]", JWT_header},
    {"[{\"alg\":\"HS256\"}]", JWT_header},
    {"\"alg\"", JWT_header},
    {"null", JWT_header},
    {"{\"alg\":\"HS256\"", JWT_header},
    {"{\"alg\":\"HS256\"}}", JWT_header},
    {"{\"alg\":\"HS256\"}{\"alg\":\"HS256\"}", JWT_header},
    {"{\"alg\":\"HS256\",}", JWT_header},
    {"{'alg':'HS256'}", JWT_header},
    {"{\"alg\":\"HS256\\u0000\"}", JWT_header},
    {"\xEF\xBB\xBF{\"alg\":\"HS256\"}", JWT_header},
    {"{\"alg\":\"HS256\",\"x\":\"\xFF\"}", JWT_header},
    {"{\"alg\":\"HS256\",\"kid\":7}", JWT_header},
    {"{\"alg\":\"HS256\",\"kid\":null}", JWT_header},
    {"{\"alg\":\"HS256\",\"kid\":[\"a\"]}", JWT_header},
    {"{\"alg\":\"HS256\",\"kid\":\"a\"}", JWT_key},
    {"{\"alg\":\"HS256\",\"kid\":\"\"}", JWT_key},
    {"{\"alg\":\"HS256\",\"jku\":\"http://127.0.0.1:1/\",\"x5u\":\"http://127.0.0.1:1/\"}", JWT_GOOD},
};

START_TEST(headers_are_read_strictly)
{
    char token[MAKER_TOKEN_SIZE];

    EXPECT(verify(maker_token(&keys[0], headers[_i].header, "{\"exp\":2000000000}", token), sets[0], NULL, NOW_S * S),
           headers[_i].fault);
}
END_TEST

/* A key that the token brings along verifies nothing. */
START_TEST(embedded_keys_do_not_count)
{
    char header[MAKER_JWK_SIZE * 2], members[MAKER_JWK_SIZE], token[MAKER_TOKEN_SIZE];

    snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"jwk\":{%s}}", maker_kinds[_i].alg,
             maker_members(&others[_i], members));
    EXPECT(open_only(maker_token(&others[_i], header, "{}", token), sets[_i]), JWT_signature);
}
END_TEST

/* ---- choosing a key ---------------------------------------------------------------------------------------------- */

#define HOSTILE "../../../../dev/null"

/* Four keys: kid a is HS256, b is another HS256, the path is ES256, and one HS256 has no kid. */
static struct jwks *make_mixed_set(void)
{
    static char set[MAKER_JWK_SIZE * 4];
    char members[4][MAKER_JWK_SIZE];
    struct maker_key third = keys[0];

    third.secret[1] ^= 1;
    snprintf(set, sizeof(set),
             "{\"keys\":[{\"alg\":\"HS256\",%s,\"kid\":\"a\"},{\"alg\":\"HS256\",%s,\"kid\":\"b\"},"
             "{\"alg\":\"ES256\",%s,\"kid\":\"" HOSTILE "\"},{\"alg\":\"HS256\",%s}]}",
             maker_members(&keys[0], members[0]), maker_members(&others[0], members[1]),
             maker_members(&keys[9], members[2]), maker_members(&third, members[3]));
    return parse(set);
}

static const struct {
    const char *header;
    bool by_other; /* signed with b's key, else with a's */
    enum jwt_fault fault;
} choices[] = {
    {"{\"alg\":\"HS256\",\"kid\":\"a\"}", false, JWT_GOOD},
    {"{\"alg\":\"HS256\",\"kid\":\"\\u0061\"}", false, JWT_GOOD},
    {"{\"alg\":\"HS256\",\"kid\":\"a\"}", true, JWT_signature},
    {"{\"alg\":\"HS256\",\"kid\":\"b\"}", true, JWT_GOOD},
    {"{\"alg\":\"HS256\",\"kid\":\"b\"}", false, JWT_signature},
    {"{\"alg\":\"HS256\"}", false, JWT_GOOD},
    {"{\"alg\":\"HS256\"}", true, JWT_GOOD},
    {"{\"alg\":\"HS384\"}", false, JWT_algorithm},
    {"{\"alg\":\"HS256\",\"kid\":\"A\"}", false, JWT_key},
    {"{\"alg\":\"HS256\",\"kid\":\"a \"}", false, JWT_key},
    {"{\"alg\":\"HS256\",\"kid\":\"ab\"}", false, JWT_key},
    {"{\"alg\":\"HS256\",\"kid\":\"\"}", false, JWT_key},
    {"{\"alg\":\"HS256\",\"kid\":\"' OR '1'='1\"}", false, JWT_key},
    {"{\"alg\":\"HS256\",\"kid\":\"a' UNION SELECT 'x\"}", false, JWT_key},
    {"{\"alg\":\"HS256\",\"kid\":\"/dev/null\"}", false, JWT_key},
    {"{\"alg\":\"HS256\",\"kid\":\"%s%n\"}", false, JWT_key},
    {"{\"alg\":\"HS256\",\"kid\":\"a|ls\"}", false, JWT_key},
    {"{\"alg\":\"HS256\",\"kid\":\"" HOSTILE "\"}", false, JWT_algorithm},
    {"{\"alg\":\"ES256\",\"kid\":\"a\"}", false, JWT_algorithm},
    {"{\"alg\":\"none\",\"kid\":\"a\"}", false, JWT_algorithm},
};

START_TEST(the_kid_chooses_the_key)
{
    char token[MAKER_TOKEN_SIZE];
    struct jwks *jwks = make_mixed_set();

    EXPECT(open_only(maker_token(choices[_i].by_other ? &others[0] : &keys[0], choices[_i].header, "{}", token), jwks),
           choices[_i].fault);
    jwks_free(jwks);
}
END_TEST

START_TEST(any_text_may_be_a_kid)
{
    char token[MAKER_TOKEN_SIZE];
    struct jwks *jwks = make_mixed_set();

    EXPECT(open_only(maker_token(&keys[9], "{\"alg\":\"ES256\",\"kid\":\"" HOSTILE "\"}", "{}", token), jwks),
           JWT_GOOD);
    jwks_free(jwks);
}
END_TEST

/* Without a kid, JWT_MAX_TRIED keys are tried, the last one, too; with one key more, none. */
START_TEST(the_keys_that_are_tried_are_bounded)
{
    static char set[MAKER_JWK_SIZE * 2];
    char members[MAKER_JWK_SIZE], token[MAKER_TOKEN_SIZE];

    for (int count = JWT_MAX_TRIED; count <= JWT_MAX_TRIED + 1; count++) {
        size_t used = (size_t)snprintf(set, sizeof(set), "{\"keys\":[");
        struct maker_key key = keys[0];
        struct jwks *jwks;

        for (int i = 0; i < count; i++) {
            key.secret[2] = (unsigned char)i;
            used += (size_t)snprintf(set + used, sizeof(set) - used, "%s{\"alg\":\"HS256\",\"kid\":\"%d\",%s}",
                                     i > 0 ? "," : "", i, maker_members(&key, members));
        }
        snprintf(set + used, sizeof(set) - used, "]}");
        jwks = parse(set);
        EXPECT(open_only(maker_token(&key, "{\"alg\":\"HS256\"}", "{}", token), jwks),
               (count == JWT_MAX_TRIED ? JWT_GOOD : JWT_ambiguous));
        EXPECT(open_only(maker_token(&key, "{\"alg\":\"HS256\",\"kid\":\"7\"}", "{}", token), jwks),
               (count == JWT_MAX_TRIED ? JWT_GOOD : JWT_signature));
        jwks_free(jwks);
    }
}
END_TEST

/* ---- form -------------------------------------------------------------------------------------------------------- */

#define HEADER  "eyJhbGciOiJIUzI1NiJ9" /* {"alg":"HS256"} */
#define PAYLOAD "eyJhIjoieCJ9"         /* {"a":"x"} */
#define MAC     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static const struct {
    const char *token;
    enum jwt_fault fault;
} forms[] = {
    {HEADER "." PAYLOAD "." MAC, JWT_signature},
    {"", JWT_malformed},
    {".", JWT_malformed},
    {"..", JWT_malformed},
    {"...", JWT_malformed},
    {HEADER "." PAYLOAD, JWT_malformed},
    {HEADER "." PAYLOAD ".", JWT_malformed},
    {"." PAYLOAD "." MAC, JWT_malformed},
    {HEADER ".." MAC, JWT_malformed},
    {HEADER "." PAYLOAD "." MAC ".", JWT_malformed},
    {"." HEADER "." PAYLOAD "." MAC, JWT_malformed},
    {HEADER "." PAYLOAD "." MAC "." MAC "." MAC, JWT_malformed}, /* a JWE has five parts */
    {HEADER "!!." PAYLOAD "." MAC, JWT_malformed},
    {HEADER ".!!" PAYLOAD "." MAC, JWT_malformed},
    {HEADER "." PAYLOAD "." MAC "!!", JWT_malformed},
    {HEADER "." PAYLOAD "." MAC "=", JWT_malformed},
    {HEADER "=." PAYLOAD "." MAC, JWT_malformed},
    {HEADER "." PAYLOAD "==." MAC, JWT_malformed},
    {HEADER "." PAYLOAD ".AAA+", JWT_malformed},
    {HEADER "." PAYLOAD ".AAA/", JWT_malformed},
    {HEADER "." PAYLOAD "." MAC " ", JWT_malformed},
    {" " HEADER "." PAYLOAD "." MAC, JWT_malformed},
    {HEADER "." PAYLOAD "." MAC "\n", JWT_malformed},
    {HEADER "\n." PAYLOAD "." MAC, JWT_malformed},
    {HEADER "." PAYLOAD "." MAC ", x", JWT_malformed},
    {HEADER "." PAYLOAD "." MAC "\xC3\xA9", JWT_malformed},
    {HEADER "." PAYLOAD ".A", JWT_malformed}, /* a length that no bytes have */
    {HEADER "." PAYLOAD "AAAA.A", JWT_malformed},
    {"A." PAYLOAD "." MAC, JWT_malformed},
    {HEADER "." PAYLOAD ".AB", JWT_malformed}, /* left-over bits */
    {HEADER ".e31." MAC, JWT_malformed},
    {"e31." PAYLOAD "." MAC, JWT_malformed},
    {"AAAA.AAAA.AAAA", JWT_header},
};

START_TEST(forms_are_checked)
{
    EXPECT(open_only(slice_of(forms[_i].token), sets[0]), forms[_i].fault);
}
END_TEST

/* 9 MB, as a whole, or any part of it; and the longest token that is taken. */
START_TEST(sizes_are_bounded)
{
    const size_t huge = 9000000;
    char *token = malloc(huge), *payload = malloc(huge);
    struct slice made;

    ck_assert(token && payload);
    memset(token, 'A', huge);
    EXPECT(open_only((struct slice){token, huge}, sets[0]), JWT_too_long);
    token[20] = token[40] = '.';
    EXPECT(open_only((struct slice){token, huge}, sets[0]), JWT_too_long);
    EXPECT(open_only((struct slice){token, JWT_SHAPE_MAX_SIZE + 1}, sets[0]), JWT_too_long);
    memset(token, '.', huge);
    EXPECT(open_only((struct slice){token, huge}, sets[0]), JWT_too_long);
    memset(payload, 'x', huge);
    for (size_t size = 6000; size < 6200; size++) {
        memcpy(payload, "{\"exp\":2000000000,\"a\":\"", 23);
        snprintf(payload + size - 2, 3, "\"}");
        made = maker_token_way(&keys[0], "{\"alg\":\"HS256\"}", (struct slice){payload, size},
                               (struct maker_way){.as_der = false}, token);
        EXPECT(verify(made, sets[0], NULL, NOW_S * S), (made.size <= JWT_SHAPE_MAX_SIZE ? JWT_GOOD : JWT_too_long));
        payload[size - 2] = payload[size - 1] = payload[size] = 'x';
    }
    free(token);
    free(payload);
}
END_TEST

/* Any byte of a good token changed to any other: refused, never out of bounds (the sanitizers watch). */
START_TEST(damaged_tokens_are_refused)
{
    char token[MAKER_TOKEN_SIZE];
    struct slice made = good_token(0, token);

    for (size_t i = 0; i < made.size; i++) {
        char before = token[i];

        for (int byte = 0; byte < 256; byte++) {
            token[i] = (char)byte;
            if (token[i] != before)
                ck_assert_msg(open_only(made, sets[0]) != JWT_GOOD, "byte %zu as %d", i, byte);
        }
        token[i] = before;
    }
}
END_TEST

/* ---- payloads ---------------------------------------------------------------------------------------------------- */

#define LATER ",\"exp\":2000000000}"

static const struct {
    const char *payload;
    enum jwt_fault fault;
} payloads[] = {
    {"{\"exp\":1700000001}", JWT_GOOD},
    {"{\"exp\":1699999941}", JWT_GOOD}, /* the leeway is 60 s */
    {"{\"exp\":1699999940}", JWT_expired},
    {"{\"exp\":1699999940.000001}", JWT_GOOD},
    {"{\"exp\":1699999940.0000000}", JWT_expired},
    {"{\"exp\":1699999940.00000199999}", JWT_GOOD},
    {"{\"exp\":1.7e9}", JWT_GOOD},
    {"{\"exp\":1.7000000001e9}", JWT_GOOD},
    {"{\"exp\":1.6999999401E9}", JWT_GOOD},
    {"{\"exp\":1.6999999400E9}", JWT_expired},
    {"{\"exp\":17E8}", JWT_GOOD},
    {"{\"exp\":0}", JWT_expired},
    {"{\"exp\":-1}", JWT_expired},
    {"{\"exp\":-0.0}", JWT_expired},
    {"{\"exp\":9007199254740993}", JWT_GOOD},
    {"{\"exp\":18446744073709551617}", JWT_GOOD},
    {"{\"exp\":1e400}", JWT_GOOD},
    {"{\"exp\":-1e400}", JWT_expired},
    {"{\"exp\":-99999999999999999999999999}", JWT_expired},
    {"{\"exp\":99999999999999999999999999999999999999999999999999999999.5}", JWT_GOOD},
    {"{\"exp\":1e-400}", JWT_time},
    {"{\"exp\":1.5e-6}", JWT_time},
    {"{\"exp\":\"2000000000\"}", JWT_time},
    {"{\"exp\":null}", JWT_time},
    {"{\"exp\":true}", JWT_time},
    {"{\"exp\":[2000000000]}", JWT_time},
    {"{\"exp\":{}}", JWT_time},
    {"{}", JWT_endless},
    {"{\"sub\":\"x\"}", JWT_endless},
    {"{\"EXP\":2000000000}", JWT_endless},
    {"{\"a\":{\"exp\":2000000000}}", JWT_endless},
    {"{\"e\\u0078p\":2000000000}", JWT_GOOD},
    {"{\"exp\":2000000000,\"exp\":2000000000}", JWT_payload},
    {"{\"exp\":2000000000,\"e\\u0078p\":1}", JWT_payload},
    {"{\"exp\":2000000000,\"a\":{\"b\":1,\"b\":2}}", JWT_payload},
    {"{\"exp\":02}", JWT_payload},
    {"{\"exp\":0x7fffffff}", JWT_payload},
    {"{\"exp\":2000000000}}", JWT_payload},
    {"{\"exp\":2000000000} {}", JWT_payload},
    {"{\"exp\":2000000000,\"a\":\"\xFF\"}", JWT_payload},
    {"[{\"exp\":2000000000}]", JWT_payload},
    {"\"exp\"", JWT_payload},
    {"2000000000", JWT_payload},
    {"exp", JWT_payload},
    {"{\"nbf\":1700000060" LATER, JWT_GOOD},
    {"{\"nbf\":1700000061" LATER, JWT_early},
    {"{\"nbf\":1700000060.000001" LATER, JWT_early},
    {"{\"nbf\":1e400" LATER, JWT_early},
    {"{\"nbf\":-1e400" LATER, JWT_GOOD},
    {"{\"nbf\":9223372036854775807" LATER, JWT_early},
    {"{\"nbf\":-9223372036854775808" LATER, JWT_GOOD},
    {"{\"nbf\":\"1\"" LATER, JWT_time},
    {"{\"nbf\":null" LATER, JWT_time},
    {"{\"iat\":1700000060" LATER, JWT_GOOD},
    {"{\"iat\":1700000061" LATER, JWT_early},
    {"{\"iat\":0" LATER, JWT_GOOD},
    {"{\"iat\":1e400" LATER, JWT_early},
    {"{\"iat\":\"now\"" LATER, JWT_time},
    {"{\"iat\":1,\"nbf\":1700000061" LATER, JWT_early},
    {"{\"iat\":1700000061,\"nbf\":1" LATER, JWT_early},
    {"{\"iss\":7,\"aud\":{}" LATER, JWT_GOOD}, /* nobody asks for them */
};

START_TEST(payloads_are_checked)
{
    char token[MAKER_TOKEN_SIZE];

    EXPECT(verify(maker_token(&keys[0], "{\"alg\":\"HS256\"}", payloads[_i].payload, token), sets[0], NULL, NOW_S * S),
           payloads[_i].fault);
}
END_TEST

static const struct {
    const char *members;
    enum jwt_fault fault;
} names[] = {
    {"\"iss\":\"https://id.example\",\"aud\":\"api\"", JWT_GOOD},
    {"\"iss\":\"https://id.example\",\"aud\":[\"api\"]", JWT_GOOD},
    {"\"iss\":\"https://id.example\",\"aud\":[\"x\",\"api\",7]", JWT_GOOD},
    {"\"iss\":\"https:\\/\\/id.example\",\"aud\":\"a\\u0070i\"", JWT_GOOD},
    {"\"iss\":\"https://id.example/\",\"aud\":\"api\"", JWT_issuer},
    {"\"iss\":\"https://ID.example\",\"aud\":\"api\"", JWT_issuer},
    {"\"iss\":\"https://id.example.evil\",\"aud\":\"api\"", JWT_issuer},
    {"\"iss\":\"\",\"aud\":\"api\"", JWT_issuer},
    {"\"iss\":[\"https://id.example\"],\"aud\":\"api\"", JWT_issuer},
    {"\"iss\":null,\"aud\":\"api\"", JWT_issuer},
    {"\"aud\":\"api\"", JWT_issuer},
    {"\"iss\":\"https://id.example\"", JWT_audience},
    {"\"iss\":\"https://id.example\",\"aud\":\"\"", JWT_audience},
    {"\"iss\":\"https://id.example\",\"aud\":\"API\"", JWT_audience},
    {"\"iss\":\"https://id.example\",\"aud\":\"api2\"", JWT_audience},
    {"\"iss\":\"https://id.example\",\"aud\":\"x api\"", JWT_audience},
    {"\"iss\":\"https://id.example\",\"aud\":[]", JWT_audience},
    {"\"iss\":\"https://id.example\",\"aud\":[[\"api\"]]", JWT_audience},
    {"\"iss\":\"https://id.example\",\"aud\":{\"api\":\"api\"}", JWT_audience},
    {"\"iss\":\"https://id.example\",\"aud\":null", JWT_audience},
    {"\"iss\":\"https://id.example\",\"aud\":7", JWT_audience},
};

START_TEST(issuer_and_audience_are_checked)
{
    struct jwt_rules rules = {.issuer = SLICE("https://id.example"), .audience = SLICE("api")};
    char token[MAKER_TOKEN_SIZE], payload[512];
    struct slice made;

    snprintf(payload, sizeof(payload), "{%s" LATER, names[_i].members);
    made = maker_token(&keys[0], "{\"alg\":\"HS256\"}", payload, token);
    EXPECT(verify(made, sets[0], &rules, NOW_S * S), names[_i].fault);
    EXPECT(verify(made, sets[0], NULL, NOW_S * S), JWT_GOOD);
}
END_TEST

START_TEST(the_span_is_told)
{
    const struct jwt_rules rules = {.leeway_us = 5 * S};
    char token[MAKER_TOKEN_SIZE];
    struct slice value;
    struct claims *claims;
    struct jwt_span span;
    struct jwt jwt;

    EXPECT(jwt_open(maker_token(&keys[0], "{\"alg\":\"HS256\"}",
                                "{\"org_id\":\"acme\",\"n\":7,\"iat\":5,\"nbf\":100.5,\"exp\":2000000000}", token),
                    sets[0], &jwt),
           JWT_GOOD);
    EXPECT(jwt_check(&jwt, &rules, NOW_S * S, &claims, &span), JWT_GOOD);
    ck_assert_int_eq(span.from_us, 95 * S + S / 2);
    ck_assert_int_eq(span.until_us, 2000000005 * S);
    ck_assert(claims_find(claims, SLICE("org_id"), &value) && slice_equal(value, SLICE("acme")));
    ck_assert(claims_find(claims, SLICE("n"), &value) && slice_equal(value, SLICE("7")));
    ck_assert(!claims_find(claims, SLICE("x"), &value));
    claims_free(claims);
    jwt_close(&jwt);
}
END_TEST

/* RFC 6750, section 3: what may stand in error_description. */
START_TEST(causes_fit_into_a_field)
{
    for (int i = JWT_GOOD + 1; i < JWT_FAULTS; i++) {
        ck_assert_msg(jwt_faults[i].name && jwt_faults[i].cause[0] && jwt_faults[i].sentence[0], "fault %d", i);
        for (const char *letter = jwt_faults[i].cause; *letter; letter++)
            ck_assert_msg(*letter >= 0x20 && *letter < 0x7f && *letter != '"' && *letter != '\\', "%s",
                          jwt_faults[i].cause);
    }
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))

int main(void)
{
    Suite *suite = suite_create("jwt");
    TCase *tcase = tcase_create("jwt");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 120);
    tcase_add_unchecked_fixture(tcase, make_keys, free_keys);
    tcase_add_loop_test(tcase, examples_verify, 0, EXAMPLES);
    tcase_add_loop_test(tcase, changed_examples_are_refused, 0, EXAMPLES);
    tcase_add_loop_test(tcase, the_unsecured_example_is_refused, 0, MAKER_KINDS);
    tcase_add_loop_test(tcase, every_algorithm_verifies, 0, MAKER_KINDS);
    tcase_add_loop_test(tcase, another_key_does_not_verify, 0, MAKER_KINDS);
    tcase_add_loop_test(tcase, no_algorithm_stands_for_another, 0, MAKER_KINDS);
    tcase_add_loop_test(tcase, changed_signatures_are_refused, 0, MAKER_KINDS);
    tcase_add_loop_test(tcase, a_public_key_is_no_secret, 3, 9);
    tcase_add_loop_test(tcase, no_algorithm_is_no_way_in, 0, COUNT(nones));
    tcase_add_loop_test(tcase, empty_ecdsa_signatures_are_refused, 9, 12);
    tcase_add_loop_test(tcase, ecdsa_signatures_in_der_are_refused, 9, 12);
    tcase_add_loop_test(tcase, pss_salts_have_one_length, 6, 9);
    tcase_add_loop_test(tcase, rsa_signatures_are_as_long_as_the_modulus, 3, 9);
    tcase_add_loop_test(tcase, headers_are_read_strictly, 0, COUNT(headers));
    tcase_add_loop_test(tcase, embedded_keys_do_not_count, 0, MAKER_KINDS);
    tcase_add_loop_test(tcase, the_kid_chooses_the_key, 0, COUNT(choices));
    tcase_add_test(tcase, any_text_may_be_a_kid);
    tcase_add_test(tcase, the_keys_that_are_tried_are_bounded);
    tcase_add_loop_test(tcase, forms_are_checked, 0, COUNT(forms));
    tcase_add_test(tcase, sizes_are_bounded);
    tcase_add_test(tcase, damaged_tokens_are_refused);
    tcase_add_loop_test(tcase, payloads_are_checked, 0, COUNT(payloads));
    tcase_add_loop_test(tcase, issuer_and_audience_are_checked, 0, COUNT(names));
    tcase_add_test(tcase, the_span_is_told);
    tcase_add_test(tcase, causes_fit_into_a_field);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
