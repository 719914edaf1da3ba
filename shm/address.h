/* SPDX-License-Identifier: MPL-2.0
 *
 * Internet addresses and networks as plain bytes, shared by the settings (trusted_proxies), the worker (who is the
 * client?) and the policy keys (ip:address, ip:prefix).
 */
#ifndef FAIRVISOR_SHM_ADDRESS_H
#define FAIRVISOR_SHM_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "shm/slice.h"

/* ADDRESS_NONE also stands for the peer of a unix socket. An IPv4-mapped IPv6 address is kept as the IPv4 address. */
enum address_family { ADDRESS_NONE, ADDRESS_IPV4, ADDRESS_IPV6 };

struct address {
    uint8_t family;    /* enum address_family */
    uint8_t bytes[16]; /* network order; IPv4 in the first four, the rest zero */
};

struct network {
    struct address address;
    uint8_t prefix_bits;
};

#define ADDRESS_TEXT_SIZE 46 /* INET6_ADDRSTRLEN: the longest text with its NUL */

/* Reads an IPv4 or IPv6 address in text, without port, brackets or zone. false when TEXT is anything else. */
bool address_parse(struct slice text, struct address *address);

/* Reads what an X-Forwarded-For element may hold: an address, "v4:port", "[v6]" or "[v6]:port". Spaces and tabs around
 * it are skipped; the port is checked and dropped. */
bool address_parse_forwarded(struct slice text, struct address *address);

/* The peer of an accepted socket; ADDRESS_NONE for AF_UNIX and everything else. */
void address_from_sockaddr(const struct sockaddr *peer, struct address *address);

/* The other way round, with port 0. false for ADDRESS_NONE. */
bool address_to_sockaddr(const struct address *address, struct sockaddr_storage *peer);

/* Writes the canonical text (RFC 5952) and its NUL; returns its length, 0 for ADDRESS_NONE. */
size_t address_print(const struct address *address, char text[ADDRESS_TEXT_SIZE]);

/* Reads "address" or "address/bits"; false when TEXT is not one or has bits set beyond the prefix. */
bool address_parse_network(struct slice text, struct network *network);

bool address_in_network(const struct address *address, const struct network *network);

/* Whether it names this machine to itself: 127.0.0.0/8 (RFC 1122 3.2.1.3) or ::1 (RFC 4291 2.5.3). */
bool address_is_loopback(const struct address *address);

#endif
