/* SPDX-License-Identifier: MPL-2.0
 *
 * Private to worker/head*.c: the two halves of a head.
 */
#ifndef FAIRVISOR_WORKER_HEAD_PRIVATE_H
#define FAIRVISOR_WORKER_HEAD_PRIVATE_H

#include "worker/head.h"

static inline enum head_result head_refuse(struct head *head, uint16_t status, const char *cause)
{
    head->status = status;
    head->cause = cause;
    return HEAD_REFUSED;
}

/* Reads the request line at *AT, which is moved behind it, into HEAD: method, target, minor and, of an absolute target,
 * host. */
enum head_result head_line_parse(const char **at_r, const char *end, struct head *head);

/* host[:port] of RFC 3986 3.2 without userinfo; a list (comma) is no host either. */
bool head_line_is_host(struct slice text);

#endif
