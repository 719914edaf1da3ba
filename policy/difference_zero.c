/* SPDX-License-Identifier: MPL-2.0
 *
 * How many rules of a bundle no counter of the one before belongs to. In n log n steps, for a reload waits for it.
 */
#include <stdlib.h>

#include "policy/difference.h"
#include "policy/difference_private.h"

/* What counters of a rule are found by, besides who asks. */
struct place {
    struct slice identity;
    bool is_shadow;
};

static int compare_places(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    int order = difference_order(a->identity, b->identity);

    return order ? order : a->is_shadow - b->is_shadow;
}

/* Sorted, PLACES has room for every rule of BUNDLE; returns how many there are. */
static size_t list_places(const struct bundle *bundle, struct place *places)
{
    size_t count = 0;

    for (uint32_t i = 0; i < bundle->policy_count; i++) {
        const struct policy *policy = &bundle->policies[i];
        bool is_shadow = policy->is_shadow || bundle->global_shadow.is_enabled;

        for (uint32_t j = 0; j < policy->rule_count; j++)
            places[count++] = (struct place){policy->rules[j].identity, is_shadow};
        if (policy->fallback)
            places[count++] = (struct place){policy->fallback->identity, is_shadow};
    }
    qsort(places, count, sizeof(*places), compare_places);
    return count;
}

int64_t difference_zero_count(const struct bundle *before, const struct bundle *after)
{
    struct place *old = calloc((size_t)before->rule_count + 1, sizeof(*old));
    struct place *new = calloc((size_t)after->rule_count + 1, sizeof(*new));
    int64_t count = -1;

    if (old && new) {
        size_t old_count = list_places(before, old), new_count = list_places(after, new), at = 0;

        count = 0;
        for (size_t i = 0; i < new_count; i++) {
            while (at < old_count && compare_places(&old[at], &new[i]) < 0)
                at++;
            count += at == old_count || compare_places(&old[at], &new[i]) != 0;
        }
    }
    free(old);
    free(new);
    return count;
}
