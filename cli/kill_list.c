/* SPDX-License-Identifier: MPL-2.0
 *
 * Shared memory, for those set by hand, and the loaded bundle: see kill_list.h.
 */
#include "cli/kill_list.h"

#include "cli/emit.h"
#include "cli/loaded.h"
#include "policy/iso8601.h"
#include "shm/kills.h"

struct shown {
    struct slice key, value, route, reason;
    int64_t expires_at, made_at; /* 0: not known */
};

struct listing {
    bool is_json;
    int64_t now; /* seconds since 1970 */
    size_t count;
};

static void print_time(const char *label, int64_t seconds)
{
    char text[ISO8601_TEXT_SIZE];

    iso8601_print(seconds, text);
    printf("%s%s", label, text);
}

static void print_part(const char *label, struct slice text)
{
    if (text.size == 0)
        return;
    fputs(label, stdout);
    emit_plain(text, stdout);
}

static void print_row(const struct shown *shown, int64_t now)
{
    char span[EMIT_SPAN_SIZE];

    emit_plain(shown->key, stdout);
    print_part("=", shown->value);
    print_part(" for exactly ", shown->route);
    if (shown->expires_at != KILLS_NEVER) {
        print_time(" until ", shown->expires_at);
        if (shown->expires_at - now < INT64_MAX / NANOSECONDS_PER_SECOND) /* about 292 years; beyond, the date says it all */
            printf(", for another %s", emit_span((shown->expires_at - now) * NANOSECONDS_PER_SECOND, span));
    }
    if (shown->made_at > 0)
        print_time(", set by hand ", shown->made_at);
    else
        fputs(", of the bundle", stdout);
    print_part(", because: ", shown->reason);
    putchar('\n');
}

static void print_optional(const char *label, struct slice text)
{
    emit_json_text_or_null(label, text.size > 0 ? text : (struct slice){NULL, 0}, stdout);
}

static void print_row_json(const struct shown *shown)
{
    emit_json_text("{\"key\":", shown->key, stdout);
    emit_json_text(",\"value\":", shown->value, stdout);
    print_optional(",\"route\":", shown->route);
    print_optional(",\"reason\":", shown->reason);
    emit_json_date(",\"made_at\":", shown->made_at, stdout);
    emit_json_date(",\"expires_at\":", shown->expires_at, stdout);
    printf(",\"source\":\"%s\"}", shown->made_at > 0 ? "hand" : "bundle");
}

static void show(struct listing *listing, const struct shown *shown)
{
    if (listing->now >= shown->expires_at)
        return;
    if (listing->is_json && listing->count > 0)
        putchar(',');
    if (listing->is_json)
        print_row_json(shown);
    else
        print_row(shown, listing->now);
    listing->count++;
}

static void show_by_hand(struct listing *listing, const struct kills_table *table)
{
    for (uint32_t i = 0; i < table->count; i++) {
        const struct kills_row *row = &table->rows[i];
        struct shown shown = {.key = slice_of(row->key),
                              .value = slice_of(row->value),
                              .route = slice_of(row->route),
                              .reason = slice_of(row->reason),
                              .expires_at = row->expires_at,
                              .made_at = row->made_at > 0 ? row->made_at : 1};

        show(listing, &shown);
    }
}

static void show_of_bundle(struct listing *listing, const struct bundle *bundle)
{
    for (uint32_t i = 0; i < bundle->kill_switch_count; i++) {
        const struct kill_switch *kill = &bundle->kill_switches[i];
        struct shown shown = {.key = bundle->descriptors[kill->descriptor].text,
                              .value = kill->value,
                              .route = kill->route,
                              .reason = kill->reason,
                              .expires_at = kill->expires_at};

        show(listing, &shown);
    }
}

bool kill_list_print(const char *config, const char *name, bool is_json, struct failure *failure)
{
    static struct instance instance;
    static struct kills_table table;
    struct listing listing = {.is_json = is_json, .now = moment_now().wall_ns / NANOSECONDS_PER_SECOND};
    struct bundle *bundle = loaded_open(&instance, config, name, failure);
    uint32_t sequence;
    bool is_overridden;

    if (!bundle)
        return false;
    if (!kills_read(&instance.arena, &table, &sequence)) {
        bundle_free(bundle);
        return failure_set(failure, EXIT_CODE_OS, "the kill switches are being written: try again");
    }
    is_overridden = bundle_override_holds(&bundle->kill_switch_override, listing.now);
    if (is_json) {
        emit_json_text("{\"instance\":", slice_of(instance.settings.instance), stdout);
        printf(",\"overridden\":%s,\"kill_switches\":[", is_overridden ? "true" : "false");
    } else if (is_overridden) {
        puts("kill_switch_override of the loaded bundle holds: none of these refuses anything");
    }
    show_by_hand(&listing, &table);
    show_of_bundle(&listing, bundle);
    if (is_json)
        puts("]}");
    else if (listing.count == 0)
        puts("there are no kill switches");
    bundle_free(bundle);
    return true;
}
