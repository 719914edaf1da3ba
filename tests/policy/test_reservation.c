/* SPDX-License-Identifier: MPL-2.0
 *
 * Reservations: the signed text alone, and thousands of random sequences of reserving, settling and abandoning that end
 * with the balance that plain arithmetic predicts.
 */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "policy/decide.h"
#include "policy/load.h"
#include "policy/reservation.h"
#include "shm/admission.h"
#include "tests/shm/arena_fixture.h"

#define ONE       BUNDLE_MILLIONTHS
#define SECOND    NANOSECONDS_PER_SECOND
#define MINUTE    (60 * SECOND)
#define DAY_S     INT64_C(86400)
#define SEQUENCES 10000
#define OPEN_MOST 8

static const uint64_t key[2] = {UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543210)};

static uint64_t roll(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/* ---- the text ------------------------------------------------------------------------------------------------------
 */

static void make(struct reservation *reservation, uint32_t count)
{
    *reservation =
        (struct reservation){.expires_s = 1800000000, .begun_ns = INT64_MAX / 2, .nonce = UINT64_MAX - count,
                             .weight = count * 0x01020304, .count = count};
    for (uint32_t i = 0; i < count; i++)
        reservation->entries[i] = (struct reservation_entry){.mark = UINT64_C(1) << 63 | i,
                                                             .role = (uint8_t)(i * 7),
                                                             .key = {~UINT64_C(0) - i, i},
                                                             .cost = INT64_MAX - i,
                                                             .extra = INT64_MAX - i,
                                                             .layout = (uint16_t)(0x80ff + i)};
}

/* The client reads the text: where there is no price, what memory held there is not its business. */
START_TEST(a_text_has_no_price_when_there_is_none)
{
    struct reservation written, read;
    char text[VERDICT_RESERVATION_SIZE];
    uint64_t digest[2];
    size_t size;

    make(&written, 1);
    written.price = (struct price){4711, 4712, 4713};
    size = reservation_print(&written, key, text, sizeof(text));
    ck_assert(reservation_parse((struct slice){text, size}, key, &read, digest));
    ck_assert(!read.has_price);
    ck_assert_int_eq(read.price.input, 0);
    ck_assert_int_eq(read.price.cached_input, 0);
    ck_assert_int_eq(read.price.output, 0);
}
END_TEST

START_TEST(a_text_says_what_was_written)
{
    struct reservation written, read;
    char text[VERDICT_RESERVATION_SIZE];
    uint64_t digest[2];
    size_t size;

    make(&written, (uint32_t)_i);
    size = reservation_print(&written, key, text, sizeof(text));
    ck_assert_uint_gt(size, 0);
    ck_assert(reservation_parse((struct slice){text, size}, key, &read, digest));
    ck_assert_int_eq(read.expires_s, written.expires_s);
    ck_assert_int_eq(read.begun_ns, written.begun_ns);
    ck_assert_uint_eq(read.nonce, written.nonce);
    ck_assert_uint_eq(read.count, written.count);
    ck_assert_uint_eq(read.weight, written.weight);
    for (uint32_t i = 0; i < read.count; i++) {
        const struct reservation_entry *a = &written.entries[i], *b = &read.entries[i];

        ck_assert(a->mark == b->mark && a->role == b->role && a->key[0] == b->key[0] && a->key[1] == b->key[1]);
        ck_assert(a->cost == b->cost && a->extra == b->extra && a->layout == b->layout);
    }
}
END_TEST

/* Whoever is given the text can read it: where there is no price, what lay in its place in memory is not told. */
START_TEST(a_price_that_is_none_says_nothing)
{
    struct reservation none, garbage, read;
    char text[2][VERDICT_RESERVATION_SIZE];
    uint64_t digest[2];
    size_t size;

    make(&none, 1);
    garbage = none;
    memset(&garbage.price, 0x55, sizeof(garbage.price));
    size = reservation_print(&none, key, text[0], sizeof(text[0]));
    ck_assert_uint_eq(reservation_print(&garbage, key, text[1], sizeof(text[1])), size);
    ck_assert_mem_eq(text[0], text[1], size);
    garbage.has_price = true;
    size = reservation_print(&garbage, key, text[1], sizeof(text[1]));
    ck_assert(reservation_parse((struct slice){text[1], size}, key, &read, digest));
    ck_assert_int_eq(read.price.output, garbage.price.output);
}
END_TEST

START_TEST(any_other_text_is_refused)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \n";
    const uint64_t other_key[2] = {key[0], key[1] ^ 1};
    struct reservation written, read;
    char text[VERDICT_RESERVATION_SIZE + 4];
    uint64_t digest[2];
    size_t size;

    make(&written, (uint32_t)_i);
    size = reservation_print(&written, key, text, VERDICT_RESERVATION_SIZE);
    ck_assert(!reservation_parse((struct slice){text, size}, other_key, &read, digest));
    for (size_t i = 0; i < size; i++) {
        char right = text[i];

        for (const char *letter = letters; *letter; letter++) {
            text[i] = *letter;
            ck_assert(*letter == right || !reservation_parse((struct slice){text, size}, key, &read, digest));
        }
        text[i] = '\0';
        ck_assert(!reservation_parse((struct slice){text, size}, key, &read, digest));
        text[i] = right;
        ck_assert(!reservation_parse((struct slice){text, i}, key, &read, digest));
    }
    memset(text + size, 'A', 4);
    for (size_t i = 1; i <= 4; i++)
        ck_assert(!reservation_parse((struct slice){text, size + i}, key, &read, digest));
}
END_TEST

