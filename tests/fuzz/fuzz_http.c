/* SPDX-License-Identifier: MPL-2.0
 *
 * A connection's bytes as a client may send them, cut where the first byte says, through the worker's message readers. Requests end
 * where both the strict readers and the parser library say, bodies say the same however they are cut, and the original
 * request that a head tells of has a normal path and host.
 */
#include "policy/path.h"
#include "tests/fuzz/entry.h"
#include "worker/extract.h"
#include "worker/http.h"

#define MAX_FIELDS 16
#define MAX_BODY   64
#define MAX_HEAD   512

static const struct head_limits limits = {.bytes = MAX_HEAD, .fields = MAX_FIELDS};

static void check_facts(const struct facts *facts)
{
    char path[PATH_NORMAL_SIZE(PATH_NORMAL_SIZE(MAX_HEAD))], host[MAX_HEAD];

    MUST(facts->path.size <= PATH_NORMAL_SIZE(MAX_HEAD) && slice_equal(path_normalize(facts->path, path), facts->path));
    MUST(facts->host.size <= MAX_HEAD && slice_equal(facts_host(facts->host, host), facts->host));
}

static void extract(const struct head *head)
{
    static const struct settings settings = {.trusted = {{{ADDRESS_IPV4, {10}}, 8}}, .trusted_count = 1, .trusted_unix = true};
    char path[PATH_NORMAL_SIZE(MAX_HEAD)], host[MAX_HEAD];
    const struct extract_room room = {path, host};

    for (int is_trusted = 0; is_trusted < 2; is_trusted++) {
        const struct client_peer peer = {.address = {ADDRESS_IPV4, {1}}, .is_unix = is_trusted};
        struct slice suffix = {0};
        const struct route *route = route_find(head->target, false, false, &suffix);
        const char *cause = NULL;
        struct facts facts = {0};

        if (!route || route->kind != ROUTE_DECISION)
            continue;
        if (extract_facts(&settings, head, &peer, route, suffix, &room, &facts, &cause))
            check_facts(&facts);
        else
            MUST(cause && cause[0]);
    }
}

/* Reads one message at the start of TEXT, its body in pieces of PIECE bytes. Returns its size, 0 when it is incomplete
 * or refused. */
static size_t read_message(struct http *http, struct slice text, size_t piece, struct body *body)
{
    struct fact_field fields[MAX_FIELDS];
    struct head head;
    enum http_result result;
    size_t at;

    if (head_parse(text.data, text.size, &limits, fields, &head) != HEAD_COMPLETE)
        return 0;
    MUST(head.size > 0 && head.size <= text.size && head.size <= limits.bytes);
    MUST(head.field_count <= limits.fields);
    extract(&head);
    at = head.size;
    result = http_begin(http, &head, text.data);
    while (result == HTTP_MORE && at < text.size) {
        size_t given = text.size - at < piece ? text.size - at : piece, used = 0;

        result = http_body(http, text.data + at, given, MAX_BODY, body, &used);
        MUST(used <= given);
        MUST(result != HTTP_MORE || used == given);
        at += used;
    }
    MUST(body->bytes.size <= MAX_BODY);
    return result == HTTP_DONE ? at : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t piece = entry_take(&data, &size) % 7 + 1U, used;
    struct http whole, cut;

    http_set_limit(MAX_HEAD);
    http_init(&whole);
    http_init(&cut);
    do {
        struct slice rest = entry_copy(data, size);
        struct body_store store = {.most = 4096};
        struct body first = {0}, second = {0};

        body_begin(&first, &store);
        body_begin(&second, &store);
        used = read_message(&whole, rest, size > 0 ? size : 1, &first);
        MUST(read_message(&cut, rest, piece, &second) == used);
        MUST(used == 0 || slice_equal(first.bytes, second.bytes));
        body_end(&first);
        body_end(&second);
        entry_free(rest);
        data += used;
        size -= used;
    } while (used > 0 && size > 0);
    return 0;
}
