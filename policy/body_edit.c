/* SPDX-License-Identifier: MPL-2.0
 *
 * Changes in request bodies: see body_edit.h. Figures are looked for where estimate.c looks for them, so that none that counts stays.
 */
#include "policy/body_edit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "policy/endpoint.h"
#include "policy/estimate.h"
#include "policy/json.h"

#define MAX_BYTES  (UINT64_C(1) << 30)
#define MAX_TOKENS 4000000

struct planning {
    const struct json *json;
    struct region *region;
    struct body_edit *edit;
    int64_t clamp;
    const struct endpoint *endpoint; /* NULL: one of which nothing is known */
    bool has_figure;                 /* that is obeyed there */
    bool is_impossible;
};

/* ---- splices ---------------------------------------------------------------------------------------------------- */

static struct body_splice *add_splice(struct planning *planning, size_t offset, size_t removed)
{
    struct body_edit *edit = planning->edit;
    size_t at = edit->count;

    if (at == BODY_EDIT_SPLICES) {
        planning->is_impossible = true;
        return NULL;
    }
    edit->count++;
    for (; at > 0 && edit->splices[at - 1].offset > offset; at--)
        edit->splices[at] = edit->splices[at - 1];
    edit->splices[at] = (struct body_splice){.offset = offset, .removed = removed};
    return &edit->splices[at];
}

static void splice_text(struct planning *planning, size_t offset, size_t removed, const char *text)
{
    struct body_splice *splice = add_splice(planning, offset, removed);

    if (splice)
        splice->size = (size_t)snprintf(splice->text, sizeof(splice->text), "%s", text);
}

/* Bytes that a value takes, the quotation marks of a string included. */
static size_t extent_of(const struct json *json, uint32_t token)
{
    return json_raw(json, token).size + (json_type(json, token) == JSON_STRING ? 2 : 0);
}

static void replace(struct planning *planning, uint32_t token, const char *text)
{
    splice_text(planning, json_offset(planning->json, token), extent_of(planning->json, token), text);
}

/* A member at the beginning of an object. */
static void insert(struct planning *planning, uint32_t object, const char *member)
{
    char text[BODY_EDIT_TEXT];

    snprintf(text, sizeof(text), "%s%s", member, json_count(planning->json, object) > 0 ? "," : "");
    splice_text(planning, json_offset(planning->json, object) + 1, 0, text);
}

/* ---- the completion --------------------------------------------------------------------------------------------- */

/* A whole number from 1 to MOST, written as one. */
static bool is_short_enough(struct slice text, int64_t most)
{
    int64_t number = 0;

    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || number > most)
            return false;
        number = number * 10 + (text.data[i] - '0');
    }
    return number >= 1 && number <= most;
}

static void clamp_value(struct planning *planning, uint32_t value)
{
    char text[BODY_EDIT_TEXT];

    if (planning->clamp == 0 || (json_type(planning->json, value) == JSON_NUMBER &&
                                 is_short_enough(json_raw(planning->json, value), planning->clamp)))
        return;
    snprintf(text, sizeof(text), "%" PRId64, planning->clamp);
    replace(planning, value, text);
}

static struct slice name_of(struct planning *planning, uint32_t token)
{
    struct slice name = {NULL, 0};

    planning->is_impossible |= !json_text(planning->json, token, planning->region, &name);
    return name;
}

static void clamp_members(struct planning *planning, uint32_t object, bool is_root)
{
    for (uint32_t token = json_first(planning->json, object); token != JSON_NONE;
         token = json_next(planning->json, token)) {
        uint32_t value = json_value(planning->json, token);

        unsigned length = estimate_length_of(name_of(planning, token), is_root);

        planning->has_figure |= (length & (planning->endpoint ? planning->endpoint->lengths : ~0U)) != 0;
        if (length != 0)
            clamp_value(planning, value);
        else if (is_root && json_type(planning->json, value) == JSON_OBJECT)
            clamp_members(planning, value, false);
    }
}

