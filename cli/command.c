/* SPDX-License-Identifier: MPL-2.0
 *
 * Options, help and complaints about the command line itself.
 */
#include "cli/command.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "shm/must.h"
#include "shm/utf8.h"

#define SENTENCE_SIZE 1024 /* a word in it may be longer: the start of it is enough */

void command_print_help(const struct command *command, FILE *out)
{
    fprintf(out, "%s\n\nUsage: fairvisor %s\n", command->sentence, command->usage);
    if (command->details[0] != '\0')
        fprintf(out, "\n%s", command->details);
    fprintf(out, "\nExamples:\n%s", command->examples);
}

int command_refuse(const struct command *command, const char *format, ...)
{
    char sentence[SENTENCE_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    utf8_tame(sentence); /* words of whoever asks may hold orders to the terminal */
    fprintf(stderr, "fairvisor %s: %s\nUsage: fairvisor %s\n`fairvisor help %s` tells more.\n", command->name, sentence,
            command->usage, command->name);
    return EXIT_CODE_USAGE;
}

int command_fail(const struct failure *failure)
{
    fprintf(stderr, "fairvisor: %s\n", failure->sentence);
    return (int)failure->code;
}

int command_answer(const struct command *command, const struct failure *failure)
{
    return failure->code == EXIT_CODE_USAGE ? command_refuse(command, "%s", failure->sentence) : command_fail(failure);
}

/* ANSWER is the '?' or ':' of getopt_long(3), which leaves optopt 0 for a long option that it does not know. */
static int refuse_option(const struct command *command, int answer, char **words)
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

#define MOST_OPTIONS 16
#define LONG_ONLY    256 /* what getopt_long gives back for the first option of the table */

/* Both tables of getopt_long; --help is the last. */
static void describe(const struct command_option *options, size_t count, struct option *longs, char *letters)
{
    char *letter = letters;
    size_t used = 0;

    *letter++ = ':';
    *letter++ = 'h';
    for (size_t i = 0; i < count; i++) {
        if (options[i].name)
            longs[used++] = (struct option){options[i].name, options[i].flag ? no_argument : required_argument, NULL,
                                            LONG_ONLY + (int)i};
        if (options[i].letter != '\0')
            *letter++ = options[i].letter;
        if (options[i].letter != '\0' && !options[i].flag)
            *letter++ = ':';
    }
    *letter = '\0';
    longs[used++] = (struct option){"help", no_argument, NULL, 'h'};
    longs[used] = (struct option){NULL, 0, NULL, 0};
}

static const struct command_option *find_option(const struct command_option *options, size_t count, int answer)
{
    for (size_t i = 0; i < count; i++)
        if (answer == LONG_ONLY + (int)i || (options[i].letter != '\0' && answer == options[i].letter))
            return &options[i];
    return NULL;
}

static bool take(const struct command_option *option, void *context, struct failure *failure)
{
    if (option->take)
        return option->take(context, optarg, failure);
    if (option->flag)
        *option->flag = true;
    else
        *option->text = optarg;
    return true;
}

int command_read_options(const struct command *command, int word_count, char **words,
                         const struct command_option *options, size_t count, void *context)
{
    struct option longs[MOST_OPTIONS + 2];
    char letters[2 * MOST_OPTIONS + 3];
    struct failure failure;
    int answer;

    MUST(count <= MOST_OPTIONS);
    describe(options, count, longs, letters);
    opterr = 0;
    while ((answer = getopt_long(word_count, words, letters, longs, NULL)) != -1) {
        const struct command_option *option = find_option(options, count, answer);

        if (answer == 'h') {
            command_print_help(command, stdout);
            return EXIT_CODE_OK;
        }
        if (!option)
            return refuse_option(command, answer, words);
        if (!take(option, context, &failure))
            return command_answer(command, &failure);
    }
    return COMMAND_GOES_ON;
}
