/* SPDX-License-Identifier: MPL-2.0
 *
 * Steps and verdicts in words: see narrate.h. Values come from the request and are printed so that no terminal obeys
 * them.
 */
#include "cli/narrate.h"

#include <inttypes.h>
#include <string.h>

#include "cli/emit.h"
#include "policy/decimal.h"
#include "shm/event.h"
#include "shm/moment.h"

/* One row for each enum decide_step. %r is the rule, %k the key, %v its value in quotes, %p the policy, %o
 * a path, %n a number. */
static const struct {
    const char *name; /* in JSON */
    const char *text;
} steps[] = {
    [DECIDE_KILL_SWITCH] = {"kill_switch", "kill switch: %k is %v"},
    [DECIDE_KILL_KEY_MISSING] = {"kill_key_missing", "kill switches by %k: %n, and the request has no such key"},
    [DECIDE_KILL_SWITCHES_PASSED] = {"kill_switches_passed", "kill switches by %k: %n, none for %v"},
    [DECIDE_KILL_SWITCH_ELSEWHERE] = {"kill_switch_elsewhere", "kill switch by %k for %v: only on the path %o"},
    [DECIDE_KILL_SWITCH_ENDED] = {"kill_switch_ended", "kill switch by %k for %v: it has ended"},
    [DECIDE_POLICY_MATCHED] = {"policy_matched", "policy %p matches"},
    [DECIDE_RULE_NOT_APPLICABLE] = {"rule_not_applicable",
                                    "  rule %r does not apply: its match wants another %k; the request has %v"},
    [DECIDE_KEY_FOUND] = {"key_found", "  rule %r: key %k is %v"},
    [DECIDE_KEY_MISSING] = {"key_missing", "  rule %r: key %k is missing"},
    [DECIDE_RULE_SKIPPED] = {"rule_skipped", "  rule %r is skipped, as its on_missing says"},
    [DECIDE_RULE_SHARED] = {"rule_shared",
                            "  rule %r uses the bucket shared by all who lack a key, as its on_missing says"},
    [DECIDE_FALLBACK_USED] = {"fallback_used", "  no rule applies, so the fallback limit %r does"},
    [DECIDE_WOULD_REJECT] = {"would_reject", "  %p / %r would have refused this request"},
    [DECIDE_LIMIT] = {"limit", "  %p / %r: "},
};

static struct slice name_of_policy(const struct policy *policy)
{
    return policy ? policy->id : SLICE("");
}

/* What refuses or counts without being a rule, and what a limit of several counts. One row for each role of decide.h. */
static const struct {
    const char *role, *guard, *counts;
} roles[] = {
    {"minute", NULL, "tokens per minute: "},
    {"day", NULL, "tokens per day: "},
    {"flight", NULL, "requests in flight: "},
    {"loop", "loop_detection", "identical requests: "},
    {"loop retry", "loop_detection", "retries that are not counted: "},
    {"breaker", "circuit_breaker", "spending per minute: "},
};
#define ROLE_COUNT (sizeof(roles) / sizeof(roles[0]))

static size_t find_role(const char *role)
{
    size_t i = 0;

    while (i < ROLE_COUNT && (!role || strcmp(roles[i].role, role) != 0))
        i++;
    return i;
}

static struct slice name_of_rule(const struct rule *rule)
{
    if (!rule)
        return SLICE("");
    return rule->name.size > 0 ? rule->name : SLICE("(fallback)");
}

/* Of the rule, or of the guard of its policy. */
static struct slice name_of_limit(const struct decide_note *note)
{
    size_t role = find_role(note->role);

    if (note->rule || role == ROLE_COUNT || !roles[role].guard)
        return name_of_rule(note->rule);
    return slice_of(roles[role].guard);
}

static void print_value(struct slice value, FILE *out)
{
    if (value.size == 0) {
        fputs("none", out);
        return;
    }
    fputc('"', out);
    emit_plain(value, out);
    fputc('"', out);
}

static void print_step_text(const struct decide_note *note, FILE *out)
{
    for (const char *letter = steps[note->step].text; *letter; letter++) {
        if (*letter != '%')
            fputc(*letter, out);
        else if (*++letter == 'p')
            emit_plain(name_of_policy(note->policy), out);
        else if (*letter == 'r')
            emit_plain(name_of_limit(note), out);
        else if (*letter == 'k')
            emit_plain(note->detail, out);
        else if (*letter == 'o')
            emit_plain(note->route, out);
        else if (*letter == 'n')
            fprintf(out, "%" PRIu32, note->count);
        else
            print_value(note->value, out);
    }
}

