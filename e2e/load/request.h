/* SPDX-License-Identifier: MPL-2.0
 *
 * The bytes of the requests that are sent: one text, with ranges "{LOW-HIGH}" in header values that count up from
 * request to request.
 */
#ifndef FAIRVISOR_E2E_LOAD_REQUEST_H
#define FAIRVISOR_E2E_LOAD_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_MAX_RANGES 8

struct request_range {
    size_t place; /* in text: digits go before this byte */
    uint64_t low, count;
};

struct request {
    char *text; /* head without ranges, and body */
    size_t size;
    struct request_range ranges[REQUEST_MAX_RANGES];
    size_t range_count;
    bool is_head_method;
};

/* What the caller wants asked; borrowed until request_init returns. */
struct request_parts {
    const char *method, *path, *host;
    const char *const *headers; /* whole lines "Name: value" without line ends */
    size_t header_count;
    const char *body; /* NULL: none */
    size_t body_size;
    bool closes; /* Connection: close */
};

/* Builds the text. false, with a sentence in PROBLEM, when a range is malformed or there are too many. */
bool request_init(struct request *request, const struct request_parts *parts, const char **problem);
void request_fini(struct request *request);

/* Bytes that request_print may need at most. */
size_t request_max_size(const struct request *request);

/* Writes request NUMBER (from 0) to OUT and returns its size. The first range changes fastest; a range behind it
 * advances when the one before has gone round. */
size_t request_print(const struct request *request, uint64_t number, char *out);

#endif
