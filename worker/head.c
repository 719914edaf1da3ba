/* SPDX-License-Identifier: MPL-2.0
 *
 * One strict pass over a request's head: request line, fields, then what the fields say about each other. Takes bytes,
 * gives slices into them or a status with its cause. Never looks beyond the bytes it was given.
 */
#include "worker/head.h"

#include <string.h>

#define VERSION_SIZE      10 /* "HTTP/1.1" CR LF */
#define LENGTH_MAX_DIGITS 18

#define LOW_BITS       UINT64_C(0x0101010101010101)
#define HIGH_BITS      UINT64_C(0x8080808080808080)
#define EACH_BYTE(byte) (LOW_BITS * (byte))

/* What a byte may be part of. */
enum { NAME = 1, TARGET = 2, VALUE = 4, HOST = 8 };

static const uint8_t byte_roles[256] = {
    ['\t'] = VALUE,
    [' '] = VALUE,
    ['!'] = NAME | TARGET | VALUE | HOST,
    ['"'] = TARGET | VALUE,
    ['#'] = NAME | TARGET | VALUE,
    ['$' ... '\''] = NAME | TARGET | VALUE | HOST,
    ['(' ... ')'] = TARGET | VALUE | HOST,
    ['*' ... '+'] = NAME | TARGET | VALUE | HOST,
    [','] = TARGET | VALUE,
    ['-' ... '.'] = NAME | TARGET | VALUE | HOST,
    ['/'] = TARGET | VALUE,
    ['0' ... '9'] = NAME | TARGET | VALUE | HOST,
    [':'] = TARGET | VALUE,
    [';'] = TARGET | VALUE | HOST,
    ['<'] = TARGET | VALUE,
    ['='] = TARGET | VALUE | HOST,
    ['>' ... '@'] = TARGET | VALUE,
    ['A' ... 'Z'] = NAME | TARGET | VALUE | HOST,
    ['[' ... ']'] = TARGET | VALUE,
    ['^'] = NAME | TARGET | VALUE,
    ['_'] = NAME | TARGET | VALUE | HOST,
    ['`'] = NAME | TARGET | VALUE,
    ['a' ... 'z'] = NAME | TARGET | VALUE | HOST,
    ['{'] = TARGET | VALUE,
    ['|'] = NAME | TARGET | VALUE,
    ['}'] = TARGET | VALUE,
    ['~'] = NAME | TARGET | VALUE | HOST,
    [0x80 ... 0xff] = VALUE,
};

/* RFC 9110, RFC 5789, WebDAV and its children as far as http-parser knows them; no CONNECT: nothing is tunnelled here.
 */
static const struct slice methods[] = {
#define METHOD(name)           \
    {                          \
        name, sizeof(name) - 1 \
    }
    METHOD("GET"),     METHOD("POST"),  METHOD("HEAD"),     METHOD("PUT"),        METHOD("DELETE"),
    METHOD("OPTIONS"), METHOD("PATCH"), METHOD("TRACE"),    METHOD("COPY"),       METHOD("LOCK"),
    METHOD("MKCOL"),   METHOD("MOVE"),  METHOD("PROPFIND"), METHOD("PROPPATCH"),  METHOD("SEARCH"),
    METHOD("UNLOCK"),  METHOD("BIND"),  METHOD("REBIND"),   METHOD("UNBIND"),     METHOD("ACL"),
    METHOD("REPORT"),  METHOD("MERGE"), METHOD("CHECKOUT"), METHOD("MKACTIVITY"), METHOD("MKCALENDAR"),
#undef METHOD
};
#define LONGEST_METHOD 10

static const struct slice field_names[HEAD_FIELD_COUNT] = {
#define FIELD(symbol, name) [HEAD_FIELD_##symbol] = {name, sizeof(name) - 1},
#include "worker/head_fields.def"
#undef FIELD
};

/* ---- runs of bytes ---------------------------------------------------------------------------------------------- */

static inline bool has_role(char byte, uint8_t role)
{
    return (byte_roles[(unsigned char)byte] & role) != 0;
}

static inline const char *skip_role(const char *at, const char *end, uint8_t role)
{
    while (at < end && has_role(*at, role))
        at++;
    return at;
}

