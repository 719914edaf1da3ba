/* SPDX-License-Identifier: MPL-2.0
 *
 * Stripe by stripe: see survey.h.
 */
#include "shm/survey.h"

#include "shm/arena_layout.h"

bool survey_step(struct survey *survey, const struct arena *arena, struct moment now, uint32_t stripes,
                 struct arena_usage *usage)
{
    uint32_t left = arena->stripe_count - survey->next;
    uint32_t end = survey->next + (stripes < left ? stripes : left);

    for (; survey->next < end; survey->next++) {
        const struct stripe *stripe = arena_stripe(arena, survey->next);

        for (uint32_t i = 0; i < STRIPE_CELLS; i++)
            survey->used += stripe->tags[i] != 0 && !cell_is_reusable(&stripe->cells[i], now);
    }
    if (survey->next < arena->stripe_count)
        return false;
    *usage = (struct arena_usage){.cells = (uint64_t)arena->stripe_count * STRIPE_CELLS, .cells_used = survey->used};
    *survey = (struct survey){0};
    return true;
}