/* Figures that no decision writes, though whoever wrote them had the key. */
START_TEST(impossible_figures_are_refused)
{
    struct reservation good, bad;
    char text[VERDICT_RESERVATION_SIZE];
    uint64_t digest[2];
    int64_t *figures[] = {&bad.expires_s, &bad.begun_ns, &bad.price.input, &bad.price.cached_input, &bad.price.output, &bad.entries[0].cost,
                          &bad.entries[1].extra};

    make(&good, 2);
    good.has_price = true;
    bad = good;
    ck_assert(reservation_parse((struct slice){text, reservation_print(&bad, key, text, sizeof(text))}, key, &bad, digest));
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        struct reservation read;

        bad = good;
        *figures[i] = INT64_MIN;
        ck_assert(!reservation_parse((struct slice){text, reservation_print(&bad, key, text, sizeof(text))}, key, &read, digest));
    }
}
END_TEST

START_TEST(random_bytes_are_refused)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint64_t state = 1, digest[2];
    struct reservation read;

    for (int i = 0; i < 20000; i++) {
        size_t size = roll(&state) % 4096;
        char *text = malloc(size > 0 ? size : 1);

        ck_assert_ptr_nonnull(text);
        for (size_t j = 0; j < size; j++)
            text[j] = i % 8 ? letters[roll(&state) % 64] : (char)roll(&state);
        ck_assert(!reservation_parse((struct slice){text, size}, key, &read, digest));
        free(text);
    }
}
END_TEST

START_TEST(no_room_is_no_text)
{
    struct reservation written;
    char text[VERDICT_RESERVATION_SIZE];
    size_t size;

    make(&written, RESERVATION_MAX_ENTRIES);
    size = reservation_print(&written, key, text, sizeof(text));
    ck_assert_uint_gt(size, 0);
    ck_assert_uint_eq(reservation_print(&written, key, text, size - 1), 0);
}
END_TEST

/* ---- balances ------------------------------------------------------------------------------------------------------
 */

#define PER_MINUTE 600
#define BURST      1000
#define PER_DAY    5000

