/* SPDX-License-Identifier: MPL-2.0
 *
 * Arguments to struct options, by one table that is also the help text. Says what is wrong itself; getopt(3) stays
 * silent.
 */
#include "master/options.h"

#include <getopt.h>
#include <string.h>

struct option_row {
    char letter;
    const char *name;
    const char *argument; /* NULL: takes none */
    const char *help;
};

static const struct option_row option_rows[] = {
    {'c', "config", "FILE", "read the settings from FILE (default " SYSCONFDIR "/fairvisor/fairvisor.conf)"},
    {'t', "test", NULL, "check the settings and the policy bundle, then exit"},
    {'T', "dump", NULL, "the same, and print the settings in effect (secrets redacted)"},
    {'d', "daemon", NULL, "go to the background; returns when connections are accepted"},
    {'p', "pidfile", "FILE", "write the process id to FILE"},
    {'s', "signal", "ORDER", "tell the running instance to stop, quit (gracefully), reload or reopen (its logs)"},
    {'V', "version", NULL, "print the version"},
    {'h', "help", NULL, "print this help"},
};

#define OPTION_COUNT (sizeof(option_rows) / sizeof(option_rows[0]))

static const struct {
    const char *name;
    enum options_order order;
} order_rows[] = {
    {"stop", OPTIONS_ORDER_STOP},
    {"quit", OPTIONS_ORDER_QUIT},
    {"reload", OPTIONS_ORDER_RELOAD},
    {"reopen", OPTIONS_ORDER_REOPEN},
};

static bool read_order(const char *text, struct options *options, struct failure *failure)
{
    for (size_t i = 0; i < sizeof(order_rows) / sizeof(order_rows[0]); i++)
        if (strcmp(text, order_rows[i].name) == 0) {
            options->order = order_rows[i].order;
            return true;
        }
    return failure_set(failure, EXIT_CODE_USAGE, "-s takes stop, quit, reload or reopen, not '%s'", text);
}

static bool take_option(int letter, const char *argument, struct options *options, struct failure *failure)
{
    switch (letter) {
    case 'c':
        options->config = argument;
        return true;
    case 'p':
        options->pidfile = argument;
        return true;
    case 's':
        return read_order(argument, options, failure);
    case 'T':
        options->prints = true;
        options->is_test = true;
        return true;
    case 't':
        options->is_test = true;
        return true;
    case 'd':
        options->is_daemon = true;
        return true;
    case 'V':
        options->wants_version = true;
        return true;
    default:
        options->wants_help = true;
        return true;
    }
}

static void make_tables(char letters[2 * OPTION_COUNT + 2], struct option names[OPTION_COUNT + 1])
{
    size_t used = 0;

    letters[used++] = ':'; /* a missing argument is told apart from an unknown option */
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];

        letters[used++] = row->letter;
        if (row->argument)
            letters[used++] = ':';
        names[i] = (struct option){row->name, row->argument ? required_argument : no_argument, NULL, row->letter};
    }
    letters[used] = '\0';
    names[OPTION_COUNT] = (struct option){0};
}

bool options_parse(int count, char **arguments, struct options *options, struct failure *failure)
{
    char letters[2 * OPTION_COUNT + 2];
    struct option names[OPTION_COUNT + 1];
    int letter;

    *options = (struct options){0};
    make_tables(letters, names);
    opterr = 0;
    optind = 0; /* glibc: begin anew, also when called twice */
    while ((letter = getopt_long(count, arguments, letters, names, NULL)) != -1) {
        if (letter == ':')
            return failure_set(failure, EXIT_CODE_USAGE, "%s needs an argument: see fairvisord --help",
                               arguments[optind - 1]);
        if (letter == '?')
            return failure_set(failure, EXIT_CODE_USAGE, "%s is not an option of fairvisord: see fairvisord --help",
                               arguments[optind - 1]);
        if (!take_option(letter, optarg, options, failure))
            return false;
    }
    if (optind < count)
        return failure_set(failure, EXIT_CODE_USAGE, "'%s' is one argument too many: fairvisord takes options only",
                           arguments[optind]);
    return true;
}

void options_print_help(FILE *out)
{
    fputs("fairvisord: decides which requests may pass, for the gateway in front of it.\n\nUsage: fairvisord "
          "[OPTION]...\n",
          out);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];
        char left[40];

        snprintf(left, sizeof(left), "-%c, --%s%s%s", row->letter, row->name, row->argument ? "=" : "",
                 row->argument ? row->argument : "");
        fprintf(out, "  %-22s %s\n", left, row->help);
    }
    fputs("\nExit codes: 0 well; 64 usage; 65 bad bundle; 66 file missing; 69 not running; 70 a bug; 71 system;\n"
          "73 already running, or pidfile; 77 permission; 78 bad settings.\n",
          out);
}
