/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor kill: orders to the master; the list is read from shared memory and the loaded bundle.
 */
#include "cli/kill.h"

#include <getopt.h>
#include <string.h>

#include "cli/emit.h"
#include "cli/input.h"
#include "cli/loaded.h"
#include "cli/lookup.h"
#include "cli/order.h"
#include "policy/iso8601.h"
#include "policy/load.h"
#include "policy/switch_words.h"
#include "shm/kills.h"
#include "shm/quantity.h"

struct choice {
    const char *config, *name;
    const char *key, *value;
    const char *route, *reason, *duration;
    bool is_list, is_remove, is_json;
};

/* ---- words ------------------------------------------------------------------------------------------------------- */

static bool check(const struct choice *choice, int words, struct failure *failure)
{
    if (choice->is_list && (choice->is_remove || choice->route || choice->reason || choice->duration || words > 0))
        return failure_set(failure, EXIT_CODE_USAGE, "--list takes nothing but -c, --instance and --json");
    if (choice->is_list)
        return true;
    if (words != 2)
        return failure_set(failure, EXIT_CODE_USAGE, "KEY and VALUE, or KEY=VALUE, are needed, and nothing else");
    if (choice->is_remove && choice->duration)
        return failure_set(failure, EXIT_CODE_USAGE, "--remove takes no --for");
    return true;
}

/* KEY VALUE or, as `fairvisor keys` has it, KEY=VALUE. Returns how many words there are as if it were the first. */
static int split(int count, char **words, struct choice *choice)
{
    char *equals = count == 1 ? strchr(words[0], '=') : NULL;

    if (count > 0)
        choice->key = words[0];
    choice->value = equals ? equals + 1 : count > 1 ? words[1] : NULL;
    if (!equals)
        return count;
    *equals = '\0';
    return 2;
}

static int read_words(const struct command *command, int count, char **words, struct choice *choice)
{
    const struct command_option options[] = {
        {NULL, 'c', .text = &choice->config},       {"route", .text = &choice->route},
        {"for", .text = &choice->duration},       {"reason", .text = &choice->reason},
        {"list", .flag = &choice->is_list},       {"remove", .flag = &choice->is_remove},
        {"instance", .text = &choice->name},      {"json", .flag = &choice->is_json}};
    int code = command_read_options(command, count, words, options, sizeof(options) / sizeof(options[0]), NULL);
    struct failure failure;

    if (code != COMMAND_GOES_ON)
        return code;
    if (!check(choice, split(count - optind, words + optind, choice), &failure))
        return command_refuse(command, "%s", failure.sentence);
    return COMMAND_GOES_ON;
}

/* ---- setting and lifting ----------------------------------------------------------------------------------------- */

static bool read_duration(const char *text, int64_t *expires_at, struct failure *failure)
{
    int64_t now_ms = moment_now().wall_ns / 1000000;
    uint64_t milliseconds;

    *expires_at = KILLS_NEVER;
    if (!text)
        return true;
    if (!quantity_parse_duration(slice_of(text), &milliseconds) || milliseconds == 0 ||
        milliseconds > (uint64_t)100 * 366 * 86400 * 1000)
        return failure_set(failure, EXIT_CODE_USAGE,
                           "--for takes a time of at most 100 years, such as 90s, 15m, 1h or 2d, not '%s'", text);
    *expires_at = (now_ms + (int64_t)milliseconds + 999) / 1000;
    return true;
}

static bool fill_request(const struct choice *choice, const struct bundle *words, struct door_request *request,
                         struct failure *failure)
{
    const struct kill_switch *kill = &words->kill_switches[0];

    request->verb = choice->is_remove ? DOOR_LIFT : DOOR_KILL;
    request->pair_count = 1;
    return read_duration(choice->duration, &request->expires_at, failure) &&
           order_set_text(request->pairs[0].key, DOOR_KEY_SIZE, words->descriptors[kill->descriptor].text, "KEY",
                          failure) &&
           order_set_text(request->pairs[0].value, DOOR_VALUE_SIZE, kill->value, "VALUE", failure) &&
           order_set_text(request->route, sizeof(request->route), kill->route, "--route", failure) &&
           order_set_text(request->reason, sizeof(request->reason), kill->reason, "--reason", failure);
}