/* ---- the usage -------------------------------------------------------------------------------------------------- */

/* The last member NAME of OBJECT, which is the one that counts for most readers; JSON_NONE. */
static uint32_t find_member(struct planning *planning, uint32_t object, struct slice name)
{
    uint32_t found = JSON_NONE;

    for (uint32_t token = json_first(planning->json, object); token != JSON_NONE;
         token = json_next(planning->json, token))
        if (slice_equal(name_of(planning, token), name))
            found = json_value(planning->json, token);
    return found;
}

static bool is_true(const struct json *json, uint32_t token)
{
    return token != JSON_NONE && json_type(json, token) == JSON_BOOLEAN && json_raw(json, token).data[0] == 't';
}

static void ask_usage(struct planning *planning, uint32_t options)
{
    struct body_edit *edit = planning->edit;
    uint32_t include;

    if (options == JSON_NONE) {
        insert(planning, JSON_ROOT, "\"stream_options\":{\"include_usage\":true}");
    } else if (json_type(planning->json, options) == JSON_NULL) {
        replace(planning, options, "{\"include_usage\":true}");
    } else if (json_type(planning->json, options) == JSON_OBJECT) {
        include = find_member(planning, options, SLICE("include_usage"));
        if (include == JSON_NONE)
            insert(planning, options, "\"include_usage\":true");
        else
            replace(planning, include, "true");
    } else {
        return;
    }
    edit->asks_usage = true;
}

static void plan_usage(struct planning *planning, bool asks_usage)
{
    uint32_t options = find_member(planning, JSON_ROOT, SLICE("stream_options"));
    uint32_t include = JSON_NONE;

    planning->edit->streams = is_true(planning->json, find_member(planning, JSON_ROOT, SLICE("stream")));
    if (options != JSON_NONE && json_type(planning->json, options) == JSON_OBJECT)
        include = find_member(planning, options, SLICE("include_usage"));
    planning->edit->told_usage = is_true(planning->json, include);
    if (asks_usage && planning->edit->streams && !planning->edit->told_usage)
        ask_usage(planning, options);
}

/* ---- all -------------------------------------------------------------------------------------------------------- */

static void plan(struct planning *planning, bool asks_usage)
{
    const struct endpoint *endpoint = planning->endpoint;
    char member[BODY_EDIT_TEXT - 1];

    if (json_type(planning->json, JSON_ROOT) != JSON_OBJECT) {
        planning->is_impossible = true;
        return;
    }
    clamp_members(planning, JSON_ROOT, true);
    if (planning->clamp > 0 && !planning->has_figure && endpoint) {
        snprintf(member, sizeof(member), "\"%s\":%" PRId64, endpoint->name, planning->clamp);
        insert(planning, JSON_ROOT, member);
    } else if (planning->clamp > 0 && !planning->has_figure) {
        planning->is_impossible = true;
    }
    if (endpoint && endpoint->is_chat)
        plan_usage(planning, asks_usage);
}

bool body_edit_plan(struct slice path, struct slice body, bool asks_usage, int64_t clamp, struct body_edit *edit)
{
    static const struct json_gate_limits limits = {MAX_BYTES, MAX_TOKENS};
    struct planning planning = {.endpoint = endpoint_of(path), .edit = edit, .clamp = clamp, .region = region_new()};
    struct json_gate_fault fault;
    struct json *json = planning.region ? json_parse(body, &limits, &fault) : NULL;

    *edit = (struct body_edit){.count = 0};
    if (json) {
        planning.json = json;
        plan(&planning, asks_usage);
    }
    json_free(json);
    region_free(planning.region);
    if (!json || planning.is_impossible)
        *edit = (struct body_edit){.count = 0};
    return json && !planning.is_impossible;
}

bool body_edit_can_clamp(struct slice path, struct slice body)
{
    struct body_edit edit;

    return body_edit_plan(path, body, false, 1, &edit);
}
