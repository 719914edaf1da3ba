/* SPDX-License-Identifier: MPL-2.0
 *
 * SHA-256 by libcrypto.
 */
#include "policy/digest.h"

#include <openssl/evp.h>

#define DIGEST_BYTES 32

bool digest_hex(struct slice text, char out[DIGEST_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned int size = 0;

    out[0] = '\0';
    if (EVP_Digest(text.data, text.size, bytes, &size, EVP_sha256(), NULL) != 1 || size != DIGEST_BYTES)
        return false;
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * DIGEST_BYTES] = '\0';
    return true;
}
