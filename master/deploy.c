/* SPDX-License-Identifier: MPL-2.0
 *
 * See deploy.h for the order of things, and why.
 */
#include "master/deploy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/folders.h"
#include "master/master.h"
#include "master/reload.h"
#include "shm/log.h"

struct deploy {
    const char *path; /* config_file */
    char temporary[FOLDERS_PATH_SIZE];
    const char *served, *pushed; /* digests of what is served, and of what will be */
};

/* Whose file it is stays as it is. */
static bool look_at_file(const char *path, struct folders_facts *facts, struct failure *failure)
{
    struct stat found;

    *facts = (struct folders_facts){.mode = 0640, .user = geteuid(), .group = getegid(), .is_durable = true};
    if (lstat(path, &found) != 0)
        return errno == ENOENT || failure_set_errno(failure, EXIT_CODE_OS, "%s could not be looked at", path);
    if (S_ISLNK(found.st_mode))
        return failure_set(failure, EXIT_CODE_REFUSED,
                           "config_file %s is a symbolic link: whoever manages it must change what it leads to; then "
                           "reload", path);
    if (!S_ISREG(found.st_mode))
        return failure_set(failure, EXIT_CODE_REFUSED, "config_file %s is not a regular file", path);
    facts->mode = found.st_mode & 0777;
    facts->user = found.st_uid;
    facts->group = found.st_gid;
    return true;
}

/* Whether the file has bytes that are nowhere else: those of an edit that was never loaded. What cannot be read, such as a
 * file that is too large, may be one. */
static bool is_edited(const struct deploy *deploy)
{
    struct source file;
    struct failure failure;
    struct stat facts;
    bool is_known;

    if (lstat(deploy->path, &facts) != 0)
        return false;
    if (!source_read(deploy->path, &file, &failure))
        return true;
    is_known = strcmp(file.digest, deploy->served) == 0 || strcmp(file.digest, deploy->pushed) == 0;
    source_free(&file);
    return !is_known;
}

/* A second name of it, where the file system has such, so that the first one is never without a file. */
static bool move(const char *path, const char *aside)
{
    if ((unlink(aside) == 0 || errno == ENOENT) && link(path, aside) == 0)
        return true;
    return rename(path, aside) == 0;
}

/* An edit that was never loaded must not vanish. */
static bool set_edit_aside(const struct deploy *deploy, struct failure *failure)
{
    char aside[FOLDERS_PATH_SIZE];

    if (!is_edited(deploy))
        return true;
    snprintf(aside, sizeof(aside), "%s.replaced", deploy->path);
    if (!move(deploy->path, aside))
        return failure_set_errno(failure, EXIT_CODE_OS,
                                 "%s has been changed since it was loaded, and could not be moved to %s, so that nothing was "
                                 "changed",
                                 deploy->path, aside);
    log_line(LOG_LEVEL_WARNING, "%s had been changed since it was loaded: it was moved to %s", deploy->path, aside);
    return true;
}

static bool on_ready(void *context, struct failure *failure)
{
    const struct deploy *deploy = context;

    return set_edit_aside(deploy, failure) && folders_commit_file(deploy->temporary, deploy->path, true, failure);
}

static bool serve(struct master *master, struct source *source, uint32_t kept_number, const struct kept_note *note,
                  struct failure *failure)
{
    char served[SEALED_DIGEST_SIZE], pushed[SEALED_DIGEST_SIZE];
    struct deploy deploy = {.path = master->serving.settings.config_file, .served = served, .pushed = pushed};
    struct reload_order order = {.source = source,
                                 .kept_number = kept_number,
                                 .note = note,
                                 .keeps_settings = true,
                                 .on_ready = on_ready,
                                 .context = &deploy};
    struct folders_facts facts;
    bool is_done;

    snprintf(served, sizeof(served), "%s", master->serving.source.digest);
    snprintf(pushed, sizeof(pushed), "%s", source->digest);
    if (!look_at_file(deploy.path, &facts, failure) ||
        !folders_prepare_file(deploy.path, source->bytes, source->size, &facts, deploy.temporary, failure))
        return false;
    is_done = reload_run(master, &order, failure);
    if (!is_done)
        unlink(deploy.temporary);
    return is_done;
}

bool deploy_run(struct master *master, int fd, uint32_t kept_number, const struct kept_note *note, struct failure *failure)
{
    struct source source;
    bool is_done;

    if (!source_take(fd, &source, failure))
        return false;
    is_done = serve(master, &source, kept_number, note, failure);
    source_free(&source);
    return is_done;
}
