/* SPDX-License-Identifier: MPL-2.0
 *
 * What processes of one instance tell each other: a request through the master's door, the block that a worker is handed, the letter of
 * an upgrade, the table of kill switches in shared memory. Every text of what is taken is terminated, every count is in its bounds.
 */
#include "master/letter.h"
#include "policy/switch_words.h"
#include "shm/arena.h"
#include "shm/door.h"
#include "shm/handoff.h"
#include "shm/kills.h"
#include "tests/fuzz/entry.h"

#define IS_ENDED(text) (memchr((text), '\0', sizeof(text)) != NULL)

static void check_words(const struct door_request *request)
{
    struct switch_words words[DOOR_MAX_PAIRS];
    static struct complaint_list complaints;
    struct failure failure = {0};
    struct bundle *bundle;

    for (uint32_t i = 0; i < request->pair_count; i++)
        words[i] = (struct switch_words){slice_of(request->pairs[i].key), slice_of(request->pairs[i].value),
                                         slice_of(request->route), slice_of(request->reason)};
    bundle = switch_words_parse(words, request->pair_count, &complaints, &failure);
    MUST(bundle || (failure.code == EXIT_CODE_USAGE && failure.sentence[0]));
    MUST(!bundle || bundle->kill_switch_count == request->pair_count);
    bundle_free(bundle);
}

/* BYTES over a request that is in order, so that not every number of it must be guessed. */
static void check_request(struct slice bytes)
{
    static struct door_request request;
    const struct door_request whole = {.magic = DOOR_MAGIC, .version = DOOR_VERSION, .size = sizeof(request)};
    size_t skipped = offsetof(struct door_request, verb), given = bytes.size;

    request = whole;
    if (given > sizeof(request) - skipped)
        given = sizeof(request) - skipped;
    memcpy((char *)&request + skipped, bytes.data, given);
    if (!door_is_sane(&request, sizeof(request)))
        return;
    MUST(request.verb < DOOR_VERBS && request.pair_count <= DOOR_MAX_PAIRS);
    MUST(IS_ENDED(request.policy) && IS_ENDED(request.rule) && IS_ENDED(request.reason) && IS_ENDED(request.route));
    for (uint32_t i = 0; i < request.pair_count; i++)
        MUST(IS_ENDED(request.pairs[i].key) && IS_ENDED(request.pairs[i].value));
    check_words(&request);
}

static void check_raw_request(struct slice bytes)
{
    static struct door_request request;

    memset(&request, 0, sizeof(request));
    memcpy(&request, bytes.data, bytes.size < sizeof(request) ? bytes.size : sizeof(request));
    if (door_is_sane(&request, bytes.size))
        MUST(bytes.size == sizeof(request) && request.magic == DOOR_MAGIC && request.size == sizeof(request));
}

/* Bytes over a block that is in order, sealed as the master's is. */
static void check_handoff(struct slice bytes)
{
    static struct handoff handoff, taken;
    int fd;

    memset(&handoff, 0, sizeof(handoff));
    handoff.magic = HANDOFF_MAGIC;
    handoff.size = sizeof(handoff);
    memcpy(&handoff, bytes.data, bytes.size < sizeof(handoff) ? bytes.size : sizeof(handoff));
    fd = handoff_seal(&handoff);
    MUST(fd >= 0);
    if (handoff_read(fd, &taken)) {
        MUST(taken.magic == HANDOFF_MAGIC && taken.size == sizeof(taken));
        MUST(taken.listener_count <= HANDOFF_MAX_LISTENERS && taken.slot < ARENA_WORKER_SLOTS);
        MUST(memcmp(&handoff, &taken, sizeof(taken)) == 0);
    }
    close(fd);
}

static void check_letter(struct slice bytes)
{
    static struct letter letter, again;
    char *text = strndup(bytes.data, bytes.size), printed[LETTER_TEXT_SIZE];
    struct failure failure = {0};

    MUST(text);
    if (!letter_parse(text, &letter, &failure)) {
        MUST(failure.code == EXIT_CODE_USAGE && failure.sentence[0]);
    } else {
        MUST(letter.socket_count <= LETTER_MAX_SOCKETS && letter_print(&letter, printed, sizeof(printed)));
        MUST(letter_parse(printed, &again, &failure));
        MUST(letter.lock_fd == again.lock_fd && letter.report_fd == again.report_fd && letter.pid == again.pid);
        MUST(letter.generation == again.generation && letter.socket_count == again.socket_count);
        MUST(memcmp(letter.sockets, again.sockets, letter.socket_count * sizeof(letter.sockets[0])) == 0);
    }
    free(text);
}

static void check_kills(struct slice bytes)
{
    static struct kills_table table;
    struct kills_row row;

    memset(&table, 0x55, sizeof(table));
    memcpy(&table, bytes.data, bytes.size < sizeof(table) ? bytes.size : sizeof(table));
    kills_tame(&table);
    MUST(table.count <= KILLS_MAX);
    for (uint32_t i = 0; i < table.count; i++) {
        row = table.rows[i];
        MUST(IS_ENDED(row.key) && IS_ENDED(row.value) && IS_ENDED(row.route) && IS_ENDED(row.reason));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned choice = entry_take(&data, &size);
    struct slice bytes = entry_copy(data, size);
    static void (*const checks[])(struct slice) = {check_request, check_raw_request, check_handoff, check_letter, check_kills};

    checks[choice % (sizeof(checks) / sizeof(checks[0]))](bytes);
    entry_free(bytes);
    return 0;
}
