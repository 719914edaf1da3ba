/* SPDX-License-Identifier: MPL-2.0
 *
 * Words what a refused client reads: which limit, how much of what, and when to come back.
 */
#include "worker/reject_sentence.h"

#include "policy/decimal.h"
#include "shm/moment.h"
#include "worker/headers.h"

static void add_text(struct outbox *out, const char *text)
{
    outbox_add(out, slice_of(text));
}

/* In double quotation marks, inside a JSON string. */
static void write_quoted(struct slice name, struct outbox *out)
{
    outbox_add(out, SLICE("\\\""));
    outbox_json(out, name);
    outbox_add(out, SLICE("\\\""));
}

static void write_number(const char *before, uint64_t number, const char *behind, struct outbox *out)
{
    add_text(out, before);
    outbox_number(out, number);
    add_text(out, behind);
}

static uint64_t seconds_of(int64_t ns)
{
    return (uint64_t)(ns / NANOSECONDS_PER_SECOND) + (ns % NANOSECONDS_PER_SECOND != 0);
}

/* To the last millionth: half a dollar is neither none nor a whole one. */
static void write_amount(const char *before, int64_t millionths, const char *behind, struct outbox *out)
{
    char text[DECIMAL_TEXT_SIZE];

    add_text(out, before);
    outbox_add(out, (struct slice){text, decimal_print(millionths, text)});
    add_text(out, behind);
}

/* What comes back all the time is told in whole units; of a budget nothing does, and parts of a unit can be spent. */
static void write_left(const struct limit_state *limit, struct outbox *out)
{
    if (limit->rule->algorithm == ALGORITHM_COST_BASED)
        write_amount("; left: ", limit->remaining > 0 ? limit->remaining : 0, ".", out);
    else
        write_number("; left: ", headers_units(limit->remaining), ".", out);
}

/* `The limit "name" of policy "id"`. */
static void write_place(const struct policy *policy, const struct rule *rule, struct outbox *out)
{
    outbox_add(out, SLICE("The limit "));
    if (rule->name.size > 0) {
        write_quoted(rule->name, out);
        outbox_add(out, SLICE(" "));
    }
    outbox_add(out, SLICE("of policy "));
    write_quoted(policy->id, out);
}

static void write_limit_sentence(const struct verdict *verdict, struct outbox *out)
{
    const struct limit_state *limit = &verdict->limit;
    bool is_flight = limit->rule->algorithm == ALGORITHM_CONCURRENCY;

    write_place(limit->policy, limit->rule, out);
    write_amount(" allows ", limit->limit, "", out);
    if (limit->rule->algorithm == ALGORITHM_TOKEN_BUCKET_LLM)
        outbox_add(out, SLICE(" tokens"));
    if (is_flight)
        outbox_add(out, SLICE(" at a time"));
    else
        write_number(" in ", seconds_of(limit->window_ns), " s", out);
    if (limit->needed > 0)
        write_amount("; this request needs ", limit->needed, " and never fits.", out);
    else
        write_left(limit, out);
}

static void write_cap(const struct verdict *verdict, int64_t cap, const char *what, struct outbox *out)
{
    write_place(verdict->policy, verdict->rule, out);
    write_number(" allows ", (uint64_t)cap, " ", out);
    add_text(out, what);
    outbox_add(out, SLICE(" in one request."));
}

/* Loop detection has no rule: the policy says what a loop is. */
static void write_loop(const struct verdict *verdict, struct outbox *out)
{
    const struct loop_detection *loop = &verdict->policy->loop;

    outbox_add(out, SLICE("Policy "));
    write_quoted(verdict->policy->id, out);
    write_number(" found a loop: no more than ", (uint64_t)loop->threshold - 1, " identical requests may come", out);
    write_number(" within ", seconds_of(loop->window_ns), " s.", out);
}

static void write_breaker(const struct verdict *verdict, struct outbox *out)
{
    const struct circuit_breaker *breaker = &verdict->policy->breaker;

    outbox_add(out, SLICE("The circuit breaker of policy "));
    write_quoted(verdict->policy->id, out);
    write_amount(" is open: spending grew beyond ", breaker->threshold, " a minute.", out);
    if (breaker->open_ns == 0)
        outbox_add(out, SLICE(" It stays open until an operator resets it."));
}

