/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor logs: events of the ring, or of a decision log, through a sieve and onto standard output.
 */
#include "cli/logs.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/emit.h"
#include "cli/event_line.h"
#include "cli/instance.h"
#include "cli/loaded.h"
#include "cli/settled.h"
#include "cli/sieve.h"
#include "cli/watch.h"
#include "shm/counted.h"
#include "shm/event_print.h"
#include "shm/moment.h"
#include "shm/quantity.h"
#include "shm/utf8.h"

#define DEFAULT_LINES 10
#define MAX_LINES     1000000
#define PAUSE_MS      50 /* between looks into the ring when it holds nothing new */

struct choice {
    const char *config, *name, *file;
    struct sieve sieve;
    bool is_json;
    bool ends; /* after what is there */
    uint64_t lines; /* of the past */
    bool has_lines;
};

/* The last events of the past, while it is being read. */
struct past {
    struct event *events;
    uint64_t room, count;
};

/* Once, to people. */
static void explain_hash(const struct choice *choice)
{
    static bool is_told;

    if (is_told || choice->is_json || !isatty(STDOUT_FILENO))
        return;
    is_told = true;
    puts("-- a value that begins with # is hidden by the setting redact: the same value has the same hash");
}

static void print(const struct choice *choice, const struct event *event)
{
    char line[EVENT_PRINT_SIZE];
    size_t size = choice->is_json ? event_print_json(event, line) : event_print_text(event, line);

    if (event->flags & EVENT_IS_HASHED)
        explain_hash(choice);
    fwrite(line, 1, size, stdout);
}

static void print_lost(const struct choice *choice, uint64_t lost)
{
    char text[COUNTED_SIZE];

    if (choice->is_json)
        printf("{\"action\":\"lost\",\"count\":%" PRIu64 "}\n", lost);
    else
        printf("-- %s written over before they could be read\n",
               counted((int64_t)lost, "event was", "events were", text));
}

/* ---- a file ------------------------------------------------------------------------------------------------------- */

/* A line of JSON as it stands; but whoever wrote it may have left in its texts what a terminal obeys. What is below a space
 * can only stand between them. */
static void print_raw(struct slice line)
{
    while (line.size > 0) {
        size_t size = utf8_size(line), used = size > 0 ? size : 1;

        if (!utf8_is_control(line.data, size))
            fwrite(line.data, 1, used, stdout);
        else if ((unsigned char)line.data[0] < ' ')
            putchar(' ');
        else
            printf("\\u%04x", utf8_point(line.data, size));
        line = (struct slice){line.data + used, line.size - used};
    }
    putchar('\n');
}

static void print_line(const struct choice *choice, struct slice line, uint64_t *strange)
{
    static struct event event;

    if (!event_line_parse(line, &event))
        ++*strange;
    else if (!sieve_passes(&choice->sieve, &event))
        return;
    else if (choice->is_json)
        print_raw(line);
    else
        print(choice, &event);
}

static FILE *open_file(const char *path, struct failure *failure)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");

    if (!file)
        failure_set_errno(failure,
                          errno == ENOENT || errno == ENOTDIR ? EXIT_CODE_NO_INPUT
                          : errno == EACCES                   ? EXIT_CODE_PERMISSION
                                                              : EXIT_CODE_OS,
                          "%s cannot be read", path);
    return file;
}

/* The next line, without its end, in ROOM bytes; a longer one, which is no decision, as one of ROOM bytes. -1: there is none. */
static ssize_t read_line(FILE *file, char *line, size_t room)
{
    size_t size = 0;
    int byte;

    while ((byte = getc_unlocked(file)) != EOF && byte != '\n') {
        line[size] = (char)byte;
        size += size < room - 1;
    }
    return byte == EOF && size == 0 ? -1 : (ssize_t)size;
}

