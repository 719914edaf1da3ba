/* SPDX-License-Identifier: MPL-2.0
 *
 * Whether the name of a field, or a word in its value, is a certain one but for the case of its letters: a few
 * comparisons of words where that one's size is a constant.
 */
#ifndef FAIRVISOR_WORKER_NAME_H
#define FAIRVISOR_WORKER_NAME_H

#include <stdbool.h>

#include "shm/slice.h"
#include "worker/run.h"

static inline uint64_t name_differ_in_word(const char *name, const char *known)
{
    return (run_load(name) | RUN_EACH_BYTE(0x20)) ^ run_load(known);
}

static inline uint32_t name_differ_in_half(const char *name, const char *known)
{
    uint32_t a, b;

    memcpy(&a, name, sizeof(a));
    memcpy(&b, known, sizeof(b));
    return (a | (uint32_t)RUN_EACH_BYTE(0x20)) ^ b;
}

/* NAME holds no control bytes, and KNOWN lower case letters, digits and hyphens only; both have SIZE bytes. */
static inline bool name_is_known(const char *name, const char *known, size_t size)
{
    uint64_t difference;

    if (size < 4) {
        difference = 0;
        for (size_t i = 0; i < size; i++)
            difference |= (uint64_t)((name[i] | 0x20) ^ known[i]);
        return difference == 0;
    }
    if (size < 8)
        return (name_differ_in_half(name, known) | name_differ_in_half(name + size - 4, known + size - 4)) == 0;
    difference = name_differ_in_word(name + size - 8, known + size - 8);
    for (size_t i = 0; i + 8 < size; i += 8)
        difference |= name_differ_in_word(name + i, known + i);
    return difference == 0;
}

/* Whether NAME, a token or a value that was parsed, is LITERAL: lower case letters, digits and hyphens. */
#define NAME_IS(name, literal)             \
    ((name).size == sizeof(literal) - 1 && \
     name_is_known((name).data, (literal), sizeof(literal) - 1))

#endif
