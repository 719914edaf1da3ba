/* SPDX-License-Identifier: MPL-2.0
 *
 * What a command of fairvisor(1) is, and what all of them say alike.
 */
#ifndef FAIRVISOR_CLI_COMMAND_H
#define FAIRVISOR_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "shm/failure.h"

struct command {
    const char *name;
    /* WORDS[0] is the command's name. Returns the exit code, or COMMAND_DONE. */
    int (*run)(const struct command *command, int count, char **words);
    const char *sentence;
    const char *usage; /* behind "fairvisor " */
    const char *details;
    const char *examples;
};

/* One option. Exactly one of the last three says what becomes of it. */
struct command_option {
    const char *name;  /* long, behind "--"; NULL: it has none */
    char letter;       /* short, behind "-"; '\0': it has none */
    bool *flag;        /* takes no argument; true when it was given */
    const char **text; /* takes an argument, which lives as long as the words */
    bool (*take)(void *context, const char *word, struct failure *failure); /* takes one and reads it at once */
};

#define COMMAND_GOES_ON (-1)

/* EXIT_CODE_OK of an order that changed something, which holds, whatever becomes of the words about it. */
#define COMMAND_DONE (-2)

/* Reads the COUNT options before and among WORDS; --help and -h are every command's. COMMAND_GOES_ON: optind is the first
 * word that is none. Otherwise help was printed or a complaint made, and this is the exit code. */
int command_read_options(const struct command *command, int word_count, char **words,
                         const struct command_option *options, size_t count, void *context);

void command_print_help(const struct command *command, FILE *out);

/* Say on standard error what is wrong and what to do; return the exit code. refuse: wrong use, with the usage behind it; fail:
 * anything else; answer: the one or the other, as the failure's code has it. */
int command_refuse(const struct command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
int command_fail(const struct failure *failure);
int command_answer(const struct command *command, const struct failure *failure);

#endif
