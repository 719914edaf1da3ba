/* SPDX-License-Identifier: MPL-2.0
 *
 * A worker from what the master handed over: memory mapped, policy loaded, room for one request made. No sockets yet.
 */
#include <stdlib.h>
#include <unistd.h>

#include "policy/load.h"
#include "policy/path.h"
#include "shm/log.h"
#include "worker/conn_batch.h"
#include "worker/http.h"
#include "worker/reply.h"
#include "worker/response.h"
#include "worker/worker.h"

#define MICROSECONDS_PER_MILLISECOND 1000
#define SCRATCH_FACTOR               2                     /* decide_new: at least twice max_header_bytes */
#define READ_TO_JUDGE                131072                /* a body that comes within one read is not copied */
#define READ_TO_PASS_ON              65536                 /* what an upstream does not take is kept */
#define OUTBOX_BYTES                 65536                 /* at first */
#define BODIES_BYTES                 (UINT64_C(256) << 20) /* of all gathered bodies, beside twice the largest one */

/* Whether some limit counts what is in flight. */
static bool counts_flights(const struct bundle *bundle)
{
    for (uint32_t i = 0; i < bundle->policy_count; i++) {
        const struct policy *policy = &bundle->policies[i];

        if (policy->fallback && policy->fallback->algorithm == ALGORITHM_CONCURRENCY)
            return true;
        for (uint32_t j = 0; j < policy->rule_count; j++)
            if (policy->rules[j].algorithm == ALGORITHM_CONCURRENCY)
                return true;
    }
    return false;
}

static bool load(struct worker *worker, struct failure *failure)
{
    struct complaint_list *complaints = calloc(1, sizeof(*complaints));

    if (!complaints)
        return failure_set(failure, EXIT_CODE_OS, "memory is out");
    /* Judged at the time the master took it: a worker that replaces another must not find expired what its sisters
     * run. */
    worker->bundle = load_bundle(worker->sealed.bytes,
                                 worker->sealed.header->loaded_at_ns / NANOSECONDS_PER_SECOND, complaints);
    if (!worker->bundle)
        failure_set(failure, EXIT_CODE_BAD_BUNDLE, "the bundle was vetted but cannot be loaded: line %u, column %u: %s",
                    complaints->items[0].line, complaints->items[0].column, complaints->items[0].sentence);
    else
        worker->counts_flights = counts_flights(worker->bundle);
    free(complaints);
    return worker->bundle != NULL;
}

/* A worker that had this slot may have died together with its master: what it had in flight is given back here. */
static void open_flights(struct worker *worker)
{
    struct flights_landing left;

    flights_land(&worker->arena, worker->handoff.slot, 0, moment_now(), &left);
    if (left.landed + left.late + left.stuck > 0)
        log_line(LOG_LEVEL_NOTICE,
                 "an earlier worker had %u in flight when it ended, which were given back; %u more come back after their "
                 "ttl_seconds",
                 left.landed, left.late + left.stuck);
    flights_open(&worker->flights, &worker->arena, worker->handoff.slot, (int32_t)getpid());
}

static bool map(struct worker *worker, struct failure *failure)
{
    if (!arena_map(HANDOFF_FD_ARENA, &worker->arena, failure))
        return false;
    if (!sealed_map(HANDOFF_FD_BUNDLE, &worker->sealed))
        return failure_set_errno(failure, EXIT_CODE_OUR_BUG, "descriptor %d holds no bundle", HANDOFF_FD_BUNDLE);
    if (worker->handoff.slot >= ARENA_WORKER_SLOTS)
        return failure_set(failure, EXIT_CODE_OUR_BUG, "there is no slot %u", worker->handoff.slot);
    worker->slot = &worker->arena.slots[worker->handoff.slot];
    open_flights(worker);
    atomic_store_explicit(&worker->slot->pid, (int32_t)getpid(), memory_order_relaxed);
    atomic_store_explicit(&worker->slot->generation, worker->handoff.generation, memory_order_relaxed);
    return true;
}

static int reference(const struct worker *worker, enum settings_reference which)
{
    return (worker->handoff.references >> which & 1) != 0 ? HANDOFF_FD_REFERENCES + (int)which : -1;
}

