/* SPDX-License-Identifier: MPL-2.0
 *
 * The facts of one request, as the policy engine sees it: what was asked, by whom, with which fields. The worker makes
 * them from an HTTP message, the command line from its arguments. All slices are borrowed for the time of the decision.
 */
#ifndef FAIRVISOR_POLICY_FACTS_H
#define FAIRVISOR_POLICY_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/address.h"
#include "shm/slice.h"

struct fact_field {
    struct slice name; /* as received; compared without case */
    struct slice value;
};

struct facts {
    struct slice method;
    struct slice host;  /* lower case, without port and trailing dot: facts_host() */
    struct slice path;  /* normalized: path_normalize() */
    struct slice query; /* as received, without the '?' */
    const struct fact_field *fields;
    size_t field_count;
    struct slice body;     /* as received; empty when there is none or nobody looks into it */
    bool body_can_be_clamped; /* whoever sends it on can make the completion it asks for shorter */
    struct address client; /* ADDRESS_NONE when unknown */
    bool client_is_told;   /* false: a trusted proxy sent the request and did not say for whom; CLIENT is that proxy */
    bool peer_is_trusted;  /* the fields come from a proxy that may tell about the client: see origin.h */
};

/* Writes the canonical form of a Host or X-Original-Host value (lower case, no port, no trailing dot, IPv6 brackets
 * kept) into OUT (at least as large as the value) and returns it. */
struct slice facts_host(struct slice value, char *out);

#endif