static const char bundle_text[] =
    "{ \"bundle_version\": 1, \"policies\": [ { \"id\": \"p\", \"spec\": { \"selector\": { \"pathPrefix\": "
    "\"/\" }, \"rules\": [ { \"name\": \"r\", \"limit_keys\": [\"header:x-key\"], \"algorithm\": "
    "\"token_bucket_llm\", \"algorithm_config\": { \"tokens_per_minute\": 600, \"burst_tokens\": 1000, "
    "\"tokens_per_day\": 5000, \"default_max_completion\": 100 } } ] } } ] }";

struct world {
    struct arena_fixture fixture;
    struct bundle *bundle;
    struct decider *decider;
    struct moment now;
    char name[32]; /* the client's */
};

/* What the client should have left, by plain arithmetic. */
struct balance {
    __int128 debt; /* of the minute, millionths times nanoseconds */
    int64_t stamp_ns, whole_ns; /* of the debt; when there was none last */
    int64_t day, spent; /* whole tokens of this day */
};

struct open {
    char text[VERDICT_RESERVATION_SIZE];
    size_t size;
    int64_t cost, day, begun_ns, charged_ns; /* last */
    bool is_settled;
};

static void set_up(struct world *world)
{
    static struct complaint_list complaints;

    memset(world, 0, sizeof(*world));
    arena_fixture_open(&world->fixture, "reservation", UINT64_C(16) << 20, key);
    world->bundle = load_bundle(SLICE(bundle_text), 1767225600, &complaints);
    ck_assert_msg(world->bundle != NULL, "%s", complaints.items[0].sentence);
    world->decider = decide_new(world->bundle, &world->fixture.arena, &world->fixture.arena.slots[0], 4096);
    ck_assert_ptr_nonnull(world->decider);
    world->now = (struct moment){.boot_ns = 1000 * SECOND, .wall_ns = INT64_C(1767225600) * SECOND};
}

static void tear_down(struct world *world)
{
    decide_free(world->decider);
    bundle_free(world->bundle);
    arena_fixture_close(&world->fixture);
}

static void ask(struct world *world, int64_t most, struct verdict *verdict)
{
    struct fact_field field = {SLICE("X-Key"), slice_of(world->name)};
    char body[64];
    struct facts facts = {.method = SLICE("POST"), .path = SLICE("/"), .fields = &field, .field_count = 1};

    snprintf(body, sizeof(body), "{\"max_tokens\":%" PRId64 "}", most);
    facts.body = slice_of(body);
    decide_request(world->decider, &facts, NULL, world->now, verdict);
}

static void cut_debt(struct balance *balance)
{
    if (balance->debt > 0)
        return;
    balance->debt = 0;
    balance->whole_ns = balance->stamp_ns;
}

static void advance(struct balance *balance, struct moment now)
{
    int64_t day = now.wall_ns / SECOND / DAY_S;

    balance->debt -= (__int128)(now.boot_ns - balance->stamp_ns) * PER_MINUTE * ONE;
    balance->stamp_ns = now.boot_ns;
    cut_debt(balance);
    if (day > balance->day) {
        balance->day = day;
        balance->spent = 0;
    }
}

static int64_t debt_of(const struct balance *balance)
{
    return (int64_t)((balance->debt + MINUTE - 1) / MINUTE);
}

static void charge_minute(struct balance *balance, int64_t tokens)
{
    balance->debt += (__int128)tokens * ONE * MINUTE;
    cut_debt(balance);
}

static void charge_day(struct balance *balance, int64_t tokens)
{
    balance->spent += tokens;
    if (balance->spent < 0)
        balance->spent = 0;
}

static void reserve(struct world *world, struct balance *balance, struct open *open, int64_t most)
{
    static struct verdict verdict;
    bool fits;

    advance(balance, world->now);
    fits = debt_of(balance) + most * ONE <= BURST * ONE && balance->spent + most <= PER_DAY;
    ask(world, most, &verdict);
    ck_assert_msg(verdict.is_allowed == fits, "%s: %" PRId64 " tokens", world->name, most);
    open->size = verdict.reservation_size;
    ck_assert_int_eq(open->size > 0, fits);
    if (!fits)
        return;
    memcpy(open->text, verdict.reservation, open->size);
    open->cost = most;
    open->day = balance->day;
    open->begun_ns = world->now.boot_ns;
    open->charged_ns = open->begun_ns;
    open->is_settled = false;
    charge_minute(balance, most);
    charge_day(balance, most);
}

