/* SPDX-License-Identifier: MPL-2.0
 *
 * Private to policy/load*.c and lint*.c: one bundle on its way from tokens to a policy.
 *
 * Readers complain of what cannot be used; those that somebody asks return false then. The whole load fails when there was
 * any error, so a reader may leave its result half filled.
 */
#ifndef FAIRVISOR_POLICY_LOAD_PRIVATE_H
#define FAIRVISOR_POLICY_LOAD_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/bundle.h"
#include "policy/complaint.h"
#include "policy/fields.h"
#include "policy/json.h"
#include "policy/region.h"

/* The action that every budget needs, as an example. */
#define LOAD_LAST_STAGE "{\"threshold_percent\": 100, \"action\": \"reject\"}"

struct load_keys {
    struct descriptor *items;
    uint32_t count, room;
    uint32_t *slots; /* hash table of indexes + 1 */
    uint32_t slot_count;
};

struct load {
    struct slice text;
    const struct json *json;
    struct bundle *bundle;
    struct region *region; /* the bundle's */
    struct complaint_list *complaints;
    int64_t now;
    struct load_keys keys;
    uint32_t jwt_token;      /* where a claim is used first; JSON_NONE */
    uint32_t *policy_tokens; /* where each of the bundle's policies stands */
    bool is_out_of_memory;
};

/* What one field of an object holds. */
struct load_value {
    uint32_t name, token; /* where it stands; JSON_NONE when it is not given */
    bool is_given;
    bool is_misspelt;    /* not given, and another name in its object comes close to its own: that was complained of */
    bool is_valid;       /* given and fine, or the standard value */
    int64_t number;      /* AMOUNT, INTEGER, TIME, BOOLEAN; index of the WORD, -1 when a COST_SOURCE is a key */
    struct slice text;   /* texts, in the bundle's region */
    uint32_t descriptor; /* KEY, COST_SOURCE */
};

struct load_record {
    enum object object;
    uint32_t token;
    struct load_value values[FIELDS_PER_OBJECT];
};

/* ---- load.c ---------------------------------------------------------------------------------------------------- */

/* Length of TEXT that a sentence should show, whole characters; and the two arguments of "%.*s". */
int load_shown(struct slice text);
#define SHOWN(text) load_shown(text), (text).data