static bool holds(const struct override *override)
{
    return override->is_enabled && moment_now().wall_ns / NANOSECONDS_PER_SECOND < override->expires_at;
}

static bool is_known(const struct bundle *loaded, const struct descriptor *key)
{
    for (uint32_t i = 0; i < loaded->descriptor_count; i++)
        if (slice_equal(loaded->descriptors[i].text, key->text))
            return true;
    return false;
}

/* A name that nobody has written before may be misspelt. */
static void warn_of_name(const struct bundle *loaded, const struct bundle *words)
{
    const struct descriptor *key = &words->descriptors[words->kill_switches[0].descriptor];

    if (key->name.size == 0 || is_known(loaded, key))
        return;
    fputs("fairvisor: warning: no rule of the loaded bundle has the key ", stderr);
    emit_plain(key->text, stderr);
    fputs(": look whether its name is right\n", stderr);
}

/* What would make a kill switch do nothing must be known now, not when the bill comes. */
static void warn(const struct choice *choice, const struct bundle *words, const struct instance *instance)
{
    static struct instance running;
    unsigned missing = lookup_find_missing(&instance->settings, words->references);
    char sentence[REFERENCES_SENTENCE_SIZE];
    struct failure failure;
    struct bundle *loaded = loaded_open(&running, choice->config, choice->name, &failure);

    if (loaded && holds(&loaded->kill_switch_override))
        fputs("fairvisor: warning: kill_switch_override of the loaded bundle holds: no kill switch refuses anything\n",
              stderr);
    if (loaded)
        warn_of_name(loaded, words);
    if (missing != 0) {
        references_explain(missing, sentence);
        fprintf(stderr, "fairvisor: warning: %s, which is not set\n", sentence);
    }
    bundle_free(loaded);
}

static void print_done(const struct choice *choice, const struct door_request *request, const struct door_reply *reply)
{
    char until[ISO8601_TEXT_SIZE];

    if (choice->is_remove) {
        puts("lifted");
        return;
    }
    fputs(reply->changed > 0 ? "changed: every request with " : "set: every request with ", stdout);
    emit_plain(slice_of(request->pairs[0].key), stdout);
    putchar('=');
    emit_plain(slice_of(request->pairs[0].value), stdout);
    if (request->route[0]) {
        fputs(" for ", stdout);
        emit_plain(slice_of(request->route), stdout);
    }
    fputs(" is refused", stdout);
    if (request->expires_at != KILLS_NEVER) {
        iso8601_print(request->expires_at, until);
        printf(" until %s", until);
    }
    putchar('\n');
}

static void print_text_member(const char *label, struct slice text)
{
    fputs(label, stdout);
    if (text.size > 0)
        emit_json_string(text, stdout);
    else
        fputs("null", stdout);
}

static void print_time_member(const char *label, int64_t seconds)
{
    char text[ISO8601_TEXT_SIZE] = "";

    if (seconds > 0 && seconds != KILLS_NEVER)
        iso8601_print(seconds, text);
    print_text_member(label, slice_of(text));
}

static void print_done_json(const struct choice *choice, const struct door_request *request, const struct door_reply *reply)
{
    printf("{\"done\":\"%s\"", choice->is_remove ? "lifted" : reply->changed > 0 ? "changed" : "set");
    print_text_member(",\"key\":", slice_of(request->pairs[0].key));
    print_text_member(",\"value\":", slice_of(request->pairs[0].value));
    print_text_member(",\"route\":", slice_of(request->route));
    print_text_member(",\"reason\":", slice_of(request->reason));
    if (!choice->is_remove)
        print_time_member(",\"expires_at\":", request->expires_at);
    puts("}");
}