static void write_other(const struct verdict *verdict, struct outbox *out)
{
    if (verdict->policy && verdict->rule) {
        write_place(verdict->policy, verdict->rule, out);
        outbox_add(out, SLICE(": "));
    }
    outbox_json(out, slice_of(verdict_reasons[verdict->reason].help));
    if (verdict->kill_switch && verdict->kill_switch->reason.size > 0) {
        outbox_add(out, SLICE(" Reason: "));
        outbox_json(out, verdict->kill_switch->reason);
        outbox_add(out, SLICE("."));
    }
}

static void write_model(const struct verdict *verdict, struct outbox *out)
{
    write_place(verdict->policy, verdict->rule, out);
    outbox_add(out, SLICE(": The model "));
    write_quoted((struct slice){verdict->model, verdict->model_size}, out);
    outbox_add(out, SLICE(" has no price, and a budget counts what requests cost."));
}

/* A name of the bundle: the client learns what to send. */
static void write_missing(const struct verdict *verdict, struct outbox *out)
{
    write_place(verdict->policy, verdict->rule, out);
    outbox_add(out, SLICE(": The request lacks "));
    outbox_json(out, verdict->missing_key);
    outbox_add(out, SLICE(", which the rule needs."));
}

static void write_token(const struct verdict *verdict, struct outbox *out)
{
    outbox_add(out, SLICE("The token was not believed: "));
    add_text(out, verdict->token_fault);
    outbox_add(out, SLICE("."));
}

/* Which limit, and how much of what. */
static void write_cause(const struct verdict *verdict, struct outbox *out)
{
    const struct token_budget *tokens = verdict->rule ? &verdict->rule->config.token_budget : NULL;

    if (verdict->has_limit)
        write_limit_sentence(verdict, out);
    else if (verdict->missing_key.size > 0)
        write_missing(verdict, out);
    else if (verdict->token_fault)
        write_token(verdict, out);
    else if (verdict->reason == REASON_loop_detected && verdict->policy)
        write_loop(verdict, out);
    else if (verdict->reason == REASON_circuit_breaker_open && verdict->policy)
        write_breaker(verdict, out);
    else if (verdict->reason == REASON_prompt_tokens_exceeded && tokens)
        write_cap(verdict, tokens->max_prompt, "prompt tokens", out);
    else if (verdict->reason == REASON_completion_tokens_exceeded && tokens)
        write_cap(verdict, tokens->max_completion, "completion tokens", out);
    else if (verdict->reason == REASON_max_tokens_per_request_exceeded && tokens)
        write_cap(verdict, tokens->max_per_request, "tokens", out);
    else if (verdict->model_size > 0 && verdict->policy && verdict->rule)
        write_model(verdict, out);
    else
        write_other(verdict, out);
}

/* Whether the wait that is told has an end at which this request may pass, although no client should sit it out. */
static bool ends_by_waiting(const struct verdict *verdict)
{
    switch (verdict->reason) {
    case REASON_budget_exhausted:
    case REASON_tpd_exceeded:
        return verdict->has_limit && verdict->limit.needed == 0;
    case REASON_circuit_breaker_open:
        return verdict->policy && verdict->policy->breaker.open_ns > 0;
    case REASON_loop_detected:
        return true;
    default:
        return false;
    }
}

void reject_sentence_write(const struct verdict *verdict, bool with_reason, struct outbox *out)
{
    if (with_reason)
        write_cause(verdict, out);
    else
        outbox_add(out, SLICE("The request was refused."));
    if (verdict->retry_cures)
        write_number(" Come back in ", headers_retry_seconds(verdict), " s.", out);
    else if (with_reason && ends_by_waiting(verdict))
        write_number(" Retrying does not help before ", headers_retry_seconds(verdict), " s have passed.", out);
    else if (verdict->token_fault)
        outbox_add(out, SLICE(" Another token may help."));
    else
        outbox_add(out, SLICE(" Retrying does not help."));
}
