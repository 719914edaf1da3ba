/* SPDX-License-Identifier: MPL-2.0
 *
 * Random play: see generate.h. Small numbers and few identities, so that limits are met again and again.
 */
#include "tests/policy/oracle/generate.h"

#include <stdio.h>
#include <string.h>

#define PICK(dice, table) ((table)[world_below(dice, (int)(sizeof(table) / sizeof((table)[0])))])

static const int64_t rates[] = {1, 1000, 333333, 500000, 1000000, 2000000, 10000000};
static const int64_t bursts[] = {1000000, 2000000, 3500000, 5000000, 10000000, 10000001, 40000000};
static const int64_t fixed_costs[] = {1000000, 1000000, 1000000, 250000, 2000000, 3000001, 9000000};
static const int64_t budgets[] = {1000000, 3000000, 5000000, 10000000, 20500000, 33333333};
static const int64_t tokens[] = {20, 50, 100, 150, 300, 1000};
static const int64_t lives[] = {1, 2, 5, 10, 30, 60, 100};

/* Prices for a million tokens: a fraction of a budget's unit to several for each. */
static const int64_t prices[] = {0, 1, 250000000000, 1000000000000, 333333333333, 50000000001, 4000000000000};

/* Dice of their own for what was added to the world later, so that the episodes of old stay what they were. */
static struct world_dice aside(const struct world_dice *dice)
{
    return (struct world_dice){dice->state ^ UINT64_C(0xa5a5a5a55a5a5a5a)};
}

/* ---- rules ---------------------------------------------------------------------------------------------------------
 */

static void make_identity(struct world_dice *dice, struct world_rule *rule)
{
    rule->algorithm = (enum world_algorithm)world_below(dice, WORLD_ALGORITHMS);
    rule->key_count = world_below(dice, WORLD_KEYS_MOST + 1);
    for (int i = 0; i < rule->key_count; i++) {
        bool is_twice;

        do {
            is_twice = false;
            rule->keys[i] =
                (enum world_key)(world_chance(dice, 60) ? world_below(dice, 2) : world_below(dice, WORLD_KEYS));
            for (int j = 0; j < i; j++)
                is_twice = is_twice || rule->keys[j] == rule->keys[i];
        } while (is_twice);
    }
}

static void make_stages(struct world_dice *dice, struct world_rule *rule)
{
    int64_t percent = -1, delay = 0;

    rule->stage_count = world_below(dice, WORLD_STAGES + 1);
    for (int i = 0; i < rule->stage_count; i++) {
        struct world_stage *stage = &rule->stages[i];

        percent += 1 + world_below(dice, 33000000);
        delay += 1 + world_below(dice, 500);
        *stage = (struct world_stage){.percent = percent, .action = (enum world_stage_action)world_below(dice, 2)};
        if (stage->action == WORLD_THROTTLE)
            stage->delay_ms = delay;
    }
}

static void make_tokens(struct world_dice *dice, struct world_rule *rule)
{
    int which = world_below(dice, 3);

    rule->per_minute = which != 0 ? PICK(dice, tokens) : 0;
    rule->minute_burst = which != 0 && world_chance(dice, 50) ? rule->per_minute + PICK(dice, tokens) : 0;
    rule->per_day = which != 1 ? PICK(dice, tokens) : 0;
    rule->most_request = world_chance(dice, 15) ? PICK(dice, tokens) : 0;
    rule->most_prompt = world_chance(dice, 10) ? 10 : 0;
    rule->most_completion = world_chance(dice, 10) ? PICK(dice, tokens) : 0;
    rule->default_completion = world_chance(dice, 70) ? 1 + world_below(dice, 30) : 0;
    rule->takes_hint = world_chance(dice, 30);
}

