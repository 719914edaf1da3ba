/* SPDX-License-Identifier: MPL-2.0
 *
 * Help and complaints about the command line itself.
 */
#include "cli/command.h"

#include <getopt.h>
#include <stdarg.h>
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

/* For the '?' and ':' of getopt_long(3): optopt is 0 for an unknown long option. */
int command_refuse_option(const struct command *command, char **words)
{
    const char *word = words[optind - 1];

    if (optopt == 0 || strncmp(word, "--", 2) == 0)
        return command_refuse(command, "the option %s is unknown, or its argument is missing or one too many", word);
    return command_refuse(command, "the option -%c is unknown, or its argument is missing", optopt);
}

int command_fail(const struct failure *failure)
{
    fprintf(stderr, "fairvisor: %s\n", failure->sentence);
    return (int)failure->code;
}
