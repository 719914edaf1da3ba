/* SPDX-License-Identifier: MPL-2.0
 *
 * The host of a request in the form that selectors and keys know.
 */
#include "policy/facts.h"

/* Without the port, the last colon if digits alone follow and it is not inside of brackets; and without a dot before it. */
static size_t cut_end(struct slice value)
{
    bool is_bracketed = value.size > 0 && value.data[0] == '[';
    size_t at = value.size;

    if (is_bracketed && value.data[value.size - 1] == ']')
        return value.size;
    while (at > 0 && value.data[at - 1] >= '0' && value.data[at - 1] <= '9')
        at--;
    at = at > 0 && value.data[at - 1] == ':' ? at - 1 : value.size;
    return !is_bracketed && at > 0 && value.data[at - 1] == '.' ? at - 1 : at;
}

struct slice facts_host(struct slice value, char *out)
{
    size_t size = cut_end(value);

    /* Twice is as once: who writes a port behind a port, which some servers take, is no other host. */
    while (size < value.size) {
        value.size = size;
        size = cut_end(value);
    }
    for (size_t i = 0; i < size; i++)
        out[i] = slice_lower(value.data[i]);
    return (struct slice){out, size};
}
