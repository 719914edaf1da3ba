/* SPDX-License-Identifier: MPL-2.0
 *
 * Puts a request together once and stamps the counting parts into copies of it. Writes what the caller says, also when
 * it is not good HTTP; adds only Host, Content-Length and Connection.
 */
#include "e2e/load/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_SIZE 24

/* Reads "{LOW-HIGH}" at TEXT; returns its length, 0 when it is not one. */
static size_t parse_range(const char *text, struct request_range *range)
{
    char *end = NULL;
    uint64_t low = strtoull(text + 1, &end, 10);

    if (end == text + 1 || *end != '-') {
        return 0;
    }
    const char *second = end + 1;
    uint64_t high = strtoull(second, &end, 10);
    if (end == second || *end != '}' || high < low) {
        return 0;
    }
    range->low = low;
    range->count = high - low + 1;
    return (size_t)(end - text) + 1;
}

static bool add_header(struct request *request, FILE *out, const char *line, const char **problem)
{
    for (const char *at = line; *at != '\0';) {
        struct request_range range = {0};
        size_t skipped = *at == '{' ? parse_range(at, &range) : 0;

        if (skipped == 0) {
            fputc(*at++, out);
            continue;
        }
        if (request->range_count == REQUEST_MAX_RANGES) {
            *problem = "there are more than 8 ranges {LOW-HIGH}";
            return false;
        }
        fflush(out);
        range.place = request->size;
        request->ranges[request->range_count++] = range;
        at += skipped;
    }
    fputs("\r\n", out);
    return true;
}

bool request_init(struct request *request, const struct request_parts *parts, const char **problem)
{
    *request = (struct request){.is_head_method = strcmp(parts->method, "HEAD") == 0};
    FILE *out = open_memstream(&request->text, &request->size);

    if (!out) {
        *problem = "memory is out";
        return false;
    }
    bool is_fine = true;
    fprintf(out, "%s %s HTTP/1.1\r\nHost: %s\r\n", parts->method, parts->path, parts->host);
    for (size_t i = 0; i < parts->header_count && is_fine; i++) {
        is_fine = add_header(request, out, parts->headers[i], problem);
    }
    if (parts->body) {
        fprintf(out, "Content-Length: %zu\r\n", parts->body_size);
    }
    fputs(parts->closes ? "Connection: close\r\n\r\n" : "\r\n", out);
    if (parts->body) {
        fwrite(parts->body, 1, parts->body_size, out);
    }
    if (fclose(out) != 0 && is_fine) {
        *problem = "memory is out";
        return false;
    }
    return is_fine;
}

void request_fini(struct request *request)
{
    free(request->text);
    request->text = NULL;
}

size_t request_max_size(const struct request *request)
{
    return request->size + request->range_count * NUMBER_SIZE;
}

size_t request_print(const struct request *request, uint64_t number, char *out)
{
    size_t size = 0;
    size_t copied = 0;

    for (size_t i = 0; i < request->range_count; i++) {
        const struct request_range *range = &request->ranges[i];
        size_t piece = range->place - copied;

        memcpy(out + size, request->text + copied, piece);
        size += piece;
        copied += piece;
        int digits = snprintf(out + size, NUMBER_SIZE, "%" PRIu64, range->low + number % range->count);
        size += digits > 0 ? (size_t)digits : 0;
        number /= range->count;
    }
    memcpy(out + size, request->text + copied, request->size - copied);
    return size + request->size - copied;
}
