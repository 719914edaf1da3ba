/* SPDX-License-Identifier: MPL-2.0
 *
 * Exchanges of the reverse proxy between its messages and the policy engine: meter.c finds out what was used, here it is
 * settled.
 */
#include "worker/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "policy/estimate.h"
#include "worker/judge.h"
#include "worker/meter.h"
#include "worker/provider.h"
#include "worker/unsettled.h"

struct exchange {
    struct worker *worker;
    struct provider_limit limit; /* of ours, told in a provider's fields */
    struct meter meter;
    bool has_meter;
    bool retrieves; /* asks for what is stored */
    uint16_t flights; /* notes in the worker's table */
    size_t reservation_size;
    char reservation[];
};

static struct slice reservation_of(const struct exchange *exchange)
{
    return (struct slice){exchange->reservation, exchange->reservation_size};
}

/* Reserves what is missing to USAGE, or says that there is not so much left. */
static bool grow(void *context, const struct usage *usage, struct slice model)
{
    struct exchange *exchange = context;

    return judge_grow(exchange->worker, exchange->reservation, exchange->reservation_size, usage, model);
}

/* ---- begin ------------------------------------------------------------------------------------------------------ */

/* Should this worker die, what the exchange holds in flight is given back by these notes. */
static void note_flights(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    struct flight flights[RESERVATION_MAX_ENTRIES];
    uint32_t count;

    if (!worker->counts_flights || exchange->reservation_size == 0)
        return;
    count = judge_flights(worker, reservation_of(exchange), flights);
    for (uint32_t i = 0; i < count; i++)
        if (!flights_note(&worker->flights, &flights[i], &exchange->flights))
            counters_add(worker->slot, COUNTER_flights_unnoted, 1);
}

static struct exchange *make(struct worker *worker, const struct verdict *verdict)
{
    struct exchange *exchange = malloc(sizeof(*exchange) + verdict->reservation_size);

    if (!exchange)
        return NULL;
    *exchange = (struct exchange){
        .worker = worker, .flights = FLIGHTS_NONE, .reservation_size = verdict->reservation_size};
    memcpy(exchange->reservation, verdict->reservation, verdict->reservation_size);
    note_flights(exchange);
    return exchange;
}

static void settle_nothing(struct worker *worker, struct slice reservation)
{
    const struct usage nothing = {.in_total = 0};

    if (reservation.size > 0)
        unsettled_finish(worker, reservation, &nothing, (struct slice){NULL, 0});
}

/* An answer that is being made and is cancelled is told like one that is got. */
static bool is_got(const struct exchange_request *request)
{
    const struct slice cancel = SLICE("/cancel");
    struct slice path = request->facts->path;

    return request->is_bodyless &&
           (slice_equal(request->facts->method, SLICE("GET")) ||
            (path.size > cancel.size && slice_has_suffix(path, cancel)));
}

static bool names_stored_chat(struct slice path)
{
    const struct slice stored = SLICE("/chat/completions/");
    const char *at = memmem(path.data, path.size, stored.data, stored.size);

    return at && at + stored.size < path.data + path.size;
}

/* Something that is stored gets other metadata or a longer life, and is told again. Whoever does that says nothing to a model: that is
 * seen in the body, for a client may tell any estimate of it. */
static bool is_changed(const struct exchange_request *request)
{
    const struct facts *facts = request->facts;
    bool can_be = slice_equal(facts->method, SLICE("PATCH")) ||
                  (slice_equal(facts->method, SLICE("POST")) && names_stored_chat(facts->path));

    return can_be && request->has_body && estimate_body(facts->body).prompt == 0;
}

static bool begin_meter(struct exchange *exchange, const struct exchange_request *request, struct outbox *body,
                        struct exchange_wishes *wishes)
{
    const struct verdict_metering *metering = &request->verdict->metering;
    bool is_clamped = true;

    meter_init(&exchange->meter, metering, grow, exchange);
    exchange->meter.asks_nothing = request->is_bodyless;
    exchange->retrieves = is_got(request) || is_changed(request);
    exchange->has_meter = true;
    wishes->wants_identity = true;
    wishes->reads_on_ms = metering->drains ? (uint64_t)metering->drain_ms : 0;
    if (request->has_body)
        wishes->replaces_body =
            meter_request(&exchange->meter, request->facts->path, request->facts->body, body, &is_clamped);
    if (metering->clamp > 0 && is_clamped)
        counters_add(exchange->worker->slot, COUNTER_completions_clamped, 1);
    return is_clamped;
}

bool exchange_begin(struct worker *worker, const struct exchange_request *request, struct outbox *body,
                    struct exchange_wishes *wishes, struct exchange **exchange)
{
    const struct verdict *verdict = request->verdict;
    struct exchange *made;

    *wishes = (struct exchange_wishes){.replaces_body = false};
    *exchange = NULL;
    if (verdict->reservation_size == 0 && !verdict->metering.has_provider_headers)
        return true;
    made = make(worker, verdict);
    if (!made) {
        settle_nothing(worker, (struct slice){verdict->reservation, verdict->reservation_size});
        return false;
    }
    if (verdict->metering.has_provider_headers)
        made->limit = provider_limit_of(verdict, request->facts->path);
    if (verdict->metering.is_metered && verdict->reservation_size > 0 && !begin_meter(made, request, body, wishes)) {
        exchange_end(made, EXCHANGE_UNSENT);
        return false;
    }
    *exchange = made;
    return true;
}

