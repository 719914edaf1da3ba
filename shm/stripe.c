/* SPDX-License-Identifier: MPL-2.0
 *
 * Locking, repair and search of one stripe: see stripe.h.
 */
#include "shm/stripe.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define WORDS       (STRIPE_CELLS / 8)
#define LOW_BITS    UINT64_C(0x0101010101010101)
#define HIGH_BITS   UINT64_C(0x8080808080808080)
#define SPINS       200
#define CLEARED_TAG 0x80
#define STUCK_MEMORY_NS NANOSECONDS_PER_SECOND

/* What glibc keeps of the attributes; any other value would lead it into code for mutexes that these are not, which asserts or
 * waits for ever. */
#define MUTEX_KIND (PTHREAD_MUTEX_ERRORCHECK | 16 /* robust */ | 128 /* shared */)

/* The undo word: from its low end 1 + the index of the cell under change (0: none), its tag before, and, so that who reads without the
 * lock sees that something was changed meanwhile, a count of the changes. Both ends of a change are one store. */
#define UNDO_TAG_SHIFT 16
#define UNDO_COUNT_ONE (UINT64_C(1) << 24)
#define UNDO_INDEX(word) ((uint32_t)((word) & 0xffff))
#define UNDO_TAG(word)   ((uint8_t)((word) >> UNDO_TAG_SHIFT))

static inline uint64_t undo_next(uint64_t word)
{
    return (word & ~(UNDO_COUNT_ONE - 1)) + UNDO_COUNT_ONE;
}

static bool is_intact(const struct stripe *stripe)
{
    return stripe->mutex.__data.__kind == MUTEX_KIND;
}

int stripe_init(struct stripe *stripe)
{
    pthread_mutexattr_t attributes;
    int error = pthread_mutexattr_init(&attributes);

    if (error)
        return error;
    error = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (!error)
        error = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    if (!error)
        error = pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    if (!error)
        error = pthread_mutex_init(&stripe->mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return error || is_intact(stripe) ? error : ENOTSUP; /* a C library that keeps them elsewhere */
}

/* ---- locking ------------------------------------------------------------------------------------------------------ */

/* The holder is usually another worker in the middle of a hundred nanoseconds of arithmetic: look again before sleeping. */
static int lock_contended(struct stripe *stripe)
{
    struct timespec deadline;
    int64_t now_ns;
    int error = EBUSY;

    for (int i = 0; i < SPINS && error == EBUSY; i++) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#endif
        error = pthread_mutex_trylock(&stripe->mutex);
    }
    if (error != EBUSY)
        return error;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    now_ns = deadline.tv_sec * NANOSECONDS_PER_SECOND + deadline.tv_nsec;
    /* Who waited in vain a moment ago need not wait again, or one identity could hold up all the others of a worker. */
    if (now_ns < atomic_load_explicit(&stripe->stuck_until_ns, memory_order_relaxed))
        return ETIMEDOUT;
    now_ns += STRIPE_DEADLINE_MS * INT64_C(1000000);
    deadline = (struct timespec){.tv_sec = now_ns / NANOSECONDS_PER_SECOND, .tv_nsec = now_ns % NANOSECONDS_PER_SECOND};
    error = pthread_mutex_clocklock(&stripe->mutex, CLOCK_MONOTONIC, &deadline);
    if (error == ETIMEDOUT)
        atomic_store_explicit(&stripe->stuck_until_ns, now_ns + STUCK_MEMORY_NS, memory_order_relaxed);
    return error;
}

/* Puts back the cell that the dead holder was changing, then looks at all the others. The undo word is cleared last: a repairer
 * that dies in here leaves everything for the next one. */
static uint64_t repair(struct stripe *stripe)
{
    uint64_t undo = atomic_load_explicit(&stripe->undo, memory_order_acquire);
    uint32_t index = UNDO_INDEX(undo);
    uint64_t repaired = 0;

    if (index >= 1 && index <= STRIPE_CELLS) {
        stripe->tags[index - 1] = UNDO_TAG(undo);
        stripe->cells[index - 1] = stripe->undo_cell;
        repaired++;
    }
    atomic_store_explicit(&stripe->undo, undo_next(undo), memory_order_release);
    return repaired + stripe_audit(stripe);
}

