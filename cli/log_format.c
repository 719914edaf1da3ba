/* SPDX-License-Identifier: MPL-2.0
 *
 * A file of one log_format: see log_format.h. Of the directive, all its quoted strings together are the format.
 */
#include "cli/log_format.h"

#include <stdlib.h>
#include <string.h>

#include "cli/input.h"

#define DIRECTIVE "log_format"
#define SPACES    " \t\r\n"

/* Takes the string in quotes at *AT, without its backslashes; false when its end is missing. */
static bool take_quoted(const char **at, char *to, size_t *size)
{
    char quote = *(*at)++;

    while (**at != '\0' && **at != quote) {
        if (**at == '\\' && (*at)[1] == quote)
            ++*at;
        to[(*size)++] = *(*at)++;
    }
    if (**at == '\0')
        return false;
    ++*at;
    return true;
}

/* log_format NAME [escape=WORD] 'PART' 'PART'...; */
static bool read_directive(const char *text, char *format)
{
    const char *at = text + strcspn(text, "'\"");
    size_t size = 0;

    while (*at == '\'' || *at == '"') {
        if (!take_quoted(&at, format, &size))
            return false;
        at += strspn(at, SPACES);
    }
    format[size] = '\0';
    return size > 0 && *at == ';' && at[1 + strspn(at + 1, SPACES)] == '\0';
}

static void trim(char *text)
{
    size_t size = strlen(text), before = strspn(text, SPACES);

    while (size > before && strchr(SPACES, text[size - 1]))
        size--;
    memmove(text, text + before, size - before);
    text[size - before] = '\0';
}

static bool parse(char *text, const char *path, struct failure *failure)
{
    trim(text);
    if (*text == '\0')
        return failure_set(failure, EXIT_CODE_BAD_BUNDLE, "%s holds no format of a log", path);
    if (strncmp(text, DIRECTIVE, strlen(DIRECTIVE)) == 0)
        return read_directive(text, text) || /* never ahead of what is read */
               failure_set(failure, EXIT_CODE_BAD_BUNDLE, "%s is not one directive of nginx: log_format NAME '...' '...';",
                           path);
    return !strpbrk(text, "\r\n") ||
           failure_set(failure, EXIT_CODE_BAD_BUNDLE,
                       "%s holds several lines: one format, or one directive log_format of nginx, is wanted", path);
}

bool log_format_read(const char *word, char **format, struct failure *failure)
{
    struct input input = {.data = NULL};
    bool is_file = word[0] == '@', is_read = !is_file || input_read(word + 1, &input, failure);

    *format = NULL;
    if (is_read) {
        *format = is_file && input.data ? strndup(input.data, input.size) : strdup(is_file ? "" : word);
        is_read = *format ? !is_file || parse(*format, input_name(word + 1), failure)
                          : failure_set(failure, EXIT_CODE_OS, "memory is out");
    }
    input_free(&input);
    return is_read;
}