static int read_file(const struct choice *choice)
{
    static char line[EVENT_PRINT_SIZE + 2];
    char text[COUNTED_SIZE];
    struct failure failure = {.code = EXIT_CODE_OK};
    FILE *file = open_file(choice->file, &failure);
    uint64_t strange = 0;
    ssize_t size;

    if (!file)
        return command_fail(&failure);
    while (errno = 0, (size = read_line(file, line, sizeof(line))) >= 0)
        print_line(choice, (struct slice){line, (size_t)size}, &strange);
    if (ferror(file))
        failure_set_errno(&failure, EXIT_CODE_OS, "%s cannot be read", choice->file);
    if (file != stdin)
        fclose(file);
    if (strange > 0)
        fprintf(stderr, "fairvisor: passed over because they are no decisions: %s\n",
                counted((int64_t)strange, "line", "lines", text));
    return failure.code == EXIT_CODE_OK ? EXIT_CODE_OK : command_fail(&failure);
}

/* ---- the ring ----------------------------------------------------------------------------------------------------- */

static void keep(struct past *past, const struct event *event)
{
    if (past->room > 0)
        past->events[past->count++ % past->room] = *event;
}

/* The next thing; a settlement with the names of whom it is about. */
static enum watch_result look(struct watch *watch, struct event *event, uint64_t *lost)
{
    static struct settled settled;
    enum watch_result result = watch_next(watch, event, lost);

    if (result == WATCH_EVENT)
        settled_pass(&settled, event);
    return result;
}

/* What is in the ring already; only its last events that pass are printed. Stops at what was not there at the start, so
 * that it ends also when events come faster than they can be read. */
static void print_past(const struct choice *choice, struct watch *watch, struct past *past)
{
    uint64_t end = events_count(&watch->instance->arena), lost, all_lost = 0;
    enum watch_result result;
    static struct event event;

    while (watch->reader.position < end && (result = look(watch, &event, &lost)) != WATCH_NOTHING) {
        if (result == WATCH_LOST)
            all_lost += lost;
        else if (result == WATCH_EVENT && sieve_passes(&choice->sieve, &event))
            keep(past, &event);
    }
    if (all_lost > 0)
        print_lost(choice, all_lost);
    for (uint64_t i = past->count > past->room ? past->count - past->room : 0; i < past->count; i++)
        print(choice, &past->events[i % past->room]);
}

static bool is_written(void)
{
    return fflush(stdout) == 0 && !ferror(stdout);
}

static void follow(const struct choice *choice, struct watch *watch)
{
    static const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    static struct event event;
    uint64_t lost;

    for (;;) {
        switch (look(watch, &event, &lost)) {
        case WATCH_EVENT:
            if (sieve_passes(&choice->sieve, &event))
                print(choice, &event);
            break;
        case WATCH_LOST:
            print_lost(choice, lost);
            break;
        case WATCH_MASTER:
            fflush(stdout); /* in the order in which it happened */
            watch_tell_master(watch);
            break;
        case WATCH_RENEWED:
            fputs("fairvisor: the instance was started anew\n", stderr);
            break;
        case WATCH_NOTHING:
            if (!is_written())
                return; /* main says why */
            nanosleep(&pause, NULL);
            break;
        }
    }
}

/* Nothing may be meant, and may be a word misspelt. */
static void tell_nothing(const struct choice *choice, const struct watch *watch)
{
    char text[COUNTED_SIZE];
    uint64_t count = events_count(&watch->instance->arena);

    if (choice->lines > 0)
        fprintf(stderr, "fairvisor: nothing to show: %s, %s\n",
                counted((int64_t)count, "event was written so far", "events were written so far", text),
                count > 0 ? "none that is still in memory is asked for" : "for no request was judged yet");
}

static bool has_policy(const struct bundle *bundle, struct slice id)
{
    for (uint32_t i = 0; i < bundle->policy_count; i++)
        if (slice_equal(bundle->policies[i].id, id))
            return true;
    return false;
}

/* Not refused, for events of policies that are gone are still there. */
static void warn_of_policies(const struct choice *choice, const struct instance *instance)
{
    char path[LOADED_PATH_SIZE];
    struct bundle *bundle = NULL;
    struct failure failure;

    if (choice->sieve.policies.count == 0 || !loaded_read(instance, path, &bundle, &failure))
        return;
    for (size_t i = 0; i < choice->sieve.policies.count; i++)
        if (!has_policy(bundle, choice->sieve.policies.items[i])) {
            fputs("fairvisor: warning: the loaded bundle has no policy '", stderr);
            emit_plain(choice->sieve.policies.items[i], stderr);
            fputs("'\n", stderr);
        }
    bundle_free(bundle);
}