/* What a reload may change: everything but the name, the keys and the algorithm. */
static void make_limits(struct world_dice *dice, struct world_rule *rule)
{
    struct world_dice other = aside(dice);

    rule->by_usage = world_chance(&other, 50);
    rule->unpriced = (enum world_unpriced)world_below(&other, 3);
    rule->missing = (enum world_missing)world_below(dice, 3);
    rule->has_match = world_chance(dice, 25);
    rule->match_key = (enum world_key)(world_chance(dice, 50) ? world_below(dice, 2) : world_below(dice, WORLD_KEYS));
    if (rule->match_key == WORLD_KEY_PREFIX)
        rule->match_key = WORLD_KEY_ADDRESS;
    rule->match_value = world_below(dice, 2);
    rule->source = (enum world_source)world_below(dice, 3);
    rule->fixed = PICK(dice, fixed_costs);
    rule->standard = PICK(dice, fixed_costs);
    rule->burst = PICK(dice, bursts);
    do
        rule->rate = PICK(dice, rates);
    while (rule->rate > rule->burst);
    rule->budget = PICK(dice, budgets);
    rule->period = (enum world_period)world_below(dice, WORLD_PERIODS);
    rule->zone = (enum world_zone)(world_chance(dice, 50) ? WORLD_UTC : world_below(dice, WORLD_ZONES));
    make_stages(dice, rule);
    make_tokens(dice, rule);
    rule->in_flight = 1 + world_below(dice, 4);
    rule->ttl_s = PICK(dice, lives);
}

/* ---- policies ------------------------------------------------------------------------------------------------------
 */

static void make_selector(struct world_dice *dice, struct world_policy *policy)
{
    policy->exact = world_chance(dice, 20) ? world_below(dice, 7) : -1;
    policy->prefix = policy->exact < 0 || world_chance(dice, 30) ? world_below(dice, 6) : -1;
    if (policy->prefix >= 0 && world_chance(dice, 50))
        policy->prefix = 0;
    policy->methods = world_chance(dice, 25) ? 1 + (unsigned)world_below(dice, 7) : 0;
    policy->host = world_chance(dice, 15) ? 1 + world_below(dice, 2) : 0;
}

static void make_guards(struct world_dice *dice, struct world_policy *policy)
{
    policy->has_loop = world_chance(dice, 30);
    policy->loop_window_s = PICK(dice, lives);
    policy->loop_threshold = 2 + world_below(dice, 4);
    policy->loop_action = (enum world_loop_action)world_below(dice, 3);
    policy->has_breaker = world_chance(dice, 25);
    policy->breaker_per_identity = world_chance(dice, 60);
    policy->breaker_threshold = PICK(dice, tokens) * WORLD_ONE / 10;
    policy->breaker_minutes = world_below(dice, 4);
}

static void make_policy(struct world_dice *dice, struct world_policy *policy, int number)
{
    memset(policy, 0, sizeof(*policy));
    snprintf(policy->id, sizeof(policy->id), "p%u", (unsigned)number % 1000u);
    policy->is_present = true;
    policy->is_shadow = world_chance(dice, 25);
    make_selector(dice, policy);
    make_guards(dice, policy);
    policy->rule_count = world_below(dice, WORLD_RULES + 1);
    policy->has_fallback = world_chance(dice, 30) || (policy->rule_count == 0 && !policy->has_loop);
    for (int i = 0; i <= WORLD_RULES; i++) {
        struct world_rule *rule = &policy->rules[i];

        snprintf(rule->name, sizeof(rule->name), i < WORLD_RULES ? "r%d" : "rest", i);
        make_identity(dice, rule);
        make_limits(dice, rule);
    }
}

/* The same policy after somebody edited it. */
static void change_policy(struct world_dice *dice, struct world_policy *policy)
{
    policy->is_present = world_chance(dice, 85);
    if (world_chance(dice, 15))
        policy->is_shadow = !policy->is_shadow;
    if (world_chance(dice, 20))
        make_selector(dice, policy);
    if (world_chance(dice, 20))
        make_guards(dice, policy);
    if (world_chance(dice, 15))
        policy->rule_count = world_below(dice, WORLD_RULES + 1);
    if (world_chance(dice, 15))
        policy->has_fallback = !policy->has_fallback;
    for (int i = 0; i <= WORLD_RULES; i++) {
        if (world_chance(dice, 40))
            make_limits(dice, &policy->rules[i]);
        if (world_chance(dice, 5))
            make_identity(dice, &policy->rules[i]);
    }
}

