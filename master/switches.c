/* SPDX-License-Identifier: MPL-2.0
 *
 * change the list -> publish it -> write it down, in this order: what is to be stopped is stopped even when the disk is
 * full.
 */
#include "master/switches.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/folders.h"
#include "policy/decide.h"
#include "policy/load.h"
#include "shm/log.h"
#include "shm/moment.h"
#include "shm/owner.h"
#include "shm/siphash.h"

#define SWITCHES_MAGIC UINT64_C(0x31736c6c696b7666) /* "fvkills1" */

struct switches_file {
    uint64_t magic;
    uint64_t digest[2]; /* of the table: a torn file must not look whole */
    struct kills_table table;
};

static void make_digest(const struct kills_table *table, uint64_t digest[2])
{
    static const uint64_t no_secret[2] = {SWITCHES_MAGIC, sizeof(struct switches_file)};

    siphash_of(no_secret, table, sizeof(*table), digest);
}

/* ---- the file ------------------------------------------------------------------------------------------------------ */

static bool is_row(const struct kills_row *row)
{
    struct descriptor descriptor;

    return load_key_parse(slice_of(row->key), &descriptor) && row->value[0] != '\0';
}

static bool is_whole(const struct switches_file *file)
{
    uint64_t digest[2];

    make_digest(&file->table, digest);
    if (file->magic != SWITCHES_MAGIC || memcmp(digest, file->digest, sizeof(digest)) != 0 ||
        file->table.count > KILLS_MAX)
        return false;
    for (uint32_t i = 0; i < file->table.count; i++)
        if (!is_row(&file->table.rows[i]))
            return false;
    return true;
}

static void refuse_file(const char *path)
{
    char aside[PATH_MAX + 16];

    snprintf(aside, sizeof(aside), "%s.refused", path);
    log_line(LOG_LEVEL_ERROR,
             "%s is damaged, of another version or of another user: its kill switches do NOT hold; it is set aside as %s, set them again "
             "with `fairvisor kill`", path, aside);
    if (rename(path, aside) != 0)
        log_errno(LOG_LEVEL_WARNING, "%s could not be renamed", path);
}

static bool is_ours(int fd)
{
    struct stat facts;

    return fstat(fd, &facts) == 0 && owner_is_trusted(facts.st_uid) && !(facts.st_mode & S_IWOTH);
}