/* ---- the response ----------------------------------------------------------------------------------------------- */

static void take_fields(struct exchange *exchange, const struct response *response)
{
    for (size_t i = 0; i < response->field_count; i++)
        meter_usage_field(&exchange->meter, response->fields[i].name, response->fields[i].value);
}

/* A body that was compressed all the same cannot be read. */
static struct slice type_of(const struct response *response)
{
    struct slice type = {NULL, 0};

    for (size_t i = 0; i < response->field_count; i++) {
        const struct fact_field *field = &response->fields[i];

        if (slice_equal_nocase(field->name, SLICE("content-encoding")) &&
            !slice_equal_nocase(field->value, SLICE("identity")))
            return (struct slice){NULL, 0};
        if (slice_equal_nocase(field->name, SLICE("content-type")))
            type = field->value;
    }
    return type;
}

static enum meter_framing framing_of(const struct response *response)
{
    if (response->framing == RESPONSE_BODYLESS && response->status != 101)
        return METER_BODYLESS;
    return response->framing == RESPONSE_COUNTED ? METER_COUNTED : METER_OPEN;
}

void exchange_head(struct exchange *exchange, const struct response *response, struct outbox *fields,
                   struct exchange_wishes *wishes)
{
    *wishes = (struct exchange_wishes){.changes_body = false};
    if (exchange->has_meter) {
        take_fields(exchange, response);
        wishes->changes_body =
            meter_head(&exchange->meter, response->status, type_of(response), framing_of(response));
    }
    provider_write(&exchange->limit, fields);
}

bool exchange_hides(const struct exchange *exchange, struct slice name)
{
    return provider_hides(&exchange->limit, name);
}

enum exchange_pass exchange_body(struct exchange *exchange, struct slice piece, struct outbox *out)
{
    static const enum exchange_pass passes[] = {
        [METER_SAME] = EXCHANGE_SAME, [METER_CHANGED] = EXCHANGE_CHANGED, [METER_CUT] = EXCHANGE_CUT};

    return exchange->has_meter ? passes[meter_take(&exchange->meter, piece, out)] : EXCHANGE_SAME;
}

void exchange_finish(struct exchange *exchange, struct outbox *out)
{
    if (exchange->has_meter)
        meter_finish(&exchange->meter, out);
}

/* ---- the end ---------------------------------------------------------------------------------------------------- */

static void count(const struct exchange *exchange, bool is_told, bool clamped)
{
    const struct meter *meter = &exchange->meter;
    struct counter_slot *slot = exchange->worker->slot;

    counters_add(slot, is_told ? COUNTER_usage_told : COUNTER_usage_counted, 1);
    if (clamped || meter->reader.has_bad_figure)
        counters_add(slot, COUNTER_usage_inconsistent, 1);
    if (meter->is_cut)
        counters_add(slot, COUNTER_streams_cut, 1);
}

/* What OpenAI or Gemini have stored tells its usage again whenever it is asked for, changed or cancelled. */
static bool is_told_again(const struct exchange *exchange)
{
    enum usage_dialect dialect = exchange->meter.reader.dialect;

    return exchange->retrieves && (dialect == USAGE_RESPONSES || dialect == USAGE_CHAT || dialect == USAGE_GEMINI ||
                                   dialect == USAGE_INTERACTIONS);
}

/* What came of a request that was sent. false: that cannot be known. */
static bool find_usage(const struct exchange *exchange, enum exchange_end how, struct usage *usage)
{
    const struct meter *meter = &exchange->meter;
    bool was_left = how == EXCHANGE_CLIENT_LEFT || how == EXCHANGE_DRAINED || how == EXCHANGE_TIMED_OUT;
    bool is_told = false, clamped = false;

    /* The upstream works on it, and nobody waits to see how much. */
    if (!meter->has_head && (how == EXCHANGE_CLIENT_LEFT || how == EXCHANGE_DRAINED))
        return false;
    if (!meter->has_head)
        *usage = (struct usage){.in_total = meter->wants.prompt};
    else if (is_told_again(exchange))
        *usage = (struct usage){.in_total = 0};
    else if (!meter_usage(meter, was_left, usage, &is_told, &clamped))
        return false;
    count(exchange, is_told, clamped);
    return true;
}

static void settle(struct exchange *exchange, enum exchange_end how)
{
    const struct usage_text *model = &exchange->meter.reader.model;
    struct usage usage;

    if (how == EXCHANGE_UNSENT) {
        settle_nothing(exchange->worker, reservation_of(exchange));
    } else if (exchange->has_meter && find_usage(exchange, how, &usage)) {
        unsettled_finish(exchange->worker, reservation_of(exchange), &usage, (struct slice){model->data, model->size});
    } else {
        if (exchange->has_meter)
            counters_add(exchange->worker->slot, COUNTER_usage_reserved, 1);
        unsettled_finish(exchange->worker, reservation_of(exchange), NULL, (struct slice){NULL, 0});
    }
}

void exchange_end(struct exchange *exchange, enum exchange_end how)
{
    flights_erase(&exchange->worker->flights, &exchange->flights); /* before they land */
    if (exchange->reservation_size > 0)
        settle(exchange, how);
    if (exchange->has_meter)
        meter_fini(&exchange->meter);
    free(exchange);
}
