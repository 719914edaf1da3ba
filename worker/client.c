/* SPDX-License-Identifier: MPL-2.0
 *
 * The walk over X-Forwarded-For from the right, over the proxies we trust.
 */
#include "worker/client.h"

#include <string.h>

static bool is_trusted(const struct settings *settings, const struct address *address)
{
    for (uint32_t i = 0; i < settings->trusted_count; i++)
        if (address_in_network(address, &settings->trusted[i]))
            return true;
    return false;
}

/* Takes the last element off LIST, without its white space. */
static struct slice take_last(struct slice *list)
{
    const char *comma = memrchr(list->data, ',', list->size);
    const char *start = comma ? comma + 1 : list->data;
    struct slice element = {start, (size_t)(list->data + list->size - start)};

    list->size = comma ? (size_t)(comma - list->data) : 0;
    return slice_trim(element);
}

/* Walks one field. true when the walk ends in it. *IS_TOLD: at an address. */
static bool walk(const struct settings *settings, struct slice list, struct address *client, bool *is_told)
{
    bool is_last = list.size == 0;

    while (!is_last) {
        struct address address;
        struct slice element = take_last(&list);

        is_last = list.size == 0;
        if (element.size == 0)
            continue; /* an empty list element counts for nothing (RFC 9110 5.6.1) */
        *is_told = address_parse_forwarded(element, &address);
        if (!*is_told)
            return true;
        *client = address;
        if (!is_trusted(settings, &address))
            return true;
    }
    return false;
}

bool client_is_trusted(const struct settings *settings, const struct client_peer *peer)
{
    return peer->is_unix ? settings->trusted_unix : is_trusted(settings, &peer->address);
}

struct address client_find(const struct settings *settings, const struct client_peer *peer, const struct head *head,
                           bool *is_told)
{
    struct address client = peer->address;
    size_t first = head->first[HEAD_FIELD_forwarded_for];

    *is_told = !client_is_trusted(settings, peer);
    if (first == 0 || *is_told)
        return client;
    if (!head_is_repeated(head, HEAD_FIELD_forwarded_for)) {
        walk(settings, head->fields[first - 1].value, &client, is_told);
        return client;
    }
    for (size_t i = head->field_count; i >= first; i--)
        if (head_is_named(head->fields[i - 1].name, HEAD_FIELD_forwarded_for) &&
            walk(settings, head->fields[i - 1].value, &client, is_told))
            break;
    return client;
}