/* Adds an error or a warning at TOKEN (JSON_NONE: without a place). */
void load_complain(struct load *load, uint32_t token, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void load_warn(struct load *load, uint32_t token, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* region_take and json_text that note when memory is out. */
void *load_take(struct load *load, size_t count, size_t size);
bool load_text(struct load *load, uint32_t token, struct slice *text);

/* ---- load_object.c --------------------------------------------------------------------------------------------- */

/* Reads the object at TOKEN by the table of fields: unknown, missing and repeated fields, types and ranges. false when
 * it is no object. */
bool load_object_read(struct load *load, enum object object, uint32_t token, struct load_record *record);

/* The record of an object that is not given: the standard value of every field that has one. */
void load_object_leave_out(enum object object, struct load_record *record);

const struct load_value *load_object_get(const struct load_record *record, enum field field);

/* ---- load_value.c ---------------------------------------------------------------------------------------------- */

/* Reads VALUE->token by ROW. */
bool load_value_read(struct load *load, const struct field_row *row, struct load_value *value);

/* Fills VALUE with the row's standard value; false when it has none. */
bool load_value_set_standard(const struct field_row *row, struct load_value *value);

/* Complains that a value is of the wrong type. NAME is what the sentence calls it. */
void load_value_complain_type(struct load *load, uint32_t token, const char *name, const char *wanted);

/* Reads a string of LEAST to MOST bytes without control characters. */
bool load_value_text(struct load *load, uint32_t token, const char *name, int64_t least, int64_t most,
                     struct slice *text);

/* Checks that TEXT is a path as a request's can be: from the root, printable ASCII, normalized. */
bool load_value_check_path(struct load *load, uint32_t token, const char *name, struct slice text);

/* The first byte in PATH that elsewhere would make a pattern of it: one of MARKS, or a colon that begins a segment; '\0' when there
 * is none. */
char load_value_find_pattern(struct slice path, const char *marks);

/* ---- load_word.c ----------------------------------------------------------------------------------------------- */

/* What to write in the place of NAME, which is no field of OBJECT, and of TEXT, which is no key; NULL where nothing is known. */
const char *load_word_field_advice(enum object object, struct slice name);
const char *load_word_key_advice(struct slice text);

/* Index of TEXT among WORDS, one space between each two; -1 when it is none of them. */
int64_t load_word_index(const char *words, struct slice text);

/* Complains that TEXT is none of the row's words: with what was meant, where that can be told, or with all there are.
 * FURTHER: what is allowed beside them, a space before each; "" for nothing. */
void load_word_complain(struct load *load, const struct field_row *row, uint32_t token, struct slice text,
                        const char *further);

/* ---- load_key.c ------------------------------------------------------------------------------------------------ */

/* Reads the key at TOKEN, a string or a member's name, and gives the index of its descriptor. */
bool load_key_read(struct load *load, uint32_t token, uint32_t *descriptor);

/* Gives the descriptors to the bundle. */
bool load_key_finish(struct load *load);
void load_key_fini(struct load *load);

/* ---- load_key_value.c ------------------------------------------------------------------------------------------ */

/* Reads the value that a key is compared with, in the form in which descriptor_value gives it. NAME is what a sentence
 * calls it. */
bool load_key_value_read(struct load *load, uint32_t token, uint32_t descriptor, const char *name, struct slice *value);

/* Warns of a path, not a selector's, that is written as a pattern. */
void load_key_value_warn_of_pattern(struct load *load, uint32_t token, struct slice path);

/* ---- the rest, one object each --------------------------------------------------------------------------------- */

/* Whether TEXT can be the method, or the host, of a request; complains with CODE when it cannot. */
bool load_selector_check_method(struct load *load, uint32_t token, struct slice text, const char *code);
bool load_selector_check_host(struct load *load, uint32_t token, struct slice text, const char *code);

void load_selector_read(struct load *load, uint32_t token, struct policy *policy);
void load_algorithm_read(struct load *load, const struct load_value *algorithm, uint32_t token, struct rule *rule);
bool load_rule_read(struct load *load, enum object object, uint32_t token, const struct policy *policy,
                    struct rule *rule);
void load_policy_read(struct load *load, uint32_t token, struct policy *policy);
void load_prices_read(struct load *load, const struct load_value *table);
void load_switches_read(struct load *load, const struct load_record *bundle);

/* ---- lint*.c --------------------------------------------------------------------------------------------------- */

/* Adds the warnings of a bundle that has no error. */
void lint_bundle(struct load *load);

/* Value of the member KEY of an object; without one JSON_NONE, or the object itself. */
uint32_t lint_member(struct load *load, uint32_t object, const char *key);
uint32_t lint_member_or_self(struct load *load, uint32_t object, const char *key);

/* That about the member KEY of OBJECT, when it is given and not false: a decision service does nothing of the kind. */
void lint_proxy_only(struct load *load, uint32_t object, const char *key);

/* That about the end, EXPIRES_AT, of OBJECT, which is a WHAT: it has come, or comes within a week. */
void lint_expiry(struct load *load, uint32_t object, int64_t expires_at, const char *what);

/* Those about kill switches. */
void lint_switches_check(struct load *load);

/* That about the words of refusals, of the policy whose spec stands at SPEC. */
void lint_formats_check(struct load *load, uint32_t spec, const struct policy *policy);

/* Those about one rule, which stands at TOKEN: whom its keys let through, and requests that its figures never let
 * through. */
void lint_keys_check(struct load *load, uint32_t token, const struct policy *policy, const struct rule *rule);
void lint_costs_check(struct load *load, uint32_t token, const struct rule *rule);

#endif
