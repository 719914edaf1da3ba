/* SPDX-License-Identifier: MPL-2.0
 *
 * Comparing two bundles: what stands above the policies, and the list itself. Policies are merged by their ids, kill
 * switches by what they block.
 */
#include "policy/difference.h"

#include <stdlib.h>

#include "policy/decimal.h"
#include "policy/difference_private.h"
#include "policy/iso8601.h"
#include "policy/region.h"

const char *difference_change_name(enum difference_change change)
{
    static const char *const names[] = {
        [DIFFERENCE_ADDED] = "added",     [DIFFERENCE_REMOVED] = "removed", [DIFFERENCE_CHANGED] = "changed",
        [DIFFERENCE_RAISED] = "raised",   [DIFFERENCE_LOWERED] = "lowered", [DIFFERENCE_WIDENED] = "widened",
        [DIFFERENCE_NARROWED] = "narrowed",
    };

    return names[change];
}

const char *difference_effect_name(enum difference_effect effect)
{
    static const char *const names[] = {
        [DIFFERENCE_STRICTER] = "stricter", [DIFFERENCE_LOOSER] = "looser", [DIFFERENCE_OTHER] = "other"};

    return names[effect];
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

void difference_add(struct difference_work *work, enum difference_change change, enum difference_effect effect,
                    const char *subject, struct slice before, struct slice after)
{
    struct difference_list *list = work->list;

    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        struct difference *items = realloc(list->items, room * sizeof(*items));

        if (!items) {
            work->is_out_of_memory = true;
            return;
        }
        list->items = items;
        list->room = room;
    }
    if (work->is_shadow)
        effect = DIFFERENCE_OTHER;
    list->by_effect[effect]++;
    list->items[list->count++] = (struct difference){.change = change,
                                                     .effect = effect,
                                                     .policy = work->policy,
                                                     .rule = work->rule,
                                                     .subject = subject,
                                                     .before = before,
                                                     .after = after};
}

static struct slice copy(struct difference_work *work, struct slice text)
{
    struct slice kept = {NULL, 0};

    if (!region_copy(work->list->region, text, &kept))
        work->is_out_of_memory = true;
    return kept;
}

static struct slice print_amount(struct difference_work *work, int64_t millionths, bool has_none)
{
    char text[DECIMAL_TEXT_SIZE];

    if (has_none && millionths == 0)
        return SLICE("none");
    return copy(work, (struct slice){text, decimal_print(millionths, text)});
}

void difference_add_amount(struct difference_work *work, const char *subject, int64_t before, int64_t after,
                           enum difference_sense sense, bool has_none)
{
    /* No limit is the largest one. */
    bool is_raised = has_none && (before == 0 || after == 0) ? after == 0 : after > before;
    enum difference_effect effect = sense == MORE_IS_OTHER                      ? DIFFERENCE_OTHER
                                    : is_raised == (sense == MORE_IS_LOOSER) ? DIFFERENCE_LOOSER
                                                                                : DIFFERENCE_STRICTER;

    if (before != after)
        difference_add(work, is_raised ? DIFFERENCE_RAISED : DIFFERENCE_LOWERED, effect, subject,
                       print_amount(work, before, has_none), print_amount(work, after, has_none));
}

void difference_add_count(struct difference_work *work, const char *subject, int64_t before, int64_t after,
                          enum difference_sense sense, bool has_none)
{
    difference_add_amount(work, subject, before * BUNDLE_MILLIONTHS, after * BUNDLE_MILLIONTHS, sense, has_none);
}

void difference_add_text(struct difference_work *work, const char *subject, struct slice before, struct slice after,
                         enum difference_effect effect)
{
    if (!slice_equal(before, after))
        difference_add(work, DIFFERENCE_CHANGED, effect, subject, before, after);
}

void difference_add_word(struct difference_work *work, enum field field, int before, int after,
                         enum difference_effect effect)
{
    struct slice words[2] = {{NULL, 0}, {NULL, 0}}, word;
    size_t at = 0;

    for (int i = 0; fields_next_word(fields_table[field].words, &at, &word); i++) {
        if (i == before)
            words[0] = word;
        if (i == after)
            words[1] = word;
    }
    difference_add_text(work, fields_table[field].key, words[0], words[1], effect);
}

enum difference_extent difference_extent_of(bool after_covers_before, bool before_covers_after)
{
    if (after_covers_before)
        return before_covers_after ? EXTENT_SAME : EXTENT_WIDER;
    return before_covers_after ? EXTENT_NARROWER : EXTENT_OTHER;
}

void difference_add_extent(struct difference_work *work, const char *subject, enum difference_extent extent,
                           struct slice before, struct slice after)
{
    switch (extent) {
    case EXTENT_SAME:
        break;
    case EXTENT_WIDER:
        difference_add(work, DIFFERENCE_WIDENED, DIFFERENCE_STRICTER, subject, before, after);
        break;
    case EXTENT_NARROWER:
        difference_add(work, DIFFERENCE_NARROWED, DIFFERENCE_LOOSER, subject, before, after);
        break;
    case EXTENT_OTHER:
        difference_add(work, DIFFERENCE_CHANGED, DIFFERENCE_OTHER, subject, before, after);
        break;
    }
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */

void difference_text_add(struct difference_text *text, struct slice more)
{
    if (text->size + more.size > text->room) {
        size_t room = 2 * (text->size + more.size) + 64;
        char *larger = realloc(text->data, room);

        if (!larger) {
            text->work->is_out_of_memory = true;
            return;
        }
        text->data = larger;
        text->room = room;
    }
    if (more.size > 0)
        memcpy(text->data + text->size, more.data, more.size);
    text->size += more.size;
}

struct slice difference_text_take(struct difference_text *text)
{
    struct slice kept = copy(text->work, (struct slice){text->data, text->size});

