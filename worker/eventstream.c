/* SPDX-License-Identifier: MPL-2.0
 *
 * Frames of Bedrock's streams: see eventstream.h. A frame is its own size, that of its headers, and a checksum of the two (four bytes each,
 * the most significant first), then headers, payload, and a checksum of all.
 */
#include "worker/eventstream.h"

#include <string.h>

#define CHECKSUM       4
#define MOST_BYTES     (UINT32_C(64) << 20) /* of a frame; services send at most 24 MiB */
#define OPENING        SLICE("{\"bytes\":\"")
#define NO_DIGIT       64
#define DIGITS_A_GROUP 4

enum part { IN_PRELUDE, IN_HEADERS, IN_PAYLOAD, IN_CHECKSUM };
enum wrapping { IS_OPEN, IS_PLAIN, IS_WRAPPED, IS_BEHIND };

void eventstream_init(struct eventstream *stream)
{
    *stream = (struct eventstream){.part = IN_PRELUDE, .left = EVENTSTREAM_PRELUDE};
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

static uint32_t number_at(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void begin_frame(struct eventstream *stream)
{
    uint32_t size = number_at(stream->prelude), headers = number_at(stream->prelude + 4);

    if (size < EVENTSTREAM_PRELUDE + CHECKSUM || size > MOST_BYTES || headers > size - EVENTSTREAM_PRELUDE - CHECKSUM) {
        stream->is_broken = true;
        return;
    }
    stream->part = IN_HEADERS;
    stream->left = headers;
    stream->payload = size - EVENTSTREAM_PRELUDE - CHECKSUM - headers;
    stream->wrapping = IS_OPEN;
    stream->matched = stream->digits = 0;
    stream->bits = 0;
}

/* Leaves parts that are at their end, or empty. */
static void advance(struct eventstream *stream, enum eventstream_kind *kind)
{
    while (stream->left == 0 && !stream->is_broken) {
        switch ((enum part)stream->part) {
        case IN_PRELUDE:
            begin_frame(stream);
            break;
        case IN_HEADERS:
            stream->part = IN_PAYLOAD;
            stream->left = stream->payload;
            break;
        case IN_PAYLOAD:
            stream->part = IN_CHECKSUM;
            stream->left = CHECKSUM;
            break;
        case IN_CHECKSUM:
            *kind = EVENTSTREAM_END;
            stream->part = IN_PRELUDE;
            stream->left = EVENTSTREAM_PRELUDE;
            return;
        }
    }
}

/* ---- payloads ---------------------------------------------------------------------------------------------------- */

static unsigned digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0') + 52;
    return c == '+' ? 62 : c == '/' ? 63 : NO_DIGIT;
}

/* Decodes what of BYTES there is room for. Padding and whatever else is no digit is passed over, up to the quote that ends it all. */
static size_t unwrap(struct eventstream *stream, struct slice bytes, struct slice *data)
{
    size_t used = 0, made = 0;

    for (; used < bytes.size && made + DIGITS_A_GROUP <= sizeof(stream->decoded); used++) {
        unsigned digit = digit_of(bytes.data[used]);

        if (bytes.data[used] == '"') {
            stream->wrapping = IS_BEHIND;
            used++;
            break;
        }
        if (digit == NO_DIGIT)
            continue;
        stream->bits = stream->bits << 6 | digit;
        stream->digits = (stream->digits + 1) % DIGITS_A_GROUP;
        if (stream->digits != 1)
            stream->decoded[made++] = (char)(stream->bits >> (stream->digits == 2 ? 4 : stream->digits == 3 ? 2 : 0) & 0xff);
    }
    *data = (struct slice){stream->decoded, made};
    return used;
}

/* Is the payload wrapped? What was taken for its opening and is none becomes data. */
static size_t look(struct eventstream *stream, struct slice bytes, struct slice *data)
{
    const struct slice opening = OPENING;
    size_t used = 0;

    while (used < bytes.size && stream->matched < opening.size && bytes.data[used] == opening.data[stream->matched]) {
        stream->matched++;
        used++;
    }
    if (stream->matched == opening.size) {
        stream->wrapping = IS_WRAPPED;
    } else if (used < bytes.size || stream->left == used) {
        stream->wrapping = IS_PLAIN;
        *data = (struct slice){opening.data, stream->matched};
    }
    return used;
}

static size_t take_payload(struct eventstream *stream, struct slice bytes, struct slice *data)
{
    switch ((enum wrapping)stream->wrapping) {
    case IS_OPEN:
        return look(stream, bytes, data);
    case IS_WRAPPED:
        return unwrap(stream, bytes, data);
    case IS_PLAIN:
        *data = bytes;
        break;
    case IS_BEHIND:
        break;
    }
    return bytes.size;
}

size_t eventstream_next(struct eventstream *stream, struct slice bytes, enum eventstream_kind *kind, struct slice *data)
{
    size_t size = bytes.size < stream->left ? bytes.size : stream->left;

    *kind = EVENTSTREAM_OTHER;
    *data = (struct slice){NULL, 0};
    if (stream->is_broken)
        return bytes.size;
    bytes.size = size;
    if (stream->part == IN_PRELUDE)
        memcpy(stream->prelude + EVENTSTREAM_PRELUDE - stream->left, bytes.data, size);
    if (stream->part == IN_PAYLOAD)
        size = take_payload(stream, bytes, data);
    if (data->size > 0)
        *kind = EVENTSTREAM_DATA;
    stream->left -= (uint32_t)size;
    if (*kind == EVENTSTREAM_OTHER)
        advance(stream, kind);
    return size;
}