/* ---- bundles -------------------------------------------------------------------------------------------------------
 */

static void make_prices(struct world_dice dice, struct world_bundle *bundle)
{
    for (int i = 0; i < WORLD_PRICES; i++)
        bundle->prices[i] = (struct world_price){.is_present = world_chance(&dice, 55),
                                                 .has_cached = world_chance(&dice, 60),
                                                 .input = PICK(&dice, prices),
                                                 .cached = PICK(&dice, prices),
                                                 .output = PICK(&dice, prices)};
}

static void make_override(struct world_dice *dice, struct world_override *override, int percent)
{
    override->is_enabled = world_chance(dice, percent);
    override->expires_s = WORLD_EPOCH + 1 + world_below(dice, 20 * 86400);
}

static void make_switches(struct world_dice *dice, struct world_bundle *bundle)
{
    bundle->switch_count = world_chance(dice, 30) ? world_below(dice, WORLD_SWITCHES + 1) : 0;
    for (int i = 0; i < bundle->switch_count; i++) {
        struct world_switch *one = &bundle->switches[i];

        do
            one->key = (enum world_key)world_below(dice, WORLD_KEYS);
        while (one->key == WORLD_KEY_PREFIX);
        one->value = world_below(dice, 2);
        one->route = world_chance(dice, 50) ? world_below(dice, 7) : -1;
        one->expires_s = world_chance(dice, 50) ? WORLD_EPOCH + world_below(dice, 20 * 86400) : 0;
    }
    make_override(dice, &bundle->shadow, 8);
    make_override(dice, &bundle->no_switches, 20);
    bundle->rejects_unmatched = world_chance(dice, 30);
}

void generate_bundles(struct world_dice *dice, struct world_bundle bundles[WORLD_BUNDLES])
{
    memset(bundles, 0, WORLD_BUNDLES * sizeof(*bundles));
    bundles[0].policy_count = 1 + world_below(dice, WORLD_POLICIES);
    for (int i = 0; i < bundles[0].policy_count; i++)
        make_policy(dice, &bundles[0].policies[i], i);
    make_switches(dice, &bundles[0]);
    make_prices(aside(dice), &bundles[0]);
    for (int i = 1; i < WORLD_BUNDLES; i++) {
        bundles[i] = bundles[world_below(dice, i)];
        for (int j = 0; j < bundles[i].policy_count; j++)
            change_policy(dice, &bundles[i].policies[j]);
        if (world_chance(dice, 50))
            make_switches(dice, &bundles[i]);
        if (i % 2)
            make_prices(aside(dice), &bundles[i]);
    }
}

/* ---- steps ---------------------------------------------------------------------------------------------------------
 */

static void make_ask(struct world_dice *dice, struct world_ask *ask)
{
    struct world_dice other = aside(dice);

    *ask = (struct world_ask){
        .method = world_chance(dice, 70) ? 1 : world_below(dice, 3),
        .path = world_chance(dice, 50) ? 2 : world_below(dice, 7),
        .host = world_chance(dice, 70) ? 1 : world_below(dice, 3),
        .client = world_chance(dice, 50) ? 1 : world_below(dice, 7),
        .a = world_chance(dice, 60) ? 1 : world_below(dice, 7),
        .b = world_chance(dice, 60) ? 1 : world_below(dice, 7),
        .cost = world_chance(dice, 40) ? 0 : world_below(dice, 10),
        .token = world_chance(dice, 50) ? 1 : world_below(dice, 4),
        .hint = world_chance(dice, 70) ? 0 : world_below(dice, 5),
        .retry = world_chance(dice, 80) ? 0 : world_below(dice, 4),
        .parameter_count = world_chance(dice, 50) ? 0 : world_below(dice, WORLD_PARAMETERS + 1),
        .has_body = world_chance(dice, 60),
        .prompt_bytes = world_chance(dice, 50) ? 0 : world_below(dice, 80),
        .most = world_below(dice, 8),
        .choices = world_chance(dice, 85) ? 0 : 1 + world_below(dice, 3),
    };
    for (int i = 0; i < ask->parameter_count; i++)
        ask->parameters[i] = world_below(dice, 8);
    ask->model = world_below(&other, 6);
}

