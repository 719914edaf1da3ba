/* SPDX-License-Identifier: MPL-2.0
 *
 * base64url without padding (RFC 4648, section 5; RFC 7515, appendix C): one text for some bytes, and no other.
 */
#ifndef FAIRVISOR_POLICY_BASE64URL_H
#define FAIRVISOR_POLICY_BASE64URL_H

#include <stdbool.h>
#include <stddef.h>

#include "shm/slice.h"

/* Length of the text of so many bytes. */
#define BASE64URL_TEXT_SIZE(bytes) (((size_t)(bytes)*4 + 2) / 3)

/* Most bytes that a text of so many digits may stand for. */
#define BASE64URL_BYTES_SIZE(digits) ((size_t)(digits) / 4 * 3 + 2)

/* Writes the text of BYTES into OUT, which has room for it, without a NUL. Returns its length. */
size_t base64url_encode(struct slice bytes, char *out);

/* Decodes TEXT into OUT (BASE64URL_BYTES_SIZE of its length at least). false for a foreign letter, padding, a length or
 * left-over bits that base64url_encode never writes. */
bool base64url_decode(struct slice text, void *out, size_t *size);

#endif
