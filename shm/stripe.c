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
#define COPY_TRIES  1000
#define STUCK_MEMORY_NS NANOSECONDS_PER_SECOND

/* What glibc keeps of the attributes; any other value would lead it into code for mutexes that these are not, which asserts or
 * waits for ever. */
#define MUTEX_KIND (PTHREAD_MUTEX_ERRORCHECK | 16 /* robust */ | 128 /* shared */)

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

/* Puts back the cell that the dead holder was changing, then looks at all the others. The undo index is cleared last: a repairer
 * that dies in here leaves everything for the next one. */
static uint64_t repair(struct stripe *stripe)
{
    uint32_t index = atomic_load_explicit(&stripe->undo_index, memory_order_acquire);
    uint64_t repaired = 0;

    if (index >= 1 && index <= STRIPE_CELLS) {
        stripe->tags[index - 1] = stripe->undo_tag;
        stripe->cells[index - 1] = stripe->undo_cell;
        repaired++;
    }
    atomic_store_explicit(&stripe->undo_index, 0, memory_order_release);
    return repaired + stripe_audit(stripe);
}

enum stripe_lock_result stripe_lock(struct stripe *stripe, uint64_t *repaired)
{
    int error = is_intact(stripe) ? pthread_mutex_trylock(&stripe->mutex) : EINVAL;

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

uint32_t stripe_find_room(struct stripe *stripe, const uint64_t key[2], struct moment now, const uint32_t *taken,
                          size_t count)
{
    uint32_t first = home_of(key) * 8;
    int64_t earliest = INT64_MAX;

    if (atomic_load_explicit(&stripe->full_until_ns, memory_order_relaxed) > now.boot_ns)
        return STRIPE_NO_CELL;
    for (uint32_t i = 0; i < STRIPE_CELLS; i++) {
        uint32_t index = (first + i) % STRIPE_CELLS;
        const struct cell *cell = &stripe->cells[index];

        if ((stripe->tags[index] == 0 || cell_is_reusable(cell, now)) && !is_among(index, taken, count))
            return index;
        if (cell->expires_ns < earliest)
            earliest = cell->expires_ns;
    }
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
    stripe->undo_cell = stripe->cells[index];
    stripe->undo_tag = stripe->tags[index];
    /* Before this store nothing has changed; after it everything can be put back. A killed process stops between two of its
     * own instructions, so ordering the compiler's stores is enough. */
    atomic_store_explicit(&stripe->undo_index, index + 1, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
    stripe->tags[index] = tag_of(key);
    return &stripe->cells[index];
}

void stripe_change_end(struct stripe *stripe)
{
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&stripe->undo_index, 0, memory_order_release);
}

bool stripe_copy_cell(const struct stripe *stripe, uint32_t index, struct cell *copy)
{
    if (stripe->tags[index] == 0)
        return false;
    for (int i = 0; i < COPY_TRIES; i++) {
        bool is_changing = atomic_load_explicit(&stripe->undo_index, memory_order_acquire) == index + 1;
        struct cell again;

        *copy = is_changing ? stripe->undo_cell : stripe->cells[index];
        atomic_thread_fence(memory_order_acquire);
        again = is_changing ? stripe->undo_cell : stripe->cells[index];
        atomic_thread_fence(memory_order_acquire);
        if (memcmp(copy, &again, sizeof(again)) == 0 &&
            is_changing == (atomic_load_explicit(&stripe->undo_index, memory_order_relaxed) == index + 1))
            break;
    }
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