static void make_settlement(struct world_dice *dice, struct world_step *step)
{
    struct world_dice other = aside(dice);
    int back = world_chance(dice, 80) ? 12 : step->number;

    step->kind = WORLD_SETTLE;
    step->settles = step->number - 1 - world_below(dice, back < step->number ? back : step->number);
    step->is_forged = world_chance(dice, 5);
    step->prompt = world_chance(dice, 30) ? 0 : world_below(dice, 60);
    step->completion = world_chance(dice, 30) ? 0 : world_below(dice, world_chance(dice, 10) ? 500 : 60);
    step->cached = world_chance(&other, 50) ? 0 : world_below(&other, 80);
    step->model = world_chance(&other, 50) ? 0 : world_below(&other, 6);
    if (world_chance(dice, 2))
        step->prompt = -1;
}

/* Nanoseconds until the next step: mostly moments, now and then long enough for buckets, windows and breakers to turn.
 */
static int64_t make_pause(struct world_dice *dice)
{
    int kind = world_below(dice, 1000);
    int64_t second = WORLD_SECOND;

    if (kind < 350)
        return 0;
    if (kind < 600)
        return world_below(dice, 200) * (second / 1000);
    if (kind < 700)
        return world_below(dice, 1000000000);
    if (kind < 850)
        return world_below(dice, 5) * second;
    if (kind < 960)
        return world_below(dice, 120) * second;
    if (kind < 990)
        return (int64_t)world_below(dice, 3600) * second;
    if (kind < 998)
        return (int64_t)world_below(dice, 2 * 86400) * second;
    return (int64_t)world_below(dice, 20 * 86400) * second;
}

/* How far the wall clock is stepped, in nanoseconds. */
static int64_t make_jump(struct world_dice *dice)
{
    static const int lengths[] = {2, 90, 4000, 90000, 800000};
    int64_t length = (int64_t)world_below(dice, PICK(dice, lengths)) * WORLD_SECOND;

    return world_chance(dice, 50) ? length : -length;
}

void generate_steps(struct world_dice *dice, struct world_step *steps, int count, int reload_percent)
{
    int64_t boot = WORLD_BOOT * WORLD_SECOND, ahead;
    struct world_ask last = {0};

    ahead = (int64_t)world_below(dice, (world_chance(dice, 50) ? 25 : 400) * 86400) * WORLD_SECOND;
    memset(steps, 0, (size_t)count * sizeof(*steps));
    for (int i = 0; i < count; i++) {
        struct world_step *step = &steps[i];
        int64_t least;

        boot += make_pause(dice);
        ahead += world_chance(dice, 1) ? make_jump(dice) : 0;
        least = (WORLD_BOOT - boot / WORLD_SECOND) * WORLD_SECOND;
        ahead = ahead < least ? least : ahead;
        *step = (struct world_step){.number = i, .boot_ns = boot};
        step->wall_ns = (WORLD_EPOCH - WORLD_BOOT) * WORLD_SECOND + boot + ahead;
        if (i == 0 || world_chance(dice, reload_percent)) {
            step->kind = WORLD_RELOAD;
            step->bundle = i == 0 ? 0 : world_below(dice, WORLD_BUNDLES);
        } else if (world_chance(dice, 15)) {
            make_settlement(dice, step);
        } else {
            if (world_chance(dice, 60))
                make_ask(dice, &last);
            step->ask = last;
        }
    }
}
