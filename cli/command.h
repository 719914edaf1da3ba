/* SPDX-License-Identifier: MPL-2.0
 *
 * What a command of fairvisor(1) is, and what all of them say alike.
 */
#ifndef FAIRVISOR_CLI_COMMAND_H
#define FAIRVISOR_CLI_COMMAND_H

#include <stdio.h>

#include "shm/failure.h"

struct command {
    const char *name;
    /* WORDS[0] is the command's name. Returns the exit code. */
    int (*run)(const struct command *command, int count, char **words);
    const char *sentence;
    const char *usage; /* behind "fairvisor " */
    const char *details;
    const char *examples;
};

void command_print_help(const struct command *command, FILE *out);

/* Say on standard error what is wrong and what to do; return the exit code. */
int command_refuse(const struct command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
int command_refuse_option(const struct command *command, int answer, char **words);
int command_fail(const struct failure *failure);

#endif
