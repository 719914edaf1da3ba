/* SPDX-License-Identifier: MPL-2.0
 *
 * Lines of server-sent events: see sse.h. A line ends with CR, LF or both; data of several lines are joined with a line feed.
 */
#include "worker/sse.h"

enum state { AT_NAME, AT_SPACE, IN_DATA, IN_REST };

void sse_init(struct sse *sse)
{
    *sse = (struct sse){.state = AT_NAME};
}

static bool is_end_of_line(char c)
{
    return c == '\n' || c == '\r';
}

static bool is_data(const struct sse *sse)
{
    return sse->name_size == 4 && memcmp(sse->name, "data", 4) == 0;
}

static size_t line_length(struct slice bytes)
{
    size_t size = 0;

    while (size < bytes.size && !is_end_of_line(bytes.data[size]))
        size++;
    return size;
}

/* The line of data begins: behind an earlier one it is another line of the same data. */
static void begin_data(struct sse *sse, enum sse_kind *kind, struct slice *data)
{
    sse->state = AT_SPACE;
    if (sse->has_data) {
        *kind = SSE_DATA;
        *data = SLICE("\n");
    }
    sse->has_data = true;
}

static void end_line(struct sse *sse, char c, enum sse_kind *kind, struct slice *data)
{
    bool is_empty = sse->state == AT_NAME && sse->name_size == 0;

    if (sse->state == AT_NAME && is_data(sse))
        begin_data(sse, kind, data);
    if (is_empty) {
        *kind = SSE_END;
        sse->has_data = false;
    }
    sse->is_after_cr = c == '\r';
    sse->has_begun = true;
    sse->state = AT_NAME;
    sse->name_size = 0;
}

/* One at the very start of a stream is no part of the first name. */
static void skip_byte_order_mark(struct sse *sse)
{
    if (sse->has_begun || sse->name_size != 3 || memcmp(sse->name, "\xEF\xBB\xBF", 3) != 0)
        return;
    sse->has_begun = true;
    sse->name_size = 0;
}

static void take_name(struct sse *sse, char c, enum sse_kind *kind, struct slice *data)
{
    if (c == ':' && is_data(sse)) {
        begin_data(sse, kind, data);
    } else if (c == ':') {
        sse->state = IN_REST;
    } else {
        if (sse->name_size < sizeof(sse->name))
            sse->name[sse->name_size] = c;
        if (sse->name_size <= sizeof(sse->name))
            sse->name_size++;
        skip_byte_order_mark(sse);
    }
}

size_t sse_next(struct sse *sse, struct slice bytes, enum sse_kind *kind, struct slice *data)
{
    bool was_after_cr = sse->is_after_cr;
    char c = bytes.data[0];
    size_t size;

    *kind = SSE_OTHER;
    sse->is_after_cr = false;
    if (was_after_cr && c == '\n')
        return 1;
    if (is_end_of_line(c)) {
        end_line(sse, c, kind, data);
        return 1;
    }
    switch ((enum state)sse->state) {
    case AT_NAME:
        take_name(sse, c, kind, data);
        return 1;
    case AT_SPACE:
        sse->state = IN_DATA;
        if (c == ' ')
            return 1;
        break;
    case IN_DATA:
    case IN_REST:
        break;
    }
    size = line_length(bytes);
    if (sse->state == IN_DATA) {
        *kind = SSE_DATA;
        *data = (struct slice){bytes.data, size};
    }
    return size;
}
