/* SPDX-License-Identifier: MPL-2.0
 *
 * Tokens come from jsmn, which only ever sees what the gate let through. With parent links its work is linear in the
 * text times the depth, and the gate bounds the depth. What jsmn lacks is added here: where a token's subtree ends, for
 * walking siblings.
 */
#include "policy/json.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/json_escape.h"

#define JSMN_STATIC
#define JSMN_STRICT
#define JSMN_PARENT_LINKS
#include <jsmn.h>

struct json {
    struct slice text;
    uint32_t count;
    jsmntok_t *tokens;
    uint32_t *after; /* the token behind the subtree of each */
};

/* jsmn in strict mode takes a bare word only inside a container. */
static bool make_bare_token(struct json *json)
{
    static const char space[] = " \t\r\n";
    size_t start = 0, end = json->text.size;

    while (memchr(space, json->text.data[start], sizeof(space) - 1))
        start++;
    while (memchr(space, json->text.data[end - 1], sizeof(space) - 1))
        end--;
    if (memchr("{[\"", json->text.data[start], 3))
        return false;
    json->tokens[0] = (jsmntok_t){.type = JSMN_PRIMITIVE, .start = (int)start, .end = (int)end, .parent = -1};
    return true;
}

static void find_ends(struct json *json)
{
    for (uint32_t i = json->count; i-- > 0;) {
        int parent = json->tokens[i].parent;

        if (json->after[i] == 0)
            json->after[i] = i + 1;
        if (parent >= 0 && json->after[parent] < json->after[i])
            json->after[parent] = json->after[i];
    }
}

struct json *json_parse(struct slice text, const struct json_gate_limits *limits, struct json_gate_fault *fault)
{
    struct json_gate_limits bounded = *limits;
    struct json *json;
    jsmn_parser parser;
    size_t tokens = 0;

    if (bounded.max_bytes > INT32_MAX)
        bounded.max_bytes = INT32_MAX;
    if (!json_gate_check(text, &bounded, &tokens, fault))
        return NULL;
    json = calloc(1, sizeof(*json));
    if (!json)
        goto out_of_memory;
    json->text = text;
    json->count = (uint32_t)tokens;
    json->tokens = calloc(tokens, sizeof(*json->tokens));
    json->after = calloc(tokens, sizeof(*json->after));
    if (!json->tokens || !json->after)
        goto out_of_memory;
    jsmn_init(&parser);
    if (!make_bare_token(json) &&
        jsmn_parse(&parser, text.data, text.size, json->tokens, json->count) != (int)json->count) {
        *fault = (struct json_gate_fault){0, "the two readers of the document disagree; please report this bundle"};
        json_free(json);
        return NULL;
    }
    find_ends(json);
    return json;

out_of_memory:
    *fault = (struct json_gate_fault){0, "there is not enough memory for the document"};
    json_free(json);
    return NULL;
}

void json_free(struct json *json)
{
    if (!json)
        return;
    free(json->tokens);
    free(json->after);
    free(json);
}

enum json_type json_type(const struct json *json, uint32_t token)
{
    const jsmntok_t *t = &json->tokens[token];

    switch (t->type) {
    case JSMN_OBJECT:
        return JSON_OBJECT;
    case JSMN_ARRAY:
        return JSON_ARRAY;
    case JSMN_STRING:
        return JSON_STRING;
    default:
        break;
    }
    switch (json->text.data[t->start]) {
    case 't':
    case 'f':
        return JSON_BOOLEAN;
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

const char *json_type_name(enum json_type type)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",    [JSON_STRING] = "a string",
        [JSON_NUMBER] = "a number",  [JSON_BOOLEAN] = "a boolean", [JSON_NULL] = "null",
    };

    return names[type];
}

uint32_t json_first(const struct json *json, uint32_t container)
{
    return json->after[container] > container + 1 ? container + 1 : JSON_NONE;
}

uint32_t json_next(const struct json *json, uint32_t token)
{
    int parent = json->tokens[token].parent;
    uint32_t next = json->after[token];

    return parent >= 0 && next < json->after[parent] ? next : JSON_NONE;
}

uint32_t json_value(const struct json *json, uint32_t name)
{
    (void)json;
    return name + 1;
}

uint32_t json_count(const struct json *json, uint32_t container)
{
    return (uint32_t)json->tokens[container].size;
}

struct slice json_raw(const struct json *json, uint32_t token)
{
    const jsmntok_t *t = &json->tokens[token];

    return (struct slice){json->text.data + t->start, (size_t)(t->end - t->start)};
}

bool json_text(const struct json *json, uint32_t token, struct region *region, struct slice *text)
{
    struct slice raw = json_raw(json, token);
    size_t used = 0;
    char *out;

    *text = raw;
    if (raw.size == 0 || !memchr(raw.data, '\\', raw.size))
        return true;
    out = region_take(region, raw.size, 1); /* an escape is never shorter than what it stands for */
    if (!out)
        return false;
    for (size_t at = 0; at < raw.size;) {
        if (raw.data[at] == '\\')
            used += json_escape_resolve(raw, &at, out + used);
        else
            out[used++] = raw.data[at++];
    }
    *text = (struct slice){out, used};
    return true;
}

struct name {
    struct slice text;
    uint32_t token;
};

