/* SPDX-License-Identifier: MPL-2.0
 *
 * An arena from before, or one that a worker gone mad has written to: the input is patches over one that is in order,
 *
 *   part 1 byte (enum part) | offset 2 | length 1 | bytes
 *
 * It is refused, or else attached, audited, read in all its parts and judged on. What the audit has repaired stays repaired.
 */
#include <sys/mman.h>

#include "shm/arena_layout.h"
#include "shm/event_print.h"
#include "shm/kills.h"
#include "tests/fuzz/world.h"

enum part { PART_HEADER, PART_SLOTS, PART_KILLS, PART_SERIES, PART_EVENTS_HEAD, PART_EVENTS, PART_FLIGHTS, PART_STRIPE, PART_CELLS, PARTS };

#define HAS(parts, part) ((parts) >> (part)&1)
#define MAX_PATCHES 16
#define MAX_EVENTS  16
#define IS_ENDED(text) (memchr((text), '\0', sizeof(text)) != NULL)

static struct arena view; /* of who attached to it */
static unsigned char *template; /* what it begins with each time ... */
static size_t used;             /* ... so many bytes of it: to the end of the stripes that are used */
static struct bundle *bundle;
static int arena_fd;

/* A request has been judged on it: there are cells, series and events. */
static void make_arena(void)
{
    struct failure failure = {0};
    struct arena arena;
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
    for (uint32_t i = 0; i < WORLD_STRIPES; i++) /* nobody is waited for who seems to hold a lock */
        arena_stripe(&arena, i)->stuck_until_ns = INT64_MAX;
    template = malloc(used);
    MUST(template);
    memcpy(template, arena.header, used);
    MUST(arena_map(arena_fd, &view, &failure));
    view.stripe_count = WORLD_STRIPES;
}

/* Where patches of a part go: two of them to the stripe that has the first cell, and to its cells alone. */
static unsigned char *part_at(enum part part)
{
    static struct stripe *stripe;
    unsigned char *const parts[] = {
        [PART_HEADER] = (unsigned char *)view.header, [PART_SLOTS] = (unsigned char *)view.slots,
        [PART_KILLS] = (unsigned char *)view.kills,   [PART_SERIES] = (unsigned char *)view.series,
        [PART_EVENTS] = (unsigned char *)view.events, [PART_EVENTS_HEAD] = (unsigned char *)view.events_head,
        [PART_FLIGHTS] = (unsigned char *)view.flights};

    for (uint32_t i = 0; i < WORLD_STRIPES && !stripe; i++)
        for (uint32_t cell = 0; cell < STRIPE_CELLS && !stripe; cell++)
            if (arena_stripe(&view, i)->cells[cell].kind != CELL_FREE)
                stripe = arena_stripe(&view, i);
    if (part == PART_STRIPE)
        return (unsigned char *)stripe;
    return part == PART_CELLS ? (unsigned char *)stripe->cells : parts[part];
}

/* Returns a bit 1 << part for each part that was written to: only those are worth while to be looked at. */
static unsigned patch(const uint8_t *data, size_t size)
{
    unsigned char *end = (unsigned char *)view.header + used;
    unsigned patched = 0;

    for (int i = 0; i < MAX_PATCHES && size > 4; i++) {
        enum part part = data[0] % PARTS;
        unsigned char *at = part_at(part) + (data[1] | (size_t)data[2] << 8);
        size_t length = data[3];

        data += 4;
        size -= 4;
        if (length > size)
            length = size;
        if (at + length <= end)
            memcpy(at, data, length);
        patched |= 1U << part;
        data += length;
        size -= length;
    }
    return patched;
}

static void read_texts(void)
{
    static struct kills_table kills;
    struct arena_status status;
    struct arena_usage usage;
    uint32_t sequence;

    if (arena_read_status(&view, &status))
        MUST(IS_ENDED(status.policy_version) && IS_ENDED(status.policy_hash));
    arena_measure(&view, world_now, &usage);
    MUST(usage.cells_used <= usage.cells);
    if (kills_read(&view, &kills, &sequence))
        for (uint32_t i = 0; i < kills.count; i++)
            MUST(i < KILLS_MAX && IS_ENDED(kills.rows[i].key) && IS_ENDED(kills.rows[i].value) &&
                 IS_ENDED(kills.rows[i].route) && IS_ENDED(kills.rows[i].reason));
}

static void read_numbers(void)
{
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        counters_sum(&view, (enum counter)i);
    series_read(&view, SLICE("m"), NULL, 0);
    series_overflow(&view);
    for (uint32_t i = 0; i < 2; i++)
        MUST(flights_count(&view, i, 0) <= FLIGHTS_MOST);
}

static void read_events(void)
{
    struct events_reader reader;
    struct event event;
    char line[EVENT_PRINT_SIZE];

    events_begin_oldest(&reader, &view);
    for (int i = 0; i < MAX_EVENTS && events_read(&reader, &event, world_now.boot_ns); i++)
        MUST(event_print_json(&event, line) <= EVENT_PRINT_SIZE && event_print_text(&event, line) <= EVENT_PRINT_SIZE);
}

static void judge(void)
{
    struct decider *decider = decide_new(bundle, &view, &view.slots[0], 4096);
    struct verdict verdict;

    MUST(decider && decide_events_open(decider, &(struct decide_recording){.records_all = true}));
    for (int i = 0; i < 3; i++)
        world_decide(decider, &verdict);
    decide_free(decider);
}

static void walk(unsigned patched)
{
    struct flights_landing landing = {0};
    uint64_t repaired = 0, again = 0;
    uint32_t unusable = arena_audit(&view, &repaired);

    MUST(arena_audit(&view, &again) == unusable && again == 0);
    if (HAS(patched, PART_HEADER) || HAS(patched, PART_KILLS) || HAS(patched, PART_CELLS))
        read_texts();
    if (HAS(patched, PART_SLOTS) || HAS(patched, PART_SERIES) || HAS(patched, PART_FLIGHTS))
        read_numbers();
    if (HAS(patched, PART_EVENTS_HEAD) || HAS(patched, PART_EVENTS))
        read_events();
    judge();
    flights_land(&view, 0, 0, world_now, &landing);
    MUST(landing.landed + landing.late + landing.stuck <= FLIGHTS_MOST);
    MUST(arena_audit(&view, &again) == unusable && again == 0);
}

static bool is_attachable(void)
{
    struct failure failure = {0};
    struct arena mapped = {0};
    bool is_taken = arena_map(arena_fd, &mapped, &failure);

    MUST(is_taken || failure.sentence[0]);
    munmap(mapped.header, mapped.size);
    return is_taken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned patched;

    if (!template)
        make_arena();
    memcpy(view.header, template, used);
    patched = patch(data, size);
    if (!HAS(patched, PART_HEADER) || is_attachable())
        walk(patched);
    return 0;
}
