/* SPDX-License-Identifier: MPL-2.0
 *
 * Reads a settlement and words its result. Takes a body, has judge.c settle, leaves an answer in the outbox.
 */
#include "worker/settle.h"

#include "policy/estimate.h"
#include "policy/json.h"
#include "worker/judge.h"

#define MAX_BYTES  16384 /* several times the longest reservation */
#define MAX_TOKENS 64

/* ---- reading ---------------------------------------------------------------------------------------------------- */

/* One settlement being read. */
struct reading {
    const struct json *json;
    struct slice text;
    struct region *region;
    struct settle_demand *demand;
    struct outbox *complaint;
};

static bool complain(const struct reading *reading, size_t offset, struct slice member, const char *sentence)
{
    uint32_t line, column;

    json_place(reading->text, offset, &line, &column);
    outbox_add(reading->complaint, SLICE("Line "));
    outbox_number(reading->complaint, line);
    outbox_add(reading->complaint, SLICE(", column "));
    outbox_number(reading->complaint, column);
    outbox_add(reading->complaint, SLICE(": "));
    if (member.data) {
        outbox_add(reading->complaint, SLICE("\""));
        outbox_add(reading->complaint, member);
        outbox_add(reading->complaint, SLICE("\" "));
    }
    outbox_add(reading->complaint, slice_of(sentence));
    outbox_add(reading->complaint, SLICE("."));
    return false;
}

static bool read_text(const struct reading *reading, uint32_t value, struct slice member, struct slice *text)
{
    if (json_type(reading->json, value) != JSON_STRING)
        return complain(reading, json_offset(reading->json, value), member, "must be a string");
    if (!json_text(reading->json, value, reading->region, text))
        return complain(reading, json_offset(reading->json, value), member, "finds no memory here; try again");
    return true;
}

static bool read_reservation(const struct reading *reading, uint32_t value, struct slice member)
{
    return read_text(reading, value, member, &reading->demand->reservation);
}

static bool read_model(const struct reading *reading, uint32_t value, struct slice member)
{
    return read_text(reading, value, member, &reading->demand->model);
}

/* Digits alone: no sign, no fraction, no exponent. */
static bool read_tokens(const struct reading *reading, uint32_t value, struct slice member, int64_t *tokens)
{
    struct slice digits = json_raw(reading->json, value);
    bool is_whole = json_type(reading->json, value) == JSON_NUMBER;

    *tokens = 0;
    for (size_t i = 0; i < digits.size && is_whole; i++) {
        is_whole = digits.data[i] >= '0' && digits.data[i] <= '9' && *tokens <= ESTIMATE_MOST;
        *tokens = is_whole ? *tokens * 10 + (digits.data[i] - '0') : 0;
    }
    if (!is_whole || *tokens > ESTIMATE_MOST)
        return complain(reading, json_offset(reading->json, value), member,
                        "must be a whole number of tokens from 0 to 4294967296");
    return true;
}

static bool read_prompt(const struct reading *reading, uint32_t value, struct slice member)
{
    reading->demand->has_usage = true;
    return read_tokens(reading, value, member, &reading->demand->usage.in_total);
}

static bool read_completion(const struct reading *reading, uint32_t value, struct slice member)
{
    reading->demand->has_usage = true;
    return read_tokens(reading, value, member, &reading->demand->usage.out_total);
}

static bool read_cached(const struct reading *reading, uint32_t value, struct slice member)
{
    return read_tokens(reading, value, member, &reading->demand->usage.in_cached);
}

static const struct {
    struct slice name;
    bool (*read)(const struct reading *reading, uint32_t value, struct slice member);
} members[] = {
    {SLICE("reservation"), read_reservation},
    {SLICE("prompt_tokens"), read_prompt},
    {SLICE("completion_tokens"), read_completion},
    {SLICE("cached_tokens"), read_cached},
    {SLICE("model"), read_model},
};
#define MEMBERS (sizeof(members) / sizeof(members[0]))

static bool read_member(const struct reading *reading, uint32_t token, unsigned *seen)
{
    struct slice name;
    size_t i = 0;

    if (!json_text(reading->json, token, reading->region, &name))
        return complain(reading, json_offset(reading->json, token), (struct slice){0}, "memory is out; try again");
    while (i < MEMBERS && !slice_equal(members[i].name, name))
        i++;
    if (i == MEMBERS)
        return complain(reading, json_offset(reading->json, token), name,
                        "is not known here; known are reservation, prompt_tokens, completion_tokens, cached_tokens and model");
    if (*seen >> i & 1)
        return complain(reading, json_offset(reading->json, token), name, "stands here a second time; tell it once");
    *seen |= 1U << i;
    return members[i].read(reading, json_value(reading->json, token), name);
}