static int compare_names(const void *left, const void *right)
{
    const struct name *a = left, *b = right;
    int order;

    if (a->text.size != b->text.size)
        return a->text.size < b->text.size ? -1 : 1;
    order = a->text.size == 0 ? 0 : memcmp(a->text.data, b->text.data, a->text.size);
    return order != 0 ? order : (a->token > b->token) - (a->token < b->token);
}

static int compare_tokens(const void *left, const void *right)
{
    const uint32_t *a = left, *b = right;

    return (*a > *b) - (*a < *b);
}

/* Gathers and sorts the names of one object. false when memory is out. */
static bool sort_names(const struct json *json, uint32_t object, struct region *region, struct name *names,
                       size_t *count)
{
    *count = 0;
    for (uint32_t name = json_first(json, object); name != JSON_NONE; name = json_next(json, name)) {
        names[*count].token = name;
        if (!json_text(json, name, region, &names[*count].text))
            return false;
        ++*count;
    }
    qsort(names, *count, sizeof(*names), compare_names);
    return true;
}

bool json_duplicates(const struct json *json, uint32_t *names, size_t room, size_t *count)
{
    struct region *region = region_new();
    size_t widest = 1, here;
    struct name *sorted = NULL;
    bool is_done = false;

    *count = 0;
    for (uint32_t i = 0; i < json->count; i++)
        if (json->tokens[i].type == JSMN_OBJECT && json_count(json, i) > widest)
            widest = json_count(json, i);
    sorted = calloc(widest, sizeof(*sorted));
    if (!region || !sorted)
        goto out;
    for (uint32_t i = 0; i < json->count; i++) {
        if (json->tokens[i].type != JSMN_OBJECT)
            continue;
        if (!sort_names(json, i, region, sorted, &here))
            goto out;
        for (size_t k = 1; k < here; k++)
            if (slice_equal(sorted[k].text, sorted[k - 1].text) && (*count)++ < room)
                names[*count - 1] = sorted[k].token;
    }
    if (*count > 1 && room > 1)
        qsort(names, *count < room ? *count : room, sizeof(*names), compare_tokens);
    is_done = true;
out:
    free(sorted);
    region_free(region);
    return is_done;
}

size_t json_offset(const struct json *json, uint32_t token)
{
    const jsmntok_t *t = &json->tokens[token];

    return (size_t)t->start - (t->type == JSMN_STRING ? 1 : 0);
}

void json_place(struct slice text, size_t offset, uint32_t *line, uint32_t *column)
{
    size_t start = 0;

    *line = 1;
    while (start < offset) {
        const char *newline = memchr(text.data + start, '\n', offset - start);

        if (!newline)
            break;
        start = (size_t)(newline - text.data) + 1;
        ++*line;
    }
    *column = (uint32_t)(offset - start) + 1;
}

static uint32_t index_of(const struct json *json, uint32_t array, uint32_t element)
{
    uint32_t index = 0;

    for (uint32_t token = json_first(json, array); token != element; token = json_next(json, token))
        index++;
    return index;
}

struct writer {
    char *out;
    size_t used, size;
    bool is_full;
};

static void put(struct writer *writer, const char *bytes, size_t count)
{
    if (writer->used + count >= writer->size) {
        writer->is_full = true;
        return;
    }
    memcpy(writer->out + writer->used, bytes, count);
    writer->used += count;
}

/* Puts a name with its escapes resolved and the pointer's own escapes made. */
static void put_name(struct writer *writer, struct slice raw)
{
    char character[4];

    put(writer, "/", 1);
    for (size_t at = 0; at < raw.size;) {
        size_t size = 1;

        if (raw.data[at] == '\\')
            size = json_escape_resolve(raw, &at, character);
        else
            character[0] = raw.data[at++];
        if (size == 1 && character[0] == '~')
            put(writer, "~0", 2);
        else if (size == 1 && character[0] == '/')
            put(writer, "~1", 2);
        else
            put(writer, character, size);
    }
}

static void put_step(struct writer *writer, const struct json *json, uint32_t token)
{
    uint32_t parent = (uint32_t)json->tokens[token].parent;
    char number[16];

    if (json->tokens[parent].type == JSMN_ARRAY) {
        snprintf(number, sizeof(number), "/%u", index_of(json, parent, token));
        put(writer, number, strlen(number));
    } else if (json->tokens[parent].type == JSMN_OBJECT) {
        put_name(writer, json_raw(json, token));
    }
}

void json_pointer(const struct json *json, uint32_t token, char *pointer, size_t size)
{
    static const char cut[] = "...";
    uint32_t steps[2 * JSON_GATE_MAX_DEPTH + 2];
    struct writer writer = {pointer, 0, size - sizeof(cut), false};
    size_t count = 0, whole = 0;

    for (uint32_t at = token; json->tokens[at].parent >= 0 && count < sizeof(steps) / sizeof(steps[0]);
         at = (uint32_t)json->tokens[at].parent)
        steps[count++] = at;
    while (count > 0 && !writer.is_full) {
        whole = writer.used;
        put_step(&writer, json, steps[--count]);
    }
    if (writer.is_full)
        memcpy(pointer + whole, cut, sizeof(cut));
    else
        pointer[writer.used] = '\0';
}
