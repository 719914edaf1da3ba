/* SPDX-License-Identifier: MPL-2.0
 *
 * Reads a bundle from a file or standard input: see input.h.
 */
#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/load.h"
#include "shm/moment.h"

#define FIRST_ROOM   (64u << 10)
#define MOST_OF_BODY ((size_t)1 << 30) /* the highest max_body_bytes */

const char *input_name(const char *path)
{
    return strcmp(path, "-") == 0 ? "(standard input)" : path;
}

static bool refuse(const char *path, struct failure *failure)
{
    enum exit_code code = errno == ENOENT || errno == ENOTDIR ? EXIT_CODE_NO_INPUT
                          : errno == EACCES                   ? EXIT_CODE_PERMISSION
                                                              : EXIT_CODE_OS;

    return failure_set_errno(failure, code, "%s cannot be read", input_name(path));
}

static bool grow(struct input *input)
{
    size_t room = input->room ? input->room * 2 : FIRST_ROOM;
    char *larger = realloc(input->data, room);

    if (!larger)
        return false;
    input->data = larger;
    input->room = room;
    return true;
}

static bool read_all(int fd, const char *path, size_t most, const char *what, struct input *input, struct failure *failure)
{
    ssize_t got;

    do {
        if (input->size == input->room && !grow(input))
            return refuse(path, failure);
        got = read(fd, input->data + input->size, input->room - input->size);
        if (got < 0 && errno != EINTR)
            return refuse(path, failure);
        input->size += got > 0 ? (size_t)got : 0;
        if (input->size > most)
            return failure_set(failure, EXIT_CODE_BAD_BUNDLE, "%s is larger than the %zu MiB that a %s may have",
                               input_name(path), most >> 20, what);
    } while (got != 0);
    return true;
}

static bool read_path(const char *path, size_t most, const char *what, struct input *input, struct failure *failure)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct stat facts;
    bool is_read;

    *input = (struct input){.data = NULL};
    if (fd < 0)
        return refuse(path, failure);
    if (fstat(fd, &facts) == 0 && S_ISDIR(facts.st_mode)) {
        if (!is_stdin)
            close(fd);
        return failure_set(failure, EXIT_CODE_NO_INPUT, "%s is a folder; name the file of the %s", input_name(path),
                           what);
    }
    is_read = read_all(fd, path, most, what, input, failure);
    if (!is_stdin)
        close(fd);
    return is_read;
}

bool input_read(const char *path, struct input *input, struct failure *failure)
{
    return read_path(path, LOAD_MAX_BYTES, "bundle", input, failure);
}

bool input_read_regular(const char *path, struct input *input, struct failure *failure)
{
    struct stat facts;

    *input = (struct input){.data = NULL};
    if (stat(path, &facts) != 0)
        return refuse(path, failure);
    if (!S_ISREG(facts.st_mode))
        return failure_set(failure, EXIT_CODE_NO_INPUT, "%s is not a regular file", path);
    return input_read(path, input, failure);
}

bool input_read_body(const char *path, struct input *input, struct failure *failure)
{
    return read_path(path, MOST_OF_BODY, "body", input, failure);
}

bool input_read_log(const char *path, struct input *input, struct failure *failure)
{
    return read_path(path, SIZE_MAX, "log", input, failure);
}

void input_free(struct input *input)
{
    free(input->data);
    *input = (struct input){.data = NULL};
}

bool input_parse_at(const struct input *input, const char *path, int64_t now_s, struct bundle **bundle, struct failure *failure)
{
    static struct complaint_list complaints;

    *bundle = load_bundle(input_slice(input), now_s, &complaints);
    if (*bundle)
        return true;
    for (size_t i = 0; i < complaints.count; i++)
        if (complaints.items[i].severity == COMPLAINT_ERROR)
            complaint_print(&complaints.items[i], input_name(path), stderr);
    return failure_set(failure, EXIT_CODE_BAD_BUNDLE, "%s is not a valid bundle; `fairvisor validate` shows the places",
                       input_name(path));
}

bool input_load_at(const char *path, int64_t now_s, struct bundle **bundle, struct failure *failure)
{
    struct input input;
    bool is_loaded;

    *bundle = NULL;
    is_loaded = input_read(path, &input, failure) && input_parse_at(&input, path, now_s, bundle, failure);
    input_free(&input);
    return is_loaded;
}

bool input_load(const char *path, struct bundle **bundle, struct failure *failure)
{
    return input_load_at(path, moment_now().wall_ns / NANOSECONDS_PER_SECOND, bundle, failure);
}

bool input_read_value(char *text, size_t size, struct failure *failure)
{
    size_t length;

    if (!fgets(text, (int)size, stdin))
        text[0] = '\0';
    length = strlen(text);
    if (length > 0 && text[length - 1] == '\n')
        text[--length] = '\0';
    else if (length == size - 1 && getc(stdin) != EOF)
        return failure_set(failure, EXIT_CODE_USAGE, "the value on standard input is longer than %zu bytes", size - 1);
    return length > 0 ||
           failure_set(failure, EXIT_CODE_USAGE, "the value is to be read from standard input, whose first line is empty");
}
