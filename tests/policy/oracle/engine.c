/* SPDX-License-Identifier: MPL-2.0
 *
 * The engine under the oracle: see engine.h.
 */
#include "tests/policy/oracle/engine.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "policy/load.h"
#include "tests/policy/oracle/render.h"

#define SCRATCH 65536

void engine_open(struct engine *engine, uint64_t seed, int steps)
{
    const uint64_t key[2] = {seed, ~seed};

    *engine = (struct engine){.step_count = steps};
    engine->reservations = calloc((size_t)steps, sizeof(*engine->reservations));
    ck_assert_ptr_nonnull(engine->reservations);
    arena_fixture_open(&engine->fixture, "oracle", ARENA_MIN_SIZE, key);
}

void engine_close(struct engine *engine)
{
    for (int i = 0; i < engine->step_count; i++)
        free(engine->reservations[i].bytes);
    free(engine->reservations);
    decide_free(engine->decider);
    bundle_free(engine->bundle);
    arena_fixture_close(&engine->fixture);
    munmap(engine->fixture.arena.header, engine->fixture.arena.size);
}

void engine_load(struct engine *engine, const struct world_bundle *bundle)
{
    static struct complaint_list complaints;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    ck_assert_ptr_nonnull(out);
    render_bundle(out, bundle);
    fclose(out);
    decide_free(engine->decider);
    bundle_free(engine->bundle);
    engine->bundle = load_bundle((struct slice){text, size}, WORLD_EPOCH, &complaints);
    ck_assert_msg(engine->bundle != NULL, "%s\n%s", complaints.items[0].sentence, text);
    engine->decider = decide_new(engine->bundle, &engine->fixture.arena, &engine->fixture.arena.slots[0], SCRATCH);
    ck_assert_ptr_nonnull(engine->decider);
    free(text);
}

/* ---- one request ---------------------------------------------------------------------------------------------------
 */

struct request {
    struct facts facts;
    struct fact_field fields[12];
    char query[256], body[256];
};

static void add_field(struct request *request, const char *name, const char *value)
{
    if (value)
        request->fields[request->facts.field_count++] = (struct fact_field){slice_of(name), slice_of(value)};
}

static void make_request(const struct world_ask *ask, struct request *request)
{
    memset(request, 0, sizeof(*request));
    world_query(ask, request->query, sizeof(request->query));
    world_body(ask, request->body, sizeof(request->body));
    request->facts.method = slice_of(world_methods[ask->method]);
    request->facts.host = slice_of(world_hosts[ask->host]);
    request->facts.path = slice_of(world_paths[ask->path]);
    request->facts.query = slice_of(request->query);
    request->facts.body = slice_of(request->body);
    request->facts.fields = request->fields;
    if (world_clients[ask->client].address)
        ck_assert(address_parse(slice_of(world_clients[ask->client].text), &request->facts.client));
    add_field(request, "x-a", world_headers[ask->a].first);
    add_field(request, "X-B", world_headers[ask->b].first);
    add_field(request, "X-A", world_headers[ask->a].second);
    add_field(request, "x-b", world_headers[ask->b].second);
    add_field(request, "X-Cost", world_costs[ask->cost].text);
    add_field(request, "X-Token-Estimate", world_hints[ask->hint].text);
    add_field(request, "x-stainless-retry-count", world_retries[ask->retry]);
    add_field(request, "Authorization", world_tokens[ask->token].authorization);
}

static void keep(struct engine *engine, int step, const struct verdict *verdict)
{
    char *copy;

    if (verdict->reservation_size == 0)
        return;
    copy = malloc(verdict->reservation_size);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, verdict->reservation, verdict->reservation_size);
    engine->reservations[step] = (struct engine_text){copy, verdict->reservation_size};
}

void engine_ask(struct engine *engine, const struct world_step *step, struct verdict *explained,
                struct verdict *verdict)
{
    struct moment now = {.boot_ns = step->boot_ns, .wall_ns = step->wall_ns};
    const char *authorization = world_tokens[step->ask.token].authorization;
    struct claims *claims = authorization ? claims_read(slice_of(authorization)) : NULL;
    struct request request;

    make_request(&step->ask, &request);
    decide_explain(engine->decider, &request.facts, claims, now, explained, NULL, NULL);
    decide_request(engine->decider, &request.facts, claims, now, verdict);
    keep(engine, step->number, verdict);
    claims_free(claims);
}

enum decide_settlement engine_settle(struct engine *engine, const struct world_step *step)
{
    struct moment now = {.boot_ns = step->boot_ns, .wall_ns = step->wall_ns};
    struct usage usage = {.in_total = step->prompt, .in_cached = step->cached, .out_total = step->completion};
    const char *model = world_models[step->model];
    struct slice text = {engine->reservations[step->settles].bytes, engine->reservations[step->settles].size};
    char forged[VERDICT_RESERVATION_SIZE];

    if (step->is_forged && text.size > 0) {
        size_t at = (size_t)step->boot_ns % text.size;

        memcpy(forged, text.data, text.size);
        forged[at] = forged[at] == 'A' ? 'B' : 'A';
        text.data = forged;
    }
    return decide_reserve_settle(engine->decider, text, &usage, slice_of(model ? model : ""), now);
}

bool engine_has_reused(const struct engine *engine)
{
    return counters_sum(&engine->fixture.arena, COUNTER_evictions_reused) > 0;
}