static void settle(struct world *world, struct balance *balance, struct open *open, int64_t prompt, int64_t completion)
{
    const struct usage usage = {.in_total = prompt, .out_total = completion};
    enum decide_settlement expected = DECIDE_SETTLED, result;
    int64_t more = prompt + completion - open->cost;

    advance(balance, world->now);
    if (open->size == 0)
        expected = DECIDE_SETTLEMENT_UNKNOWN;
    else if (world->now.boot_ns - open->begun_ns >= RESERVATION_LIFE_S * SECOND)
        expected = DECIDE_SETTLEMENT_EXPIRED;
    else if (open->is_settled)
        expected = DECIDE_SETTLED_BEFORE;
    result = decide_reserve_settle(world->decider, (struct slice){open->text, open->size}, &usage, SLICE(""), world->now);
    ck_assert_int_eq(result, expected);
    if (result != DECIDE_SETTLED)
        return;
    open->is_settled = true;
    if (more > 0 || open->day == balance->day)
        charge_day(balance, more);
    if (more > 0 || open->charged_ns >= balance->whole_ns) /* else it has come back with time */
        charge_minute(balance, more);
}

/* What is reserved grows as far as the limits have it, or not at all. */
static void grow(struct world *world, struct balance *balance, struct open *open, int64_t prompt, int64_t completion)
{
    const struct usage usage = {.in_total = prompt, .out_total = completion};
    int64_t more = prompt + completion - open->cost;
    bool fits;

    if (open->size == 0 || open->is_settled)
        return;
    advance(balance, world->now);
    fits = more <= 0 || (debt_of(balance) + more * ONE <= BURST * ONE && balance->spent + more <= PER_DAY);
    ck_assert_msg(decide_reserve_grow(world->decider, open->text, open->size, &usage, SLICE(""), world->now) == fits,
                  "%s: %" PRId64 " tokens more", world->name, more);
    if (!fits || more <= 0)
        return;
    open->cost += more;
    open->charged_ns = world->now.boot_ns;
    charge_minute(balance, more);
    charge_day(balance, more);
}

/* ---- the balance as the engine has it ------------------------------------------------------------------------------
 */

struct seen {
    int64_t minute, day; /* millionths left, before the request */
};

static void look(void *context, const struct decide_note *note)
{
    struct seen *seen = context;

    if (note->step == DECIDE_LIMIT && note->limit->limit == BURST * ONE)
        seen->minute = note->limit->remaining;
    else if (note->step == DECIDE_LIMIT)
        seen->day = note->limit->remaining;
}

static void check_balance(struct world *world, struct balance *balance)
{
    struct fact_field field = {SLICE("X-Key"), slice_of(world->name)};
    struct facts facts = {.method = SLICE("POST"), .path = SLICE("/"), .fields = &field, .field_count = 1};
    struct seen seen = {INT64_MIN, INT64_MIN};
    static struct verdict verdict;

    advance(balance, world->now);
    decide_explain(world->decider, &facts, NULL, world->now, &verdict, look, &seen);
    ck_assert_msg(seen.minute == BURST * ONE - debt_of(balance), "%s: %" PRId64 " left of the minute", world->name,
                  seen.minute);
    ck_assert_msg(seen.day == (PER_DAY - balance->spent) * ONE, "%s: %" PRId64 " left of the day", world->name,
                  seen.day);
    ck_assert_int_le(seen.minute, BURST * ONE);
    ck_assert_int_le(seen.day, PER_DAY * ONE);
}

