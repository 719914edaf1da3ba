/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor(1): the table of commands. Each lives in the file of its name, takes its words and returns the exit code.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/explain.h"
#include "cli/status.h"
#include "cli/validate.h"

static int run_version(const struct command *command, int count, char **words)
{
    if (count > 1 && strcmp(words[1], "--help") != 0)
        return command_refuse(command, "'%s' is one argument too many", words[1]);
    if (count > 1)
        command_print_help(command, stdout);
    else
        puts("fairvisor " PACKAGE_VERSION);
    return EXIT_CODE_OK;
}

static int run_help(const struct command *command, int count, char **words)
{
    const struct command *about;

    if (count > 2)
        return command_refuse(command, "'%s' is one argument too many", words[2]);
    if (count == 1) {
        command_print_overview(stdout);
        return EXIT_CODE_OK;
    }
    about = strcmp(words[1], "--help") == 0 ? command : command_find(words[1]);
    if (!about)
        return command_refuse_name(words[1]);
    command_print_help(about, stdout);
    return EXIT_CODE_OK;
}

const struct command command_table[] = {
    {"validate", validate_run, "Check a policy bundle and say what is wrong with it, and where.",
     "validate [--strict] [--format text|json] FILE|-", VALIDATE_DETAILS, VALIDATE_EXAMPLES},
    {"status", status_run, "Tell whether an instance runs and how it is.",
     "status [-c FILE] [--instance NAME] [--json]", STATUS_DETAILS, STATUS_EXAMPLES},
    {"explain", explain_run, "Tell what would happen to a request, and why, without charging it.",
     "explain [-c FILE] [--bundle FILE] [--instance NAME] [--json]\n"
     "                         METHOD URI [-H 'NAME: VALUE']... [--client ADDRESS]",
     EXPLAIN_DETAILS, EXPLAIN_EXAMPLES},
    {"version", run_version, "Print the version.", "version", "", "  fairvisor version\n"},
    {"help", run_help, "Print this overview, or what one command does.", "help [COMMAND]", "",
     "  fairvisor help\n  fairvisor help validate\n"},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};

/* Words that people try before they know the commands. */
static const char *command_of(const char *word)
{
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return "help";
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        return "version";
    return word;
}

int main(int count, char **words)
{
    const struct command *command;
    int code;

    if (count < 2) {
        command_print_overview(stderr);
        return EXIT_CODE_USAGE;
    }
    command = command_find(command_of(words[1]));
    if (!command)
        return command_refuse_name(words[1]);
    code = command->run(command, count - 1, words + 1);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "fairvisor: standard output cannot be written: %s\n", strerror(errno));
        return EXIT_CODE_OS;
    }
    return code;
}
