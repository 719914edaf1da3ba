/* SPDX-License-Identifier: MPL-2.0
 *
 * One more file, and the oldest away: see history.h. The files are copies for convenience: they are not forced to the
 * disk.
 */
#include "master/history.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/folders.h"
#include "shm/kept.h"
#include "shm/log.h"

#define LOOK_AT 64 /* more than are ever left behind */

static bool is_same(const char *path, const struct source *source)
{
    struct source kept;
    struct failure failure;
    bool same;

    if (!source_read(path, &kept, &failure))
        return false;
    same = strcmp(kept.digest, source->digest) == 0;
    source_free(&kept);
    return same;
}

static void remove_oldest(const struct settings *settings, const uint32_t *numbers, size_t count)
{
    char path[KEPT_PATH_SIZE];

    for (size_t i = 0; i + KEPT_MAX <= count; i++) { /* one less than KEPT_MAX stay, for the new one */
        kept_path(settings, numbers[i], path);
        if (unlink(path) != 0)
            log_errno(LOG_LEVEL_WARNING, "the old bundle %s could not be removed", path);
    }
}

void history_keep(const struct settings *settings, const struct source *source)
{
    uint32_t numbers[LOOK_AT];
    char path[KEPT_PATH_SIZE];
    struct failure failure;
    size_t count;

    kept_folder(settings, path);
    if ((mkdir(path, 0700) != 0 && errno != EEXIST) || !kept_list(settings, numbers, LOOK_AT, &count)) {
        log_errno(LOG_LEVEL_WARNING, "the bundle is not kept for `fairvisor connect --rollback`: %s", path);
        return;
    }
    if (count > 0) {
        kept_path(settings, numbers[count - 1], path);
        if (is_same(path, source))
            return;
    }
    remove_oldest(settings, numbers, count);
    kept_path(settings, count > 0 ? numbers[count - 1] + 1 : 1, path);
    if (!folders_replace_file(path, source->bytes, source->size, 0600, getegid(), &failure))
        log_line(LOG_LEVEL_WARNING, "the bundle is not kept for `fairvisor connect --rollback`: %s", failure.sentence);
}
