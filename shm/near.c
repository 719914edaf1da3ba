/* SPDX-License-Identifier: MPL-2.0
 *
 * Edit distance with swaps of neighbours (optimal string alignment), in three rolling rows, for words of bounded
 * length.
 */
#include "shm/near.h"

#include <stdint.h>

#define MAX_WORD     64
#define MAX_DISTANCE 4

static unsigned smallest(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;

    return least < c ? least : c;
}

static unsigned measure(struct slice a, struct slice b)
{
    unsigned rows[3][MAX_WORD + 1];
    unsigned *older = rows[0], *old = rows[1], *row = rows[2];

    for (unsigned k = 0; k <= b.size; k++)
        old[k] = k;
    for (unsigned i = 1; i <= a.size; i++) {
        unsigned *free_row = older;

        row[0] = i;
        for (unsigned k = 1; k <= b.size; k++) {
            char x = slice_lower(a.data[i - 1]), y = slice_lower(b.data[k - 1]);

            row[k] = smallest(old[k] + 1, row[k - 1] + 1, old[k - 1] + (x != y));
            if (i > 1 && k > 1 && x == slice_lower(b.data[k - 2]) && slice_lower(a.data[i - 2]) == y &&
                older[k - 2] + 1 < row[k])
                row[k] = older[k - 2] + 1;
        }
        older = old;
        old = row;
        row = free_row;
    }
    return old[b.size];
}

void near_init(struct near *near, struct slice word)
{
    unsigned slips = (unsigned)(word.size > MAX_WORD ? 0 : word.size + 2) / 3;

    *near = (struct near){.word = word, .distance = (slips < MAX_DISTANCE ? slips : MAX_DISTANCE) + 1};
}

void near_offer(struct near *near, struct slice candidate)
{
    unsigned distance;

    if (near->word.size > MAX_WORD || candidate.size > MAX_WORD)
        return;
    distance = measure(near->word, candidate);
    if (distance < near->distance && distance < candidate.size) {
        near->distance = distance;
        near->best = candidate;
    }
}