/* Eight bytes as a number whose lowest byte is the first. */
static inline uint64_t load_word(const char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* The functions below mark bytes of WORD with their high bit. Beyond the lowest mark there may be false ones. */

static inline uint64_t mark_below(uint64_t word, unsigned char limit)
{
    return (word - EACH_BYTE(limit)) & ~word & HIGH_BITS;
}

static inline uint64_t mark_equal(uint64_t word, unsigned char byte)
{
    return mark_below(word ^ EACH_BYTE(byte), 1);
}

/* Exact in every byte. */
static inline uint64_t mark_letters_and_hyphens(uint64_t word)
{
    uint64_t lower = (word | EACH_BYTE(0x20)) & ~HIGH_BITS;
    uint64_t letters = (lower + EACH_BYTE(0x80 - 'a')) & ~(lower + EACH_BYTE(0x7f - 'z'));
    uint64_t not_hyphen = ((word ^ EACH_BYTE('-')) & ~HIGH_BITS) + EACH_BYTE(0x7f);

    return (letters | ~not_hyphen) & ~word & HIGH_BITS;
}

static inline size_t first_mark(uint64_t marks)
{
    return (size_t)__builtin_ctzll(marks) / 8;
}

/* The table decides; eight letters or hyphens, which most names consist of, are passed over at once. */
static inline const char *skip_name(const char *at, const char *end)
{
    while (end - at >= 8) {
        uint64_t others = mark_letters_and_hyphens(load_word(at)) ^ HIGH_BITS;

        at += others ? first_mark(others) : 8;
        if (others && !has_role(*at, NAME))
            return at;
        at += others ? 1 : 0;
    }
    return skip_role(at, end, NAME);
}

/* Likewise; only control bytes are looked up. */
static inline const char *skip_value(const char *at, const char *end)
{
    while (end - at >= 8) {
        uint64_t word = load_word(at), suspects = mark_below(word, ' ') | mark_equal(word, 0x7f);

        at += suspects ? first_mark(suspects) : 8;
        if (suspects && !has_role(*at, VALUE))
            return at;
        at += suspects ? 1 : 0;
    }
    return skip_role(at, end, VALUE);
}

/* Likewise; what is no visible ASCII ends it. */
static inline const char *skip_target(const char *at, const char *end)
{
    for (; end - at >= 8; at += 8) {
        uint64_t word = load_word(at), stops = mark_below(word, '!') | mark_equal(word, 0x7f) | (word & HIGH_BITS);

        if (stops)
            return at + first_mark(stops);
    }
    return skip_role(at, end, TARGET);
}

bool head_is_name_byte(unsigned char byte)
{
    return (byte_roles[byte] & NAME) != 0;
}

bool head_is_value_byte(unsigned char byte)
{
    return (byte_roles[byte] & VALUE) != 0;
}

bool head_is_token(struct slice text)
{
    return text.size > 0 && skip_role(text.data, text.data + text.size, NAME) == text.data + text.size;
}

static inline uint64_t differ_in_word(const char *name, const char *known)
{
    return (load_word(name) | EACH_BYTE(0x20)) ^ load_word(known);
}

static inline uint64_t differ_in_half(const char *name, const char *known)
{
    uint32_t a, b;

    memcpy(&a, name, sizeof(a));
    memcpy(&b, known, sizeof(b));
    return (a | (uint32_t)EACH_BYTE(0x20)) ^ b;
}

/* NAME has as many bytes as KNOWN, at least 4. With SIZE a constant this is a few comparisons of words. */
static inline bool is_known_name(const char *name, const char *known, size_t size)
{
    uint64_t difference;

    if (size < 8)
        return (differ_in_half(name, known) | differ_in_half(name + size - 4, known + size - 4)) == 0;
    difference = differ_in_word(name + size - 8, known + size - 8);
    for (size_t i = 0; i + 8 < size; i += 8)
        difference |= differ_in_word(name + i, known + i);
    return difference == 0;
}

bool head_is_named(struct slice name, enum head_field field)
{
    return name.size == field_names[field].size && is_known_name(name.data, field_names[field].data, name.size);
}

bool head_has_token(struct slice value, struct slice token)
{
    while (value.size > 0) {
        const char *comma = memchr(value.data, ',', value.size);
        size_t size = comma ? (size_t)(comma - value.data) : value.size;

        if (slice_equal_nocase(slice_trim((struct slice){value.data, size}), token))
            return true;
        size += comma ? 1 : 0;
        value = (struct slice){value.data + size, value.size - size};
    }
    return false;
}

static enum head_result refuse(struct head *head, uint16_t status, const char *cause)
{
    head->status = status;
    head->cause = cause;
    return HEAD_REFUSED;
}

/* ---- request line ----------------------------------------------------------------------------------------------- */

static bool is_known_method(struct slice method)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (slice_equal(methods[i], method))
            return true;
    return false;
}

