/* SPDX-License-Identifier: MPL-2.0
 *
 * Key sets. A set that is taken holds keys that can be asked; one that is refused says why and names the file.
 */
#include "policy/jwks.h"
#include "tests/fuzz/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct failure failure = {0};
    struct slice text = entry_copy(data, size);
    struct jwks *keys = jwks_parse("keys.json", text, &failure);

    if (!keys)
        MUST(failure.code == EXIT_CODE_BAD_CONFIG && slice_has_prefix(slice_of(failure.sentence), SLICE("keys.json")));
    for (size_t i = 0; keys && i < keys->count; i++) {
        const struct jwks_key *key = &keys->keys[i];

        MUST(key->key.algorithm && !key->key.secret == (key->key.algorithm->family != JWT_ALGORITHM_HMAC));
        MUST(key->id ? key->id_size <= JWKS_MAX_ID : key->id_size == 0);
        MUST(!jwt_algorithm_verify(&key->key, SLICE("a.b"), SLICE("no signature")));
    }
    MUST(!keys || (keys->count > 0 && keys->count <= JWKS_MAX_KEYS));
    jwks_free(keys);
    entry_free(text);
    return 0;
}
