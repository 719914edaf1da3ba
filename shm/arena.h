/* SPDX-License-Identifier: MPL-2.0
 *
 * The arena: one POSIX shared memory object that holds everything processes share. Created by the master alone, mapped
 * once by everyone, never unmapped by a worker (a holder that unmaps before it exits leaves a robust mutex locked for
 * ever). Offsets and indexes only; whatever is read from it is bounds-checked, for another process may have been
 * corrupted.
 *
 *   +--------+------------------+---------------+---------------+-----------------+----------------------------------+
 *   | header | worker slots     | kills, series | events        | flights         | stripes                          |
 *   | 4 KiB  | 128 x counters   | key -> value  | head, ring    | 128 x notes     | each: mutex, undo, tags, cells   |
 *   +--------+------------------+---------------+---------------+-----------------+----------------------------------+
 *
 * Header: written before `magic`, constant afterwards but for the fields marked live.
 * Worker slots: one writer each, see counters.h. Kills: see kills.h. Series: see series.h. Events: see events.h. Flights: see
 * flights.h. Stripes: see stripe.h, cell.h, admission.h.
 */
#ifndef FAIRVISOR_SHM_ARENA_H
#define FAIRVISOR_SHM_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/failure.h"
#include "shm/moment.h"

#define ARENA_MIN_SIZE       (UINT64_C(8) << 20)
#define ARENA_INSTANCE_SIZE  64
#define ARENA_WORKER_SLOTS   128 /* two generations of SETTINGS_MAX_WORKERS */

struct arena_header;
struct stripe;
struct counter_slot;
struct series;
struct events_head;
struct events_record;
struct flights_entry;
struct kills;

/* One process's view. Plain data: the caller owns the struct, the mapping lives until exit. */
struct arena {
    struct arena_header *header;
    struct counter_slot *slots;
    struct kills *kills;
    struct series *series;
    uint32_t series_count; /* a power of two */
    struct events_head *events_head;
    struct events_record *events;
    uint32_t event_count; /* a power of two */
    struct flights_entry *flights;
    uint32_t flights_per_slot;
    unsigned char *stripes;
    uint32_t stripe_count;
    uint64_t size;
    bool is_writable;
};

/* The name under /dev/shm of an instance's arena, "/fairvisor-<instance>". */
void arena_name(const char *instance, char *name, size_t size);

/* Creates the arena: reserves every byte (a full /dev/shm is a failure here, never a SIGBUS later), mode 0600, owned by
 * uid:gid, hash key from HASH_KEY or random when NULL. Returns the descriptor (close-on-exec) or -1. */
int arena_create(const char *instance, uint64_t size, unsigned uid, unsigned gid, const uint64_t hash_key[2],
                 struct arena *arena, struct failure *failure);

/* Opens an existing arena, of the user OWNER (the workers', see owner.h), of ours or of root. -1 with failure->code EXIT_CODE_NO_INPUT
 * when there is none; EXIT_CODE_PERMISSION when it is another user's, EXIT_CODE_OS when it is foreign otherwise (magic, version, layout,
 * size): then it must not be used. WRITABLE only for the master. */
int arena_open(const char *instance, unsigned owner, bool writable, struct arena *arena, struct failure *failure);

/* Claims the arena behind FD for this process, until it ends or closes any descriptor of it (a record lock of fcntl(2): children do not
 * inherit it). false with errno EAGAIN or EACCES: another process has claimed it. arena_create claims by itself. */
bool arena_claim(int fd);

/* Whether another process has claimed the arena of that name, however unfinished; *PID is its number, or 0 when it lives in another
 * process namespace. Not for a process that has claimed it itself, for it would lose its claim. */
bool arena_find_claim(const char *instance, int32_t *pid);

/* Whether the instance's name is still that of FD. */
bool arena_has_name(const char *instance, int fd);

/* Makes an arena that no other process sees, for judging apart from the service. Its pages are taken as they are used;
 * gone with the process. */
bool arena_make_private(uint64_t size, struct arena *arena, struct failure *failure);

/* Maps an inherited descriptor (a worker's HANDOFF_FD_ARENA). */
bool arena_map(int fd, struct arena *arena, struct failure *failure);

/* Removes the name; processes that mapped the arena keep it. true also when there was none. */
bool arena_remove(const char *instance);

/* Moves a foreign or damaged arena out of the way (name + ".refused"), replacing an earlier one. */
bool arena_set_aside(const char *instance);

/* The key of every identity hash; random per arena, carried by the snapshot. */
const uint64_t *arena_hash_key(const struct arena *arena);

/* Locks, repairs and checks every stripe. Returns the number of stripes that cannot be used (0 = all is well); *REPAIRED
 * counts the cells that had to be restored or cleared. */
uint32_t arena_audit(const struct arena *arena, uint64_t *repaired);

/* ---- live facts about the instance, written by the master only, read by anybody ---------------------------------- */

struct arena_status {
    int64_t master_pid;
    int64_t started_at_ns; /* wall clock */
    uint32_t worker_count;
    uint32_t generation;
    int64_t loaded_at_ns; /* wall clock of the bundle's load */
    char policy_version[64];
    char policy_hash[65];
    uint32_t last_reload_failed; /* 1 after a failed reload, until one succeeds */
    int64_t last_reload_ns;      /* wall clock of the last successful reload */
    int64_t last_snapshot_ns;    /* wall clock; 0 = never */
    uint32_t last_snapshot_failed;
    uint64_t snapshot_failures;
    uint64_t worker_restarts;
    uint64_t worker_hangs; /* of those, killed because they hung */
    uint64_t reloads;
    uint64_t reload_failures;
    uint64_t log_lines_lost;      /* of master and workers, that the target of the log did not take */
    int64_t log_losing_since_ns;  /* wall clock; 0 = it takes them */
    uint32_t memory_is_removed;   /* 1: the name of the shared memory is another's or nobody's */
    char reload_refusal[512];     /* why the last reload failed; "" when it did not */
    int64_t bundle_expires_at;   /* seconds since 1970; 0 = never */
    int64_t certificate_ends_at; /* of tls_cert; the same; 0 = there is none */
    int64_t upstream_failing_since_ns; /* wall clock; 0 = it answers, or nobody asked */
    int64_t forwarded_ignored_before;  /* what the counter of it had when the generation was loaded */
};

/* Publishes a whole new status (sequence lock: readers see all of it or none of it). */
void arena_publish(const struct arena *arena, const struct arena_status *status);

/* Reads the status; false when no consistent copy could be had (a master that died half way). */
bool arena_read_status(const struct arena *arena, struct arena_status *status);

/* Cells in all, and cells in use at NOW. Walks every stripe without locks: an estimate, exact when nobody writes. */
struct arena_usage {
    uint64_t cells;
    uint64_t cells_used;
};
void arena_measure(const struct arena *arena, struct moment now, struct arena_usage *usage);

#endif
