/* SPDX-License-Identifier: MPL-2.0
 *
 * Values of keys: descriptor + facts -> bytes. Looked up at most once per request and key.
 */
#ifndef FAIRVISOR_POLICY_DESCRIPTOR_H
#define FAIRVISOR_POLICY_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/bundle.h"
#include "policy/claims.h"
#include "policy/facts.h"
#include "policy/origin.h"

#define DESCRIPTOR_MAX_MORE 64

/* Answers of one request. Made once per worker for a bundle, begun anew for each request. */
struct descriptor_cache {
    const struct bundle *bundle;
    const struct facts *facts;
    const struct claims *claims; /* NULL: none */
    const struct descriptor *more; /* that the bundle does not have; numbered behind its own */
    uint32_t request;            /* number of this request: marks which entries are of it */
    struct descriptor_entry {
        uint32_t request;
        bool is_present;
        struct slice value;
    } * entries;   /* one per descriptor, and room for more */
    char *scratch; /* decoded query values and joined headers of this request */
    size_t scratch_size, scratch_used;
    struct origin origin; /* its references and slot may be set after descriptor_cache_init */
};

/* Allocates entries and SCRATCH_SIZE bytes (at least twice max_header_bytes, so that a request's values always fit).
 * false when memory is out. */
bool descriptor_cache_init(struct descriptor_cache *cache, const struct bundle *bundle, size_t scratch_size);
void descriptor_cache_fini(struct descriptor_cache *cache);

/* Lets the numbers from bundle->descriptor_count on stand for MORE, at most DESCRIPTOR_MAX_MORE of them, which must live
 * until the next call. Between requests, or in one that has not asked for any of these yet. */
void descriptor_cache_add(struct descriptor_cache *cache, const struct descriptor *more);

/* The descriptor with a number. */
const struct descriptor *descriptor_cache_at(const struct descriptor_cache *cache, uint32_t descriptor);

/* Begins a request. FACTS and CLAIMS must live until the next. */
void descriptor_cache_begin(struct descriptor_cache *cache, const struct facts *facts, const struct claims *claims);

/* Value of a descriptor for this request; false when the request has none (an absent header, an unknown address, a
 * claim that is not a string, number or boolean). An empty value counts as absent: an empty key must not be a way out
 * of a limit. Headers that occur several times are joined with ", " (RFC 9110 5.3), a query parameter's first value
 * counts, both name and value percent-decoded. The slice lives until the next descriptor_cache_begin. */
bool descriptor_value(struct descriptor_cache *cache, uint32_t descriptor, struct slice *value);

/* Answers for the request at hand in the place of its facts: for those who know who it is from, but have no request. An
 * empty VALUE is absent. The slice must live until the next descriptor_cache_begin. */
void descriptor_cache_set(struct descriptor_cache *cache, uint32_t descriptor, struct slice value);

#endif
