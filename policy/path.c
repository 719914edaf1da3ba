/* SPDX-License-Identifier: MPL-2.0
 *
 * Request targets: split into path and query, and brought to the one form that selectors are compared with, so that no
 * other spelling of a path can slip past a limit.
 */
#include "policy/path.h"

#include <stdint.h>

#include "shm/hex_digit.h"

/* End of TARGET without its fragment. */
static size_t cut_fragment(struct slice target)
{
    const char *hash = target.size > 0 ? memchr(target.data, '#', target.size) : NULL;

    return hash ? (size_t)(hash - target.data) : target.size;
}

/* Offset of the path in an absolute-form target, 0 when it is not one. */
static size_t skip_authority(struct slice target)
{
    static const struct slice schemes[] = {{"http://", 7}, {"https://", 8}};

    for (size_t i = 0; i < 2; i++) {
        size_t at = schemes[i].size;

        if (target.size <= at || !slice_equal_nocase((struct slice){target.data, at}, schemes[i]))
            continue;
        while (at < target.size && target.data[at] != '/' && target.data[at] != '?')
            at++;
        return at > schemes[i].size ? at : 0;
    }
    return 0;
}

bool path_split(struct slice target, struct slice *path, struct slice *query)
{
    const char *mark;
    size_t start = 0;

    target.size = cut_fragment(target);
    if (target.size == 0)
        return false;
    if (target.data[0] != '/' && target.data[0] != '?') { /* "?q": what nginx makes of "http://h?q" in $request_uri */
        start = skip_authority(target);
        if (start == 0)
            return false;
    }
    *path = (struct slice){target.data + start, target.size - start};
    *query = (struct slice){NULL, 0};
    mark = path->size > 0 ? memchr(path->data, '?', path->size) : NULL;
    if (mark) {
        *query = (struct slice){mark + 1, path->size - (size_t)(mark - path->data) - 1};
        path->size = (size_t)(mark - path->data);
    }
    if (path->size == 0)
        *path = SLICE("/"); /* "http://h" and "http://h?q" ask for the root (RFC 9112 3.2.1) */
    return true;
}

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

/* A byte that only some let through as it is, while others encode it: it must not make another path of one. */
static bool is_raw(unsigned char c)
{
    return c <= 0x20 || c >= 0x7F;
}

/* Is there anything to do? Most paths have no escape, no "//" and no segment that starts with a dot. */
static bool is_plain(struct slice path)
{
    static const bool is_of_interest[256] = {['%'] = true, ['/'] = true, [0 ... 0x20] = true, [0x7F ... 0xFF] = true};

    for (size_t i = 0; i < path.size; i++) {
        if (!is_of_interest[(unsigned char)path.data[i]])
            continue;
        if (path.data[i] != '/' || (i + 1 < path.size && (path.data[i + 1] == '/' || path.data[i + 1] == '.')))
            return false;
    }
    return path.size > 0 && path.data[0] == '/';
}

/* Would what comes next in OUT be read as the digits of the percent sign at STRAY? */
static bool continues_stray(const char *out, size_t used, size_t stray)
{
    return used == stray + 1 || (used == stray + 2 && hex_digit(out[used - 1]) >= 0);
}

static size_t encode(unsigned char byte, char *out)
{
    static const char digits[] = "0123456789ABCDEF";

    out[0] = '%';
    out[1] = digits[byte >> 4];
    out[2] = digits[byte & 15];
    return 3;
}

/* Decodes what may be decoded; escapes that stay get upper-case digits, a stray percent sign stays as it is. Nothing is decoded
 * behind one that would make an escape of it: "%%36%31" must not become "%61", which is "a" to whoever decodes it again. */
static size_t decode(struct slice path, char *out)
{
    size_t used = 0, stray = SIZE_MAX - 2;

    if (path.size == 0 || path.data[0] != '/')
        out[used++] = '/';
    for (size_t i = 0; i < path.size; i++) {
        int high = path.data[i] == '%' && path.size - i > 2 ? hex_digit(path.data[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(path.data[i + 2]) : -1;

        if (low < 0 && is_raw((unsigned char)path.data[i])) {
            used += encode((unsigned char)path.data[i], out + used);
            continue;
        }
        if (low < 0) {
            if (path.data[i] == '%')
                stray = used;
            out[used++] = path.data[i];
            continue;
        }
        i += 2;
        if (is_unreserved((unsigned char)(high * 16 + low)) && !continues_stray(out, used, stray))
            out[used++] = (char)(high * 16 + low);
        else
            used += encode((unsigned char)(high * 16 + low), out + used);
    }
    return used;
}

static size_t drop_last_segment(const char *out, size_t used)
{
    while (used > 0 && out[--used] != '/')
        continue;
    return used;
}

/* Removes empty and dot segments, in place. A path that ends in one keeps its trailing slash. */
static size_t remove_dots(char *out, size_t size)
{
    size_t used = 0;

    for (size_t at = 0; at < size;) {
        size_t start = at + 1, end = start, length;

        while (end < size && out[end] != '/')
            end++;
        length = end - start;
        at = end;
        if (length == 2 && out[start] == '.' && out[start + 1] == '.') {
            used = drop_last_segment(out, used);
        } else if (length > 0 && !(length == 1 && out[start] == '.')) {
            memmove(out + used, out + start - 1, length + 1);
            used += length + 1;
            continue;
        }
        if (at >= size)
            out[used++] = '/';
    }
    return used;
}

struct slice path_normalize(struct slice path, char *out)
{
    if (is_plain(path))
        return path;
    return (struct slice){out, remove_dots(out, decode(path, out))};
}
