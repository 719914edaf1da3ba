/* SPDX-License-Identifier: MPL-2.0
 *
 * config_watch: notices that the file of config_file has other content than what is served, and wishes for a reload of
 * the bundle alone (settings are read anew on SIGHUP only).
 *
 * The folders are watched, not the file, for a file is best replaced by a rename: the folder config_file lies in and, when
 * links lead elsewhere, the one where they end. So a Kubernetes ConfigMap is covered, whose link `..data` is swapped. An
 * event is only a hint to look: what decides is the digest of the content. It is looked at when nothing has happened for
 * BUNDLE_WATCH_QUIET_NS and the file is at least that old, so that one that is being copied is not read half way.
 */
#ifndef FAIRVISOR_MASTER_BUNDLE_WATCH_H
#define FAIRVISOR_MASTER_BUNDLE_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "shm/moment.h"
#include "shm/sealed.h"
#include "shm/settings.h"

#define BUNDLE_WATCH_QUIET_NS (NANOSECONDS_PER_SECOND / 4)
#define BUNDLE_WATCH_MOST_NS  (2 * NANOSECONDS_PER_SECOND) /* looked at by then, however much happens */
#define BUNDLE_WATCH_RETRY_NS NANOSECONDS_PER_SECOND       /* while a folder cannot be watched, the file is looked at so often */

struct master;

struct bundle_watch {
    struct master *master;
    char path[SETTINGS_PATH_SIZE]; /* config_file; empty: nothing is watched */
    int fd;                        /* inotify(7); -1 */
    int64_t look_at_ns;            /* boot clock; LOOP_NEVER */
    int64_t since_ns;              /* of the first event that was not looked at yet; 0 = none */
    struct stat seen;              /* the file as it was looked at last */
    char tried[SEALED_DIGEST_SIZE]; /* content that a reload was wished for last: once is enough */
    bool is_missing;               /* said so */
    bool is_empty;                 /* was, at the last look */
    bool wants_reload;             /* a wish, for master.c to grant */
};

/* Puts WATCH on the master's clock; nothing is watched yet. */
void bundle_watch_init(struct bundle_watch *watch, struct master *master);

/* Watches as SETTINGS say, and looks soon. */
void bundle_watch_use(struct bundle_watch *watch, const struct settings *settings);

#endif
