/* SPDX-License-Identifier: MPL-2.0
 *
 * A sequence lock around a table: see kills.h.
 */
#include "shm/kills.h"

#include <string.h>

#define READ_TRIES 100

void kills_publish(const struct arena *arena, const struct kills_table *table)
{
    struct kills *kills = arena->kills;
    uint32_t sequence = atomic_load_explicit(&kills->sequence, memory_order_relaxed) | 1;

    atomic_store_explicit(&kills->sequence, sequence, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    memcpy(&kills->table, table, sizeof(*table));
    atomic_store_explicit(&kills->sequence, sequence + 1, memory_order_release);
}

uint32_t kills_sequence(const struct arena *arena)
{
    return atomic_load_explicit(&arena->kills->sequence, memory_order_relaxed);
}

void kills_tame(struct kills_table *table)
{
    if (table->count > KILLS_MAX)
        table->count = KILLS_MAX;
    for (uint32_t i = 0; i < table->count; i++) {
        struct kills_row *row = &table->rows[i];

        if (row->expires_at < 0)
            row->expires_at = 0;
        if (row->expires_at > KILLS_LAST)
            row->expires_at = KILLS_NEVER;
        if (row->made_at < 0 || row->made_at > KILLS_LAST)
            row->made_at = 0;
        row->key[sizeof(row->key) - 1] = '\0';
        row->value[sizeof(row->value) - 1] = '\0';
        row->route[sizeof(row->route) - 1] = '\0';
        row->reason[sizeof(row->reason) - 1] = '\0';
    }
}

bool kills_read(const struct arena *arena, struct kills_table *table, uint32_t *sequence)
{
    const struct kills *kills = arena->kills;

    for (int i = 0; i < READ_TRIES; i++) {
        *sequence = atomic_load_explicit(&kills->sequence, memory_order_acquire);
        if (*sequence & 1)
            continue;
        memcpy(table, &kills->table, sizeof(*table));
        atomic_thread_fence(memory_order_acquire);
        if (*sequence == atomic_load_explicit(&kills->sequence, memory_order_relaxed)) {
            kills_tame(table);
            return true;
        }
    }
    return false;
}
