/* SPDX-License-Identifier: MPL-2.0
 *
 * The host of a request in the form that selectors and keys know.
 */
#include "policy/facts.h"

/* Where the port starts: the last colon, if digits alone follow and it is not inside of brackets. */
static size_t cut_port(struct slice value)
{
    size_t at = value.size;

    while (at > 0 && value.data[at - 1] >= '0' && value.data[at - 1] <= '9')
        at--;
    return at > 0 && value.data[at - 1] == ':' ? at - 1 : value.size;
}

struct slice facts_host(struct slice value, char *out)
{
    bool is_bracketed = value.size > 0 && value.data[0] == '[';
    size_t size = value.size;

    if (!is_bracketed || value.data[value.size - 1] != ']')
        size = cut_port(value);
    if (!is_bracketed && size > 0 && value.data[size - 1] == '.')
        size--;
    for (size_t i = 0; i < size; i++)
        out[i] = slice_lower(value.data[i]);
    return (struct slice){out, size};
}
