/* SPDX-License-Identifier: MPL-2.0
 *
 * Comparing what stands beside the policies of two bundles: times, overrides, kill switches by what they block, prices
 * by their models.
 */
#include <stdlib.h>

#include "policy/difference_private.h"
#include "policy/iso8601.h"

static struct slice keep(struct difference_work *work, struct slice text)
{
    struct difference_text kept = {.work = work};

    difference_text_add(&kept, text);
    return difference_text_take(&kept);
}

static struct slice print_time(struct difference_work *work, int64_t seconds)
{
    char text[ISO8601_TEXT_SIZE];

    if (seconds == BUNDLE_NEVER)
        return SLICE("never");
    iso8601_print(seconds, text);
    return keep(work, slice_of(text));
}

static void add_time(struct difference_work *work, const char *subject, int64_t before, int64_t after,
                     enum difference_sense sense)
{
    enum difference_effect effect = sense == MORE_IS_OTHER                         ? DIFFERENCE_OTHER
                                    : (after > before) == (sense == MORE_IS_LOOSER) ? DIFFERENCE_LOOSER
                                                                                   : DIFFERENCE_STRICTER;

    if (before != after)
        difference_add(work, after > before ? DIFFERENCE_RAISED : DIFFERENCE_LOWERED, effect, subject,
                       print_time(work, before), print_time(work, after));
}

/* While an override holds, less is refused. */
static void compare_override_switch(struct difference_work *work, const char *subject, const struct override *before,
                                    const struct override *after)
{
    if (before->is_enabled != after->is_enabled)
        difference_add(work, DIFFERENCE_CHANGED, after->is_enabled ? DIFFERENCE_LOOSER : DIFFERENCE_STRICTER, subject,
                       before->is_enabled ? SLICE("on") : SLICE("off"), after->is_enabled ? SLICE("on") : SLICE("off"));
}

/* SUBJECTS: its end, its reason. */
static void compare_override_terms(struct difference_work *work, const char *const subjects[2],
                                   const struct override *before, const struct override *after)
{
    if (before->is_enabled && after->is_enabled)
        add_time(work, subjects[0], before->expires_at, after->expires_at, MORE_IS_LOOSER);
    difference_add_text(work, subjects[1], before->reason, after->reason, DIFFERENCE_OTHER);
}

static void compare_overrides(struct difference_work *work)
{
    static const char *const shadow[] = {"global_shadow expires_at", "global_shadow reason"};
    static const char *const override[] = {"kill_switch_override expires_at", "kill_switch_override reason"};
    const struct bundle *before = work->before, *after = work->after;

    work->begins_at_zero = true; /* every policy counts as one in shadow does, or no longer */
    compare_override_switch(work, "global_shadow", &before->global_shadow, &after->global_shadow);
    work->begins_at_zero = false;
    compare_override_terms(work, shadow, &before->global_shadow, &after->global_shadow);
    compare_override_switch(work, "kill_switch_override", &before->kill_switch_override, &after->kill_switch_override);
    compare_override_terms(work, override, &before->kill_switch_override, &after->kill_switch_override);
}

/* A kill switch and the key it looks at. */
struct blocked {
    const struct kill_switch *kill;
    struct slice key;
};

static int compare_blocked(const void *left, const void *right)
{
    const struct blocked *a = left, *b = right;
    int order = difference_order(a->key, b->key);

    if (order == 0)
        order = difference_order(a->kill->value, b->kill->value);
    if (order == 0)
        order = difference_order(a->kill->route, b->kill->route);
    return order;
}

static int compare_with_end(const void *left, const void *right)
{
    const struct blocked *a = left, *b = right;
    int order = compare_blocked(left, right);

    return order ? order : (a->kill->expires_at > b->kill->expires_at) - (a->kill->expires_at < b->kill->expires_at);
}

static struct blocked *sort_blocked(struct difference_work *work, const struct bundle *bundle)
{
    struct blocked *all = calloc((size_t)bundle->kill_switch_count + 1, sizeof(*all));

    if (!all) {
        work->is_out_of_memory = true;
        return NULL;
    }
    for (uint32_t i = 0; i < bundle->kill_switch_count; i++)
        all[i] = (struct blocked){&bundle->kill_switches[i],
                                  bundle->descriptors[bundle->kill_switches[i].descriptor].text};
    qsort(all, bundle->kill_switch_count, sizeof(*all), compare_with_end);
    return all;
}

static struct slice tell_blocked(struct difference_work *work, const struct blocked *blocked)
{
    struct difference_text text = {.work = work};

    difference_text_add(&text, blocked->key);
    difference_text_add(&text, SLICE(" = "));
    difference_text_add(&text, blocked->kill->value);
    if (blocked->kill->route.size > 0) {
        difference_text_add(&text, SLICE(" on "));
        difference_text_add(&text, blocked->kill->route);
    }
    difference_text_add(&text, SLICE(", until "));
    difference_text_add(&text, print_time(work, blocked->kill->expires_at));
    return difference_text_take(&text);
}

/* One that has ended refuses nobody, whether it is there or not. */
static bool has_ended(const struct difference_work *work, const struct blocked *blocked)
{
    return blocked->kill->expires_at <= work->now;
}

