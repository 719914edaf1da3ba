/* SPDX-License-Identifier: MPL-2.0
 *
 * Comparing two policies: what they cover, how they refuse, which rules they have, and the guards beside them.
 */
#include "policy/difference_private.h"
#include "shm/moment.h"

/* ---- selectors --------------------------------------------------------------------------------------------------- */

struct pattern {
    struct slice path;
    bool is_exact;
};

static size_t patterns_of(const struct policy *policy, struct pattern patterns[2])
{
    patterns[0] = (struct pattern){policy->path, policy->path_is_exact};
    patterns[1] = (struct pattern){policy->also_prefix, false};
    return policy->also_prefix.size > 0 ? 2 : 1;
}

static bool pattern_covers(const struct pattern *wide, const struct pattern *part)
{
    if (wide->is_exact)
        return part->is_exact && slice_equal(wide->path, part->path);
    if (!slice_has_prefix(part->path, wide->path))
        return false;
    return part->path.size == wide->path.size || wide->path.data[wide->path.size - 1] == '/' ||
           part->path.data[wide->path.size] == '/';
}

static bool paths_cover(const struct policy *wide, const struct policy *part)
{
    struct pattern wides[2], parts[2];
    size_t wide_count = patterns_of(wide, wides), part_count = patterns_of(part, parts);

    for (size_t i = 0; i < part_count; i++) {
        bool is_covered = false;

        for (size_t j = 0; j < wide_count; j++)
            is_covered = is_covered || pattern_covers(&wides[j], &parts[i]);
        if (!is_covered)
            return false;
    }
    return true;
}

static bool list_covers(const struct slice *wide, uint32_t wide_count, const struct slice *part, uint32_t part_count)
{
    for (uint32_t i = 0; i < part_count; i++) {
        uint32_t j = 0;

        while (j < wide_count && !slice_equal(wide[j], part[i]))
            j++;
        if (j == wide_count)
            return false;
    }
    return true;
}

static bool has_any_method(const struct policy *policy)
{
    return policy->method_bits == 0 && policy->other_method_count == 0;
}

static bool methods_cover(const struct policy *wide, const struct policy *part)
{
    if (has_any_method(wide) || has_any_method(part))
        return has_any_method(wide);
    return (part->method_bits & ~wide->method_bits) == 0 &&
           list_covers(wide->other_methods, wide->other_method_count, part->other_methods, part->other_method_count);
}

static bool hosts_cover(const struct policy *wide, const struct policy *part)
{
    if (wide->host_count == 0 || part->host_count == 0)
        return wide->host_count == 0;
    return list_covers(wide->hosts, wide->host_count, part->hosts, part->host_count);
}

static bool selector_covers(const struct policy *wide, const struct policy *part)
{
    return paths_cover(wide, part) && methods_cover(wide, part) && hosts_cover(wide, part);
}

static void tell_list(struct difference_text *text, const struct slice *items, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        difference_text_add(text, SLICE(" "));
        difference_text_add(text, items[i]);
    }
}

static struct slice tell_selector(struct difference_work *work, const struct policy *policy)
{
    struct difference_text text = {.work = work};

    difference_text_add(&text, policy->path_is_exact ? SLICE("path ") : SLICE("prefix "));
    difference_text_add(&text, policy->path);
    if (policy->also_prefix.size > 0) {
        difference_text_add(&text, SLICE(" or prefix "));
        difference_text_add(&text, policy->also_prefix);
    }
    if (!has_any_method(policy)) {
        difference_text_add(&text, SLICE(", methods"));
        for (uint32_t i = 0; i < BUNDLE_METHOD_COUNT; i++)
            if ((policy->method_bits >> i & 1) != 0)
                tell_list(&text, &bundle_methods[i], 1);
        tell_list(&text, policy->other_methods, policy->other_method_count);
    }
    if (policy->host_count > 0) {
        difference_text_add(&text, SLICE(", hosts"));
        tell_list(&text, policy->hosts, policy->host_count);
    }
    return difference_text_take(&text);
}

static void compare_selectors(struct difference_work *work, const struct policy *before, const struct policy *after)
{
    enum difference_extent extent =
        difference_extent_of(selector_covers(after, before), selector_covers(before, after));

    if (extent != EXTENT_SAME)
        difference_add_extent(work, "selector", extent, tell_selector(work, before), tell_selector(work, after));
}

/* ---- rules ------------------------------------------------------------------------------------------------------- */

static const struct rule *find_rule(const struct policy *policy, struct slice name)
{
    for (uint32_t i = 0; i < policy->rule_count; i++)
        if (slice_equal(policy->rules[i].name, name))
            return &policy->rules[i];
    return NULL;
}

/* Either may be NULL. */
static void compare_rule(struct difference_work *work, const struct rule *before, const struct rule *after)
{
    if (!before && !after)
        return;
    work->rule = before ? before->name : after->name;
    if (before && after)
        difference_rule_compare(work, before, after);
    else if (after)
        difference_add_limit(work, after->is_fallback ? "fallback_limit" : "rule",
                             difference_rule_tell(work, work->after, after));
    else
        difference_add(work, DIFFERENCE_REMOVED, DIFFERENCE_LOOSER, before->is_fallback ? "fallback_limit" : "rule",
                       difference_rule_tell(work, work->before, before), SLICE(""));
    work->rule = SLICE("");
}

