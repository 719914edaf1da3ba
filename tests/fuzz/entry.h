/* SPDX-License-Identifier: MPL-2.0
 *
 * What the fuzz targets share. Each is one file, fuzz_NAME.c, that hands bytes to a public function and holds its answer against what
 * must be true of it; with --enable-fuzz libFuzzer makes the bytes up, else replay.c reads them from files.
 */
#ifndef FAIRVISOR_TESTS_FUZZ_ENTRY_H
#define FAIRVISOR_TESTS_FUZZ_ENTRY_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm/must.h"
#include "shm/slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy that ends where the bytes end, so that a look beyond is seen. The caller frees its data. */
static inline struct slice entry_copy(const void *data, size_t size)
{
    char *copy = calloc(1, size > 0 ? size : 1);

    MUST(copy);
    if (size > 0)
        memcpy(copy, data, size);
    return (struct slice){copy, size};
}

static inline void entry_free(struct slice copy)
{
    free((void *)(uintptr_t)copy.data);
}

/* Takes the first byte, which says how the rest is to be used; 0 when there is none. */
static inline unsigned entry_take(const uint8_t **data, size_t *size)
{
    if (*size == 0)
        return 0;
    (*size)--;
    return *(*data)++;
}

/* A stream into memory, made once for all inputs, for it is not cheap. */
struct entry_sink {
    FILE *out;
    char *text;
    size_t size;
};

static inline FILE *entry_sink_begin(struct entry_sink *sink)
{
    if (!sink->out)
        sink->out = open_memstream(&sink->text, &sink->size);
    MUST(sink->out);
    rewind(sink->out);
    return sink->out;
}

/* What was printed since entry_sink_begin. It lies there until the next time. */
static inline struct slice entry_sink_end(struct entry_sink *sink)
{
    MUST(fflush(sink->out) == 0);
    return (struct slice){sink->text, sink->size};
}

/* Cuts the line at the front of REST off, without its end. */
static inline struct slice entry_line(struct slice *rest)
{
    const char *end = rest->size > 0 ? memchr(rest->data, '\n', rest->size) : NULL;
    struct slice line = {rest->data, end ? (size_t)(end - rest->data) : rest->size};
    size_t used = line.size + (end ? 1 : 0);

    *rest = (struct slice){rest->data + used, rest->size - used};
    return line;
}

#endif