static enum head_result parse_version(const char **at, const char *end, struct head *head)
{
    static const char shape[] = "HTTP/0.0\r\n";
    size_t given = (size_t)(end - *at) < VERSION_SIZE ? (size_t)(end - *at) : VERSION_SIZE;
    const char *version = *at;

    if (given == VERSION_SIZE && memcmp(version, "HTTP/1.1\r\n", VERSION_SIZE) == 0) {
        head->minor = 1;
        *at += VERSION_SIZE;
        return HEAD_COMPLETE;
    }
    for (size_t i = 0; i < given; i++) {
        bool fits = shape[i] == '0' ? version[i] >= '0' && version[i] <= '9' : version[i] == shape[i];

        if (!fits)
            return refuse(head, 400, "The request line must end in HTTP/1.1 or HTTP/1.0 and CRLF.");
    }
    if (given < VERSION_SIZE)
        return HEAD_INCOMPLETE;
    if (version[5] != '1' || version[7] > '1')
        return refuse(head, 505, "Only HTTP/1.1 and HTTP/1.0 are spoken here.");
    head->minor = (uint8_t)(version[7] - '0');
    *at += VERSION_SIZE;
    return HEAD_COMPLETE;
}

static bool is_port(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    return text.size <= 5;
}

/* host[:port] of RFC 3986 3.2 without userinfo; a list (comma) is no host either. */
static bool is_host(struct slice text)
{
    const char *end = text.data + text.size;
    const char *at = text.data;

    if (text.size == 0)
        return false;
    if (*at == '[') {
        for (at++; at < end && *at != ']'; at++)
            if (!has_role(*at, HOST) && *at != ':')
                return false;
        if (at == end || at == text.data + 1)
            return false;
        at++;
    } else {
        at = skip_role(at, end, HOST);
        if (at == text.data)
            return false;
    }
    if (at == end)
        return true;
    return *at == ':' && is_port((struct slice){at + 1, (size_t)(end - at - 1)});
}

/* Length of "http://" or "https://" at the start of TARGET, 0 when there is none. */
static size_t scheme_size(struct slice target)
{
    static const struct slice schemes[] = {{"http://", 7}, {"https://", 8}};

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (target.size > schemes[i].size &&
            slice_equal_nocase((struct slice){target.data, schemes[i].size}, schemes[i]))
            return schemes[i].size;
    return 0;
}

static enum head_result check_target(struct head *head)
{
    size_t scheme;
    const char *end = head->target.data + head->target.size;
    const char *at;

    if (head->target.data[0] == '/')
        return HEAD_COMPLETE;
    if (slice_equal(head->target, SLICE("*")) && slice_equal(head->method, SLICE("OPTIONS")))
        return HEAD_COMPLETE;
    scheme = scheme_size(head->target);
    if (scheme == 0)
        return refuse(head, 400, "The request target must begin with a slash or be an http URL.");
    at = head->target.data + scheme;
    while (at < end && *at != '/' && *at != '?' && *at != '#')
        at++;
    head->host = (struct slice){head->target.data + scheme, (size_t)(at - head->target.data) - scheme};
    if (!is_host(head->host))
        return refuse(head, 400, "The request target names no valid host.");
    return HEAD_COMPLETE;
}

static enum head_result parse_request_line(const char **at_r, const char *end, struct head *head)
{
    const char *at = *at_r;
    const char *start = at;
    enum head_result result;