static void pass_time(struct world *world, uint64_t *state)
{
    static const int64_t pauses[] = {0,          0,      0,           SECOND / 1000,    SECOND,
                                     7 * SECOND, MINUTE, 20 * MINUTE, 5 * 3600 * SECOND};
    int64_t pause = pauses[roll(state) % (sizeof(pauses) / sizeof(pauses[0]))];

    pause += pause ? (int64_t)(roll(state) % 1000) : 0;
    world->now.boot_ns += pause;
    world->now.wall_ns += pause;
}

/* One client: reserves, grows, settles (less, more, twice, too late) and abandons. */
static void play(struct world *world, uint64_t *state)
{
    struct balance balance = {.stamp_ns = world->now.boot_ns, .day = world->now.wall_ns / SECOND / DAY_S};
    static struct open opens[OPEN_MOST];
    int actions = 3 + (int)(roll(state) % 25);

    memset(opens, 0, sizeof(opens));
    for (int i = 0; i < actions; i++) {
        struct open *open = &opens[roll(state) % OPEN_MOST];
        bool is_over = roll(state) % 4 == 0;

        pass_time(world, state);
        if (roll(state) % 3 == 0)
            grow(world, &balance, open, (int64_t)(roll(state) % 60), (int64_t)(roll(state) % (is_over ? 1500 : 400)));
        else if (roll(state) % 2)
            reserve(world, &balance, open, 1 + (int64_t)(roll(state) % (roll(state) % 3 ? 400 : 1100)));
        else
            settle(world, &balance, open, (int64_t)(roll(state) % (is_over ? 900 : 60)), (int64_t)(roll(state) % 200));
    }
    check_balance(world, &balance);
}

START_TEST(sequences_end_with_the_balance_of_the_model)
{
    uint64_t state = 20260101;
    struct world world;

    set_up(&world);
    for (int i = 0; i < SEQUENCES; i++) {
        snprintf(world.name, sizeof(world.name), "client-%d", i);
        play(&world, &state);
    }
    tear_down(&world);
}
END_TEST

/* ---- the edges -----------------------------------------------------------------------------------------------------
 */

START_TEST(a_refund_never_makes_more_than_the_limit)
{
    struct balance balance = {0};
    static struct open first, second;
    struct world world;

    set_up(&world);
    snprintf(world.name, sizeof(world.name), "edge");
    advance(&balance, world.now);
    reserve(&world, &balance, &first, 1000);
    /* Two minutes later the bucket is whole again, and the refund has nothing to add. */
    world.now.boot_ns += 2 * MINUTE;
    world.now.wall_ns += 2 * MINUTE;
    settle(&world, &balance, &first, 0, 0);
    check_balance(&world, &balance);
    reserve(&world, &balance, &second, 1000);
    reserve(&world, &balance, &first, 1);
    ck_assert_uint_eq(first.size, 0);
    /* A refund to a bucket at zero. */
    settle(&world, &balance, &second, 0, 400);
    check_balance(&world, &balance);
    reserve(&world, &balance, &first, 600);
    ck_assert_uint_gt(first.size, 0);
    tear_down(&world);
}
END_TEST

START_TEST(a_charge_goes_below_zero_and_a_repeated_one_nowhere)
{
    struct balance balance = {0};
    static struct open open, refused;
    struct world world;

    set_up(&world);
    snprintf(world.name, sizeof(world.name), "edge");
    advance(&balance, world.now);
    reserve(&world, &balance, &open, 900);
    settle(&world, &balance, &open, 1000, 2000);
    check_balance(&world, &balance);
    for (int i = 0; i < 5; i++)
        settle(&world, &balance, &open, 0, 0);
    check_balance(&world, &balance);
    reserve(&world, &balance, &refused, 1);
    ck_assert_uint_eq(refused.size, 0);
    world.now.boot_ns += 4 * MINUTE;
    world.now.wall_ns += 4 * MINUTE;
    reserve(&world, &balance, &refused, 400);
    ck_assert_uint_gt(refused.size, 0);
    tear_down(&world);
}
END_TEST