/* Of what the master has vetted. */
static bool open_references(struct worker *worker, struct failure *failure)
{
    const char *names[SETTINGS_REFERENCES];
    int fds[SETTINGS_REFERENCES];

    settings_reference_names(&worker->handoff.settings, names);
    for (int i = 0; i < SETTINGS_REFERENCES; i++)
        fds[i] = reference(worker, (enum settings_reference)i);
    return references_open(fds, names, &worker->references, failure);
}

static bool open_tls(struct worker *worker, struct failure *failure)
{
    int certificate = reference(worker, SETTINGS_REFERENCE_TLS_CERT);
    int key = reference(worker, SETTINGS_REFERENCE_TLS_KEY);

    if (certificate >= 0 && key >= 0) {
        worker->client_tls = tls_make_server(certificate, key, failure);
        close(key);
        if (!worker->client_tls)
            return false;
    }
    if (!worker->upstreams.backend.is_tls)
        return true;
    worker->upstream_tls = tls_make_client(reference(worker, SETTINGS_REFERENCE_BACKEND_CA), failure);
    return worker->upstream_tls != NULL;
}

static bool open_tokens(struct worker *worker)
{
    const struct settings *settings = &worker->handoff.settings;
    struct jwt_rules rules = {.issuer = slice_of(settings->jwt_issuer),
                              .audience = slice_of(settings->jwt_audience),
                              .leeway_us = (int64_t)settings->jwt_leeway_ms * MICROSECONDS_PER_MILLISECOND};

    return tokens_init(&worker->tokens, worker->references.token_keys, &rules);
}

static bool record_events(struct worker *worker)
{
    const struct settings *settings = &worker->handoff.settings;
    struct decide_recording recording = {.writer = (uint16_t)worker->handoff.slot,
                                         .generation = worker->handoff.generation,
                                         .records_all = settings->decision_log == SETTINGS_DECISION_LOG_ALL,
                                         .redact = settings->redact};

    return decide_events_open(worker->decider, &recording);
}

static bool allocate(struct worker *worker, struct failure *failure)
{
    const struct settings *settings = &worker->handoff.settings;
    size_t head = (size_t)settings->max_header_bytes;

    worker->bodies.most = BODIES_BYTES + 2 * settings->max_body_bytes;
    worker->head_limits = (struct head_limits){.bytes = head, .fields = (size_t)settings->max_headers};
    worker->fields = calloc((size_t)settings->max_headers, sizeof(*worker->fields));
    worker->read_size = settings->mode == SETTINGS_MODE_REVERSE_PROXY ? READ_TO_PASS_ON : READ_TO_JUDGE;
    worker->read_buffer = malloc(worker->read_size);
    worker->path_buffer = malloc(PATH_NORMAL_SIZE(head));
    worker->host_buffer = malloc(head + 1);
    worker->decider = decide_new(worker->bundle, &worker->arena, worker->slot, head * SCRATCH_FACTOR);
    worker->batch = conn_batch_new();
    if (!worker->fields || !worker->read_buffer || !worker->path_buffer || !worker->host_buffer || !worker->decider ||
        !worker->batch ||
        !outbox_init(&worker->out, OUTBOX_BYTES) || !outbox_init(&worker->body, OUTBOX_BYTES) ||
        !open_tokens(worker) || !headers_init(&worker->headers, worker->bundle))
        return failure_set(failure, EXIT_CODE_OS, "memory is out");
    decide_use_references(worker->decider, &worker->references);
    if (!record_events(worker))
        return failure_set(failure, EXIT_CODE_OS, "memory is out");
    if (settings->mode == SETTINGS_MODE_REVERSE_PROXY) {
        worker->response_room = malloc(sizeof(*worker->response_room));
        if (!worker->response_room)
            return failure_set(failure, EXIT_CODE_OS, "memory is out");
    }
    return true;
}

bool worker_make(struct worker *worker, struct failure *failure)
{
    for (uint32_t i = 0; i < worker->handoff.listener_count; i++)
        worker->has_ops_listener |= worker->handoff.listeners[i].is_ops;
    http_set_limit(worker->handoff.settings.max_header_bytes);
    reply_init(worker);
    return map(worker, failure) && load(worker, failure) && open_references(worker, failure) &&
           allocate(worker, failure) && upstream_init(worker, failure) &&
           open_tls(worker, failure);
}
