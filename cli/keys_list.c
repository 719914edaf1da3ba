/* SPDX-License-Identifier: MPL-2.0
 *
 * Events of the ring -> identities -> the cells that they name: see keys_list.h.
 */
#include "cli/keys_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/emit.h"
#include "cli/keys_view.h"
#include "cli/ranking.h"
#include "shm/counted.h"

struct named {
    const struct ranking_row *row; /* whose event names the identity */
    struct keys_view view;
};

struct naming {
    const struct instance *instance;
    struct moment now;
    const struct ranking_row *row;
    struct named *list;
    size_t count, room;
    uint64_t hidden; /* identities in the list with a value that redact hides */
    bool is_out_of_memory;
};

static void on_limit(void *context, const struct decide_cells_limit *limit)
{
    struct naming *naming = context;
    struct keys_view view;

    keys_view_read(&naming->instance->arena, limit, naming->now, &view);
    if (view.spent <= 0 && !keys_view_is_open(&view))
        return;
    if (naming->count == naming->room) {
        size_t room = naming->room ? 2 * naming->room : 256;
        struct named *list = realloc(naming->list, room * sizeof(*list));

        naming->is_out_of_memory |= list == NULL;
        if (!list)
            return;
        naming->list = list;
        naming->room = room;
    }
    naming->list[naming->count++] = (struct named){.row = naming->row, .view = view};
}

static bool is_asked_for(struct slice wanted, struct slice name)
{
    return wanted.size == 0 || slice_equal(wanted, name);
}

static bool is_hidden(const struct event *event)
{
    struct slice key, value;
    size_t at = 0;

    while ((event->flags & EVENT_IS_HASHED) && at < event->rule_keys && event_next_key(event, &at, &key, &value))
        if (decide_cells_is_hash(value))
            return true;
    return false;
}

static void add(struct naming *naming, struct decider *decider, const struct decide_cells_identity *asked)
{
    const struct event *event = &naming->row->last;
    size_t before = naming->count;

    if (!is_asked_for(asked->policy, event_get(event, EVENT_TEXT_POLICY)) ||
        !is_asked_for(asked->rule, event_get(event, EVENT_TEXT_RULE)))
        return;
    decide_cells_of_event(decider, event, naming->now, on_limit, naming);
    naming->hidden += naming->count > before && is_hidden(event);
}

static int compare(const void *left, const void *right)
{
    const struct named *a = left, *b = right;
    int a_fill = keys_view_fill(&a->view), b_fill = keys_view_fill(&b->view);

    if (a_fill != b_fill)
        return b_fill - a_fill;
    return (a->row->key > b->row->key) - (a->row->key < b->row->key);
}

/* ---- printing ----------------------------------------------------------------------------------------------------- */

static void print_row(const struct named *named)
{
    const struct decide_cells_limit *limit = &named->view.limit;
    struct slice key, value;
    size_t at = 0;

    printf("%3d %%  ", keys_view_fill(&named->view));
    emit_plain(limit->policy->id, stdout);
    putchar('/');
    emit_plain(limit->rule ? limit->rule->name : SLICE("circuit breaker"), stdout);
    printf(", %s%s ", limit->role, limit->is_shadow ? ", shadow" : "");
    while (at < named->row->last.rule_keys && event_next_key(&named->row->last, &at, &key, &value)) {
        putchar(' ');
        emit_plain(key, stdout);
        putchar('=');
        emit_plain(value, stdout);
    }
    fputs(at > 0 ? ": " : " (shared by all): ", stdout);
    keys_view_print(&named->view);
    putchar('\n');
}

static void print_row_json(const struct named *named)
{
    struct slice key, value;
    size_t at = 0;

    putchar('{');
    keys_view_print_json(&named->view);
    printf(",\"fill_percent\":%d,\"identity\":[", keys_view_fill(&named->view));
    while (at < named->row->last.rule_keys && event_next_key(&named->row->last, &at, &key, &value)) {
        emit_json_text(at > 1 ? ",{\"key\":" : "{\"key\":", key, stdout);
        emit_json_text(",\"value\":", value, stdout);
        putchar('}');
    }
    fputs("]}", stdout);
}

static void print_json(const struct naming *naming, uint64_t cells_used)
{
    emit_json_text("{\"instance\":", slice_of(naming->instance->settings.instance), stdout);
    fputs(",\"limits\":[", stdout);
    for (size_t i = 0; i < naming->count; i++) {
        if (i > 0)
            putchar(',');
        print_row_json(&naming->list[i]);
    }
    printf("],\"cells_used\":%" PRIu64 ",\"named\":%zu,\"hidden\":%" PRIu64 "}\n", cells_used, naming->count, naming->hidden);
}

static void print_text(const struct naming *naming, uint64_t cells_used)
{
    char text[COUNTED_SIZE];

    for (size_t i = 0; i < naming->count; i++)
        print_row(&naming->list[i]);
    printf("cells in use: %" PRIu64 ", of them listed: %zu. A cell knows its identity by a hash only: the names are those of the\n"
           "events that are still in memory.\n",
           cells_used, naming->count);
    if (naming->hidden > 0)
        printf("%s told by a hash, #..., because the setting redact hides such values: get, reset and grant take the\n"
               "hash in the place of the value. Events from after `redact = none` and a reload show values.\n",
               counted((int64_t)naming->hidden, "identity is", "identities are", text));
}

bool keys_list_print(const struct instance *instance, struct decider *decider,
                     const struct decide_cells_identity *identity, bool is_json, struct failure *failure)
{
    struct naming naming = {.instance = instance, .now = moment_now()};
    struct ranking *ranking = malloc(sizeof(*ranking));
    struct arena_usage usage;

    naming.is_out_of_memory = ranking == NULL;
    if (ranking) {
        ranking_init(ranking, false, arena_hash_key(&instance->arena));
        ranking_read(ranking, NULL, &instance->arena);
    }
    for (size_t i = 0; ranking && i < RANKING_ROWS; i++) {
        naming.row = &ranking->rows[i];
        if (naming.row->key)
            add(&naming, decider, identity);
    }
    if (naming.count > 0)
        qsort(naming.list, naming.count, sizeof(naming.list[0]), compare);
    arena_measure(&instance->arena, naming.now, &usage);
    if (!naming.is_out_of_memory)
        (is_json ? print_json : print_text)(&naming, usage.cells_used);
    free(naming.list);
    free(ranking);
    return !naming.is_out_of_memory || failure_set(failure, EXIT_CODE_OS, "memory is out");
}
