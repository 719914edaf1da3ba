/* SPDX-License-Identifier: MPL-2.0
 *
 * What the serving generation holds that ends by itself: its bundle (expires_at) and the certificate of tls_cert. Both
 * are served on when their time has come, for an outage would be worse; so it must be said. The page of metrics and
 * `fairvisor status` tell the times at any moment; here is one line of the log for each, when it passes.
 */
#ifndef FAIRVISOR_MASTER_EXPIRY_H
#define FAIRVISOR_MASTER_EXPIRY_H

#include <stdint.h>

#include "master/generation.h"
#include "master/loop.h"

struct expiry {
    const struct generation *serving;
    int64_t said_bundle_at; /* the time that was said to have passed, seconds since 1970; 0: none */
    int64_t said_certificate_at;
};

/* Watches what SERVING, which may become another generation, holds. */
void expiry_init(struct expiry *expiry, struct loop *loop, const struct generation *serving);

#endif
