/* SPDX-License-Identifier: MPL-2.0
 *
 * JSON in pieces: see json_flow.h. One byte, one step; the plain stretches of strings are passed over at once.
 */
#include "policy/json_flow.h"

#include "policy/quote.h"

enum state { BETWEEN, IN_STRING, IN_ESCAPE, IN_UNIT, IN_SCALAR };

struct reading {
    struct json_flow *flow;
    json_flow_listener *listener;
    void *context;
};

void json_flow_init(struct json_flow *flow)
{
    *flow = (struct json_flow){.state = BETWEEN};
}

static void tell(const struct reading *reading, enum json_flow_event event)
{
    reading->listener(reading->context, reading->flow, event);
}

static void keep(struct json_flow *flow, const char *data, size_t size)
{
    size_t room = sizeof(flow->text) - flow->text_size;

    flow->length += size;
    if (size > room) {
        flow->is_cut = true;
        size = room;
    }
    memcpy(flow->text + flow->text_size, data, size);
    flow->text_size += size;
}

static void begin_text(struct json_flow *flow, enum state state)
{
    flow->state = (uint8_t)state;
    flow->text_size = flow->length = 0;
    flow->is_cut = false;
}

static bool is_in_object(const struct json_flow *flow)
{
    return flow->depth > 0 && (flow->is_object >> (flow->depth - 1) & 1) != 0;
}

static void open_container(const struct reading *reading, bool is_object)
{
    struct json_flow *flow = reading->flow;

    if (flow->depth == JSON_FLOW_DEPTH) {
        flow->is_broken = true;
        return;
    }
    flow->is_object = (flow->is_object & ~(UINT64_C(1) << flow->depth)) | (uint64_t)is_object << flow->depth;
    flow->depth++;
    flow->is_name = is_object;
    tell(reading, JSON_FLOW_OPEN);
}

static void close_container(const struct reading *reading, bool is_object)
{
    struct json_flow *flow = reading->flow;

    if (flow->depth == 0 || is_in_object(flow) != is_object) {
        flow->is_broken = true;
        return;
    }
    tell(reading, JSON_FLOW_CLOSE);
    flow->depth--;
    flow->is_name = false;
}

static void between(const struct reading *reading, char c)
{
    struct json_flow *flow = reading->flow;

    switch (c) {
    case ' ':
    case '\t':
    case '\r':
    case '\n':
        break;
    case '"':
        begin_text(flow, IN_STRING);
        break;
    case '{':
    case '[':
        open_container(reading, c == '{');
        break;
    case '}':
    case ']':
        close_container(reading, c == '}');
        break;
    case ',':
        flow->is_name = is_in_object(flow);
        break;
    case ':':
        flow->is_name = false;
        break;
    default:
        if (c != '-' && (c < '0' || c > '9') && c != 't' && c != 'f' && c != 'n') {
            flow->is_broken = true;
            break;
        }
        begin_text(flow, IN_SCALAR);
        keep(flow, &c, 1);
    }
}

/* Takes what it can of a string; returns the bytes taken, at least one. */
static size_t in_string(const struct reading *reading, const char *data, size_t size)
{
    struct json_flow *flow = reading->flow;
    size_t plain = (size_t)(quote_find_special(data, data + size) - data);

    keep(flow, data, plain);
    if (plain == size)
        return plain;
    if (data[plain] == '\\') {
        flow->state = IN_ESCAPE;
    } else {
        flow->state = BETWEEN;
        tell(reading, flow->is_name ? JSON_FLOW_NAME : JSON_FLOW_STRING);
    }
    return plain + 1;
}

static void in_escape(struct json_flow *flow, char c)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *found = memchr(letters, c, sizeof(letters) - 1);

    flow->state = IN_STRING;
    if (c == 'u') {
        flow->state = IN_UNIT;
        flow->escape = 0;
        flow->unit = 0;
    } else if (found) {
        keep(flow, &meant[found - letters], 1);
    } else {
        flow->is_broken = true;
    }
}

/* Beyond ASCII the characters do not matter here, only that there are some. */
static void in_unit(struct json_flow *flow, char c)
{
    char lower = slice_lower(c), plain = '?';

    if ((c < '0' || c > '9') && (lower < 'a' || lower > 'f')) {
        flow->is_broken = true;
        return;
    }
    flow->unit = (uint16_t)(flow->unit << 4 | (c <= '9' ? c - '0' : lower - 'a' + 10));
    if (++flow->escape < 4)
        return;
    flow->state = IN_STRING;
    if (flow->unit < 0x80)
        plain = (char)flow->unit;
    keep(flow, &plain, 1);
    if (flow->unit >= 0x80)
        flow->length++;
}

static bool ends_scalar(char c)
{
    return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void json_flow_feed(struct json_flow *flow, struct slice bytes, json_flow_listener *listener, void *context)
{
    const struct reading reading = {flow, listener, context};

    for (size_t i = 0; i < bytes.size && !flow->is_broken;) {
        char c = bytes.data[i];

        switch ((enum state)flow->state) {
        case IN_STRING:
            i += in_string(&reading, bytes.data + i, bytes.size - i);
            break;
        case IN_ESCAPE:
            in_escape(flow, c);
            i++;
            break;
        case IN_UNIT:
            in_unit(flow, c);
            i++;
            break;
        case IN_SCALAR:
            if (ends_scalar(c)) {
                json_flow_end(flow, listener, context);
            } else {
                keep(flow, &c, 1);
                i++;
            }
            break;
        case BETWEEN:
            between(&reading, c);
            i++;
            break;
        }
    }
}

void json_flow_end(struct json_flow *flow, json_flow_listener *listener, void *context)
{
    const struct reading reading = {flow, listener, context};

    if (flow->is_broken || flow->state != IN_SCALAR)
        return;
    flow->state = BETWEEN;
    tell(&reading, JSON_FLOW_SCALAR);
}

size_t json_flow_begun(const struct json_flow *flow)
{
    bool is_string = flow->state == IN_STRING || flow->state == IN_ESCAPE || flow->state == IN_UNIT;

    return is_string && !flow->is_name ? flow->length : 0;
}
