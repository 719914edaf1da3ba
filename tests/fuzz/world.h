/* SPDX-License-Identifier: MPL-2.0
 *
 * For targets that judge: a bundle with a limit of each kind, an arena, a decider over both, one request.
 */
#ifndef FAIRVISOR_TESTS_FUZZ_WORLD_H
#define FAIRVISOR_TESTS_FUZZ_WORLD_H

#include "policy/decide.h"
#include "policy/load.h"
#include "tests/fuzz/entry.h"

static const struct moment world_now = {.boot_ns = INT64_C(1000000000000), .wall_ns = INT64_C(1780000000000000000)};

static const char world_text[] =
    "{\"bundle_version\":1,\"policies\":[{\"id\":\"p\",\"spec\":{\"selector\":{\"pathPrefix\":\"/\"},\"mode\":\"enforce\",\"rules\":["
    "{\"name\":\"rate\",\"limit_keys\":[\"ip:address\"],\"algorithm\":\"token_bucket\",\"algorithm_config\":"
    "{\"tokens_per_second\":5,\"burst\":10}},"
    "{\"name\":\"money\",\"limit_keys\":[\"ip:address\"],\"algorithm\":\"cost_based\",\"algorithm_config\":{\"budget\":100,"
    "\"period\":\"1d\",\"cost_key\":\"fixed\",\"fixed_cost\":1,\"staged_actions\":[{\"threshold_percent\":80,\"action\":\"warn\"},"
    "{\"threshold_percent\":100,\"action\":\"reject\"}]}},"
    "{\"name\":\"tokens\",\"limit_keys\":[\"ip:address\"],\"algorithm\":\"token_bucket_llm\",\"algorithm_config\":"
    "{\"tokens_per_minute\":60000,\"tokens_per_day\":1200000,\"default_max_completion\":800}},"
    "{\"name\":\"flights\",\"limit_keys\":[\"ip:address\"],\"algorithm\":\"concurrency\",\"algorithm_config\":"
    "{\"max_in_flight\":10}}],"
    "\"loop_detection\":{\"enabled\":true,\"window_seconds\":60,\"threshold_identical_requests\":10,\"action\":\"reject\"},"
    "\"circuit_breaker\":{\"enabled\":true,\"spend_rate_threshold_per_minute\":1000,\"action\":\"reject\"}}}],"
    "\"kill_switches\":[]}";

#define WORLD_STRIPES 1 /* so many of an arena's are used: who looks at all of them is faster */

static inline struct bundle *world_bundle(void)
{
    static struct complaint_list complaints;
    struct bundle *bundle = load_bundle(SLICE(world_text), world_now.wall_ns / NANOSECONDS_PER_SECOND, &complaints);

    if (!bundle)
        complaint_print(&complaints.items[0], "world", stderr);
    MUST(bundle);
    return bundle;
}

static inline void world_decide(struct decider *decider, struct verdict *verdict)
{
    const struct facts facts = {.method = SLICE("POST"), .host = SLICE("a"), .path = SLICE("/v1/chat/completions"),
                                .body = SLICE("{\"model\":\"m\",\"messages\":[],\"max_tokens\":5}"),
                                .client = {ADDRESS_IPV4, {192, 0, 2, 1}}};

    decide_request(decider, &facts, NULL, world_now, verdict);
}

#endif
