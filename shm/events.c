/* SPDX-License-Identifier: MPL-2.0
 *
 * The ring of events: see events.h for the drawing and the reasons.
 */
#include "shm/events.h"

#include <string.h>

#include "shm/must.h"

#define BUSY         UINT64_C(1)
#define WRITER_SHIFT 1
#define SERIAL_SHIFT 12
#define PATIENCE_NS  (100 * NANOSECONDS_PER_SECOND / 1000) /* for a serial number that was taken and does not appear */
#define MARGIN       8                                     /* a lapped reader begins one part in so many behind the oldest */

_Static_assert(EVENTS_WRITERS <= 1 << (SERIAL_SHIFT - WRITER_SHIFT), "a state has room for every writer");
_Static_assert(sizeof(struct events_record) == 512, "a record is eight cache lines");

static struct events_record *record_of(const struct arena *arena, uint64_t serial)
{
    return &arena->events[serial & (arena->event_count - 1)];
}

/* Serial numbers are kept plus one: a state of zero is of a record that was never written. */
static uint64_t state_of(uint64_t serial, uint16_t writer, uint64_t busy)
{
    return (serial + 1) << SERIAL_SHIFT | (uint64_t)writer << WRITER_SHIFT | busy;
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

static bool is_busy_of(uint64_t state, uint16_t writer)
{
    return (state & ((UINT64_C(1) << SERIAL_SHIFT) - 1)) == ((uint64_t)writer << WRITER_SHIFT | BUSY);
}

void events_open(struct events_writer *writer, const struct arena *arena, uint16_t number)
{
    MUST(arena->is_writable && number < EVENTS_WRITERS);
    *writer = (struct events_writer){.arena = arena, .number = number};
    for (uint32_t i = 0; i < arena->event_count; i++) {
        uint64_t state = atomic_load_explicit(&arena->events[i].state, memory_order_relaxed);

        /* Its bytes are worthless: zero says that nothing was ever written here. */
        if (is_busy_of(state, number))
            atomic_store_explicit(&arena->events[i].state, 0, memory_order_release);
    }
}

/* false when the record belongs to a writer that is not done, or to a later round. */
static bool claim(struct events_record *record, uint64_t serial, uint16_t writer)
{
    uint64_t found = atomic_load_explicit(&record->state, memory_order_relaxed);

    do {
        if ((found & BUSY) || found >> SERIAL_SHIFT > serial)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&record->state, &found, state_of(serial, writer, BUSY),
                                                    memory_order_acquire, memory_order_relaxed));
    /* Whoever sees a byte of what follows must find "busy" when he looks again. */
    atomic_thread_fence(memory_order_release);
    return true;
}

bool events_write(const struct events_writer *writer, struct event *event)
{
    uint64_t serial = atomic_fetch_add_explicit(&writer->arena->events_head->next, 1, memory_order_relaxed);
    struct events_record *record = record_of(writer->arena, serial);

    if (!claim(record, serial, writer->number))
        return false;
    event->writer = writer->number;
    memcpy(&record->event, event, sizeof(*event));
    atomic_store_explicit(&record->state, state_of(serial, writer->number, 0), memory_order_release);
    return true;
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

uint64_t events_count(const struct arena *arena)
{
    return atomic_load_explicit(&arena->events_head->next, memory_order_acquire);
}

uint32_t events_room(const struct arena *arena)
{
    return arena->event_count;
}

void events_begin_at(struct events_reader *reader, const struct arena *arena, uint64_t position)
{
    *reader = (struct events_reader){.arena = arena, .position = position};
}

void events_begin_newest(struct events_reader *reader, const struct arena *arena)
{
    events_begin_at(reader, arena, events_count(arena));
}

void events_begin_oldest(struct events_reader *reader, const struct arena *arena)
{
    uint64_t next = events_count(arena);

    events_begin_at(reader, arena, next > arena->event_count ? next - arena->event_count : 0);
}

static bool copy(const struct events_record *record, uint64_t serial, struct event *event)
{
    uint64_t before = atomic_load_explicit(&record->state, memory_order_acquire);

    if ((before & BUSY) || before >> SERIAL_SHIFT != serial + 1)
        return false;
    memcpy(event, &record->event, sizeof(*event));
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&record->state, memory_order_relaxed) == before;
}

static void pass_over(struct events_reader *reader, uint64_t count)
{
    reader->position += count;
    reader->lost += count;
    reader->waiting_since_ns = 0;
}

/* What the ring has written over already; a little more, so that the next one is not written over at once. */
static void catch_up(struct events_reader *reader, uint64_t next)
{
    uint64_t room = reader->arena->event_count;

    if (next < reader->position) /* another arena's word, or a corrupted one: begin where it says that things happen */
        *reader = (struct events_reader){.arena = reader->arena, .position = next, .lost = reader->lost};
    else if (next - reader->position > room)
        pass_over(reader, next - reader->position - room + room / MARGIN);
}

/* Whether the event at the reader's place will not come any more. */
static bool is_overdue(struct events_reader *reader, int64_t now_ns)
{
    uint64_t state = atomic_load_explicit(&record_of(reader->arena, reader->position)->state, memory_order_acquire);

    if (state >> SERIAL_SHIFT > reader->position + 1)
        return true; /* written over */
    if (reader->waiting_since_ns == 0)
        reader->waiting_since_ns = now_ns;
    return now_ns - reader->waiting_since_ns >= PATIENCE_NS;
}

bool events_read(struct events_reader *reader, struct event *event, int64_t now_ns)
{
    for (;;) {
        uint64_t next = events_count(reader->arena);

        catch_up(reader, next);
        if (reader->position == next)
            return false;
        if (copy(record_of(reader->arena, reader->position), reader->position, event)) {
            reader->position++;
            reader->waiting_since_ns = 0;
            return true;
        }
        if (!is_overdue(reader, now_ns))
            return false;
        pass_over(reader, 1);
    }
}

bool events_read_kept(struct events_reader *reader, uint64_t end, struct event *event)
{
    uint64_t room = reader->arena->event_count;

    if (end > reader->position && end - reader->position > room)
        reader->position = end - room;
    while (reader->position < end) {
        uint64_t serial = reader->position++;

        if (copy(record_of(reader->arena, serial), serial, event))
            return true;
    }
    return false;
}
