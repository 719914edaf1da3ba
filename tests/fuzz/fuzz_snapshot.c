/* SPDX-License-Identifier: MPL-2.0
 *
 * Counters on disk. First byte odd: the rest is the file; even: clocks and cells of a file that is otherwise in order. A snapshot that
 * is taken puts no cell into an arena that its audit would have to repair, and loses count of none.
 */
#include "shm/arena_layout.h"
#include "shm/siphash.h"
#include "shm/snapshot.h"
#include "tests/fuzz/entry.h"

#define INSTANCE "fuzz"
#define STRIPES  1 /* of an arena are used: cells meet in it, and a look at all is faster */

/* The file as shm/snapshot.c lays it out. */
struct fuzz_header {
    uint64_t magic;
    uint64_t cell_layout;
    char instance[ARENA_INSTANCE_SIZE];
    uint64_t hash_key[2];
    char boot_id[40];
    int64_t wall_ns, boot_ns;
};

static const struct moment now = {.boot_ns = INT64_C(1000000000000), .wall_ns = INT64_C(1780000000000000000)};

/* A whole file with a true checksum around the clocks and cells in BYTES. */
static struct slice make_file(struct slice bytes)
{
    const uint64_t key[2] = {UINT64_C(0x31736e6170737666), 0};
    struct fuzz_header header = {.magic = key[0],
                                 .cell_layout = sizeof(struct cell) | (uint64_t)CELL_KINDS << 32 | (uint64_t)CELL_KEY_FORM << 48,
                                 .instance = INSTANCE};
    size_t clocks = bytes.size < 16 ? bytes.size : 16;
    uint64_t count = (bytes.size - clocks) / sizeof(struct cell), sum[2];
    size_t cells = count * sizeof(struct cell), at = sizeof(header) + cells;
    char *file = malloc(at + sizeof(count) + sizeof(sum));

    MUST(file);
    memcpy(&header.wall_ns, bytes.data, clocks);
    memcpy(file, &header, sizeof(header));
    memcpy(file + sizeof(header), bytes.data + clocks, cells);
    memcpy(file + at, &count, sizeof(count));
    siphash_of(key, file, at + sizeof(count), sum);
    memcpy(file + at + sizeof(count), sum, sizeof(sum));
    return (struct slice){file, at + sizeof(count) + sizeof(sum)};
}

/* Made once, and emptied for each file. */
static struct arena *fresh_arena(void)
{
    static struct arena arena;
    static unsigned char *template;
    struct failure failure = {0};
    size_t size = STRIPES * sizeof(struct stripe);

    if (!template) {
        template = malloc(size);
        MUST(template && arena_make_private(ARENA_MIN_SIZE, &arena, &failure));
        arena.stripe_count = STRIPES;
        memcpy(template, arena.stripes, size);
    }
    memcpy(arena.stripes, template, size);
    return &arena;
}

static void apply(const struct snapshot *snapshot, size_t file_size)
{
    const struct arena *arena = fresh_arena();
    struct arena_usage usage;
    uint64_t lost, restored, repaired = 0;

    restored = snapshot_apply(snapshot, arena, now, &lost);
    MUST((restored + lost) * sizeof(struct cell) <= file_size);
    MUST(arena_audit(arena, &repaired) == 0 && repaired == 0);
    arena_measure(arena, now, &usage);
    MUST(usage.cells_used <= restored);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool is_raw = entry_take(&data, &size) & 1;
    struct slice bytes = entry_copy(data, size), file = is_raw ? bytes : make_file(bytes);
    struct failure failure = {0};
    struct snapshot *snapshot = snapshot_parse(file, "file", INSTANCE, &failure);

    if (snapshot)
        apply(snapshot, file.size);
    else
        MUST(failure.code == EXIT_CODE_OS && failure.sentence[0]);
    /* Of a file that we made, only the clocks can be refused. */
    MUST(snapshot || is_raw || strstr(failure.sentence, "its clocks"));
    snapshot_free(snapshot);
    if (!is_raw)
        entry_free(file);
    entry_free(bytes);
    return 0;
}