static int read_ring(const struct choice *choice, struct instance *instance)
{
    struct past past = {.room = choice->lines};
    struct failure failure;
    struct watch watch;

    if (!watch_open(&watch, instance, &failure))
        return command_fail(&failure);
    if (past.room > events_room(&instance->arena))
        past.room = events_room(&instance->arena);
    past.events = calloc(past.room + 1, sizeof(*past.events));
    if (!past.events) {
        failure_set(&failure, EXIT_CODE_OS, "memory is out; ask for fewer --lines");
        return command_fail(&failure);
    }
    if (!instance->is_running)
        watch_tell_master(&watch);
    warn_of_policies(choice, instance);
    print_past(choice, &watch, &past);
    free(past.events);
    if (choice->ends && past.count == 0)
        tell_nothing(choice, &watch);
    if (!choice->ends && is_written())
        follow(choice, &watch);
    return EXIT_CODE_OK;
}

/* ---- words -------------------------------------------------------------------------------------------------------- */

static bool take_format(void *context, const char *word, struct failure *failure)
{
    struct choice *choice = context;

    choice->is_json = strcmp(word, "json") == 0;
    return choice->is_json || strcmp(word, "text") == 0 ||
           failure_set(failure, EXIT_CODE_USAGE, "--format takes text or json, not '%s'", word);
}

static bool take_lines(void *context, const char *word, struct failure *failure)
{
    struct choice *choice = context;

    choice->has_lines = true;
    return (quantity_parse_count(slice_of(word), &choice->lines) && choice->lines <= MAX_LINES) ||
           failure_set(failure, EXIT_CODE_USAGE, "--lines takes a number from 0 to %d, not '%s'", MAX_LINES, word);
}

static bool take_actions(void *context, const char *word, struct failure *failure)
{
    return sieve_add_actions(&((struct choice *)context)->sieve, word, failure);
}

static bool take_reason(void *context, const char *word, struct failure *failure)
{
    return sieve_add_reason(&((struct choice *)context)->sieve, word, failure);
}

static bool take_policy(void *context, const char *word, struct failure *failure)
{
    return sieve_add(&((struct choice *)context)->sieve.policies, "--policy", word, failure);
}

static bool take_key(void *context, const char *word, struct failure *failure)
{
    return sieve_add_key(&((struct choice *)context)->sieve, word, failure);
}

static bool take_since(void *context, const char *word, struct failure *failure)
{
    return sieve_set_since(&((struct choice *)context)->sieve, word, moment_now().wall_ns, failure);
}

static int read_words(const struct command *command, int count, char **words, struct choice *choice)
{
    const struct command_option options[] = {
        {NULL, 'c', .text = &choice->config},   {"instance", .text = &choice->name},
        {"action", .take = take_actions},       {"reason", .take = take_reason},
        {"policy", .take = take_policy},        {"key", .take = take_key},
        {"since", .take = take_since},          {"format", .take = take_format},
        {"lines", .take = take_lines},          {"no-follow", .flag = &choice->ends},   {"json", .flag = &choice->is_json}};
    int code = command_read_options(command, count, words, options, sizeof(options) / sizeof(options[0]), choice);

    if (code != COMMAND_GOES_ON)
        return code;
    if (count - optind > 1)
        return command_refuse(command, "'%s' is one argument too many", words[optind + 1]);
    choice->file = words[optind];
    if (choice->file && choice->has_lines)
        return command_refuse(command,
                              "--lines is for the events of the running instance, which it begins with; a file is read as "
                              "a whole: leave it out, and use --since, or tail -n");
    if (!choice->has_lines)
        choice->lines = choice->sieve.since_ns ? MAX_LINES : DEFAULT_LINES;
    return COMMAND_GOES_ON;
}

int logs_run(const struct command *command, int count, char **words)
{
    static struct instance instance;
    static struct choice choice;
    struct failure failure;
    int code = read_words(command, count, words, &choice);

    if (code != COMMAND_GOES_ON)
        return code;
    if (choice.file)
        return read_file(&choice);
    if (!instance_find(&instance, choice.config, choice.name, &failure))
        return command_answer(command, &failure);
    return read_ring(&choice, &instance);
}