/* Overdrawn again and again by absurd figures, a limit stays used up: sums do not come round. */
START_TEST(an_absurd_debt_stays_a_debt)
{
    enum { MANY = 1800 };
    const struct usage usage = {.in_total = INT64_C(1) << 32, .out_total = INT64_C(1) << 32};
    struct open *opens = calloc(MANY, sizeof(*opens));
    struct balance balance = {0};
    static struct verdict verdict;
    struct world world;

    ck_assert_ptr_nonnull(opens);
    set_up(&world);
    snprintf(world.name, sizeof(world.name), "edge");
    advance(&balance, world.now);
    for (int i = 0; i < MANY; i++) {
        reserve(&world, &balance, &opens[i], 1);
        world.now.boot_ns += i % 900 == 899 ? 2 * MINUTE : 0;
    }
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(
            decide_reserve_settle(world.decider, (struct slice){opens[i].text, opens[i].size}, &usage, SLICE(""), world.now),
            DECIDE_SETTLED);
        ask(&world, 101, &verdict);
        ck_assert(!verdict.is_allowed);
    }
    tear_down(&world);
    free(opens);
}
END_TEST

/* A stream may take longer than others have time to settle; what it used beyond its reservation is charged all the same. */
START_TEST(whoever_saw_the_end_is_never_too_late)
{
    const struct usage usage = {.in_total = 400, .out_total = 1000000};
    struct balance balance = {0};
    static struct verdict verdict;
    static struct open open;
    struct world world;

    set_up(&world);
    snprintf(world.name, sizeof(world.name), "edge");
    advance(&balance, world.now);
    reserve(&world, &balance, &open, 1);
    world.now.boot_ns += 2 * RESERVATION_LIFE_S * SECOND;
    world.now.wall_ns += 2 * RESERVATION_LIFE_S * SECOND;
    ck_assert_int_eq(
        decide_reserve_settle(world.decider, (struct slice){open.text, open.size}, &usage, SLICE(""), world.now),
        DECIDE_SETTLEMENT_EXPIRED);
    ask(&world, 1, &verdict);
    ck_assert(verdict.is_allowed);
    ck_assert_int_eq(
        decide_reserve_finish(world.decider, (struct slice){open.text, open.size}, &usage, SLICE(""), world.now),
        DECIDE_SETTLED);
    ask(&world, 1, &verdict);
    ck_assert(!verdict.is_allowed);
    tear_down(&world);
}
END_TEST

static uint64_t cells_used(const struct world *world)
{
    struct arena_usage usage;

    arena_measure(&world->fixture.arena, world->now, &usage);
    return usage.cells_used;
}

/* Gives every cell that is left to somebody. */
static void fill_arena(struct world *world)
{
    static struct verdict verdict;

    for (uint32_t refused = 0, i = 0; refused < 100000; i++) {
        snprintf(world->name, sizeof(world->name), "%u", i);
        ask(world, 1, &verdict);
        refused += !verdict.is_allowed;
    }
}

/* Proxied requests end by the thousand each second: a note of each would fill the arena, and where nothing can be noted any more
 * neither tokens nor places in flight would come back. */
START_TEST(whoever_saw_the_end_needs_no_room)
{
    const struct usage usage = {.in_total = 400};
    struct balance balance = {0};
    static struct open settled, finished, released;
    static struct verdict verdict;
    struct world world;
    uint64_t used;

    set_up(&world);
    snprintf(world.name, sizeof(world.name), "edge");
    advance(&balance, world.now);
    reserve(&world, &balance, &settled, 100);
    reserve(&world, &balance, &released, 100);
    reserve(&world, &balance, &finished, 800);
    used = cells_used(&world);
    fill_arena(&world);
    ck_assert_uint_gt(cells_used(&world), used + 1000);
    used = cells_used(&world);
    ck_assert_int_eq(
        decide_reserve_settle(world.decider, (struct slice){settled.text, settled.size}, &usage, SLICE(""), world.now),
        DECIDE_SETTLEMENT_BUSY);
    ck_assert_int_eq(decide_reserve_release(world.decider, (struct slice){released.text, released.size}, world.now),
                     DECIDE_SETTLED);
    ck_assert_int_eq(
        decide_reserve_finish(world.decider, (struct slice){finished.text, finished.size}, &usage, SLICE(""), world.now),
        DECIDE_SETTLED);
    ck_assert_uint_eq(cells_used(&world), used);
    snprintf(world.name, sizeof(world.name), "edge");
    ask(&world, 401, &verdict);
    ck_assert(!verdict.is_allowed);
    ask(&world, 400, &verdict);
    ck_assert(verdict.is_allowed);
    tear_down(&world);
}
END_TEST

