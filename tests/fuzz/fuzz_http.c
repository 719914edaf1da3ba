/* SPDX-License-Identifier: MPL-2.0
 *
 * libFuzzer entry: a stream of bytes as a client may send it, cut where its first byte says, through the worker's
 * message readers. Whatever comes, requests end where both the strict readers and the parser library say, and the
 * stream moves on or ends. Built with --enable-fuzz; tests/worker/http holds what to begin with.
 */
#include <stdint.h>
#include <stdlib.h>

#include "shm/must.h"
#include "worker/http.h"

#define MAX_FIELDS 16
#define MAX_BODY   64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads one message at the start of DATA, its body in pieces of PIECE bytes. Returns its size, 0 when it is incomplete
 * or refused. */
static size_t read_message(struct http *http, const char *data, size_t size, size_t piece)
{
    static const struct head_limits limits = {.bytes = 512, .fields = MAX_FIELDS};
    struct fact_field fields[MAX_FIELDS];
    struct head head;
    enum http_result result;
    size_t at;

    if (head_parse(data, size, &limits, fields, &head) != HEAD_COMPLETE)
        return 0;
    MUST(head.size > 0 && head.size <= size && head.size <= limits.bytes);
    MUST(head.field_count <= limits.fields);
    at = head.size;
    result = http_begin(http, &head, data);
    while (result == HTTP_MORE && at < size) {
        size_t given = size - at < piece ? size - at : piece, used = 0;

        result = http_body(http, data + at, given, MAX_BODY, &used);
        MUST(used <= given);
        MUST(result != HTTP_MORE || used == given);
        at += used;
    }
    return result == HTTP_DONE ? at : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t piece = size > 0 ? data[0] % 7 + 1U : 1;
    struct http http;
    size_t at = size > 0 ? 1 : 0;

    http_init(&http);
    while (at < size) {
        size_t rest = size - at;
        char *copy = malloc(rest); /* ends where the bytes end, so that a look beyond is seen */
        size_t used;

        if (!copy)
            return 0;
        memcpy(copy, data + at, rest);
        used = read_message(&http, copy, rest, piece);
        free(copy);
        if (used == 0)
            return 0;
        at += used;
    }
    return 0;
}
