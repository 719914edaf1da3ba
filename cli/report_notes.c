/* SPDX-License-Identifier: MPL-2.0
 *
 * Notes on a replay: see report_notes.h. Names in them come from bundles and are made safe where they are printed.
 */
#include "cli/report_notes.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/access_log.h"
#include "shm/counted.h"

#define NOTE_SIZE     768
#define MOST_OF_KEYS  12 /* notes on keys; further ones are counted */
#define VARIABLE_SIZE 160

static bool has_note(const struct report *report, const char *text)
{
    for (size_t i = 0; i < report->note_count; i++)
        if (strcmp(report->notes[i], text) == 0)
            return true;
    return false;
}

static void add(struct report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A note that is there already is not added twice. */
static void add(struct report *report, const char *format, ...)
{
    char text[NOTE_SIZE];
    char **more;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (has_note(report, text))
        return;
    more = realloc(report->notes, (report->note_count + 1) * sizeof(*more));
    if (more)
        report->notes = more;
    if (!more || !(more[report->note_count] = strdup(text)))
        report->lacks_memory = true;
    else
        report->note_count++;
}

/* ---- the log ----------------------------------------------------------------------------------------------------- */

static void note_log(struct report *report)
{
    const struct traffic *traffic = report->traffic;

    if (report->is_dry)
        add(report, "dry run: every policy is in shadow, none keeps a request from the others");
    if (traffic->is_coarse)
        add(report, "the log has times in whole seconds; the requests of one second were spread evenly over it");
    if (traffic->out_of_order > 0)
        add(report, "lines earlier than one before them: %zu; all were put in order", traffic->out_of_order);
    if (traffic->timeless == traffic->count)
        add(report, "no line has a time: all requests came at once");
    else if (traffic->timeless > 0)
        add(report, "lines without a time: %zu; each took that of the line before", traffic->timeless);
    if (traffic->sampled > 0)
        add(report, "the log is a sample: %zu further requests are missing, so that more would be refused than here",
            traffic->sampled);
}

/* ---- keys that requests lack ------------------------------------------------------------------------------------- */

/* Where a log has what keys of a source are read from. */
static const struct {
    unsigned meanings;    /* bits 1 << enum access_log_meaning */
    const char *field;    /* or this header field */
    const char *variable; /* of nginx, for it */
    const char *member;   /* of a JSON line, for it */
} evidence[] = {
    [DESCRIPTOR_JWT] = {0, "authorization", NULL, "claims"},
    [DESCRIPTOR_HEADER] = {0, NULL, NULL, "headers"},
    [DESCRIPTOR_QUERY] = {1u << ACCESS_LOG_REQUEST | 1u << ACCESS_LOG_TARGET | 1u << ACCESS_LOG_QUERY, NULL, "$args", "query"},
    [DESCRIPTOR_IP_ADDRESS] = {1u << ACCESS_LOG_CLIENT, NULL, "$remote_addr", "client"},
    [DESCRIPTOR_IP_PREFIX] = {1u << ACCESS_LOG_CLIENT, NULL, "$remote_addr", "client"},
    [DESCRIPTOR_PATH] = {1u << ACCESS_LOG_REQUEST | 1u << ACCESS_LOG_TARGET, NULL, "$request_uri", "uri"},
    [DESCRIPTOR_METHOD] = {1u << ACCESS_LOG_REQUEST | 1u << ACCESS_LOG_METHOD, NULL, "$request_method", "method"},
    [DESCRIPTOR_HOST] = {1u << ACCESS_LOG_HOST, "host", "$host", "host"},
    [DESCRIPTOR_IP_COUNTRY] = {1u << ACCESS_LOG_CLIENT, "x-country-code", "$remote_addr", "client"},
    [DESCRIPTOR_IP_ASN] = {1u << ACCESS_LOG_CLIENT, "x-asn", "$remote_addr", "client"},
    [DESCRIPTOR_IP_TYPE] = {1u << ACCESS_LOG_CLIENT, "x-asn-type", "$remote_addr", "client"},
    [DESCRIPTOR_IP_TOR] = {1u << ACCESS_LOG_CLIENT, "x-tor-exit", "$remote_addr", "client"},
    [DESCRIPTOR_UA_BOT] = {0, "user-agent", "$http_user_agent", "headers"},
    [DESCRIPTOR_UA_BOT_CATEGORY] = {0, "user-agent", "$http_user_agent", "headers"},
};

/* The variable of nginx that has what DESCRIPTOR is read from; false: none that should be in a log. */
static bool variable_of(const struct descriptor *descriptor, char text[VARIABLE_SIZE])
{
    const char *variable = evidence[descriptor->source].variable;

    if (descriptor->source == DESCRIPTOR_HEADER)
        snprintf(text, VARIABLE_SIZE, "$http_%.*s", (int)descriptor->name.size, descriptor->name.data);
    else
        snprintf(text, VARIABLE_SIZE, "%s", variable ? variable : "");
    for (char *at = text; *at != '\0'; at++)
        *at = *at == '-' ? '_' : slice_lower(*at);
    return *text != '\0';
}

/* Whether a rule of ROW got beyond its conditions, for any request. */
static bool was_applicable(const struct tally_row *row)
{
    bool is_found = row->requests > 0;

    for (uint32_t i = 0; i < row->key_count; i++)
        is_found = is_found || (!row->keys[i].is_condition && row->keys[i].found + row->keys[i].lacking > 0);
    return is_found;
}

static bool format_tells(const struct traffic *traffic, const struct descriptor *descriptor)
{
    const char *field = evidence[descriptor->source].field;

    return access_log_tells(&traffic->log, evidence[descriptor->source].meanings,
                            descriptor->source == DESCRIPTOR_HEADER ? descriptor->name
                            : field                                 ? slice_of(field)
                                                                    : SLICE(""));
}

/* Whether the log has what KEY is read from: an access log by its format, JSON lines by what they had. */
static bool is_carried(const struct traffic *traffic, const struct tally_row *row, const struct tally_key *key)
{
    if (traffic->is_json)
        return key->found > 0 || (key->is_condition && was_applicable(row));
    return format_tells(traffic, key->descriptor);
}

/* WHERE: of which bundle ROW is, when another one was told of before. */
static void note_key(struct report *report, const struct tally_row *row, const struct tally_key *key, const char *where)
{
    static const char *const outcomes[] = {[ON_MISSING_SKIP] = "it does not limit them",
                                           [ON_MISSING_REJECT] = "it refuses them",
                                           [ON_MISSING_SHARE] = "it counts them all together"};
    char who[NOTE_SIZE / 2], variable[VARIABLE_SIZE], requests[COUNTED_SIZE];

    snprintf(who, sizeof(who), "%s lacked %.*s, which %.*s / %.*s%s%s on",
             counted((int64_t)key->lacking, "request", "requests", requests), (int)key->descriptor->text.size,
             key->descriptor->text.data, (int)row->policy->id.size, row->policy->id.data,
             (int)row->rule->name.size, row->rule->name.data, where, key->is_condition ? "matches" : "keys");
    if (is_carried(report->traffic, row, key))
        add(report, "%s: %s", who, outcomes[row->rule->on_missing]);
    else if (report->traffic->is_json)
        add(report, "%s: the log does not carry it; lines can have it in \"%s\"", who,
            evidence[key->descriptor->source].member);
    else if (variable_of(key->descriptor, variable))
        add(report, "%s: the log does not carry it; add %s to log_format", who, variable);
    else
        add(report, "%s: the log does not carry it; the service's decision log does", who);
}

/* Whether the rule of the same name in BEFORE lacked KEY as often. */
static bool is_same_before(const struct tally *before, const struct tally_row *row, const struct tally_key *key)
{
    for (const struct tally_row *other = before->rows; other; other = other->next)
        for (uint32_t i = 0; i < other->key_count; i++)
            if (slice_equal(other->policy->id, row->policy->id) && slice_equal(other->rule->name, row->rule->name) &&
                slice_equal(other->keys[i].descriptor->text, key->descriptor->text) && other->keys[i].lacking == key->lacking)
                return true;
    return false;
}

static void note_keys(struct report *report, size_t which, size_t *count)
{
    size_t row_count;
    const struct tally_row **rows = report_rows(&report->replays[which].tally, &row_count);
    char where[NOTE_SIZE / 4] = " ";

    if (which > 0)
        snprintf(where, sizeof(where), " of %s ", input_name(report->paths[which]));
    report->lacks_memory = report->lacks_memory || !rows;
    for (size_t i = 0; rows && i < row_count; i++)
        for (uint32_t j = 0; j < rows[i]->key_count; j++) {
            const struct tally_key *key = &rows[i]->keys[j];

            /* Rules have conditions so that they do not hold for some. */
            if (key->lacking == 0 || (key->is_condition && is_carried(report->traffic, rows[i], key)))
                continue;
            report->is_doubtful[which] = report->is_doubtful[which] || report->traffic->keyless > 0 ||
                                         !is_carried(report->traffic, rows[i], key);
            if (which > 0 && is_same_before(&report->replays[0].tally, rows[i], key))
                continue; /* told already */
            if (++*count <= MOST_OF_KEYS)
                note_key(report, rows[i], key, where);
        }
    free(rows);
}

/* ---- costs that the log does not tell ---------------------------------------------------------------------------- */

/* The field or parameter that RULE takes the cost of a request from; NULL when it takes it from neither. */
static const struct descriptor *find_cost(const struct bundle *bundle, const struct rule *rule)
{
    const struct cost *cost = rule->algorithm == ALGORITHM_TOKEN_BUCKET ? &rule->config.token_bucket.cost
                              : rule->algorithm == ALGORITHM_COST_BASED ? &rule->config.cost_budget.cost
                                                                        : NULL;

    if (!cost || (cost->source != COST_SOURCE_HEADER && cost->source != COST_SOURCE_QUERY))
        return NULL;
    return &bundle->descriptors[cost->descriptor];
}

/* JSON lines have it or have it not, each by itself. */
static void note_costs(struct report *report, size_t which)
{
    const struct replay *replay = &report->replays[which];

    for (const struct tally_row *row = replay->tally.rows; row && !report->traffic->is_json; row = row->next) {
        const struct descriptor *cost = row->rule ? find_cost(replay->bundle, row->rule) : NULL;
        char variable[VARIABLE_SIZE];

        if (!cost || row->requests == 0 || format_tells(report->traffic, cost))
            continue;
        report->is_doubtful[which] = true;
        variable_of(cost, variable);
        add(report, "each request costs the default_cost of %.*s / %.*s, for the log does not carry %.*s; add %s to log_format",
            (int)row->policy->id.size, row->policy->id.data, (int)row->rule->name.size, row->rule->name.data, (int)cost->text.size,
            cost->text.data, variable);
    }
}

/* ---- what was judged --------------------------------------------------------------------------------------------- */

static void note_replays(struct report *report)
{
    uint64_t unsettled = 0, untold = 0, bodiless = 0;
    char requests[COUNTED_SIZE];
    size_t keys = 0;

    for (size_t i = 0; i < report->replay_count; i++) {
        const struct replay *replay = &report->replays[i];

        note_keys(report, i, &keys);
        note_costs(report, i);
        unsettled += replay->unsettled;
        untold += replay->tally.untold;
        if (replay->with_body == 0 && replay->without_body > bodiless)
            bodiless = replay->without_body;
    }
    if (keys > 0 && report->traffic->keyless > 0)
        add(report,
            "%s without keys: the service tells none of a request that no enforced policy matched, as with all in shadow; a log "
            "of the gateway that has them tells more",
            counted((int64_t)report->traffic->keyless, "request was allowed", "requests were allowed", requests));
    if (keys > MOST_OF_KEYS)
        add(report, "%zu more keys of rules were lacking; --json lists them all", keys - MOST_OF_KEYS);
    if (bodiless > 0)
        add(report,
            "%s met limits that read the body, and the log has none: each counts as no prompt, the longest completion that the "
            "policy supposes, and no model",
            counted((int64_t)bodiless, "request", "requests", requests));
    if (unsettled > 0)
        add(report, "reservations that stayed charged, because the log does not say what was used: %" PRIu64, unsettled);
    if (untold > 0)
        add(report, "more than %u identities: %" PRIu64 " requests count for their rules only", TALLY_MAX_IDENTITIES, untold);
}

bool report_notes_find(struct report *report)
{
    note_log(report);
    note_replays(report);
    return !report->lacks_memory;
}
