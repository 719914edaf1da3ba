/* SPDX-License-Identifier: MPL-2.0
 *
 * Bump memory in blocks that double up to a cap; a piece larger than that gets a block of its own.
 */
#include "policy/region.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#define FIRST_BLOCK ((size_t)4 << 10)
#define MAX_BLOCK   ((size_t)1 << 20)

struct block {
    struct block *next;
    size_t size, used;
    alignas(max_align_t) unsigned char bytes[];
};

struct region {
    struct block *blocks; /* the newest first: pieces come from it */
    size_t next_size;
};

struct region *region_new(void)
{
    struct region *region = calloc(1, sizeof(*region));

    if (region)
        region->next_size = FIRST_BLOCK;
    return region;
}

void region_free(struct region *region)
{
    if (!region)
        return;
    while (region->blocks) {
        struct block *next = region->blocks->next;

        free(region->blocks);
        region->blocks = next;
    }
    free(region);
}

static struct block *add_block(struct region *region, size_t need)
{
    size_t size = need > region->next_size ? need : region->next_size;
    struct block *block;

    if (size > SIZE_MAX - sizeof(*block))
        return NULL;
    block = calloc(1, sizeof(*block) + size);
    if (!block)
        return NULL;
    block->size = size;
    block->next = region->blocks;
    region->blocks = block;
    if (region->next_size < MAX_BLOCK)
        region->next_size *= 2;
    return block;
}

void *region_take(struct region *region, size_t count, size_t size)
{
    const size_t alignment = alignof(max_align_t);
    struct block *block = region->blocks;
    size_t need;
    void *piece;

    if (__builtin_mul_overflow(count, size, &need) || need > SIZE_MAX - alignment)
        return NULL;
    need = need == 0 ? alignment : (need + alignment - 1) & ~(alignment - 1);
    if (!block || block->size - block->used < need)
        block = add_block(region, need);
    if (!block)
        return NULL;
    piece = block->bytes + block->used;
    block->used += need;
    return piece;
}

bool region_copy(struct region *region, struct slice text, struct slice *copy)
{
    char *bytes = region_take(region, text.size, 1);

    if (!bytes)
        return false;
    if (text.size > 0)
        memcpy(bytes, text.data, text.size);
    *copy = (struct slice){bytes, text.size};
    return true;
}