static bool read_members(const struct reading *reading)
{
    unsigned seen = 0;

    if (json_type(reading->json, JSON_ROOT) != JSON_OBJECT)
        return complain(reading, json_offset(reading->json, JSON_ROOT), (struct slice){0},
                        "a settlement is an object with at least a reservation");
    for (uint32_t token = json_first(reading->json, JSON_ROOT); token != JSON_NONE;
         token = json_next(reading->json, token))
        if (!read_member(reading, token, &seen))
            return false;
    if (!(seen & 1))
        return complain(reading, json_offset(reading->json, JSON_ROOT), members[0].name,
                        "is missing: send X-Fairvisor-Reservation of the decision in it");
    return true;
}

bool settle_read(struct slice text, struct region *region, struct settle_demand *demand, struct outbox *complaint)
{
    const struct json_gate_limits limits = {.max_bytes = MAX_BYTES, .max_tokens = MAX_TOKENS};
    struct reading reading = {.text = text, .region = region, .demand = demand, .complaint = complaint};
    struct json_gate_fault fault = {0};
    struct json *json = json_parse(text, &limits, &fault);
    bool is_read;

    *demand = (struct settle_demand){.usage = {0}};
    if (!json)
        return complain(&reading, fault.offset, (struct slice){0}, fault.sentence ? fault.sentence : "memory is out");
    reading.json = json;
    is_read = read_members(&reading);
    json_free(json);
    return is_read;
}

/* ---- answering -------------------------------------------------------------------------------------------------- */

struct result {
    uint16_t status;
    const char *word, *message;
};

static const struct result results[] = {
    [DECIDE_SETTLED] = {200, "settled", ""},
    [DECIDE_SETTLED_UNSERVED] =
        {200, "settled",
         "The policy served now does not have all limits of this reservation. What they had counted is corrected, for the "
         "case that they come back."},
    [DECIDE_SETTLED_IN_PART] =
        {200, "settled_in_part",
         "What was used beyond the reservation could not be charged to one of its limits, of which nothing that was counted "
         "is left: the policy served now does not have it, or shared memory is full. All others are corrected."},
    [DECIDE_SETTLED_BEFORE] =
        {409, "settled_before",
         "This reservation was settled before, and nothing was changed now. Settle each one once."},
    [DECIDE_SETTLEMENT_EXPIRED] = {410, "expired",
                                   "This reservation is older than 15 minutes and stays charged as it was reserved. "
                                   "Settle sooner."},
    [DECIDE_SETTLEMENT_UNKNOWN] =
        {404, "unknown",
         "This is no reservation of this instance. Send X-Fairvisor-Reservation as it came, to "
         "the instance that gave it."},
    [DECIDE_SETTLEMENT_BUSY] = {503, "busy", "Shared memory had no room for this; nothing was changed. Try again."},
};

static void send_result(const struct reply *reply, unsigned status, const char *word, struct slice message)
{
    struct worker *worker = reply->worker;
    struct outbox *body = &worker->body;

    outbox_clear(body);
    outbox_add(body, SLICE("{\"status\":\""));
    outbox_add(body, slice_of(word));
    if (message.size > 0) {
        outbox_add(body, SLICE("\",\"message\":\""));
        outbox_json(body, message);
    }
    outbox_add(body, SLICE("\"}\n"));
    reply_begin(reply, status);
    if (status == 503)
        outbox_add(&worker->out, SLICE("Retry-After: 1\r\n"));
    reply_end(reply, status, SLICE("application/json"), (struct slice){body->data, body->used});
}

static void settle(const struct reply *reply, const struct settle_demand *demand)
{
    const struct usage *usage = demand->has_usage ? &demand->usage : NULL;
    const struct result *result = &results[judge_settle(reply->worker, demand->reservation, usage, demand->model)];

    send_result(reply, result->status, result->word, slice_of(result->message));
}

void settle_answer(const struct reply *reply, struct slice text)
{
    struct region *region = region_new();
    struct outbox complaint = {0};
    struct settle_demand demand;

    if (!region)
        send_result(reply, 503, "busy", SLICE("Memory is out; nothing was changed. Try again."));
    else if (settle_read(text, region, &demand, &complaint))
        settle(reply, &demand);
    else
        send_result(reply, 400, "invalid", (struct slice){complaint.data, complaint.used});
    outbox_fini(&complaint);
    region_free(region);
}
