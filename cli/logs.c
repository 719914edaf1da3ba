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

#include "cli/event_line.h"
#include "cli/instance.h"
#include "cli/sieve.h"
#include "cli/watch.h"
#include "shm/event_print.h"
#include "shm/moment.h"
#include "shm/quantity.h"

#define DEFAULT_LINES 10
#define MAX_LINES     1000000
#define PAUSE_MS      50 /* between looks into the ring when it holds nothing new */

struct choice {
    const char *config, *name, *file;
    struct sieve sieve;
    bool is_json;
    bool follows;
    uint64_t lines; /* of the past */
    bool has_lines;
    bool wants_help;
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
    printf(choice->is_json ? "{\"action\":\"lost\",\"count\":%" PRIu64 "}\n"
                           : "-- %" PRIu64 " events were written over before they could be read\n",
           lost);
}

/* ---- a file ------------------------------------------------------------------------------------------------------- */

static void print_line(const struct choice *choice, struct slice line, uint64_t *strange)
{
    static struct event event;

    if (!event_line_parse(line, &event))
        ++*strange;
    else if (!sieve_passes(&choice->sieve, &event))
        return;
    else if (choice->is_json)
        printf("%.*s\n", (int)line.size, line.data);
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

static int read_file(const struct choice *choice)
{
    struct failure failure = {.code = EXIT_CODE_OK};
    FILE *file = open_file(choice->file, &failure);
    uint64_t strange = 0;
    char *line = NULL;
    size_t room = 0;
    ssize_t size;

    if (!file)
        return command_fail(&failure);
    while (errno = 0, (size = getline(&line, &room, file)) > 0)
        print_line(choice, (struct slice){line, (size_t)size - (line[size - 1] == '\n')}, &strange);
    if (ferror(file))
        failure_set_errno(&failure, EXIT_CODE_OS, "%s cannot be read", choice->file);
    free(line);
    if (file != stdin)
        fclose(file);
    if (strange > 0)
        fprintf(stderr, "fairvisor: %" PRIu64 " lines were passed over because they are no decisions\n", strange);
    return failure.code == EXIT_CODE_OK ? EXIT_CODE_OK : command_fail(&failure);
}

/* ---- the ring ----------------------------------------------------------------------------------------------------- */

static void keep(struct past *past, const struct event *event)
{
    if (past->room > 0)
        past->events[past->count++ % past->room] = *event;
}

/* What is in the ring already; only its last events that pass are printed. Stops at what was not there at the start, so
 * that it ends also when events come faster than they can be read. */
static void print_past(const struct choice *choice, struct watch *watch, struct past *past)
{
    uint64_t end = events_count(&watch->instance->arena), lost, all_lost = 0;
    enum watch_result result;
    static struct event event;

    while (watch->reader.position < end && (result = watch_next(watch, &event, &lost)) != WATCH_NOTHING) {
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
        switch (watch_next(watch, &event, &lost)) {
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
    print_past(choice, &watch, &past);
    free(past.events);
    if (choice->follows && is_written())
        follow(choice, &watch);
    return EXIT_CODE_OK;
}

/* ---- words -------------------------------------------------------------------------------------------------------- */

static bool set_format(struct choice *choice, const char *word, struct failure *failure)
{
    choice->is_json = strcmp(word, "json") == 0;
    return choice->is_json || strcmp(word, "text") == 0 ||
           failure_set(failure, EXIT_CODE_USAGE, "--format takes text or json, not '%s'", word);
}

static bool set_lines(struct choice *choice, const char *word, struct failure *failure)
{
    choice->has_lines = true;
    return (quantity_parse_count(slice_of(word), &choice->lines) && choice->lines <= MAX_LINES) ||
           failure_set(failure, EXIT_CODE_USAGE, "--lines takes a number from 0 to %d, not '%s'", MAX_LINES, word);
}

static bool take(struct choice *choice, int letter, const char *word, struct failure *failure)
{
    switch (letter) {
    case 'a':
        return sieve_add_actions(&choice->sieve, word, failure);
    case 'r':
        return sieve_add(&choice->sieve.reasons, "--reason", word, failure);
    case 'p':
        return sieve_add(&choice->sieve.policies, "--policy", word, failure);
    case 'k':
        return sieve_add(&choice->sieve.keys, "--key", word, failure);
    case 's':
        return sieve_set_since(&choice->sieve, word, moment_now().wall_ns, failure);
    case 'f':
        return set_format(choice, word, failure);
    case 'n':
        return set_lines(choice, word, failure);
    case 'c':
        choice->config = word;
        break;
    case 'i':
        choice->name = word;
        break;
    case 'F':
        choice->follows = false;
        break;
    default:
        choice->wants_help = true;
        break;
    }
    return true;
}

static bool read_words(int count, char **words, struct choice *choice, int *answer, struct failure *failure)
{
    static const struct option options[] = {
        {"action", required_argument, NULL, 'a'}, {"reason", required_argument, NULL, 'r'},
        {"policy", required_argument, NULL, 'p'}, {"key", required_argument, NULL, 'k'},
        {"since", required_argument, NULL, 's'},  {"format", required_argument, NULL, 'f'},
        {"lines", required_argument, NULL, 'n'},  {"instance", required_argument, NULL, 'i'},
        {"no-follow", no_argument, NULL, 'F'},    {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    int letter;

    opterr = 0;
    failure->code = EXIT_CODE_OK;
    while ((letter = getopt_long(count, words, ":c:h", options, NULL)) != -1) {
        *answer = letter;
        if (letter == '?' || letter == ':' || !take(choice, letter, optarg, failure))
            return false;
    }
    if (count - optind > 1)
        return failure_set(failure, EXIT_CODE_USAGE, "'%s' is one argument too many", words[optind + 1]);
    choice->file = words[optind];
    if (choice->file && choice->has_lines)
        return failure_set(failure, EXIT_CODE_USAGE, "--lines is for the running instance, not for a file");
    if (!choice->has_lines)
        choice->lines = choice->sieve.since_ns ? MAX_LINES : DEFAULT_LINES;
    return true;
}

int logs_run(const struct command *command, int count, char **words)
{
    static struct instance instance;
    static struct choice choice = {.follows = true};
    struct failure failure;
    int answer = 0;

    if (!read_words(count, words, &choice, &answer, &failure))
        return failure.code == EXIT_CODE_OK ? command_refuse_option(command, answer, words)
                                            : command_refuse(command, "%s", failure.sentence);
    if (choice.wants_help) {
        command_print_help(command, stdout);
        return EXIT_CODE_OK;
    }
    if (choice.file)
        return read_file(&choice);
    if (!instance_configure(&instance, choice.config, choice.name, &failure))
        return failure.code == EXIT_CODE_USAGE ? command_refuse(command, "%s", failure.sentence)
                                               : command_fail(&failure);
    return read_ring(&choice, &instance);
}