/* Counters of a fallback are found by its name, too: another name is another limit. */
static void compare_fallbacks(struct difference_work *work, const struct rule *before, const struct rule *after)
{
    if (before && after && !slice_equal(before->name, after->name)) {
        compare_rule(work, before, NULL);
        compare_rule(work, NULL, after);
    } else {
        compare_rule(work, before, after);
    }
}

static void compare_rules(struct difference_work *work, const struct policy *before, const struct policy *after)
{
    for (uint32_t i = 0; i < before->rule_count; i++)
        compare_rule(work, &before->rules[i], find_rule(after, before->rules[i].name));
    for (uint32_t i = 0; i < after->rule_count; i++)
        if (!find_rule(before, after->rules[i].name))
            compare_rule(work, NULL, &after->rules[i]);
    compare_fallbacks(work, before->fallback, after->fallback);
}

/* ---- guards ------------------------------------------------------------------------------------------------------ */

/* true when both have the guard, and its figures are to be compared. */
static bool compare_enabled(struct difference_work *work, const char *subject, bool before, bool after)
{
    if (before != after)
        difference_add(work, after ? DIFFERENCE_ADDED : DIFFERENCE_REMOVED,
                       after ? DIFFERENCE_STRICTER : DIFFERENCE_LOOSER, subject, SLICE(""), SLICE(""));
    return before && after;
}

static void compare_loops(struct difference_work *work, const struct loop_detection *before,
                          const struct loop_detection *after)
{
    /* The words go from reject to warn. */
    enum difference_effect action = after->action > before->action ? DIFFERENCE_LOOSER : DIFFERENCE_STRICTER;

    if (!compare_enabled(work, "loop_detection", before->is_enabled, after->is_enabled))
        return;
    difference_add_count(work, "window_seconds", before->window_ns / NANOSECONDS_PER_SECOND,
                         after->window_ns / NANOSECONDS_PER_SECOND, MORE_IS_STRICTER, false);
    difference_add_count(work, "threshold_identical_requests", before->threshold, after->threshold, MORE_IS_LOOSER,
                         false);
    difference_add_word(work, FIELD_loop_detection_action, (int)before->action, (int)after->action, action);
}

static void compare_breakers(struct difference_work *work, const struct circuit_breaker *before,
                             const struct circuit_breaker *after)
{
    if (!compare_enabled(work, "circuit_breaker", before->is_enabled, after->is_enabled))
        return;
    difference_add_amount(work, "spend_rate_threshold_per_minute", before->threshold, after->threshold, MORE_IS_LOOSER,
                          false);
    difference_add_count(work, "auto_reset_after_minutes", before->open_ns / (60 * NANOSECONDS_PER_SECOND),
                         after->open_ns / (60 * NANOSECONDS_PER_SECOND), MORE_IS_STRICTER, true);
    difference_add_identity_word(work, FIELD_circuit_breaker_scope, before->is_per_identity, after->is_per_identity,
                                 after->is_per_identity ? DIFFERENCE_LOOSER : DIFFERENCE_STRICTER);
    difference_add_switch(work, "alert", before->alerts, after->alerts);
}

/* ---- policies ---------------------------------------------------------------------------------------------------- */

/* While everything is in shadow, another mode moves no counter. */
static void compare_modes(struct difference_work *work, const struct policy *before, const struct policy *after)
{
    work->begins_at_zero = (before->is_shadow || work->before->global_shadow.is_enabled) !=
                           (after->is_shadow || work->after->global_shadow.is_enabled);
    difference_add_word(work, FIELD_spec_mode, before->is_shadow, after->is_shadow,
                        after->is_shadow ? DIFFERENCE_LOOSER : DIFFERENCE_STRICTER);
    work->begins_at_zero = false;
}

static void compare_both(struct difference_work *work, const struct policy *before, const struct policy *after)
{
    compare_modes(work, before, after);
    compare_selectors(work, before, after);
    compare_rules(work, before, after);
    compare_loops(work, &before->loop, &after->loop);
    compare_breakers(work, &before->breaker, &after->breaker);
    difference_add_text(work, "error_format", slice_of(bundle_error_format_name(before->error_format)),
                        slice_of(bundle_error_format_name(after->error_format)), DIFFERENCE_OTHER);
    difference_add_switch(work, "provider_rate_headers", before->has_provider_headers, after->has_provider_headers);
}

/* One without any of these refuses nobody. */
static bool limits_anything(const struct policy *policy)
{
    return policy->rule_count > 0 || policy->fallback || policy->loop.is_enabled || policy->breaker.is_enabled;
}

void difference_policy_compare(struct difference_work *work, const struct policy *before, const struct policy *after)
{
    work->policy = before ? before->id : after->id;
    work->is_shadow = (!before || before->is_shadow) && (!after || after->is_shadow);
    if (before && after)
        compare_both(work, before, after);
    else if (after && limits_anything(after))
        difference_add_limit(work, "policy", tell_selector(work, after));
    else if (after)
        difference_add(work, DIFFERENCE_ADDED, DIFFERENCE_OTHER, "policy", SLICE(""), tell_selector(work, after));
    else
        difference_add(work, DIFFERENCE_REMOVED, limits_anything(before) ? DIFFERENCE_LOOSER : DIFFERENCE_OTHER, "policy",
                       tell_selector(work, before), SLICE(""));
    work->policy = SLICE("");
    work->is_shadow = false;
}
