/* SPDX-License-Identifier: MPL-2.0
 *
 * Names of kept bundles: see kept.h.
 */
#include "shm/kept.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shm/quantity.h"

void kept_folder(const struct settings *settings, char path[KEPT_PATH_SIZE])
{
    snprintf(path, KEPT_PATH_SIZE, "%s/%s.bundles", settings->state_dir, settings->instance);
}

void kept_path(const struct settings *settings, uint32_t number, char path[KEPT_PATH_SIZE])
{
    snprintf(path, KEPT_PATH_SIZE, "%s/%s.bundles/%08u.json", settings->state_dir, settings->instance, number);
}

void kept_place_path(const struct settings *settings, char path[KEPT_PATH_SIZE])
{
    snprintf(path, KEPT_PATH_SIZE, "%s/%s.bundles/served", settings->state_dir, settings->instance);
}

/* The start of a file as a string; empty when there is none. O_NONBLOCK: a fifo must not be waited for. */
static void read_start(const char *path, char *text, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t got = fd >= 0 ? read(fd, text, room - 1) : 0;

    text[got > 0 ? got : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

uint32_t kept_read_place(const struct settings *settings)
{
    char path[KEPT_PATH_SIZE], line[16];
    uint64_t number;

    kept_place_path(settings, path);
    read_start(path, line, sizeof(line));
    line[strcspn(line, "\n")] = '\0';
    return quantity_parse_count(slice_of(line), &number) && number <= KEPT_HIGHEST ? (uint32_t)number : 0;
}

void kept_note_path(const struct settings *settings, uint32_t number, char path[KEPT_PATH_SIZE])
{
    snprintf(path, KEPT_PATH_SIZE, "%s/%s.bundles/%08u.note", settings->state_dir, settings->instance, number);
}

size_t kept_print_note(const struct kept_note *note, char text[KEPT_NOTE_SIZE])
{
    int size = snprintf(text, KEPT_NOTE_SIZE, "%s %" PRId64 " %s\n", note->how, note->user, note->reason);

    return size > 0 ? (size_t)size : 0;
}

bool kept_read_note(const struct settings *settings, uint32_t number, struct kept_note *note)
{
    char path[KEPT_PATH_SIZE], text[KEPT_NOTE_SIZE];
    size_t size;
    int at = 0;

    memset(note, 0, sizeof(*note));
    kept_note_path(settings, number, path);
    read_start(path, text, sizeof(text));
    size = strlen(text);
    if (size > 0 && text[size - 1] == '\n')
        text[--size] = '\0';
    if (sscanf(text, "%15[a-z] %" SCNd64 "%n", note->how, &note->user, &at) == 2 && text[at] == ' ' &&
        note->user >= KEPT_USER_UNKNOWN && note->user <= UINT32_MAX && size - (size_t)at - 1 < sizeof(note->reason)) {
        memcpy(note->reason, text + at + 1, size - (size_t)at);
        return true;
    }
    memset(note, 0, sizeof(*note));
    note->user = KEPT_USER_UNKNOWN;
    return false;
}

/* Number of a file called NAME; 0 for any other file. */
static uint32_t number_of(const char *name)
{
    uint32_t number = 0;

    if (strlen(name) != sizeof("00000000.json") - 1 || strcmp(name + 8, ".json") != 0)
        return 0;
    for (int i = 0; i < 8; i++) {
        if (name[i] < '0' || name[i] > '9')
            return 0;
        number = number * 10 + (uint32_t)(name[i] - '0');
    }
    return number;
}

/* Puts NUMBER into its place; when there is no room, the lowest goes. */
static void insert(uint32_t *numbers, size_t room, size_t *count, uint32_t number)
{
    size_t i;

    if (*count == room && (room == 0 || number < numbers[0]))
        return;
    if (*count == room)
        memmove(numbers, numbers + 1, --*count * sizeof(*numbers));
    for (i = *count; i > 0 && numbers[i - 1] > number; i--)
        numbers[i] = numbers[i - 1];
    numbers[i] = number;
    ++*count;
}

bool kept_list(const struct settings *settings, uint32_t *numbers, size_t room, size_t *count)
{
    char path[KEPT_PATH_SIZE];
    const struct dirent *entry;
    DIR *folder;

    *count = 0;
    kept_folder(settings, path);
    folder = opendir(path);
    if (!folder)
        return errno == ENOENT;
    while ((entry = readdir(folder)) != NULL)
        if (number_of(entry->d_name) > 0)
            insert(numbers, room, count, number_of(entry->d_name));
    closedir(folder);
    return true;
}
