/* SPDX-License-Identifier: MPL-2.0
 *
 * Addresses: text to bytes and back, and whether one lies in a network. Texts come from clients and are taken only when
 * they are exactly one address; nothing is resolved.
 */
#include "shm/address.h"

#include <arpa/inet.h>
#include <endian.h>
#include <netinet/in.h>
#include <string.h>

#define MAPPED_BITS 96 /* length of ::ffff:0:0/96, the prefix of IPv4-mapped addresses (RFC 4291 2.5.5.2) */

static const unsigned char mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static void set_ipv4(struct address *address, const void *bytes)
{
    memset(address, 0, sizeof(*address));
    address->family = ADDRESS_IPV4;
    memcpy(address->bytes, bytes, 4);
}

/* Returns true when BYTES was an IPv4-mapped address, kept as IPv4. */
static bool set_ipv6(struct address *address, const unsigned char *bytes)
{
    if (memcmp(bytes, mapped_prefix, sizeof(mapped_prefix)) == 0) {
        set_ipv4(address, bytes + sizeof(mapped_prefix));
        return true;
    }
    address->family = ADDRESS_IPV6;
    memcpy(address->bytes, bytes, 16);
    return false;
}

/* What inet_pton takes: four numbers up to 255, none with a leading zero. Most clients are named by one, each request anew. */
static bool parse_ipv4(struct slice text, unsigned char bytes[4])
{
    const char *at = text.data, *end = text.data + text.size;

    for (int i = 0; i < 4; i++) {
        const char *begin;
        unsigned number = 0;

        if (i > 0 && (at == end || *at++ != '.'))
            return false;
        for (begin = at; at < end && *at >= '0' && *at <= '9' && at - begin < 3; at++)
            number = number * 10 + (unsigned)(*at - '0');
        if (at == begin || number > 255 || (*begin == '0' && at - begin > 1))
            return false;
        bytes[i] = (unsigned char)number;
    }
    return at == end;
}

static bool parse(struct slice text, struct address *address, bool *was_mapped)
{
    char terminated[ADDRESS_TEXT_SIZE];
    unsigned char bytes[16];

    *was_mapped = false;
    if (text.size == 0 || text.size >= sizeof(terminated))
        return false;
    if (parse_ipv4(text, bytes)) {
        set_ipv4(address, bytes);
        return true;
    }
    if (memchr(text.data, '\0', text.size))
        return false;
    memcpy(terminated, text.data, text.size);
    terminated[text.size] = '\0';
    if (inet_pton(AF_INET6, terminated, bytes) != 1)
        return false;
    *was_mapped = set_ipv6(address, bytes);
    return true;
}

bool address_parse(struct slice text, struct address *address)
{
    bool was_mapped;

    return parse(text, address, &was_mapped);
}

/* Reads 1 to 5 digits up to LIMIT. */
static bool parse_number(struct slice text, unsigned limit, unsigned *number)
{
    *number = 0;
    if (text.size == 0 || text.size > 5)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        *number = *number * 10 + (unsigned)(text.data[i] - '0');
    }
    return *number <= limit;
}

static bool parse_bracketed(struct slice text, struct address *address)
{
    const char *close = memchr(text.data, ']', text.size);
    struct slice inside, behind;
    unsigned port;

    if (!close)
        return false;
    inside = (struct slice){text.data + 1, (size_t)(close - text.data) - 1};
    behind = (struct slice){close + 1, text.size - inside.size - 2};
    if (!memchr(inside.data, ':', inside.size))
        return false;
    if (behind.size > 0 &&
        (behind.data[0] != ':' || !parse_number((struct slice){behind.data + 1, behind.size - 1}, 65535, &port)))
        return false;
    return address_parse(inside, address);
}

bool address_parse_forwarded(struct slice text, struct address *address)
{
    const char *colon;
    struct slice host, rest;
    unsigned port;

    text = slice_trim(text);
    if (text.size == 0)
        return false;
    if (text.data[0] == '[')
        return parse_bracketed(text, address);
    colon = memchr(text.data, ':', text.size);
    if (!colon)
        return address_parse(text, address);
    host = (struct slice){text.data, (size_t)(colon - text.data)};
    rest = (struct slice){colon + 1, text.size - host.size - 1};
    if (memchr(host.data, '.', host.size) && !memchr(rest.data, ':', rest.size))
        return parse_number(rest, 65535, &port) && address_parse(host, address);
    return address_parse(text, address);
}

void address_from_sockaddr(const struct sockaddr *peer, struct address *address)
{
    memset(address, 0, sizeof(*address));
    if (peer->sa_family == AF_INET) {
        struct sockaddr_in ipv4;

        memcpy(&ipv4, peer, sizeof(ipv4));
        set_ipv4(address, &ipv4.sin_addr);
    } else if (peer->sa_family == AF_INET6) {
        struct sockaddr_in6 ipv6;

        memcpy(&ipv6, peer, sizeof(ipv6));
        set_ipv6(address, ipv6.sin6_addr.s6_addr);
    }
}

