/* SPDX-License-Identifier: MPL-2.0
 *
 * Help and complaints about the command line itself.
 */
#include "cli/command.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

void command_print_help(const struct command *command, FILE *out)
{
    fprintf(out, "%s\n\nUsage: fairvisor %s\n", command->sentence, command->usage);
    if (command->details[0] != '\0')
        fprintf(out, "\n%s", command->details);
    fprintf(out, "\nExamples:\n%s", command->examples);
}

int command_refuse(const struct command *command, const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "fairvisor %s: ", command->name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nUsage: fairvisor %s\n`fairvisor help %s` tells more.\n", command->usage, command->name);
    return EXIT_CODE_USAGE;
}

/* ANSWER is the '?' or ':' of getopt_long(3), which leaves optopt 0 for a long option that it does not know. */
int command_refuse_option(const struct command *command, int answer, char **words)
{
    const char *word = words[optind - 1];
    char letter[] = {'-', (char)optopt, '\0'};
    bool is_long = strncmp(word, "--", 2) == 0;

    if (answer == ':')
        return command_refuse(command, "the option %s needs an argument", is_long ? word : letter);
    if (is_long && optopt != 0)
        return command_refuse(command, "the option %s takes no argument", word);
    return command_refuse(command, "there is no option %s", is_long ? word : letter);
}

int command_fail(const struct failure *failure)
{
    fprintf(stderr, "fairvisor: %s\n", failure->sentence);
    return (int)failure->code;
}
