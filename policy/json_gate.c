/* SPDX-License-Identifier: MPL-2.0
 *
 * A recursive descent over RFC 8259's grammar, no deeper than JSON_GATE_MAX_DEPTH. It builds nothing and keeps nothing:
 * it only says whether the text is JSON, and where it stops being JSON.
 */
#include "policy/json_gate.h"

#include <stdint.h>

#include "shm/hex_digit.h"
#include "shm/utf8.h"

struct gate {
    const unsigned char *text;
    size_t size, at, tokens, max_tokens;
    unsigned depth;
    struct json_gate_fault *fault;
};

static bool refuse(struct gate *gate, size_t offset, const char *sentence)
{
    *gate->fault = (struct json_gate_fault){offset, sentence};
    return false;
}

/* The byte at the cursor, or -1 at the end. */
static int peek(const struct gate *gate)
{
    return gate->at < gate->size ? gate->text[gate->at] : -1;
}

static void skip_space(struct gate *gate)
{
    while (gate->at < gate->size) {
        unsigned char c = gate->text[gate->at];

        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            return;
        gate->at++;
    }
}

static bool count_token(struct gate *gate)
{
    if (++gate->tokens > gate->max_tokens)
        return refuse(gate, gate->at, "the document has too many values");
    return true;
}

/* Length of the well-formed UTF-8 character at the cursor, 0 when there is none. */
static size_t character_length(const struct gate *gate)
{
    return utf8_size((struct slice){(const char *)gate->text + gate->at, gate->size - gate->at});
}

