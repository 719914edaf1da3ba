/* SPDX-License-Identifier: MPL-2.0
 *
 * The words of the oracle's world: see world.h.
 */
#include "tests/policy/oracle/world.h"

#include <stdio.h>
#include <string.h>

const char *const world_methods[3] = {"GET", "POST", "PUT"};
const char *const world_paths[7] = {
    "/", "/v1/chat", "/v1/chat/completions", "/v1/chats", "/v1/messages", "/x", "/v1",
};
const char *const world_prefixes[6] = {"/", "/v1", "/v1/chat", "/v1/chat/", "/x", "/v1/"};
const char *const world_hosts[3] = {"", "api.example", "other.example"};

const char *const world_key_names[WORLD_KEYS] = {
    "header:x-a", "header:x-b", "query:user", "ip:address", "ip:prefix", "jwt:sub", "method", "host", "path",
};
const char *const world_match_values[WORLD_KEYS][2] = {
    {"1", "1, 2"},
    {"1", "2"},
    {"u", "v w"},
    {"10.0.0.1", "2001:db8::1"},
    {"10.0.0.1", "10.0.0.2"},
    {"ann", "bob"},
    {"GET", "POST"},
    {"api.example", "other.example"},
    {"/v1/chat", "/x"},
};

/* The fourth and the fifth are one value by RFC 9110, 5.3. An empty value is no identity. */
const struct world_header world_headers[7] = {
    {NULL, NULL, NULL},     {"1", NULL, "1"}, {"2", NULL, "2"},     {"1", "2", "1, 2"},
    {"1, 2", NULL, "1, 2"}, {"", NULL, NULL}, {"1,2", NULL, "1,2"},
};

const struct world_client world_clients[7] = {
    {"-", NULL, NULL},
    {"10.0.0.1", "4:10.0.0.1", "4:10.0.0.1"},
    {"10.0.0.2", "4:10.0.0.2", "4:10.0.0.2"},
    {"::ffff:10.0.0.1", "4:10.0.0.1", "4:10.0.0.1"},
    {"2001:db8::1", "6:2001:db8::1", "6:2001:db8:0:0"},
    {"2001:db8::2", "6:2001:db8::2", "6:2001:db8:0:0"},
    {"2001:db8:0:1::1", "6:2001:db8:0:1::1", "6:2001:db8:0:1"},
};

const struct world_amount world_costs[10] = {
    {NULL, -1, false},        {"1", 1000000, false}, {"2", 2000000, false}, {"0.5", 500000, false},
    {"3.000001", 3000001, false}, {"1e1", 10000000, false}, {"0", -1, false}, {"-1", -1, false},
    {"cheap", -1, false},     {"0.0000001", 1, false},
};
const struct world_amount world_hints[5] = {
    {NULL, -1, false}, {"10", 10, false}, {"0", 0, false}, {"-3", -1, false}, {"many", -1, false}};
const struct world_amount world_most[8] = {
    {NULL, -1, false},  {"1", 1, false},   {"7", 7, false},  {"20", 20, false},
    {"100", 100, false}, {"-5", -1, false}, {"0.5", 1, true}, {"\"9\"", 9, true},
};

const struct world_parameter world_parameters[8] = {
    {"user=u", "user", "u"},       {"user=%75", "user", "u"},
    {"us%65r=v+w", "user", "v w"}, {"cost=2", "cost", "2"},
    {"cost=%30.5", "cost", "0.5"}, {"cost=nothing", "cost", "nothing"},
    {"user=", "user", ""},         {"z", "z", ""},
};

/* The middle parts are {"sub":"ann"} and {"sub":"bob"}. */
const struct world_token world_tokens[4] = {
    {NULL, NULL},
    {"Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2ln", "ann"},
    {"Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IifQ.c2ln", "bob"},
    {"Bearer sk-1234567890", NULL},
};

const char *const world_models[6] = {NULL, "gold", "gold-1", "go", "tin-2", "brass"};
const char *const world_patterns[WORLD_PRICES] = {"gold", "gold*", "go*", "tin*", "*"};

const char *const world_retries[4] = {NULL, NULL, "0", "1"};
const char *const world_zones[WORLD_ZONES] = {"", "Europe/Berlin", "America/New_York", "Asia/Kolkata"};
const char *const world_periods[WORLD_PERIODS] = {"1m", "5m", "1h", "1d", "7d", "30d", "month"};
const char *const world_algorithms[WORLD_ALGORITHMS] = {"token_bucket", "cost_based", "token_bucket_llm",
                                                        "concurrency"};

/* SplitMix64 (Steele, Lea, Flood, 2014). */
uint64_t world_roll(struct world_dice *dice)
{
    uint64_t z = dice->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

int world_below(struct world_dice *dice, int count)
{
    return (int)(world_roll(dice) % (uint64_t)count);
}

bool world_chance(struct world_dice *dice, int percent)
{
    return world_below(dice, 100) < percent;
}

void world_query(const struct world_ask *ask, char *out, size_t size)
{
    size_t used = 0;

    out[0] = '\0';
    for (int i = 0; i < ask->parameter_count; i++)
        used +=
            (size_t)snprintf(out + used, size - used, "%s%s", i ? "&" : "", world_parameters[ask->parameters[i]].raw);
}

void world_body(const struct world_ask *ask, char *out, size_t size)
{
    size_t used;

    out[0] = '\0';
    if (!ask->has_body)
        return;
    used = (size_t)snprintf(out, size, "{\"prompt\":\"%.*s\"", ask->prompt_bytes,
                            "....5....10...15...20...25...30...35...40...45...50...55...60...65...70...75...80");
    if (world_most[ask->most].text)
        used += (size_t)snprintf(out + used, size - used, ",\"max_tokens\":%s", world_most[ask->most].text);
    if (ask->choices)
        used += (size_t)snprintf(out + used, size - used, ",\"n\":%d", ask->choices);
    if (world_models[ask->model])
        used += (size_t)snprintf(out + used, size - used, ",\"model\":\"%s\"", world_models[ask->model]);
    snprintf(out + used, size - used, "}");
}
