/* SPDX-License-Identifier: MPL-2.0
 *
 * A slice is a borrowed run of bytes: not terminated, not owned. Whoever holds one must know how long the bytes live.
 */
#ifndef FAIRVISOR_SHM_SLICE_H
#define FAIRVISOR_SHM_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *data;
    size_t size;
};

/* A slice of a string literal. */
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

/* Borrows a terminated string; NULL gives an empty slice. */
static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline char slice_lower(char c)
{
    return (c >= 'A' && c <= 'Z') ? (char)(c | 0x20) : c;
}

/* Equal but for the case of ASCII letters (RFC 9110: field names, host names). */
static inline bool slice_equal_nocase(struct slice a, struct slice b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++)
        if (slice_lower(a.data[i]) != slice_lower(b.data[i]))
            return false;
    return true;
}

/* Without the spaces and tabs around it. */
static inline struct slice slice_trim(struct slice text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = (struct slice){text.data + 1, text.size - 1};
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
        text.size--;
    return text;
}

static inline bool slice_has_suffix(struct slice text, struct slice suffix)
{
    return text.size >= suffix.size && memcmp(text.data + text.size - suffix.size, suffix.data, suffix.size) == 0;
}

static inline bool slice_has_prefix(struct slice text, struct slice prefix)
{
    return text.size >= prefix.size && (prefix.size == 0 || memcmp(text.data, prefix.data, prefix.size) == 0);
}

#endif
