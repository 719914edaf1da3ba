/* SPDX-License-Identifier: MPL-2.0
 *
 * Secrets from text and file: see setting_secret.h.
 */
#include "shm/setting_secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm/setting_value.h"

bool setting_secret_is_file(const struct setting_row *row, struct slice name)
{
    static const struct slice ending = {"_file", 5};

    return row->kind == SETTING_KIND_SECRET && name.size > ending.size &&
           slice_equal_nocase((struct slice){name.data + name.size - ending.size, ending.size}, ending);
}

bool setting_secret_parse(struct settings *settings, const struct setting_row *row, struct slice value, char *why)
{
    if (value.size < row->low || value.size > row->high)
        return setting_refuse_value(why, row);
    for (size_t i = 0; i < value.size; i++)
        if (value.data[i] <= ' ' || value.data[i] == 0x7f)
            return setting_refuse_value(why, row);
    setting_value_copy((char *)settings + row->offset, value);
    return true;
}

void setting_secret_print(const struct settings *settings, const struct setting_row *row, FILE *out)
{
    (void)settings;
    (void)row;
    fputs("(not shown)", out);
}

static bool refuse_open(char *why, enum exit_code *code)
{
    *code = errno == EACCES || errno == EPERM ? EXIT_CODE_PERMISSION : EXIT_CODE_NO_INPUT;
    return setting_refuse(why, "the file cannot be read: %s", strerror(errno));
}

static bool read_first(const char *path, char *text, size_t room, size_t *size, char *why, enum exit_code *code)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat facts;
    ssize_t got;

    if (fd < 0)
        return refuse_open(why, code);
    if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode)) {
        close(fd);
        return setting_refuse(why, "it is no regular file");
    }
    got = read(fd, text, room);
    close(fd);
    if (got < 0)
        return setting_refuse(why, "the file cannot be read: %s", strerror(errno));
    *size = (size_t)got;
    return true;
}

bool setting_secret_read(struct settings *settings, const struct setting_row *row, struct slice value, char *why,
                         enum exit_code *code)
{
    char path[SETTINGS_PATH_SIZE], text[SETTINGS_TEXT_SIZE + 2];
    char what[SETTING_WHY_SIZE - 32];
    size_t size = 0;

    if (!setting_value_check_path(value, sizeof(path), why))
        return false;
    setting_value_copy(path, value);
    if (!read_first(path, text, sizeof(text), &size, why, code))
        return false;
    if (size > 0 && text[size - 1] == '\n')
        size--;
    if (setting_secret_parse(settings, row, (struct slice){text, size}, why))
        return true;
    setting_describe(row, what, sizeof(what));
    return setting_refuse(why, "the file must hold %s", what);
}
