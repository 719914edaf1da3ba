/* SPDX-License-Identifier: MPL-2.0
 *
 * One more file and the oldest away, or another place among them: see history.h. The files are copies for convenience:
 * they are not forced to the disk.
 */
#include "master/history.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/folders.h"
#include "shm/kept.h"
#include "shm/log.h"

#define LOOK_AT 64 /* more than are ever left behind */

struct history {
    const struct settings *settings;
    uint32_t numbers[LOOK_AT]; /* ascending */
    size_t count;
};

/* Has the kept one of NUMBER the bytes of SOURCE? */
static bool is_kept_as(const struct history *history, uint32_t number, const struct source *source)
{
    char path[KEPT_PATH_SIZE];
    struct source kept;
    struct failure failure;
    bool is_same;

    kept_path(history->settings, number, path);
    if (number == 0 || !source_read(path, &kept, &failure))
        return false;
    is_same = strcmp(kept.digest, source->digest) == 0;
    source_free(&kept);
    return is_same;
}

static bool write_file(const char *path, const void *bytes, size_t size)
{
    struct failure failure;

    if (folders_replace_file(path, bytes, size, 0600, getegid(), &failure))
        return true;
    log_line(LOG_LEVEL_WARNING, "the bundle is not kept for `fairvisor connect --rollback`: %s", failure.sentence);
    return false;
}

static bool write_place(const struct history *history, uint32_t number)
{
    char path[KEPT_PATH_SIZE], line[16];
    int length = snprintf(line, sizeof(line), "%u\n", number);

    if (kept_read_place(history->settings) == number)
        return true;
    kept_place_path(history->settings, path);
    return write_file(path, line, (size_t)length);
}

/* One less than KEPT_MAX stay, for a new one. */
static void remove_oldest(struct history *history)
{
    char path[KEPT_PATH_SIZE];

    while (history->count >= KEPT_MAX) {
        kept_path(history->settings, history->numbers[0], path);
        if (unlink(path) != 0)
            log_errno(LOG_LEVEL_WARNING, "the old bundle %s could not be removed", path);
        kept_note_path(history->settings, history->numbers[0], path);
        unlink(path); /* there is none of what an earlier version kept */
        memmove(history->numbers, history->numbers + 1, --history->count * sizeof(history->numbers[0]));
    }
}

static uint32_t last_of(const struct history *history)
{
    return history->count > 0 ? history->numbers[history->count - 1] : 0;
}

/* First the note: a number without a bundle is none. */
static bool write_note(const struct history *history, uint32_t number, const struct kept_note *note)
{
    char path[KEPT_PATH_SIZE], text[KEPT_NOTE_SIZE];

    kept_note_path(history->settings, number, path);
    return write_file(path, text, kept_print_note(note, text));
}

static bool append(struct history *history, const struct source *source, const struct kept_note *note)
{
    uint32_t number = last_of(history) + 1;
    char path[KEPT_PATH_SIZE];

    remove_oldest(history);
    kept_path(history->settings, number, path);
    if (!write_note(history, number, note) || !write_file(path, source->bytes, source->size))
        return false;
    history->numbers[history->count++] = number;
    return write_place(history, number);
}

/* Behind a return comes something new: the one returned to stands before it, for it was served before it. */
static bool repeat(struct history *history, uint32_t number)
{
    char path[KEPT_PATH_SIZE];
    struct failure failure;
    struct kept_note note;
    struct source kept;
    bool is_done;

    kept_path(history->settings, number, path);
    if (!source_read(path, &kept, &failure))
        return true; /* somebody has removed it */
    kept_read_note(history->settings, number, &note);
    is_done = append(history, &kept, &note);
    source_free(&kept);
    return is_done;
}

bool history_keep(const struct settings *settings, const struct source *source, uint32_t number, const struct kept_note *note)
{
    struct history history = {.settings = settings};
    uint32_t place = kept_read_place(settings);
    char path[KEPT_PATH_SIZE];

    kept_folder(settings, path);
    if ((mkdir(path, 0700) != 0 && errno != EEXIST) ||
        !kept_list(settings, history.numbers, LOOK_AT, &history.count)) {
        log_errno(LOG_LEVEL_WARNING, "the bundle is not kept for `fairvisor connect --rollback`: %s", path);
        return false;
    }
    if (place == 0)
        place = last_of(&history);
    if (is_kept_as(&history, number, source))
        return write_place(&history, number);
    if (is_kept_as(&history, place, source))
        return write_place(&history, place);
    if (place != last_of(&history) && !repeat(&history, place))
        return false;
    return append(&history, source, note);
}