    at = skip_role(at, end, NAME);
    head->method = (struct slice){start, (size_t)(at - start)};
    if (at == end)
        return head->method.size > LONGEST_METHOD ? refuse(head, 501, "This method is not known here.")
                                                  : HEAD_INCOMPLETE;
    if (*at != ' ' || at == start)
        return refuse(head, 400, "The request line must begin with a method and one space.");
    start = ++at;
    at = skip_target(at, end);
    head->target = (struct slice){start, (size_t)(at - start)};
    if (at == end)
        return HEAD_INCOMPLETE;
    if (*at != ' ' || at == start)
        return refuse(head, 400, "The request target must be printable ASCII between single spaces.");
    at++;
    result = parse_version(&at, end, head);
    if (result != HEAD_COMPLETE)
        return result;
    if (!is_known_method(head->method))
        return refuse(head, 501, "This method is not known here.");
    *at_r = at;
    return check_target(head);
}

/* ---- fields ----------------------------------------------------------------------------------------------------- */

/* The field that NAME is, HEAD_FIELD_COUNT when it is none. */
static inline enum head_field find_field(struct slice name)
{
#define FIELD(symbol, text)                                                                          \
    if (name.size == sizeof(text) - 1 && is_known_name(name.data, text, sizeof(text) - 1))           \
        return HEAD_FIELD_##symbol;
#include "worker/head_fields.def"
#undef FIELD
    return HEAD_FIELD_COUNT;
}

static void note_known_field(struct head *head, struct slice name)
{
    enum head_field field = find_field(name);

    if (field == HEAD_FIELD_COUNT)
        return;
    if (head->first[field])
        head->repeated |= UINT32_C(1) << field;
    else
        head->first[field] = (uint16_t)head->field_count;
}

static enum head_result parse_field(const char **at_r, const char *end, struct head *head)
{
    const char *start = *at_r;
    const char *at = skip_name(start, end);
    struct fact_field *field = &head->fields[head->field_count];
    const char *stop;

    if (at == end)
        return HEAD_INCOMPLETE;
    if (at == start && (*at == ' ' || *at == '\t'))
        return refuse(head, 400, "A field must not be folded over several lines.");
    if (*at != ':' || at == start)
        return refuse(head, 400, "A field must begin with a name and a colon right behind it.");
    field->name = (struct slice){start, (size_t)(at - start)};
    at++;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    start = at;
    at = skip_value(at, end);
    if (at == end)
        return HEAD_INCOMPLETE;
    if (*at != '\r')
        return refuse(head, 400, "A field's value must not hold control bytes, and its line must end in CRLF.");
    if (at + 1 == end)
        return HEAD_INCOMPLETE;
    if (at[1] != '\n')
        return refuse(head, 400, "A carriage return must be followed by a line feed.");
    for (stop = at; stop > start && (stop[-1] == ' ' || stop[-1] == '\t'); stop--)
        ;
    field->value = (struct slice){start, (size_t)(stop - start)};
    head->field_count++;
    note_known_field(head, field->name);
    *at_r = at + 2;
    return HEAD_COMPLETE;
}

static enum head_result parse_fields(const char **at, const char *end, size_t max_fields, struct head *head)
{
    for (;;) {
        enum head_result result;

        if (*at == end)
            return HEAD_INCOMPLETE;
        if (**at == '\r') {
            if (*at + 1 == end)
                return HEAD_INCOMPLETE;
            if ((*at)[1] != '\n')
                return refuse(head, 400, "A carriage return must be followed by a line feed.");
            *at += 2;
            return HEAD_COMPLETE;
        }
        if (head->field_count == max_fields)
            return refuse(head, 431, "The request has more fields than max_headers allows.");
        result = parse_field(at, end, head);
        if (result != HEAD_COMPLETE)
            return result;
    }
}

/* ---- what the fields say together ------------------------------------------------------------------------------- */

static enum head_result check_host(struct head *head)
{
    if (head_is_repeated(head, HEAD_FIELD_host))
        return refuse(head, 400, "The request has more than one Host field.");
    if (!head_has(head, HEAD_FIELD_host))
        return head->minor == 0 ? HEAD_COMPLETE : refuse(head, 400, "The request has no Host field.");
    if (!is_host(head_value(head, HEAD_FIELD_host)))
        return refuse(head, 400, "The Host field names no valid host.");
    if (head->host.size == 0)
        head->host = head_value(head, HEAD_FIELD_host);
    return HEAD_COMPLETE;
}