    free(text->data);
    *text = (struct difference_text){.work = text->work};
    return kept;
}

/* ---- what stands above the policies ------------------------------------------------------------------------------ */

static struct slice print_time(struct difference_work *work, int64_t seconds)
{
    char text[ISO8601_TEXT_SIZE];

    if (seconds == BUNDLE_NEVER)
        return SLICE("never");
    iso8601_print(seconds, text);
    return copy(work, slice_of(text));
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
static void compare_override(struct difference_work *work, const char *subject, const char *end,
                             const struct override *before, const struct override *after)
{
    if (before->is_enabled != after->is_enabled)
        difference_add(work, DIFFERENCE_CHANGED, after->is_enabled ? DIFFERENCE_LOOSER : DIFFERENCE_STRICTER, subject,
                       before->is_enabled ? SLICE("on") : SLICE("off"), after->is_enabled ? SLICE("on") : SLICE("off"));
    else if (before->is_enabled)
        add_time(work, end, before->expires_at, after->expires_at, MORE_IS_LOOSER);
}

static int compare_slices(struct slice a, struct slice b)
{
    size_t shorter = a.size < b.size ? a.size : b.size;
    int order = shorter > 0 ? memcmp(a.data, b.data, shorter) : 0;

    return order ? order : (a.size > b.size) - (a.size < b.size);
}

/* A kill switch and the key it looks at. */
struct blocked {
    const struct kill_switch *kill;
    struct slice key;
};

static int compare_blocked(const void *left, const void *right)
{
    const struct blocked *a = left, *b = right;
    int order = compare_slices(a->key, b->key);

    if (order == 0)
        order = compare_slices(a->kill->value, b->kill->value);
    if (order == 0)
        order = compare_slices(a->kill->route, b->kill->route);
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

static void compare_same_blocked(struct difference_work *work, const struct blocked *before, const struct blocked *after)
{
    int64_t ends[2] = {before->kill->expires_at, after->kill->expires_at};

    if (ends[0] != ends[1])
        difference_add(work, DIFFERENCE_CHANGED, ends[1] > ends[0] ? DIFFERENCE_STRICTER : DIFFERENCE_LOOSER,
                       "kill_switch", tell_blocked(work, before), tell_blocked(work, after));
    difference_add_text(work, "kill_switch reason", before->kill->reason, after->kill->reason, DIFFERENCE_OTHER);
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
            difference_add(work, DIFFERENCE_REMOVED, DIFFERENCE_LOOSER, "kill_switch", tell_blocked(work, &before[i++]),
                           SLICE(""));
        else
            difference_add(work, DIFFERENCE_ADDED, DIFFERENCE_STRICTER, "kill_switch", SLICE(""),
                           tell_blocked(work, &after[j++]));
    }
    free(before);
    free(after);
}

/* ---- prices ------------------------------------------------------------------------------------------------------ */

static int compare_price_rows(const struct price_row *a, const struct price_row *b)
{
    int order = compare_slices(a->model, b->model);

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

static void tell_price(struct difference_text *text, const char *label, int64_t millionths)
{
    char digits[DECIMAL_TEXT_SIZE];

    difference_text_add(text, slice_of(label));
    difference_text_add(text, (struct slice){digits, decimal_print(millionths, digits)});
}

static struct slice tell_prices(struct difference_work *work, const struct price_row *row)
{
    struct difference_text text = {.work = work};

    difference_text_add(&text, tell_model(work, row));
    tell_price(&text, " input ", row->price.input);
    tell_price(&text, " cached_input ", row->price.cached_input);
    tell_price(&text, " output ", row->price.output);
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

static void compare_head(struct difference_work *work)
{
    const struct bundle *before = work->before, *after = work->after;

    add_time(work, "expires_at", before->expires_at, after->expires_at, MORE_IS_OTHER);
    difference_add_word(work, FIELD_defaults_unmatched, before->rejects_unmatched, after->rejects_unmatched,
                        after->rejects_unmatched ? DIFFERENCE_STRICTER : DIFFERENCE_LOOSER);
    compare_override(work, "global_shadow", "global_shadow expires_at", &before->global_shadow, &after->global_shadow);
    compare_override(work, "kill_switch_override", "kill_switch_override expires_at", &before->kill_switch_override,
                     &after->kill_switch_override);
    compare_kill_switches(work);
    compare_prices(work);
}

static void compare_policies(struct difference_work *work)
{
    const struct bundle *before = work->before, *after = work->after;
    uint32_t i = 0, j = 0;

    while (i < before->policy_count || j < after->policy_count) {
        int order = i == before->policy_count  ? 1
                    : j == after->policy_count ? -1
                                               : compare_slices(before->policies[i].id, after->policies[j].id);

        difference_policy_compare(work, order <= 0 ? &before->policies[i] : NULL,
                                  order >= 0 ? &after->policies[j] : NULL);
        i += order <= 0;
        j += order >= 0;
    }
}

struct difference_list *difference_find(const struct bundle *before, const struct bundle *after)
{
    struct difference_list *list = calloc(1, sizeof(*list));
    struct difference_work work = {.before = before, .after = after, .list = list};

    if (!list)
        return NULL;
    list->region = region_new();
    if (list->region) {
        compare_head(&work);
        compare_policies(&work);
    }
    if (!list->region || work.is_out_of_memory) {
        difference_free(list);
        return NULL;
    }
    return list;
}

void difference_free(struct difference_list *list)
{
    if (!list)
        return;
    region_free(list->region);
    free(list->items);
    free(list);
}