static void print_amount(const char *label, int64_t millionths, FILE *out)
{
    char text[DECIMAL_TEXT_SIZE];

    decimal_print(millionths, text);
    fprintf(out, "%s%s", label, text);
}

static void print_limit(const struct decide_note *note, FILE *out)
{
    char span[EMIT_SPAN_SIZE];
    size_t role = find_role(note->role);

    fputs(role < ROLE_COUNT ? roles[role].counts : "", out);
    print_amount("limit ", note->limit->limit, out);
    fprintf(out, " in %s", emit_span(note->limit->window_ns, span));
    print_amount(", remaining ", note->limit->remaining, out);
    print_amount(", this request costs ", note->cost, out);
    fputs(": ", out);
    emit_coloured(note->fits ? EMIT_GOOD : EMIT_BAD, note->fits ? "fits" : "does not fit", out);
    if (role < ROLE_COUNT && strcmp(note->role, "breaker") == 0)
        fputs(note->fits ? "" : ", so the breaker is open or opens", out);
    else if (note->cost > note->limit->limit)
        fputs(", and never will", out);
    else if (!note->fits)
        fprintf(out, " for another %s", emit_span(note->limit->reset_ns, span));
    if (note->has_no_room)
        fputs(", but shared memory has no room to count it", out);
}

void narrate_step(void *context, const struct decide_note *note)
{
    struct narration *narration = context;
    FILE *out = narration->out;

    narration->has_steps = true;
    if (note->step == DECIDE_LIMIT && !narration->has_limits) {
        narration->has_limits = true;
        fputs("limits\n", out);
    }
    print_step_text(note, out);
    if (note->step == DECIDE_LIMIT)
        print_limit(note, out);
    fputs(note->is_shadow ? " (shadow: reported, never enforced)\n" : "\n", out);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void print_state(const struct limit_state *state, FILE *out)
{
    print_amount(",\"limit\":", state->limit, out);
    print_amount(",\"remaining\":", state->remaining, out);
    emit_json_seconds(",\"window_seconds\":", state->window_ns, out);
    emit_json_seconds(",\"reset_seconds\":", state->reset_ns, out);
}

void narrate_step_json(void *context, const struct decide_note *note)
{
    struct narration *narration = context;
    FILE *out = narration->out;

    fprintf(out, "%s{\"step\":\"%s\"", narration->has_steps ? "," : "", steps[note->step].name);
    narration->has_steps = true;
    if (note->policy)
        emit_json_text(",\"policy\":", note->policy->id, out);
    if (note->rule)
        emit_json_text(",\"rule\":", name_of_rule(note->rule), out);
    else if (note->role)
        emit_json_text(",\"guard\":", name_of_limit(note), out);
    if (note->role)
        emit_json_text(",\"counts\":", slice_of(note->role), out);
    if (note->detail.size > 0)
        emit_json_text(",\"key\":", note->detail, out);
    if (note->value.size > 0)
        emit_json_text(",\"value\":", note->value, out);
    if (note->route.size > 0)
        emit_json_text(",\"path\":", note->route, out);
    if (note->count > 0)
        fprintf(out, ",\"count\":%" PRIu32, note->count);
    if (note->step == DECIDE_LIMIT) {
        print_state(note->limit, out);
        print_amount(",\"cost\":", note->cost, out);
        fprintf(out, ",\"fits\":%s", note->fits ? "true" : "false");
    }
    fprintf(out, ",\"shadow\":%s}", note->is_shadow ? "true" : "false");
}

/* Their names, as X-Fairvisor-Warning has them. */
static void print_warnings(unsigned warnings, const char *separator, const char *quote, FILE *out)
{
    static const struct {
        unsigned bit; /* of enum verdict_warning, as events have them */
        const char *name;
    } rows[] = {
#define EVENT_WARNING_ROW(bit, name) {bit, name},
        EVENT_WARNING_ROWS(EVENT_WARNING_ROW)
#undef EVENT_WARNING_ROW
    };
    const char *before = "";

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!(warnings & rows[i].bit))
            continue;
        fprintf(out, "%s%s%s%s", before, quote, rows[i].name, quote);
        before = separator;
    }
}

