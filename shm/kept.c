/* SPDX-License-Identifier: MPL-2.0
 *
 * Names of kept bundles: see kept.h.
 */
#include "shm/kept.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

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

uint32_t kept_read_place(const struct settings *settings)
{
    char path[KEPT_PATH_SIZE], line[16] = "";
    uint64_t number;
    FILE *file;

    kept_place_path(settings, path);
    file = fopen(path, "re");
    if (!file)
        return 0;
    if (!fgets(line, sizeof(line), file))
        line[0] = '\0';
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    return quantity_parse_count(slice_of(line), &number) && number <= KEPT_HIGHEST ? (uint32_t)number : 0;
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
