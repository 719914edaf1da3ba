/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisord: reads the command line, then checks, gives an order, or serves. Prints the one sentence of whatever
 * failed and exits with its code.
 */
#include "config.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/check.h"
#include "master/configure.h"
#include "master/control.h"
#include "master/daemon.h"
#include "master/finish.h"
#include "master/master.h"
#include "master/start.h"
#include "shm/log.h"

#define MOST_OTHERS 20 /* mistakes in the settings that are told behind the first */

/* The path to execute in an upgrade: as we were called, so that a new file of the same name is found, or else the file
 * itself. */
static bool find_program(const char *name, char program[PATH_MAX])
{
    char folder[PATH_MAX];
    ssize_t size;
    int length;

    if (name && name[0] == '/') {
        length = snprintf(program, PATH_MAX, "%s", name);
        return length < PATH_MAX;
    }
    if (name && strchr(name, '/') && getcwd(folder, sizeof(folder))) {
        length = snprintf(program, PATH_MAX, "%s/%s", folder, name);
        return length < PATH_MAX;
    }
    size = readlink("/proc/self/exe", program, PATH_MAX - 1);
    program[size > 0 ? size : 0] = '\0';
    return size > 0;
}

/* A daemon has no standard error; saying so beats losing every line. */
static void choose_daemon_log(struct settings *settings)
{
    if (settings->log != SETTINGS_LOG_STDERR)
        return;
    settings->log = SETTINGS_LOG_SYSLOG;
    fputs("fairvisord: in the background there is no standard error: the log goes to syslog (setting `log`)\n", stderr);
}

static bool read_letter(struct letter *letter, bool *is_upgrade, struct failure *failure)
{
    const char *text = getenv(LETTER_VARIABLE);

    *is_upgrade = text != NULL;
    if (!text)
        return true;
    if (!letter_parse(text, letter, failure))
        return false;
    unsetenv(LETTER_VARIABLE);
    return true;
}

static int print_failure(const struct failure *failure, int console_fd)
{
    if (failure->code != EXIT_CODE_OK)
        dprintf(console_fd, "fairvisord: %s\n", failure->sentence);
    return (int)failure->code;
}

/* Mistakes in the settings that come behind the first one. */
struct others {
    const char *first;
    unsigned count;
};

static void print_other(void *context, const char *sentence)
{
    struct others *others = context;

    if (strcmp(sentence, others->first) != 0 && ++others->count <= MOST_OTHERS)
        dprintf(STDERR_FILENO, "fairvisord: %s\n", sentence);
}

/* Whoever has several mistakes to mend need not find them one by one. */
static int print_mistakes(const struct options *options, const struct failure *failure)
{
    struct others others = {.first = failure->sentence};

    print_failure(failure, STDERR_FILENO);
    if (failure->code == EXIT_CODE_BAD_CONFIG)
        configure_tell_mistakes(options, print_other, &others);
    if (others.count > MOST_OTHERS)
        dprintf(STDERR_FILENO, "fairvisord: and %u more\n", others.count - MOST_OTHERS);
    return (int)failure->code;
}

/* Whatever we were started with: 0 to 2 are open, so that no socket ever gets their numbers, and nothing else is passed
 * on. */
static bool tidy_descriptors(struct failure *failure)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd < 0 || close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) != 0)
        return failure_set_errno(failure, EXIT_CODE_OS, "the standard descriptors could not be set up");
    close(fd);
    return true;
}

static int serve(struct master *master, struct settings *settings, struct failure *failure)
{
    struct letter letter;
    bool is_upgrade;

    if (!tidy_descriptors(failure) || !read_letter(&letter, &is_upgrade, failure))
        return print_failure(failure, STDERR_FILENO);
    if (master->options.is_daemon)
        choose_daemon_log(settings);
    if (!is_upgrade && logsink_lacks_syslog(settings))
        fputs("fairvisord: warning: " LOGSINK_NO_SYSLOG "\n", stderr);
    if (master->options.is_daemon && !is_upgrade && !daemon_detach(master, failure))
        return print_failure(failure, STDERR_FILENO);
    if (!start_service(master, settings, is_upgrade ? &letter : NULL, failure)) {
        if (master->logsink.kind != SETTINGS_LOG_STDERR)
            log_line(LOG_LEVEL_ERROR, "%s", failure->sentence);
        logsink_flush(&master->logsink);
        return print_failure(failure, master->logsink.console_fd);
    }
    master_run(master);
    finish_service(master);
    return EXIT_CODE_OK;
}

static void init(struct master *master, char **arguments, char **environment)
{
    memset(master, 0, sizeof(*master));
    master->arguments = arguments;
    master->environment = environment;
    master->daemon_fd = -1;
    master->lock_fd = -1;
    master->arena_fd = -1;
    master->upgrade.report_fd = -1;
    master->logsink.console_fd = STDERR_FILENO;
}

/* Whoever stops a service at night does not mend its settings first; a reload takes them, and must take all of them. */
static int give_order(const struct options *options, char **environment, struct failure *failure)
{
    struct settings settings;
    struct failure passed_over = {.code = EXIT_CODE_OK};
    bool is_found = options->order == OPTIONS_ORDER_RELOAD
                        ? configure_read(options, environment, &settings, failure)
                        : configure_find(options, environment, &settings, &passed_over, failure);

    if (is_found && passed_over.code != EXIT_CODE_OK)
        dprintf(STDERR_FILENO, "fairvisord: warning: %s (passed over here; a reload or a start will refuse it)\n",
                passed_over.sentence);
    return is_found && control_run(&settings, options->order, failure) ? EXIT_CODE_OK : print_failure(failure, STDERR_FILENO);
}

int main(int count, char **arguments, char **environment)
{
    struct master master;
    struct settings settings;
    struct failure failure = {.code = EXIT_CODE_OK};
    const struct options *options = &master.options;

    init(&master, arguments, environment);
    log_init("master", LOG_LEVEL_INFO, false);
    if (!options_parse(count, arguments, &master.options, &failure))
        return print_failure(&failure, STDERR_FILENO);
    if (options->wants_help || options->wants_version) {
        if (options->wants_help)
            options_print_help(stdout);
        else
            printf("fairvisord %s\n", PACKAGE_VERSION);
        return fflush(stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_OS;
    }
    if (!find_program(arguments[0], master.program))
        return print_failure((failure_set(&failure, EXIT_CODE_OS, "/proc is not mounted"), &failure), STDERR_FILENO);
    if (options->order != OPTIONS_ORDER_NONE && !options->is_test)
        return give_order(options, environment, &failure);
    if (!configure_read(options, environment, &settings, &failure))
        return print_mistakes(options, &failure);
    if (options->is_test)
        return check_settings(&settings, options->prints, &failure) ? 0 : print_failure(&failure, STDERR_FILENO);
    return serve(&master, &settings, &failure);
}
