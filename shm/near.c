/* SPDX-License-Identifier: MPL-2.0
 *
 * Edit distance (optimal string alignment) over short names: see near.h.
 */
#include "shm/near.h"

#include <stdint.h>

#define NEAR_MAX_SIZE 64 /* longer names are not compared */

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Both texts hold at most NEAR_MAX_SIZE bytes. */
static size_t distance(struct slice a, struct slice b)
{
    size_t rows[3][NEAR_MAX_SIZE + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b.size; j++)
        above[j] = j;
    for (size_t i = 1; i <= a.size; i++) {
        size_t *free_row = before;

        row[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            char x = slice_lower(a.data[i - 1]), y = slice_lower(b.data[j - 1]);

            row[j] = min_size(min_size(above[j], row[j - 1]) + 1, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == slice_lower(b.data[j - 2]) && y == slice_lower(a.data[i - 2]))
                row[j] = min_size(row[j], before[j - 2] + 1);
        }
        before = above;
        above = row;
        row = free_row;
    }
    return above[b.size];
}

const char *near_find(struct slice name, const char *const *names, size_t count)
{
    const char *nearest = NULL;
    size_t nearest_distance = SIZE_MAX;

    if (name.size == 0 || name.size > NEAR_MAX_SIZE)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        struct slice known = slice_of(names[i]);
        size_t longer = known.size > name.size ? known.size : name.size;
        size_t steps;

        if (known.size == 0 || known.size > NEAR_MAX_SIZE)
            continue;
        steps = distance(name, known);
        if (steps < nearest_distance && steps * 3 <= longer + 1) {
            nearest = names[i];
            nearest_distance = steps;
        }
    }
    return nearest;
}
