/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor kill: orders to the master.
 */
#include "cli/kill.h"

#include <getopt.h>
#include <string.h>

#include "cli/emit.h"
#include "cli/input.h"
#include "cli/kill_list.h"
#include "cli/kill_seen.h"
#include "cli/loaded.h"
#include "cli/lookup.h"
#include "cli/order.h"
#include "policy/iso8601.h"
#include "policy/load.h"
#include "policy/switch_words.h"
#include "shm/counted.h"
#include "shm/kills.h"
#include "shm/near.h"
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

static bool is_known(const struct bundle *loaded, const struct descriptor *key)
{
    for (uint32_t i = 0; i < loaded->descriptor_count; i++)
        if (slice_equal(loaded->descriptors[i].text, key->text))
            return true;
    return false;
}

static struct slice nearest_name(const struct bundle *loaded, struct slice text)
{
    struct near near;

    near_init(&near, text);
    for (uint32_t i = 0; i < loaded->descriptor_count; i++)
        if (loaded->descriptors[i].name.size > 0)
            near_offer(&near, loaded->descriptors[i].text);
    return near.best;
}

/* A name that nobody has written before may be misspelt. */
static void warn_of_name(const struct bundle *loaded, const struct bundle *words)
{
    const struct descriptor *key = &words->descriptors[words->kill_switches[0].descriptor];
    struct slice nearest;

    if (key->name.size == 0 || is_known(loaded, key))
        return;
    fputs("fairvisor: warning: no rule of the loaded bundle has the key ", stderr);
    emit_plain(key->text, stderr);
    nearest = nearest_name(loaded, key->text);
    if (nearest.size > 0)
        fputs("; did you mean ", stderr);
    emit_plain(nearest, stderr);
    fputs(nearest.size > 0 ? "?\n" : ": look whether its name is right\n", stderr);
}

/* What the service serves while the switch is set. */
struct scene {
    struct instance instance;
    struct bundle *loaded; /* NULL: it cannot be had */
    enum kill_seen seen;
    uint64_t events; /* among which the value was looked for */
};

static void look(struct scene *scene, const struct choice *choice, const struct door_request *request)
{
    struct failure ignored;

    scene->loaded = loaded_open(&scene->instance, choice->config, choice->name, &ignored);
    if (scene->loaded)
        scene->seen = kill_seen_look(&scene->instance, scene->loaded, slice_of(request->pairs[0].key),
                                     slice_of(request->pairs[0].value), &scene->events);
}

static void warn_of_nobody(const struct scene *scene)
{
    char text[COUNTED_SIZE];

    if (scene->seen == KILL_SEEN_NEVER)
        fprintf(stderr,
                "fairvisor: warning: nobody with this value has been seen, in %s and the counters in memory (requests that "
                "passed are a sample): look whether it is written as clients send it\n",
                counted((int64_t)scene->events, "event", "events", text));
}

/* What would make a kill switch do nothing must be known now, not when the bill comes. */
static void warn(const struct scene *scene, const struct bundle *words, const struct settings *settings)
{
    unsigned missing = lookup_find_missing(settings, words->references);
    char sentence[REFERENCES_SENTENCE_SIZE];

    if (scene->loaded &&
        bundle_override_holds(&scene->loaded->kill_switch_override, moment_now().wall_ns / NANOSECONDS_PER_SECOND))
        fputs("fairvisor: warning: kill_switch_override of the loaded bundle holds: no kill switch refuses anything\n",
              stderr);
    if (scene->loaded)
        warn_of_name(scene->loaded, words);
    warn_of_nobody(scene);
    if (missing != 0) {
        references_explain(missing, sentence);
        fprintf(stderr, "fairvisor: warning: %s, which is not set\n", sentence);
    }
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
        fputs(" for exactly ", stdout); /* what is below it passes: it is no prefix */
        emit_plain(slice_of(request->route), stdout);
    }
    fputs(" is refused", stdout);
    if (request->expires_at != KILLS_NEVER) {
        iso8601_print(request->expires_at, until);
        printf(" until %s", until);
    }
    putchar('\n');
}

static const char *seen_word(enum kill_seen seen)
{
    return seen == KILL_SEEN_UNKNOWN ? "null" : seen == KILL_SEEN ? "true" : "false";
}

static void print_done_json(const struct choice *choice, const struct door_request *request, const struct door_reply *reply,
                            enum kill_seen seen)
{
    printf("{\"done\":\"%s\"", choice->is_remove ? "lifted" : reply->changed > 0 ? "changed" : "set");
    emit_json_text(",\"key\":", slice_of(request->pairs[0].key), stdout);
    emit_json_text(",\"value\":", slice_of(request->pairs[0].value), stdout);
    emit_json_text_or_null(",\"route\":", slice_of(request->route[0] ? request->route : NULL), stdout);
    emit_json_text_or_null(",\"reason\":", slice_of(request->reason[0] ? request->reason : NULL), stdout);
    if (!choice->is_remove)
        emit_json_date(",\"expires_at\":", request->expires_at, stdout);
    if (!choice->is_remove)
        printf(",\"seen\":%s", seen_word(seen));
    puts("}");
}

static bool order(const struct choice *choice, const struct bundle *words, struct failure *failure)
{
    static struct door_request request;
    static struct instance instance;
    static struct scene scene;
    struct door_reply reply;

    if (!fill_request(choice, words, &request, failure) ||
        !instance_find(&instance, choice->config, choice->name, failure) ||
        !order_send(&instance.settings, &request, &reply, failure))
        return false;
    if (!choice->is_remove)
        look(&scene, choice, &request);
    if (choice->is_json)
        print_done_json(choice, &request, &reply, scene.seen);
    else
        print_done(choice, &request, &reply);
    if (!choice->is_remove)
        warn(&scene, words, &instance.settings);
    bundle_free(scene.loaded);
    return true;
}

static bool is_grave(const struct complaint *complaint)
{
    return strcmp(complaint->code, LOAD_LITERAL_PATH) == 0 || strcmp(complaint->code, LOAD_HASHED_VALUE) == 0;
}

/* What blocks nothing must not look as if it did; what may block nothing is set, and said to. */
static bool heed(const struct complaint_list *complaints, struct failure *failure)
{
    for (size_t i = 0; i < complaints->count; i++)
        if (is_grave(&complaints->items[i]))
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

/* ---- the command ------------------------------------------------------------------------------------------------- */

int kill_run(const struct command *command, int count, char **words)
{
    struct choice choice = {.config = NULL};
    struct failure failure;
    int code = read_words(command, count, words, &choice);
    bool is_done;

    if (code != COMMAND_GOES_ON)
        return code;
    is_done = choice.is_list ? kill_list_print(choice.config, choice.name, choice.is_json, &failure)
                             : set_or_lift(&choice, &failure);
    if (!is_done)
        return command_fail(&failure);
    return choice.is_list ? EXIT_CODE_OK : COMMAND_DONE;
}
