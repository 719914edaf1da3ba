/* SPDX-License-Identifier: MPL-2.0
 *
 * Lines of two tallies are brought together by what they say, and those that say the same twice are dropped.
 */
#include "cli/contrast.h"

#include <stdlib.h>
#include <string.h>

void contrast_count(struct contrast *contrast, bool was_refused, bool is_refused)
{
    if (was_refused)
        *(is_refused ? &contrast->still_refused : &contrast->newly_allowed) += 1;
    else
        *(is_refused ? &contrast->newly_refused : &contrast->still_allowed) += 1;
}

static struct slice policy_of(const struct tally_row *row)
{
    return row->policy ? row->policy->id : SLICE("");
}

static size_t list_rules(const struct tally *tally, bool is_after, struct contrast_row *rows)
{
    size_t count = 0;

    for (const struct tally_row *row = tally->rows; row; row = row->next) {
        uint64_t refused = row->refused + row->would;

        if (refused > 0 && rows)
            rows[count] = (struct contrast_row){policy_of(row), tally_rule_name(row), SLICE(""), is_after ? 0 : refused,
                                                is_after ? refused : 0};
        count += refused > 0;
    }
    return count;
}

static size_t list_identities(const struct tally *tally, bool is_after, struct contrast_row *rows)
{
    size_t count = 0;

    for (size_t i = 0; i < tally->room; i++) {
        const struct tally_identity *identity = tally->table[i];
        uint64_t refused = identity ? identity->refused + identity->would : 0;

        if (refused > 0 && rows)
            rows[count] = (struct contrast_row){policy_of(identity->row), tally_rule_name(identity->row), identity->text,
                                                is_after ? 0 : refused, is_after ? refused : 0};
        count += refused > 0;
    }
    return count;
}

static int compare_slices(struct slice a, struct slice b)
{
    size_t shorter = a.size < b.size ? a.size : b.size;
    int order = shorter > 0 ? memcmp(a.data, b.data, shorter) : 0;

    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_names(const void *left, const void *right)
{
    const struct contrast_row *a = left, *b = right;
    int order = compare_slices(a->policy, b->policy);

    if (order == 0)
        order = compare_slices(a->rule, b->rule);
    return order ? order : compare_slices(a->identity, b->identity);
}

static uint64_t change_of(const struct contrast_row *row)
{
    return row->after > row->before ? row->after - row->before : row->before - row->after;
}

static int compare_changes(const void *left, const void *right)
{
    uint64_t a = change_of(left), b = change_of(right);

    return a != b ? (a > b ? -1 : 1) : compare_names(left, right);
}

/* Joins rows of one name, drops those without a change, sorts. Returns how many are left. */
static size_t join(struct contrast_row *rows, size_t count)
{
    size_t kept = 0, changed = 0;

    qsort(rows, count, sizeof(*rows), compare_names);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && compare_names(&rows[kept - 1], &rows[i]) == 0) {
            rows[kept - 1].before += rows[i].before;
            rows[kept - 1].after += rows[i].after;
        } else {
            rows[kept++] = rows[i];
        }
    }
    for (size_t i = 0; i < kept; i++)
        if (change_of(&rows[i]) > 0)
            rows[changed++] = rows[i];
    qsort(rows, changed, sizeof(*rows), compare_changes);
    return changed;
}

typedef size_t lister(const struct tally *tally, bool is_after, struct contrast_row *rows);

static bool bring_together(const struct tally *before, const struct tally *after, lister *list,
                           struct contrast_row **rows, size_t *count)
{
    size_t all = list(before, false, NULL) + list(after, true, NULL), used;

    *rows = calloc(all + 1, sizeof(**rows));
    if (!*rows)
        return false;
    used = list(before, false, *rows);
    used += list(after, true, *rows + used);
    *count = join(*rows, used);
    return true;
}

bool contrast_finish(struct contrast *contrast, const struct tally *before, const struct tally *after)
{
    return bring_together(before, after, list_rules, &contrast->rules, &contrast->rule_count) &&
           bring_together(before, after, list_identities, &contrast->identities, &contrast->identity_count);
}

void contrast_fini(struct contrast *contrast)
{
    free(contrast->rules);
    free(contrast->identities);
}
