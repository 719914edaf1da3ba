/* SPDX-License-Identifier: MPL-2.0
 *
 * Budgets of money: what a request may cost at worst, and what it did cost.
 *
 * Before: the estimated prompt and the longest completion asked for, at the price of the model asked for. Nothing is taken to
 * be cached. After: the usage that was told, at the price of the model that answered; providers answer under the full
 * name of a version, and a price_table that does not have it has the one that was asked for.
 */
#include "policy/decide_private.h"

#include "policy/model.h"

/* The price of the model this request asks for; looked up once, however many budgets ask. */
static const struct price *price_of(struct decision *decision)
{
    if (!decision->has_price)
        decision->price = prices_find(&decision->decider->bundle->prices,
                                      model_of(decision->facts->path, &decision->estimate));
    decision->has_price = true;
    return decision->price;
}

bool decide_money_cost(struct decision *decision, const struct cost_budget *budget, const struct decide_need *need,
                       int64_t *cost)
{
    const struct usage worst = {.in_total = need->prompt, .out_total = need->completion};
    const struct price *price = price_of(decision);

    if (price)
        *cost = prices_cost(price, &worst);
    else
        *cost = budget->unpriced == UNPRICED_ALLOW ? 0 : budget->cost.standard;
    return price || budget->unpriced != UNPRICED_REJECT;
}

bool decide_money_used(const struct decider *decider, const struct usage *usage, struct slice model,
                       const struct price *reserved, int64_t *cost)
{
    const struct price *price = prices_find(&decider->bundle->prices, model);
    struct usage exact = *usage;

    if (!price)
        price = reserved;
    usage_clamp(&exact);
    if (price)
        *cost = prices_cost(price, &exact);
    return price != NULL;
}