/* The same one by one: clients take two cells each, and leave one where there are no two. */
static void fill_stripes(struct world *world)
{
    struct charge charge = {.limit = {.kind = CELL_COUNT, .capacity = 1, .length_ns = 3600 * SECOND}, .cost = 1};
    struct admission admission;
    uint64_t order;

    for (uint32_t without_room = 0, i = 0; without_room < 100000; i++) {
        charge.key[0] = i * UINT64_C(0x9e3779b97f4a7c15);
        charge.key[1] = ~charge.key[0];
        admission_take(&world->fixture.arena, &charge, &order, 1, world->now, &admission);
        without_room += admission.no_room;
    }
}

/* The minute of who waits is whole, and its cell goes to somebody else: what he used beyond his reservation finds no other. It is told,
 * and his day is charged. */
START_TEST(what_finds_no_room_is_told)
{
    const struct usage usage = {.in_total = 400};
    struct balance balance = {0};
    static struct open open;
    struct world world;

    set_up(&world);
    snprintf(world.name, sizeof(world.name), "edge");
    reserve(&world, &balance, &open, 100);
    world.now.boot_ns += 60 * SECOND;
    world.now.wall_ns += 60 * SECOND;
    fill_stripes(&world);
    ck_assert_int_eq(
        decide_reserve_finish(world.decider, (struct slice){open.text, open.size}, &usage, SLICE(""), world.now),
        DECIDE_SETTLED_IN_PART);
    tear_down(&world);
}
END_TEST

/* The note that a reservation was settled outlives it, and then gives its cell back. */
START_TEST(a_settlement_is_noted_as_long_as_it_could_be_repeated)
{
    const struct usage usage = {.in_total = 10};
    struct balance balance = {0};
    static struct open open;
    struct world world;
    struct slice text;

    set_up(&world);
    snprintf(world.name, sizeof(world.name), "edge");
    advance(&balance, world.now);
    reserve(&world, &balance, &open, 500);
    text = (struct slice){open.text, open.size};
    settle(&world, &balance, &open, 10, 0);
    world.now.boot_ns += RESERVATION_LIFE_S * SECOND - 1;
    ck_assert_int_eq(decide_reserve_settle(world.decider, text, &usage, SLICE(""), world.now), DECIDE_SETTLED_BEFORE);
    world.now.boot_ns += 1;
    ck_assert_int_eq(decide_reserve_settle(world.decider, text, &usage, SLICE(""), world.now), DECIDE_SETTLEMENT_EXPIRED);
    ck_assert_uint_gt(cells_used(&world), 1); /* the day, and the note */
    world.now.boot_ns += MINUTE;
    ck_assert_uint_eq(cells_used(&world), 1);
    tear_down(&world);
}
END_TEST

/* What it said before it grew and what it says now are one reservation. */
START_TEST(whatever_grew_is_settled_once)
{
    const struct usage usage = {.in_total = 10};
    struct balance balance = {0};
    static struct open before, open;
    struct world world;

    set_up(&world);
    snprintf(world.name, sizeof(world.name), "edge");
    advance(&balance, world.now);
    reserve(&world, &balance, &open, 500);
    before = open;
    grow(&world, &balance, &open, 0, 900);
    check_balance(&world, &balance);
    ck_assert(memcmp(before.text, open.text, open.size) != 0);
    settle(&world, &balance, &open, 10, 0);
    check_balance(&world, &balance);
    ck_assert_int_eq(
        decide_reserve_settle(world.decider, (struct slice){before.text, before.size}, &usage, SLICE(""), world.now),
        DECIDE_SETTLED_BEFORE);
    check_balance(&world, &balance);
    tear_down(&world);
}
END_TEST