/* Leaves the table empty when there is no file. */
static void read_file(struct switches *switches)
{
    struct switches_file *file = malloc(sizeof(*file));
    int fd = open(switches->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char surplus;

    if (fd < 0 && errno == ELOOP) /* a symbolic link is no file of ours */
        refuse_file(switches->path);
    else if (fd < 0 && errno != ENOENT)
        log_errno(LOG_LEVEL_ERROR, "%s could not be opened: the kill switches in it do NOT hold", switches->path);
    if (fd >= 0 && file && is_ours(fd) && read(fd, file, sizeof(*file)) == (ssize_t)sizeof(*file) && read(fd, &surplus, 1) == 0 &&
        is_whole(file)) {
        switches->table = file->table;
        kills_tame(&switches->table);
    } else if (fd >= 0) {
        refuse_file(switches->path);
    }
    if (fd >= 0)
        close(fd);
    free(file);
}

static bool write_file(const struct switches *switches, struct failure *failure)
{
    struct switches_file *file = calloc(1, sizeof(*file));
    bool is_written;

    if (!file)
        return failure_set(failure, EXIT_CODE_OS, "memory is out");
    file->magic = SWITCHES_MAGIC;
    file->table = switches->table;
    make_digest(&file->table, file->digest);
    is_written = folders_keep_file(switches->path, file, sizeof(*file), failure);
    free(file);
    return is_written;
}

/* ---- the list ------------------------------------------------------------------------------------------------------ */

static struct kills_row *find_row(struct switches *switches, const struct door_request *request)
{
    for (uint32_t i = 0; i < switches->table.count; i++) {
        struct kills_row *row = &switches->table.rows[i];

        if (strcmp(row->key, request->pairs[0].key) == 0 && strcmp(row->value, request->pairs[0].value) == 0 &&
            strcmp(row->route, request->route) == 0)
            return row;
    }
    return NULL;
}

static void remove_row(struct switches *switches, struct kills_row *row)
{
    struct kills_row *last = &switches->table.rows[--switches->table.count];

    if (row != last)
        *row = *last;
    memset(last, 0, sizeof(*last));
}

static int64_t now_s(void)
{
    return moment_now().wall_ns / NANOSECONDS_PER_SECOND;
}

static bool check(const struct door_request *request, struct failure *failure)
{
    struct descriptor descriptor;

    if (request->pair_count != 1 || request->pairs[0].value[0] == '\0' ||
        !load_key_parse(slice_of(request->pairs[0].key), &descriptor))
        return failure_set(failure, EXIT_CODE_USAGE, "a kill switch is about one key and its value");
    if (request->expires_at <= now_s())
        return failure_set(failure, EXIT_CODE_USAGE, "a kill switch must end in the future");
    return true;
}

static struct kills_row *take_row(struct switches *switches, const struct door_request *request, bool *was_there)
{
    struct kills_row *row = find_row(switches, request);

    *was_there = row != NULL;
    if (!row && switches->table.count < KILLS_MAX)
        row = &switches->table.rows[switches->table.count++];
    return row;
}

bool switches_add(struct switches *switches, const struct door_request *request, bool *was_there,
                  struct failure *failure)
{
    struct failure why;
    struct kills_row *row;

    if (!check(request, failure))
        return false;
    row = take_row(switches, request, was_there);
    if (!row)
        return failure_set(failure, EXIT_CODE_REFUSED,
                           "all %d kill switches that can be set by hand are in use: remove one "
                           "(`fairvisor kill --list`), or put some into the bundle, where there is room for thousands",
                           KILLS_MAX);
    memset(row, 0, sizeof(*row));
    row->expires_at = request->expires_at;
    row->made_at = now_s();
    memcpy(row->key, request->pairs[0].key, sizeof(row->key));
    memcpy(row->value, request->pairs[0].value, sizeof(row->value));
    memcpy(row->route, request->route, sizeof(row->route));
    memcpy(row->reason, request->reason, sizeof(row->reason));
    kills_publish(switches->arena, &switches->table);
    if (write_file(switches, &why))
        return true;
    return failure_set(failure, EXIT_CODE_OS, "the kill switch holds, but only until a restart of the service: %s",
                       why.sentence);
}

/* Who forgets the route, or has one too many, is told of the one that there is for the same key and value. */
static bool refuse_removal(const struct switches *switches, const struct door_request *request, struct failure *failure)
{
    for (uint32_t i = 0; i < switches->table.count && request->pair_count == 1; i++) {
        const struct kills_row *row = &switches->table.rows[i];

        if (strcmp(row->key, request->pairs[0].key) != 0 || strcmp(row->value, request->pairs[0].value) != 0)
            continue;
        if (!row->route[0])
            return failure_set(failure, EXIT_CODE_REFUSED,
                               "no such kill switch was set by hand, but one of this key and value for every path: leave out "
                               "--route to lift it");
        return failure_set(failure, EXIT_CODE_REFUSED,
                           "no such kill switch was set by hand, but one of this key and value with a route "
                           "(`fairvisor kill --list` shows all): to lift it, add --route %s", row->route);
    }
    return failure_set(failure, EXIT_CODE_REFUSED,
                       "no such kill switch was set by hand; `fairvisor kill --list` shows what there is");
}

bool switches_remove(struct switches *switches, const struct door_request *request, struct failure *failure)
{
    struct kills_row *row = request->pair_count == 1 ? find_row(switches, request) : NULL;
    struct failure why;

    if (!row)
        return refuse_removal(switches, request, failure);
    remove_row(switches, row);
    kills_publish(switches->arena, &switches->table);
    if (write_file(switches, &why))
        return true;
    return failure_set(failure, EXIT_CODE_OS,
                       "the kill switch is lifted, but will be back after a restart of the service: %s", why.sentence);
}

/* ---- time ---------------------------------------------------------------------------------------------------------- */

/* By the wall clock, which may step: then the turn after the next event is early enough, for workers look themselves. */
static int64_t next_time(void *context)
{
    const struct switches *switches = context;
    struct moment now = moment_now();
    int64_t first = KILLS_NEVER;

    for (uint32_t i = 0; i < switches->table.count; i++)
        if (switches->table.rows[i].expires_at < first)
            first = switches->table.rows[i].expires_at;
    if (first >= INT64_MAX / NANOSECONDS_PER_SECOND)
        return LOOP_NEVER;
    first = first * NANOSECONDS_PER_SECOND - now.wall_ns;
    return now.boot_ns + (first > 0 ? first : 0);
}

static void say_ended(const struct switches *switches, const struct kills_row *row)
{
    char room[DECIDE_REDACT_SIZE];
    struct slice value = decide_redact(switches->arena, switches->settings->redact, slice_of(row->key),
                                       slice_of(row->value), room);

    log_line(LOG_LEVEL_NOTICE, "the kill switch of %s=%.*s%s%s has ended", row->key, (int)value.size, value.data,
             row->route[0] ? " on " : "", row->route);
}

static void on_time(void *context, int64_t now_ns)
{
    struct switches *switches = context;
    uint32_t before = switches->table.count;
    int64_t now = now_s();
    struct failure failure;

    (void)now_ns;
    for (uint32_t i = switches->table.count; i > 0; i--) {
        struct kills_row *row = &switches->table.rows[i - 1];

        if (now < row->expires_at)
            continue;
        say_ended(switches, row);
        remove_row(switches, row);
    }
    if (switches->table.count == before)
        return;
    kills_publish(switches->arena, &switches->table);
    if (!write_file(switches, &failure))
        log_line(LOG_LEVEL_WARNING, "%s; kill switches that have ended are still in it", failure.sentence);
}

void switches_init(struct switches *switches, struct loop *loop, const struct arena *arena,
                   const struct settings *settings)
{
    memset(switches, 0, sizeof(*switches));
    switches->arena = arena;
    switches->settings = settings;
    snprintf(switches->path, sizeof(switches->path), "%s/%s.kills", settings->state_dir, settings->instance);
    read_file(switches);
    kills_publish(arena, &switches->table);
    if (switches->table.count > 0)
        log_line(LOG_LEVEL_NOTICE, "%u kill switches that were set by hand hold (`fairvisor kill --list`)",
                 switches->table.count);
    loop_add_clock(loop, next_time, on_time, switches);
}