static enum head_result check_content_length(struct head *head)
{
    struct slice text = head_value(head, HEAD_FIELD_content_length);

    if (!head_has(head, HEAD_FIELD_content_length))
        return HEAD_COMPLETE;
    if (head_is_repeated(head, HEAD_FIELD_content_length))
        return refuse(head, 400, "The request has more than one Content-Length field.");
    if (text.size == 0 || text.size > LENGTH_MAX_DIGITS)
        return refuse(head, 400, "Content-Length must have 1 to 18 digits.");
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return refuse(head, 400, "Content-Length must have 1 to 18 digits.");
        head->content_length = head->content_length * 10 + (uint64_t)(text.data[i] - '0');
    }
    head->has_content_length = true;
    return HEAD_COMPLETE;
}

static enum head_result check_transfer_encoding(struct head *head)
{
    if (!head_has(head, HEAD_FIELD_transfer_encoding))
        return HEAD_COMPLETE;
    if (head->minor == 0)
        return refuse(head, 400, "HTTP/1.0 has no Transfer-Encoding.");
    if (head_is_repeated(head, HEAD_FIELD_transfer_encoding))
        return refuse(head, 400, "The request has more than one Transfer-Encoding field.");
    if (head_has(head, HEAD_FIELD_content_length))
        return refuse(head, 400, "Transfer-Encoding and Content-Length exclude each other.");
    if (!slice_equal_nocase(head_value(head, HEAD_FIELD_transfer_encoding), SLICE("chunked")))
        return refuse(head, 501, "The only Transfer-Encoding known here is chunked.");
    head->is_chunked = true;
    return HEAD_COMPLETE;
}

/* HTTP/1.0 has no 100 Continue: its Expect is ignored (RFC 9110 10.1.1). */
static void note_expectation(struct head *head)
{
    if (head->minor == 0 || !head_has(head, HEAD_FIELD_expect))
        return;
    head->expects_continue = !head_is_repeated(head, HEAD_FIELD_expect) &&
                             slice_equal_nocase(head_value(head, HEAD_FIELD_expect), SLICE("100-continue"));
    head->is_expectation_unknown = !head->expects_continue;
}

static enum head_result check_fields(struct head *head)
{
    static enum head_result (*const checks[])(struct head *) = {check_host, check_content_length,
                                                                check_transfer_encoding};

    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        enum head_result result = checks[i](head);

        if (result != HEAD_COMPLETE)
            return result;
    }
    note_expectation(head);
    return HEAD_COMPLETE;
}

/* One empty line before a request is forgiven (RFC 9112 2.2). */
static enum head_result skip_empty_line(const char **at, const char *end, struct head *head)
{
    if (*at == end)
        return HEAD_INCOMPLETE;
    if (**at != '\r')
        return HEAD_COMPLETE;
    if (*at + 1 == end)
        return HEAD_INCOMPLETE;
    if ((*at)[1] != '\n')
        return refuse(head, 400, "A carriage return must be followed by a line feed.");
    *at += 2;
    return *at == end ? HEAD_INCOMPLETE : HEAD_COMPLETE;
}

enum head_result head_parse(const char *data, size_t size, const struct head_limits *limits, struct fact_field *fields,
                            struct head *head)
{
    const char *end = data + (size < limits->bytes ? size : limits->bytes);
    const char *at = data;
    bool in_request_line = true;
    enum head_result result;

    memset(head, 0, sizeof(*head));
    head->fields = fields;
    result = skip_empty_line(&at, end, head);
    if (result == HEAD_COMPLETE)
        result = parse_request_line(&at, end, head);
    if (result == HEAD_COMPLETE) {
        in_request_line = false;
        result = parse_fields(&at, end, limits->fields, head);
    }
    if (result == HEAD_INCOMPLETE && size >= limits->bytes)
        return in_request_line ? refuse(head, 414, "The request line is longer than max_header_bytes allows.")
                               : refuse(head, 431, "The request's head is larger than max_header_bytes allows.");
    if (result != HEAD_COMPLETE)
        return result;
    head->size = (size_t)(at - data);
    return check_fields(head);
}