START_TEST(absurd_figures_settle_nothing)
{
    static const struct usage usages[] = {
        {.in_total = -1},
        {.out_total = -1},
        {.in_total = INT64_MIN},
        {.in_total = INT64_MAX, .out_total = INT64_MAX},
        {.in_total = (INT64_C(1) << 32) + 1},
        {.out_total = INT64_MAX},
        {.in_cached = -1},
    };
    struct balance balance = {0};
    static struct open open;
    struct world world;

    set_up(&world);
    snprintf(world.name, sizeof(world.name), "edge");
    advance(&balance, world.now);
    reserve(&world, &balance, &open, 500);
    for (size_t i = 0; i < sizeof(usages) / sizeof(usages[0]); i++)
        ck_assert_int_eq(
            decide_reserve_settle(world.decider, (struct slice){open.text, open.size}, &usages[i], SLICE(""), world.now),
            DECIDE_SETTLEMENT_UNKNOWN);
    check_balance(&world, &balance);
    settle(&world, &balance, &open, 1, 1);
    check_balance(&world, &balance);
    tear_down(&world);
}
END_TEST

START_TEST(another_arena_does_not_know_it)
{
    const uint64_t other_key[2] = {1, 2};
    struct balance balance = {0};
    static struct open open;
    struct world world, other;
    const struct usage usage = {.in_total = 0};

    set_up(&world);
    snprintf(world.name, sizeof(world.name), "edge");
    advance(&balance, world.now);
    reserve(&world, &balance, &open, 500);
    other = world;
    arena_fixture_open(&other.fixture, "reservation-2", ARENA_MIN_SIZE, other_key);
    other.decider = decide_new(world.bundle, &other.fixture.arena, &other.fixture.arena.slots[0], 4096);
    ck_assert_int_eq(decide_reserve_settle(other.decider, (struct slice){open.text, open.size}, &usage, SLICE(""), world.now),
                     DECIDE_SETTLEMENT_UNKNOWN);
    decide_free(other.decider);
    arena_fixture_close(&other.fixture);
    tear_down(&world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reservation");
    TCase *tests = tcase_create("reservation");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_price_that_is_none_says_nothing);
    tcase_add_loop_test(tests, a_text_says_what_was_written, 0, RESERVATION_MAX_ENTRIES + 1);
    tcase_add_test(tests, a_text_has_no_price_when_there_is_none);
    tcase_add_loop_test(tests, any_other_text_is_refused, 0, 3);
    tcase_add_test(tests, impossible_figures_are_refused);
    tcase_add_test(tests, random_bytes_are_refused);
    tcase_add_test(tests, no_room_is_no_text);
    tcase_add_test(tests, sequences_end_with_the_balance_of_the_model);
    tcase_add_test(tests, a_refund_never_makes_more_than_the_limit);
    tcase_add_test(tests, a_charge_goes_below_zero_and_a_repeated_one_nowhere);
    tcase_add_test(tests, an_absurd_debt_stays_a_debt);
    tcase_add_test(tests, whoever_saw_the_end_is_never_too_late);
    tcase_add_test(tests, whoever_saw_the_end_needs_no_room);
    tcase_add_test(tests, what_finds_no_room_is_told);
    tcase_add_test(tests, a_settlement_is_noted_as_long_as_it_could_be_repeated);
    tcase_add_test(tests, whatever_grew_is_settled_once);
    tcase_add_test(tests, absurd_figures_settle_nothing);
    tcase_add_test(tests, another_arena_does_not_know_it);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