bool address_to_sockaddr(const struct address *address, struct sockaddr_storage *peer)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};

    memset(peer, 0, sizeof(*peer));
    memcpy(&ipv4.sin_addr, address->bytes, sizeof(ipv4.sin_addr));
    memcpy(&ipv6.sin6_addr, address->bytes, sizeof(ipv6.sin6_addr));
    if (address->family == ADDRESS_IPV4)
        memcpy(peer, &ipv4, sizeof(ipv4));
    else
        memcpy(peer, &ipv6, sizeof(ipv6));
    return address->family != ADDRESS_NONE;
}

static size_t print_ipv4(const uint8_t bytes[4], char *text)
{
    char *end = text;

    for (int i = 0; i < 4; i++) {
        unsigned part = bytes[i];

        if (i > 0)
            *end++ = '.';
        if (part >= 100)
            *end++ = (char)('0' + part / 100);
        if (part >= 10)
            *end++ = (char)('0' + part / 10 % 10);
        *end++ = (char)('0' + part % 10);
    }
    *end = '\0';
    return (size_t)(end - text);
}

/* The longest run of two or more zero groups, the first of equals (RFC 5952 4.2); *START 8 when there is none. */
static void find_zero_run(const uint16_t group[8], int *start, int *end)
{
    *start = *end = 8;
    for (int i = 0; i < 8; i++) {
        int j = i;

        while (j < 8 && group[j] == 0)
            j++;
        if (j - i >= 2 && j - i > *end - *start) {
            *start = i;
            *end = j;
        }
        if (j > i)
            i = j - 1;
    }
}

static char *print_group(uint16_t group, char *end)
{
    bool begun = false;

    for (int shift = 12; shift >= 0; shift -= 4) {
        unsigned digit = (group >> shift) & 0xfu;

        begun = begun || digit != 0 || shift == 0;
        if (begun)
            *end++ = "0123456789abcdef"[digit];
    }
    return end;
}

static size_t print_ipv6(const uint8_t bytes[16], char *text)
{
    uint16_t group[8];
    char *end = text;
    int start, stop;

    for (int i = 0; i < 8; i++)
        group[i] = (uint16_t)(bytes[2 * i] << 8 | bytes[2 * i + 1]);
    find_zero_run(group, &start, &stop);
    for (int i = 0; i < 8; i++) {
        if (i == start) {
            *end++ = ':';
            *end++ = ':';
            i = stop - 1;
            continue;
        }
        if (i > 0 && i != stop)
            *end++ = ':';
        end = print_group(group[i], end);
    }
    *end = '\0';
    return (size_t)(end - text);
}

size_t address_print(const struct address *address, char text[ADDRESS_TEXT_SIZE])
{
    if (address->family == ADDRESS_IPV4)
        return print_ipv4(address->bytes, text);
    if (address->family == ADDRESS_IPV6)
        return print_ipv6(address->bytes, text);
    text[0] = '\0';
    return 0;
}

static unsigned family_bits(uint8_t family)
{
    return family == ADDRESS_IPV4 ? 32 : family == ADDRESS_IPV6 ? 128 : 0;
}

static uint64_t big_endian_64(const uint8_t *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
    return be64toh(word);
}

/* Are the first BITS bits of 16 bytes the same? BITS is at most 128. */
static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    uint64_t high = big_endian_64(a) ^ big_endian_64(b), low = big_endian_64(a + 8) ^ big_endian_64(b + 8);

    if (bits <= 64)
        return bits == 0 || high >> (64 - bits) == 0;
    return high == 0 && low >> (128 - bits) == 0;
}

static bool has_bits_beyond(const struct address *address, unsigned bits)
{
    for (unsigned i = bits; i < family_bits(address->family); i++)
        if (address->bytes[i / 8] & (0x80u >> i % 8))
            return true;
    return false;
}

bool address_parse_network(struct slice text, struct network *network)
{
    const char *slash = text.size ? memchr(text.data, '/', text.size) : NULL;
    struct slice host = {text.data, slash ? (size_t)(slash - text.data) : text.size};
    unsigned bits;
    bool was_mapped;

    if (!parse(host, &network->address, &was_mapped))
        return false;
    bits = family_bits(network->address.family);
    if (slash) {
        struct slice digits = {slash + 1, text.size - host.size - 1};

        if ((digits.size > 1 && digits.data[0] == '0') || !parse_number(digits, was_mapped ? 128 : bits, &bits))
            return false;
        if (was_mapped && bits < MAPPED_BITS)
            return false;
        bits -= was_mapped ? MAPPED_BITS : 0;
    }
    network->prefix_bits = (uint8_t)bits;
    return !has_bits_beyond(&network->address, bits);
}

bool address_in_network(const struct address *address, const struct network *network)
{
    if (address->family != network->address.family || network->prefix_bits > family_bits(address->family) ||
        address->family == ADDRESS_NONE)
        return false;
    return same_prefix(address->bytes, network->address.bytes, network->prefix_bits);
}

bool address_is_loopback(const struct address *address)
{
    static const struct network networks[] = {{{ADDRESS_IPV4, {127}}, 8}, {{ADDRESS_IPV6, {[15] = 1}}, 128}};

    return address_in_network(address, &networks[0]) || address_in_network(address, &networks[1]);
}
