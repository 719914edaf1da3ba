/* SPDX-License-Identifier: MPL-2.0
 *
 * A JSON text as tokens that can be walked in linear time. Tokens are numbers; 0 is the document's value. In an object,
 * the tokens one walks with json_first and json_next are the member names; json_value leads from a name to its value.
 */
#ifndef FAIRVISOR_POLICY_JSON_H
#define FAIRVISOR_POLICY_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/json_gate.h"
#include "policy/region.h"
#include "shm/slice.h"

#define JSON_NONE UINT32_MAX
#define JSON_ROOT 0

enum json_type { JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_BOOLEAN, JSON_NULL };

struct json;

/* Checks TEXT with the gate and makes tokens of it. NULL with FAULT filled when it is not JSON or memory is out. The
 * caller frees the result; TEXT must live as long. */
struct json *json_parse(struct slice text, const struct json_gate_limits *limits, struct json_gate_fault *fault);
void json_free(struct json *json);

enum json_type json_type(const struct json *json, uint32_t token);

/* "an object", "a string", ... */
const char *json_type_name(enum json_type type);

/* First element, or name of the first member; JSON_NONE when the container is empty. */
uint32_t json_first(const struct json *json, uint32_t container);

/* Next element or member name; JSON_NONE behind the last. */
uint32_t json_next(const struct json *json, uint32_t token);

/* Value of the member whose name is NAME. */
uint32_t json_value(const struct json *json, uint32_t name);

/* Members or elements of a container. */
uint32_t json_count(const struct json *json, uint32_t container);

/* The bytes of the token as they stand in the text; a string without its quotation marks, escapes untouched. */
struct slice json_raw(const struct json *json, uint32_t token);

/* The text of a string with its escapes resolved: borrowed from the document where there are none, else made in
 * REGION. false when memory is out. */
bool json_text(const struct json *json, uint32_t token, struct region *region, struct slice *text);

/* Names that repeat an earlier one of the same object, compared after unescaping, in document order. The first ROOM go
 * to NAMES; *COUNT is how many there are. O(n log n). false when memory is out. */
bool json_duplicates(const struct json *json, uint32_t *names, size_t room, size_t *count);

/* Offset of the token's first byte, a string's quotation mark included. */
size_t json_offset(const struct json *json, uint32_t token);

/* Line and column of an offset, both from 1; columns count bytes. */
void json_place(struct slice text, size_t offset, uint32_t *line, uint32_t *column);

/* Writes the JSON pointer (RFC 6901) of a token and a NUL; a member's name has the pointer of its value. The steps
 * that do not fit into SIZE (at least 8) are left out, "..." in their place. */
void json_pointer(const struct json *json, uint32_t token, char *pointer, size_t size);

#endif