/* What is left to do when trying said ERROR. Not inlined, or whoever finds the stripe unlocked would pay for it. */
static __attribute__((noinline)) enum stripe_lock_result lock_in_spite_of(struct stripe *stripe, int error,
                                                                          uint64_t *repaired)
{
    if (error == EBUSY)
        error = lock_contended(stripe);
    if (error == EOWNERDEAD) {
        *repaired += repair(stripe);
        error = pthread_mutex_consistent(&stripe->mutex);
        if (error)
            pthread_mutex_unlock(&stripe->mutex);
    }
    return error ? STRIPE_STUCK : STRIPE_LOCKED;
}

enum stripe_lock_result stripe_lock(struct stripe *stripe, uint64_t *repaired)
{
    int error = is_intact(stripe) ? pthread_mutex_trylock(&stripe->mutex) : EINVAL;

    if (error && lock_in_spite_of(stripe, error, repaired) == STRIPE_STUCK)
        return STRIPE_STUCK;
    /* It is not stuck any more: who meets the next holder waits for him again. */
    if (atomic_load_explicit(&stripe->stuck_until_ns, memory_order_relaxed) != 0)
        atomic_store_explicit(&stripe->stuck_until_ns, 0, memory_order_relaxed);
    return STRIPE_LOCKED;
}

void stripe_unlock(struct stripe *stripe)
{
    if (is_intact(stripe)) /* damaged meanwhile: it stays locked, and everybody is told that it is stuck */
        pthread_mutex_unlock(&stripe->mutex);
}

/* ---- search ------------------------------------------------------------------------------------------------------- */

static inline uint8_t tag_of(const uint64_t key[2])
{
    return (uint8_t)(0x80 | (key[1] & 0x7f));
}

static inline uint32_t home_of(const uint64_t key[2])
{
    return (uint32_t)(key[1] >> 7) % WORDS;
}

static inline uint64_t load_tags(const struct stripe *stripe, uint32_t word)
{
    uint64_t tags;

    memcpy(&tags, stripe->tags + (size_t)word * 8, sizeof(tags));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    tags = __builtin_bswap64(tags);
#endif
    return tags;
}

void stripe_prefetch(const struct stripe *stripe, const uint64_t key[2])
{
    uint32_t home = home_of(key) * 8;

    __builtin_prefetch(&stripe->mutex, 1);
    __builtin_prefetch(&stripe->undo_cell, 1);
    __builtin_prefetch(&stripe->tags[home]);
    __builtin_prefetch(&stripe->cells[home], 1);
}

uint32_t stripe_find(const struct stripe *stripe, const uint64_t key[2])
{
    uint64_t pattern = LOW_BITS * tag_of(key);
    uint32_t word = home_of(key);

    for (uint32_t i = 0; i < WORDS; i++, word = (word + 1) % WORDS) {
        uint64_t tags = load_tags(stripe, word);
        uint64_t differ = tags ^ pattern;
        uint64_t candidates = (differ - LOW_BITS) & ~differ & HIGH_BITS;

        for (; candidates; candidates &= candidates - 1) {
            uint32_t index = word * 8 + (uint32_t)__builtin_ctzll(candidates) / 8;
            const struct cell *cell = &stripe->cells[index];

            if (cell->key[0] == key[0] && cell->key[1] == key[1] && cell->kind != CELL_FREE)
                return index;
        }
        if (~tags & HIGH_BITS)
            return STRIPE_NO_CELL;
    }
    return STRIPE_NO_CELL;
}

static bool is_among(uint32_t index, const uint32_t *taken, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (taken[i] == index)
            return true;
    return false;
}

/* As stripe_find_room; when there is none, EARLIEST is when the first cell may be had again. */
static uint32_t search_room(const struct stripe *stripe, const uint64_t key[2], struct moment now, const uint32_t *taken,
                            size_t count, int64_t *earliest)
{
    uint32_t first = home_of(key) * 8;

    *earliest = INT64_MAX;
    for (uint32_t i = 0; i < STRIPE_CELLS; i++) {
        uint32_t index = (first + i) % STRIPE_CELLS;
        const struct cell *cell = &stripe->cells[index];

        if ((stripe->tags[index] == 0 || cell_is_reusable(cell, now)) && !is_among(index, taken, count))
            return index;
        if (cell->expires_ns < *earliest)
            *earliest = cell->expires_ns;
    }
    return STRIPE_NO_CELL;
}

