/* SPDX-License-Identifier: MPL-2.0
 *
 * An arena from before, or one that a worker gone mad has written to: the input is patches over one that is in order,
 *
 *   part 1 byte (enum part) | offset 2 | length 1 | bytes
 *
 * It is refused, or else attached, audited, read in all its parts and judged on. What the audit has repaired stays repaired.
 */
#include "shm/arena_layout.h"
#include "shm/event_print.h"
#include "shm/kills.h"
#include "tests/fuzz/world.h"

#define MAX_PATCHES 16
#define MAX_EVENTS  16
#define IS_ENDED(text) (memchr((text), '\0', sizeof(text)) != NULL)

static struct arena arena;
static unsigned char *template;
static size_t used; /* bytes of the arena, to the end of the stripes that are used */
static struct bundle *bundle;
static int arena_fd;

/* A request has been judged on it: there are cells, series and events. */
static void make_arena(void)
{
    struct failure failure = {0};
    struct decider *decider;
    struct verdict verdict;
    char name[ARENA_INSTANCE_SIZE];

    snprintf(name, sizeof(name), "fuzz-%d", (int)getpid());
    arena_fd = arena_create(name, ARENA_MIN_SIZE, getuid(), getgid(), (const uint64_t[2]){1, 2}, &arena, &failure);
    if (arena_fd < 0)
        fprintf(stderr, "%s\n", failure.sentence);
    MUST(arena_fd >= 0 && arena_remove(name));
    arena.stripe_count = WORLD_STRIPES;
    used = (size_t)((unsigned char *)arena_stripe(&arena, WORLD_STRIPES) - (unsigned char *)arena.header);
    bundle = world_bundle();
    decider = decide_new(bundle, &arena, &arena.slots[0], 4096);
    MUST(decider && decide_events_open(decider, &(struct decide_recording){.records_all = true}));
    world_decide(decider, &verdict);
    decide_free(decider);
    template = malloc(used);
    MUST(template);
    memcpy(template, arena.header, used);
}

/* Where patches of a part go: two of them to the stripe that has the first cell, and to its cells alone. */
static unsigned char *part_at(unsigned part)
{
    static size_t used_stripe = SIZE_MAX;
    unsigned char *parts[] = {(unsigned char *)arena.header, (unsigned char *)arena.slots,
                              (unsigned char *)arena.kills,  (unsigned char *)arena.series,
                              (unsigned char *)arena.events_head, (unsigned char *)arena.events,
                              (unsigned char *)arena.flights, NULL, NULL};

    for (uint32_t i = 0; i < arena.stripe_count && used_stripe == SIZE_MAX; i++)
        for (uint32_t cell = 0; cell < STRIPE_CELLS; cell++)
            if (arena_stripe(&arena, i)->cells[cell].kind != CELL_FREE)
                used_stripe = i;
    parts[7] = (unsigned char *)arena_stripe(&arena, (uint32_t)used_stripe);
    parts[8] = (unsigned char *)arena_stripe(&arena, (uint32_t)used_stripe)->cells;
    return parts[part % (sizeof(parts) / sizeof(parts[0]))];
}

static void patch(const uint8_t *data, size_t size)
{
    unsigned char *end = (unsigned char *)arena.header + used;

    for (int i = 0; i < MAX_PATCHES && size > 4; i++) {
        unsigned char *at = part_at(data[0]) + (data[1] | (size_t)data[2] << 8);
        size_t length = data[3];

        data += 4;
        size -= 4;
        if (length > size)
            length = size;
        if (at + length <= end)
            memcpy(at, data, length);
        data += length;
        size -= length;
    }
}

static void read_texts(void)
{
    static struct kills_table kills;
    struct arena_status status;
    struct arena_usage usage;
    uint32_t sequence;

    if (arena_read_status(&arena, &status))
        MUST(IS_ENDED(status.policy_version) && IS_ENDED(status.policy_hash));
    arena_measure(&arena, world_now, &usage);
    MUST(usage.cells_used <= usage.cells);
    if (kills_read(&arena, &kills, &sequence))
        for (uint32_t i = 0; i < kills.count; i++)
            MUST(i < KILLS_MAX && IS_ENDED(kills.rows[i].key) && IS_ENDED(kills.rows[i].value) &&
                 IS_ENDED(kills.rows[i].route) && IS_ENDED(kills.rows[i].reason));
}

static void read_numbers(void)
{
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        counters_sum(&arena, (enum counter)i);
    series_read(&arena, SLICE("m"), NULL, 0);
    series_overflow(&arena);
    for (uint32_t i = 0; i < 2; i++)
        MUST(flights_count(&arena, i, 0) <= FLIGHTS_MOST);
}

static void read_events(void)
{
    struct events_reader reader;
    struct event event;
    char line[EVENT_PRINT_SIZE];

    events_begin_oldest(&reader, &arena);
    for (int i = 0; i < MAX_EVENTS && events_read(&reader, &event, world_now.boot_ns); i++)
        MUST(event_print_json(&event, line) <= EVENT_PRINT_SIZE && event_print_text(&event, line) <= EVENT_PRINT_SIZE);
}

static void judge(void)
{
    struct decider *decider = decide_new(bundle, &arena, &arena.slots[0], 4096);
    struct verdict verdict;

    MUST(decider && decide_events_open(decider, &(struct decide_recording){.records_all = true}));
    for (int i = 0; i < 3; i++)
        world_decide(decider, &verdict);
    decide_free(decider);
}

static void walk(void)
{
    struct flights_landing landing = {0};
    uint64_t repaired = 0, again = 0;
    uint32_t unusable = arena_audit(&arena, world_now, &repaired);

    MUST(arena_audit(&arena, world_now, &again) == unusable && again == 0);
    read_texts();
    read_numbers();
    read_events();
    judge();
    flights_land(&arena, 0, 0, world_now, &landing);
    MUST(landing.landed + landing.late + landing.stuck <= FLIGHTS_MOST);
    MUST(arena_audit(&arena, world_now, &again) == unusable && again == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct failure failure = {0};
    struct arena view;

    if (!template)
        make_arena();
    memcpy(arena.header, template, used);
    patch(data, size);
    if (arena_map(arena_fd, &view, &failure))
        walk();
    else
        MUST(failure.sentence[0]);
    munmap(view.header, view.size);
    return 0;
}
