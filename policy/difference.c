/* SPDX-License-Identifier: MPL-2.0
 *
 * Comparing two bundles: the list of what is found, its texts, and the walk. Policies are merged by their ids.
 */
#include "policy/difference.h"

#include <stdlib.h>

#include "policy/decimal.h"
#include "policy/difference_private.h"
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
    list->at_zero += work->begins_at_zero;
    list->items[list->count++] = (struct difference){.change = change,
                                                     .effect = effect,
                                                     .policy = work->policy,
                                                     .rule = work->rule,
                                                     .subject = subject,
                                                     .before = before,
                                                     .after = after,
                                                     .begins_at_zero = work->begins_at_zero};
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

void difference_add_switch(struct difference_work *work, const char *subject, bool before, bool after)
{
    difference_add_text(work, subject, before ? SLICE("true") : SLICE("false"), after ? SLICE("true") : SLICE("false"),
                        DIFFERENCE_OTHER);
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

void difference_add_identity(struct difference_work *work, const char *subject, struct slice before, struct slice after,
                             enum difference_effect effect)
{
    work->begins_at_zero = true;
    difference_add_text(work, subject, before, after, effect);
    work->begins_at_zero = false;
}

void difference_add_identity_word(struct difference_work *work, enum field field, int before, int after,
                                  enum difference_effect effect)
{
    work->begins_at_zero = true;
    difference_add_word(work, field, before, after, effect);
    work->begins_at_zero = false;
}

void difference_add_limit(struct difference_work *work, const char *subject, struct slice after)
{
    work->begins_at_zero = true;
    difference_add(work, DIFFERENCE_ADDED, DIFFERENCE_STRICTER, subject, SLICE(""), after);
    work->begins_at_zero = false;
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

void difference_text_amount(struct difference_text *text, const char *label, int64_t millionths)
{
    char digits[DECIMAL_TEXT_SIZE];

    difference_text_add(text, slice_of(label));
    difference_text_add(text, (struct slice){digits, decimal_print(millionths, digits)});
}

struct slice difference_text_take(struct difference_text *text)
{
    struct slice kept = copy(text->work, (struct slice){text->data, text->size});

    free(text->data);
    *text = (struct difference_text){.work = text->work};
    return kept;
}

int difference_order(struct slice a, struct slice b)
{
    size_t shorter = a.size < b.size ? a.size : b.size;
    int order = shorter > 0 ? memcmp(a.data, b.data, shorter) : 0;

    return order ? order : (a.size > b.size) - (a.size < b.size);
}

/* ---- bundles ------------------------------------------------------------------------------------------------------ */

static void compare_policies(struct difference_work *work)
{
    const struct bundle *before = work->before, *after = work->after;
    uint32_t i = 0, j = 0;

    while (i < before->policy_count || j < after->policy_count) {
        int order = i == before->policy_count  ? 1
                    : j == after->policy_count ? -1
                                               : difference_order(before->policies[i].id, after->policies[j].id);

        difference_policy_compare(work, order <= 0 ? &before->policies[i] : NULL,
                                  order >= 0 ? &after->policies[j] : NULL);
        i += order <= 0;
        j += order >= 0;
    }
}

struct difference_list *difference_find(const struct bundle *before, const struct bundle *after, int64_t now)
{
    struct difference_list *list = calloc(1, sizeof(*list));
    struct difference_work work = {.before = before, .after = after, .now = now, .list = list};

    if (!list)
        return NULL;
    list->region = region_new();
    if (list->region) {
        difference_bundle_compare(&work);
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