/* Unused cells that were taken may stay unused: who gets a cell behind one must be found all the same. */
static void pass_by(struct stripe *stripe, const uint32_t *taken, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (stripe->tags[taken[i]] == 0)
            stripe->tags[taken[i]] = CLEARED_TAG;
}

bool stripe_has_room(const struct stripe *stripe, const uint64_t key[2], struct moment now)
{
    int64_t earliest;

    return atomic_load_explicit(&stripe->full_until_ns, memory_order_relaxed) <= now.boot_ns &&
           search_room(stripe, key, now, NULL, 0, &earliest) != STRIPE_NO_CELL;
}

uint32_t stripe_find_room(struct stripe *stripe, const uint64_t key[2], struct moment now, const uint32_t *taken,
                          size_t count)
{
    int64_t earliest;
    uint32_t index;

    if (atomic_load_explicit(&stripe->full_until_ns, memory_order_relaxed) > now.boot_ns)
        return STRIPE_NO_CELL;
    pass_by(stripe, taken, count);
    index = search_room(stripe, key, now, taken, count, &earliest);
    if (index != STRIPE_NO_CELL)
        return index;
    /* Remembered, so that a flood of new keys does not walk a full stripe again before anything in it can have expired; for a
     * second at most, because a reload may shorten what was far away. */
    if (earliest > now.boot_ns + NANOSECONDS_PER_SECOND)
        earliest = now.boot_ns + NANOSECONDS_PER_SECOND;
    if (count == 0)
        atomic_store_explicit(&stripe->full_until_ns, earliest, memory_order_relaxed);
    return STRIPE_NO_CELL;
}

/* ---- change ------------------------------------------------------------------------------------------------------- */

struct cell *stripe_change_begin(struct stripe *stripe, uint32_t index, const uint64_t key[2])
{
    uint64_t undo = atomic_load_explicit(&stripe->undo, memory_order_relaxed) & ~(UNDO_COUNT_ONE - 1);

    stripe->undo_cell = stripe->cells[index];
    undo |= (uint64_t)stripe->tags[index] << UNDO_TAG_SHIFT | (index + 1);
    /* Before this store nothing has changed; after it everything can be put back, and whoever reads without the lock knows. */
    atomic_store_explicit(&stripe->undo, undo, memory_order_release);
    atomic_thread_fence(memory_order_acq_rel);
    stripe->tags[index] = tag_of(key);
    return &stripe->cells[index];
}

void stripe_change_end(struct stripe *stripe)
{
    uint64_t undo = atomic_load_explicit(&stripe->undo, memory_order_relaxed);

    atomic_store_explicit(&stripe->undo, undo_next(undo), memory_order_release);
}

/* As long as it takes: each new try means that somebody's change was finished or begun. */
bool stripe_copy_cell(const struct stripe *stripe, uint32_t index, struct cell *copy)
{
    uint64_t before, after;

    if (stripe->tags[index] == 0)
        return false;
    do {
        before = atomic_load_explicit(&stripe->undo, memory_order_acquire);
        *copy = UNDO_INDEX(before) == index + 1 ? stripe->undo_cell : stripe->cells[index];
        atomic_thread_fence(memory_order_acquire);
        after = atomic_load_explicit(&stripe->undo, memory_order_relaxed);
    } while (before != after);
    return true;
}

uint64_t stripe_audit(struct stripe *stripe)
{
    uint64_t cleared = 0;

    for (uint32_t i = 0; i < STRIPE_CELLS; i++) {
        struct cell *cell = &stripe->cells[i];
        bool is_used = cell->kind != CELL_FREE;

        if (cell_is_sane(cell) && (!is_used || stripe->tags[i] == tag_of(cell->key)))
            continue;
        memset(cell, 0, sizeof(*cell));
        stripe->tags[i] = CLEARED_TAG;
        cleared++;
    }
    atomic_store_explicit(&stripe->full_until_ns, 0, memory_order_relaxed);
    return cleared;
}
