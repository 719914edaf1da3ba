/* SPDX-License-Identifier: MPL-2.0
 *
 * backend_url taken apart: http://HOST, http://HOST:PORT, or the same with https. HOST is a name, an IPv4 address, or an
 * IPv6 address in brackets.
 */
#ifndef FAIRVISOR_SHM_BACKEND_H
#define FAIRVISOR_SHM_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/slice.h"

#define BACKEND_HOST_SIZE 254 /* of a name in DNS, with a NUL */

struct backend {
    bool is_tls;
    char host[BACKEND_HOST_SIZE]; /* without brackets, terminated */
    uint16_t port;
    struct slice authority; /* in the URL: host and port as the Host field takes them */
};

/* Reads URL, which must outlive BACKEND. false: *WHY is a clause that says what is wrong. */
bool backend_parse(struct slice url, struct backend *backend, const char **why);

#endif