/* Reads the four digits behind "\u"; the cursor is on the first. -1 when they are not hexadecimal. */
static int32_t hex_quad(struct gate *gate)
{
    int32_t unit = 0;

    for (int i = 0; i < 4; i++, gate->at++) {
        int digit = gate->at < gate->size ? hex_digit((char)gate->text[gate->at]) : -1;

        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

static bool unicode_escape(struct gate *gate, size_t start)
{
    int32_t unit = hex_quad(gate);

    if (unit < 0)
        return refuse(gate, start, "\\u must be followed by four hexadecimal digits");
    if (unit == 0)
        return refuse(gate, start, "\\u0000 is not allowed in a string");
    if (unit >= 0xDC00 && unit <= 0xDFFF)
        return refuse(gate, start, "this low surrogate has no high surrogate before it");
    if (unit < 0xD800 || unit > 0xDBFF)
        return true;
    if (gate->size - gate->at >= 2 && gate->text[gate->at] == '\\' && gate->text[gate->at + 1] == 'u') {
        gate->at += 2;
        unit = hex_quad(gate);
        if (unit >= 0xDC00 && unit <= 0xDFFF)
            return true;
    }
    return refuse(gate, start, "this high surrogate has no low surrogate behind it");
}

static bool escape(struct gate *gate)
{
    size_t start = gate->at++;
    int c = peek(gate);

    gate->at++;
    switch (c) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return true;
    case 'u':
        return unicode_escape(gate, start);
    default:
        return refuse(gate, start, "this escape is unknown; JSON has \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\uXXXX");
    }
}

static bool string(struct gate *gate)
{
    size_t start = gate->at++;

    if (!count_token(gate))
        return false;
    for (;;) {
        int c = peek(gate);

        if (c == '"') {
            gate->at++;
            return true;
        }
        if (c < 0)
            return refuse(gate, start, "this string is not closed; a quotation mark is missing");
        if (c == '\n' || c == '\r')
            return refuse(gate, gate->at,
                          "the line ends inside a string; a quotation mark is missing, or write the line break as \\n");
        if (c < 0x20)
            return refuse(gate, gate->at, "a string must not hold a raw control byte; write it as an escape");
        if (c == '\\') {
            if (!escape(gate))
                return false;
        } else {
            size_t length = c < 0x80 ? 1 : character_length(gate);

            if (length == 0)
                return refuse(gate, gate->at, "this byte is not valid UTF-8");
            gate->at += length;
        }
    }
}

static size_t digits(struct gate *gate)
{
    size_t start = gate->at;

    while (gate->at < gate->size && gate->text[gate->at] >= '0' && gate->text[gate->at] <= '9')
        gate->at++;
    return gate->at - start;
}

static bool number(struct gate *gate)
{
    size_t start = gate->at;

    if (peek(gate) == '-')
        gate->at++;
    if (peek(gate) == '0') {
        gate->at++;
        if (digits(gate) > 0)
            return refuse(gate, start, "a number must not start with a superfluous 0");
    } else if (digits(gate) == 0) {
        return refuse(gate, start, "a number needs a digit here");
    }
    if (peek(gate) == '.') {
        gate->at++;
        if (digits(gate) == 0)
            return refuse(gate, start, "a number needs a digit behind its decimal point");
    }
    if (peek(gate) == 'e' || peek(gate) == 'E') {
        gate->at++;
        if (peek(gate) == '+' || peek(gate) == '-')
            gate->at++;
        if (digits(gate) == 0)
            return refuse(gate, start, "a number needs a digit in its exponent");
    }
    return count_token(gate);
}

/* Single ones, as other languages have them, and those that word processors and web pages make of ours: U+2018 to U+201F. */
static bool is_foreign_quote(const unsigned char *text, size_t left)
{
    return (left > 0 && text[0] == '\'') ||
           (left > 2 && text[0] == 0xe2 && text[1] == 0x80 && text[2] >= 0x98 && text[2] <= 0x9f);
}

/* At AT something else than what is expected stands. People write comments into what they keep by hand. */
static bool refuse_at(struct gate *gate, size_t at, const char *sentence)
{
    const unsigned char *text = gate->text + at;
    size_t left = gate->size - at;
    bool is_comment = (left > 0 && text[0] == '#') || (left > 1 && text[0] == '/' && (text[1] == '/' || text[1] == '*'));

    if (is_comment)
        sentence = "JSON has no comments: remove this one";
    else if (is_foreign_quote(text, left))
        sentence = "strings and names stand in plain double quotation marks, as in \"name\"";
    return refuse(gate, at, sentence);
}

static bool is_word_byte(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool word(struct gate *gate)
{
    static const char *const words[] = {"true", "false", "null"};
    size_t start = gate->at;

    while (is_word_byte(peek(gate)))
        gate->at++;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (slice_equal((struct slice){(const char *)gate->text + start, gate->at - start}, slice_of(words[i])))
            return count_token(gate);
    return refuse_at(gate, start, "a value is expected here: a string, a number, true, false, null, { or [");
}

static bool value(struct gate *gate);

static bool member(struct gate *gate)
{
    if (peek(gate) != '"')
        return refuse_at(gate, gate->at, "a member name in quotation marks is expected here");
    if (!string(gate))
        return false;
    skip_space(gate);
    if (peek(gate) != ':')
        return refuse_at(gate, gate->at, "a colon is expected here, between a member's name and its value");
    gate->at++;
    return value(gate);
}

/* Members or elements up to CLOSER; the cursor is behind the opening bracket. */
static bool container(struct gate *gate, size_t start, int closer)
{
    bool (*item)(struct gate *) = closer == '}' ? member : value;

    skip_space(gate);
    if (peek(gate) == closer) {
        gate->at++;
        return true;
    }
    for (;;) {
        size_t comma;

        if (peek(gate) < 0)
            return refuse(gate, start, "this bracket is not closed");
        if (!item(gate))
            return false;
        skip_space(gate);
        if (peek(gate) == closer) {
            gate->at++;
            return true;
        }
        if (peek(gate) < 0)
            return refuse(gate, start, "this bracket is not closed");
        if (peek(gate) != ',')
            return refuse_at(gate, gate->at,
                          closer == '}' ? "a comma or } is expected here" : "a comma or ] is expected here");
        comma = gate->at++;
        skip_space(gate);
        if (peek(gate) == closer)
            return refuse(gate, comma, "a comma must not stand before a closing bracket");
    }
}

static bool value(struct gate *gate)
{
    int c;
    bool is_fine;

    skip_space(gate);
    c = peek(gate);
    if (c < 0)
        return refuse(gate, gate->at, "the document ends where a value is expected");
    if (c == '"')
        return string(gate);
    if (c == '-' || (c >= '0' && c <= '9'))
        return number(gate);
    if (c != '{' && c != '[')
        return word(gate);
    if (gate->depth == JSON_GATE_MAX_DEPTH)
        return refuse(gate, gate->at, "the document is nested too deeply; 64 levels are allowed");
    if (!count_token(gate))
        return false;
    gate->depth++;
    gate->at++;
    is_fine = container(gate, gate->at - 1, c == '{' ? '}' : ']');
    gate->depth--;
    return is_fine;
}

bool json_gate_check(struct slice text, const struct json_gate_limits *limits, size_t *tokens,
                     struct json_gate_fault *fault)
{
    struct gate gate = {
        .text = (const unsigned char *)text.data,
        .size = text.size,
        .max_tokens = limits->max_tokens,
        .fault = fault,
    };

    if (text.size > limits->max_bytes)
        return refuse(&gate, 0, "the document is too large");
    if (slice_has_prefix(text, SLICE("\xEF\xBB\xBF")))
        return refuse(&gate, 0, "the document starts with a byte order mark; save it as UTF-8 without one");
    skip_space(&gate);
    if (gate.at == gate.size)
        return refuse(&gate, gate.at, "the document is empty");
    if (!value(&gate))
        return false;
    skip_space(&gate);
    if (gate.at < gate.size)
        return refuse_at(&gate, gate.at, "nothing may follow the end of the document");
    *tokens = gate.tokens;
    return true;
}
