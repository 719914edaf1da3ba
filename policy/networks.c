/* SPDX-License-Identifier: MPL-2.0
 *
 * Networks as ranges of addresses, sorted and merged, one list for each family, asked by halving.
 */
#include "policy/networks.h"

#include <stdlib.h>
#include <string.h>

#include "policy/lines.h"

#define FIRST_ROOM 256

/* Both ends belong to it; network order, so that bytes compare like numbers. */
struct range {
    uint8_t first[16], last[16];
};

struct list {
    struct range *items;
    size_t count, room;
};

struct networks {
    struct list ipv4, ipv6;
};

static bool add(struct list *list, const struct network *network)
{
    size_t width = network->address.family == ADDRESS_IPV4 ? 4 : 16;
    struct range *range;

    if (list->count == list->room) {
        size_t room = list->room > 0 ? list->room * 2 : FIRST_ROOM;
        struct range *items = realloc(list->items, room * sizeof(*items));

        if (!items)
            return false;
        list->items = items;
        list->room = room;
    }
    range = &list->items[list->count++];
    memcpy(range->first, network->address.bytes, sizeof(range->first));
    memcpy(range->last, network->address.bytes, sizeof(range->last));
    for (size_t bit = network->prefix_bits; bit < width * 8; bit++)
        range->last[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    return true;
}

static int compare(const void *left, const void *right)
{
    const struct range *a = left, *b = right;

    return memcmp(a->first, b->first, sizeof(a->first));
}

/* Sorts by the first address and takes together what overlaps. */
static void settle(struct list *list)
{
    size_t kept = 0;

    if (list->count == 0)
        return;
    qsort(list->items, list->count, sizeof(*list->items), compare);
    for (size_t i = 1; i < list->count; i++) {
        struct range *last = &list->items[kept], *next = &list->items[i];

        if (memcmp(next->first, last->last, sizeof(next->first)) > 0)
            list->items[++kept] = *next;
        else if (memcmp(next->last, last->last, sizeof(next->last)) > 0)
            memcpy(last->last, next->last, sizeof(last->last));
    }
    list->count = kept + 1;
}

static bool read_lines(struct networks *networks, struct lines *lines, struct failure *failure)
{
    enum lines_result result;
    struct slice line;

    while ((result = lines_next(lines, &line, failure)) == LINES_LINE) {
        struct network network;

        if (!address_parse_network(line, &network))
            return lines_refuse(
                lines, failure,
                "\"%.*s\" is neither an IPv4 or IPv6 address nor a network ADDRESS/BITS without bits set "
                "behind its prefix",
                LINES_SHOWN(line));
        if (!add(network.address.family == ADDRESS_IPV4 ? &networks->ipv4 : &networks->ipv6, &network))
            return failure_set(failure, EXIT_CODE_OS, "there is no memory for the list %s", lines->file);
    }
    if (result == LINES_END && networks->ipv4.count + networks->ipv6.count == 0)
        return failure_set(failure, EXIT_CODE_BAD_CONFIG,
                           "the list %s holds no address; if that is meant, leave its setting out", lines->file);
    return result == LINES_END;
}

struct networks *networks_parse(const char *file, struct slice text, struct failure *failure)
{
    struct networks *networks = calloc(1, sizeof(*networks));
    struct lines lines = {.file = file, .rest = text};

    if (!networks) {
        failure_set(failure, EXIT_CODE_OS, "there is no memory for the list %s", file);
        return NULL;
    }
    if (!read_lines(networks, &lines, failure)) {
        networks_free(networks);
        return NULL;
    }
    settle(&networks->ipv4);
    settle(&networks->ipv6);
    return networks;
}

void networks_free(struct networks *networks)
{
    if (!networks)
        return;
    free(networks->ipv4.items);
    free(networks->ipv6.items);
    free(networks);
}

bool networks_has(const struct networks *networks, const struct address *address)
{
    const struct list *list = address->family == ADDRESS_IPV4 ? &networks->ipv4 : &networks->ipv6;
    size_t low = 0, high = list->count;

    if (address->family == ADDRESS_NONE)
        return false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (memcmp(list->items[middle].first, address->bytes, sizeof(address->bytes)) > 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low > 0 && memcmp(address->bytes, list->items[low - 1].last, sizeof(address->bytes)) <= 0;
}