void narrate_verdict_json(const struct verdict *verdict, FILE *out)
{
    fprintf(out, "{\"allowed\":%s,\"matched_policies\":%u,\"would_reject\":%s", verdict->is_allowed ? "true" : "false",
            verdict->matched_policies, verdict->would_reject ? "true" : "false");
    if (!verdict->is_allowed) {
        emit_json_text(",\"reason\":", slice_of(verdict_reasons[verdict->reason].name), out);
        fprintf(out, ",\"status\":%u,\"retry_cures\":%s", verdict_reasons[verdict->reason].status,
                verdict->retry_cures ? "true" : "false");
        emit_json_seconds(",\"retry_after_seconds\":", verdict->retry_after_ns, out);
    }
    if (verdict->warnings) {
        fputs(",\"warnings\":[", out);
        print_warnings(verdict->warnings, ",", "\"", out);
        fputc(']', out);
    }
    if (verdict->loop_count > 0)
        fprintf(out, ",\"loop_count\":%" PRId64, verdict->loop_count);
    if (verdict->delay_ms > 0)
        fprintf(out, ",\"delay_ms\":%" PRId64, verdict->delay_ms);
    if (verdict->policy)
        emit_json_text(",\"policy\":", verdict->policy->id, out);
    if (verdict->rule)
        emit_json_text(",\"rule\":", name_of_rule(verdict->rule), out);
    if (verdict->kill_switch)
        emit_json_text(",\"kill_switch_reason\":", verdict->kill_switch->reason, out);
    if (verdict->has_limit)
        print_state(&verdict->limit, out);
    fputc('}', out);
}

/* ---- verdict in text --------------------------------------------------------------------------------------------- */

static void print_place(const struct verdict *verdict, FILE *out)
{
    emit_plain(name_of_policy(verdict->policy), out);
    fputs(" / ", out);
    emit_plain(name_of_rule(verdict->rule), out);
}

static void print_allowed(const struct verdict *verdict, FILE *out)
{
    fputs("verdict: ", out);
    emit_coloured(EMIT_GOOD, "allowed", out);
    if (verdict->has_limit) {
        fputs("; the tightest limit is ", out);
        print_place(verdict, out);
        print_amount(" with ", verdict->limit.remaining, out);
        print_amount(" of ", verdict->limit.limit, out);
        fputs(" remaining after it", out);
    } else if (verdict->matched_policies == 0) {
        fputs("; no policy's selector matches", out);
    } else {
        fputs("; no enforced limit applies", out);
    }
    fputc('\n', out);
    if (verdict->warnings) {
        fputs("  the answer carries X-Fairvisor-Warning: ", out);
        print_warnings(verdict->warnings, ", ", "", out);
        fputc('\n', out);
    }
    if (verdict->delay_ms > 0)
        fprintf(out, "  it is held back for %" PRId64 " ms\n", verdict->delay_ms);
}

/* Retry-After has whole seconds only, and waiting too long is better than too short. */
static int64_t whole_seconds(int64_t ns)
{
    return (ns / NANOSECONDS_PER_SECOND + (ns % NANOSECONDS_PER_SECOND > 0)) * NANOSECONDS_PER_SECOND;
}

static void print_rejected(const struct verdict *verdict, FILE *out)
{
    const struct reason_row *reason = &verdict_reasons[verdict->reason];
    char span[EMIT_SPAN_SIZE];

    fputs("verdict: ", out);
    emit_coloured(EMIT_BAD, "rejected", out);
    fprintf(out, ", %s (%u): %s\n", reason->name, reason->status, verdict_help(verdict));
    if (verdict->rule) {
        fputs("  by ", out);
        print_place(verdict, out);
        fputc('\n', out);
    }
    if (verdict->kill_switch && verdict->kill_switch->reason.size > 0) {
        fputs("  its reason: ", out);
        emit_plain(verdict->kill_switch->reason, out);
        fputc('\n', out);
    }
    fprintf(out, "  the client is told to wait %s%s\n", emit_span(whole_seconds(verdict->retry_after_ns), span),
            verdict->retry_cures ? "" : ", and that retrying does not help");
}

void narrate_verdict(const struct verdict *verdict, FILE *out)
{
    if (verdict->is_allowed)
        print_allowed(verdict, out);
    else
        print_rejected(verdict, out);
    if (verdict->loop_count > 0)
        fprintf(out, "  the answer carries X-Fairvisor-Loop-Count: %" PRId64 "\n", verdict->loop_count);
    if (verdict->would_reject)
        fputs("  a shadow policy would have rejected it\n", out);
}
