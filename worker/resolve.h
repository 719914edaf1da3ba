/* SPDX-License-Identifier: MPL-2.0
 *
 * The upstream's addresses: looked up off the loop, kept for a while, looked up again when that is over. An address in
 * the URL is never looked up. When a name that was found before cannot be looked up anew, the old addresses go on
 * serving: a resolver that fails must not take down what works.
 */
#ifndef FAIRVISOR_WORKER_RESOLVE_H
#define FAIRVISOR_WORKER_RESOLVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <uv.h>

#define RESOLVE_MAX_ADDRESSES 16
#define RESOLVE_KEEP_MS       10000 /* how long an answer counts as fresh */

struct resolve_addresses {
    struct sockaddr_storage items[RESOLVE_MAX_ADDRESSES];
    unsigned count;
};

/* Who waits for addresses. In the list until it is called or gives up. */
struct resolve_waiter {
    struct resolve_waiter *previous, *next;
    void (*on_done)(struct resolve_waiter *waiter, bool is_found);
};

struct resolve {
    uv_loop_t *loop;
    const char *host;
    uint16_t port;
    struct resolve_addresses addresses;
    unsigned first; /* of them: connections begin with it, for those before it could not be reached */
    bool is_literal;
    uint64_t found_ms; /* uv_now() of the last answer */
    int64_t log_ms;    /* uv_now() of the last line about a name that was not found, 0 before; see log_is_due */
    struct resolve_request *request; /* the one that is on its way, or NULL */
    struct resolve_waiter waiters; /* head of the ring */
};

/* HOST must outlive RESOLVE. */
void resolve_init(struct resolve *resolve, uv_loop_t *loop, const char *host, uint16_t port);

/* Addresses that can be used now: fresh, or old ones while a new look-up is on its way. NULL: wait with resolve_wait. */
const struct resolve_addresses *resolve_get(struct resolve *resolve);

/* ADDRESS, one of those that were given, was reached when others were not: it is the first from now on, until the name is looked
 * up anew. */
void resolve_prefer(struct resolve *resolve, const struct sockaddr_storage *address);

/* Calls WAITER's on_done, later, when the look-up is over. false: it cannot be made. */
bool resolve_wait(struct resolve *resolve, struct resolve_waiter *waiter);

/* Leaves the list. Again, or when it was never in it (zeroed): nothing. */
void resolve_give_up(struct resolve_waiter *waiter);

/* Forgets what is on its way; nobody may wait. */
void resolve_fini(struct resolve *resolve);

#endif