static void compare_same_blocked(struct difference_work *work, const struct blocked *before, const struct blocked *after)
{
    int64_t ends[2] = {before->kill->expires_at, after->kill->expires_at};
    bool holds = !has_ended(work, before) || !has_ended(work, after);

    if (ends[0] != ends[1])
        difference_add(work, DIFFERENCE_CHANGED,
                       !holds ? DIFFERENCE_OTHER : ends[1] > ends[0] ? DIFFERENCE_STRICTER : DIFFERENCE_LOOSER,
                       "kill_switch", tell_blocked(work, before), tell_blocked(work, after));
    difference_add_text(work, "kill_switch reason", before->kill->reason, after->kill->reason, DIFFERENCE_OTHER);
}

static void add_only(struct difference_work *work, const struct blocked *before, const struct blocked *after)
{
    if (before)
        difference_add(work, DIFFERENCE_REMOVED, has_ended(work, before) ? DIFFERENCE_OTHER : DIFFERENCE_LOOSER,
                       "kill_switch", tell_blocked(work, before), SLICE(""));
    else
        difference_add(work, DIFFERENCE_ADDED, has_ended(work, after) ? DIFFERENCE_OTHER : DIFFERENCE_STRICTER,
                       "kill_switch", SLICE(""), tell_blocked(work, after));
}

static void compare_kill_switches(struct difference_work *work)
{
    struct blocked *before = sort_blocked(work, work->before), *after = sort_blocked(work, work->after);
    uint32_t i = 0, j = 0;

    while (before && after && (i < work->before->kill_switch_count || j < work->after->kill_switch_count)) {
        int order = i == work->before->kill_switch_count  ? 1
                    : j == work->after->kill_switch_count ? -1
                                                          : compare_blocked(&before[i], &after[j]);

        if (order == 0)
            compare_same_blocked(work, &before[i++], &after[j++]);
        else if (order < 0)
            add_only(work, &before[i++], NULL);
        else
            add_only(work, NULL, &after[j++]);
    }
    free(before);
    free(after);
}

/* ---- prices ------------------------------------------------------------------------------------------------------ */

static int compare_price_rows(const struct price_row *a, const struct price_row *b)
{
    int order = difference_order(a->model, b->model);

    return order ? order : a->is_prefix - b->is_prefix;
}

static struct slice tell_model(struct difference_work *work, const struct price_row *row)
{
    struct difference_text text = {.work = work};

    difference_text_add(&text, row->model);
    if (row->is_prefix)
        difference_text_add(&text, SLICE("*"));
    return difference_text_take(&text);
}

static struct slice tell_prices(struct difference_work *work, const struct price_row *row)
{
    struct difference_text text = {.work = work};

    difference_text_add(&text, tell_model(work, row));
    difference_text_amount(&text, " input ", row->price.input);
    difference_text_amount(&text, " cached_input ", row->price.cached_input);
    difference_text_amount(&text, " output ", row->price.output);
    return difference_text_take(&text);
}

static enum difference_effect effect_of_prices(const struct price *before, const struct price *after)
{
    bool is_dearer = after->input > before->input || after->cached_input > before->cached_input ||
                     after->output > before->output;
    bool is_cheaper = after->input < before->input || after->cached_input < before->cached_input ||
                      after->output < before->output;

    return is_dearer == is_cheaper ? DIFFERENCE_OTHER : is_dearer ? DIFFERENCE_STRICTER : DIFFERENCE_LOOSER;
}

static void compare_prices(struct difference_work *work)
{
    const struct prices *before = &work->before->prices, *after = &work->after->prices;
    uint32_t i = 0, j = 0;

    while (i < before->count || j < after->count) {
        int order = i == before->count  ? 1
                    : j == after->count ? -1
                                        : compare_price_rows(&before->rows[i], &after->rows[j]);
        const struct price_row *old = order <= 0 ? &before->rows[i++] : NULL;
        const struct price_row *new = order >= 0 ? &after->rows[j++] : NULL;

        if (!old)
            difference_add(work, DIFFERENCE_ADDED, DIFFERENCE_OTHER, "price", SLICE(""), tell_prices(work, new));
        else if (!new)
            difference_add(work, DIFFERENCE_REMOVED, DIFFERENCE_OTHER, "price", tell_prices(work, old), SLICE(""));
        else if (memcmp(&old->price, &new->price, sizeof(old->price)) != 0)
            difference_add(work, DIFFERENCE_CHANGED, effect_of_prices(&old->price, &new->price), "price",
                           tell_prices(work, old), tell_prices(work, new));
    }
}

void difference_bundle_compare(struct difference_work *work)
{
    const struct bundle *before = work->before, *after = work->after;

    if (before->policy_count > 0 && after->policy_count == 0 && !after->rejects_unmatched)
        difference_add(work, DIFFERENCE_REMOVED, DIFFERENCE_LOOSER, "every policy", SLICE(""),
                       SLICE("nothing is limited any more"));
    add_time(work, "expires_at", before->expires_at, after->expires_at, MORE_IS_OTHER);
    difference_add_word(work, FIELD_defaults_unmatched, before->rejects_unmatched, after->rejects_unmatched,
                        after->rejects_unmatched ? DIFFERENCE_STRICTER : DIFFERENCE_LOOSER);
    compare_overrides(work);
    compare_kill_switches(work);
    compare_prices(work);
}