static bool order(const struct choice *choice, const struct bundle *words, struct failure *failure)
{
    static struct door_request request;
    static struct instance instance;
    struct door_reply reply;

    if (!fill_request(choice, words, &request, failure) ||
        !instance_configure(&instance, choice->config, choice->name, failure) ||
        !order_send(&instance.settings, &request, &reply, failure))
        return false;
    if (choice->is_json)
        print_done_json(choice, &request, &reply);
    else
        print_done(choice, &request, &reply);
    if (!choice->is_remove)
        warn(choice, words, &instance);
    return true;
}

/* What blocks nothing must not look as if it did; what may block nothing is set, and said to. */
static bool heed(const struct complaint_list *complaints, struct failure *failure)
{
    for (size_t i = 0; i < complaints->count; i++)
        if (strcmp(complaints->items[i].code, LOAD_LITERAL_PATH) == 0)
            return failure_set(failure, EXIT_CODE_USAGE, "%s", complaints->items[i].sentence);
    for (size_t i = 0; i < complaints->count; i++)
        if (strncmp(complaints->items[i].pointer, SWITCH_WORDS_POINTER, strlen(SWITCH_WORDS_POINTER)) == 0)
            fprintf(stderr, "fairvisor: warning: %s\n", complaints->items[i].sentence);
    return true;
}

static bool set_or_lift_value(const struct choice *choice, struct failure *failure)
{
    struct switch_words texts = {.key = slice_of(choice->key),
                                 .value = slice_of(choice->value),
                                 .route = slice_of(choice->route),
                                 .reason = slice_of(choice->reason)};
    static struct complaint_list complaints;
    struct bundle *words = switch_words_parse(&texts, 1, &complaints, failure);
    bool is_done = words && (choice->is_remove || heed(&complaints, failure)) && order(choice, words, failure);

    bundle_free(words);
    return is_done;
}

static bool set_or_lift(struct choice *choice, struct failure *failure)
{
    static char secret[DOOR_VALUE_SIZE];
    bool is_secret = strcmp(choice->value, "-") == 0;

    if (is_secret && !input_read_value(secret, sizeof(secret), failure))
        return false;
    if (is_secret)
        choice->value = secret;
    return set_or_lift_value(choice, failure);
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

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
    print_part(" for ", shown->route);
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

static void print_row_json(const struct shown *shown)
{
    print_text_member("{\"key\":", shown->key);
    print_text_member(",\"value\":", shown->value);
    print_text_member(",\"route\":", shown->route);
    print_text_member(",\"reason\":", shown->reason);
    print_time_member(",\"made_at\":", shown->made_at);
    print_time_member(",\"expires_at\":", shown->expires_at);
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

static bool list(const struct choice *choice, struct failure *failure)
{
    static struct instance instance;
    static struct kills_table table;
    struct listing listing = {.is_json = choice->is_json, .now = moment_now().wall_ns / NANOSECONDS_PER_SECOND};
    struct bundle *bundle = loaded_open(&instance, choice->config, choice->name, failure);
    uint32_t sequence;

    if (!bundle)
        return false;
    if (!kills_read(&instance.arena, &table, &sequence)) {
        bundle_free(bundle);
        return failure_set(failure, EXIT_CODE_OS, "the kill switches are being written: try again");
    }
    if (choice->is_json) {
        print_text_member("{\"instance\":", slice_of(instance.settings.instance));
        printf(",\"overridden\":%s,\"kill_switches\":[", holds(&bundle->kill_switch_override) ? "true" : "false");
    } else if (holds(&bundle->kill_switch_override)) {
        puts("kill_switch_override of the loaded bundle holds: none of these refuses anything");
    }
    show_by_hand(&listing, &table);
    show_of_bundle(&listing, bundle);
    if (choice->is_json)
        puts("]}");
    else if (listing.count == 0)
        puts("there are no kill switches");
    bundle_free(bundle);
    return true;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

int kill_run(const struct command *command, int count, char **words)
{
    struct choice choice = {.config = NULL};
    struct failure failure;
    int code = read_words(command, count, words, &choice);

    if (code != COMMAND_GOES_ON)
        return code;
    return (choice.is_list ? list(&choice, &failure) : set_or_lift(&choice, &failure)) ? EXIT_CODE_OK
                                                                                      : command_fail(&failure);
}
