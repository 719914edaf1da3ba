/* SPDX-License-Identifier: MPL-2.0
 *
 * Lines of the decision log, which begin with a brace, or an event record as shared memory may hold it. Whatever a record holds, its line
 * is whole, one line and JSON; a line that is read and printed again stays what it is.
 */
#include "cli/event_line.h"
#include "policy/json.h"
#include "shm/event_print.h"
#include "tests/fuzz/entry.h"

static const struct json_gate_limits limits = {.max_bytes = EVENT_PRINT_SIZE, .max_tokens = EVENT_PRINT_SIZE};

/* LINE is one line of JSON; a NUL of a stranger's is escaped as JSON wants it, and as our own gate does not take it. */
static void check_json(struct slice line)
{
    struct slice copy = entry_copy(line.data, line.size);
    char *text = (char *)(uintptr_t)copy.data;
    struct json_gate_fault fault;
    size_t tokens;

    for (size_t i = 0; i + 6 <= line.size; i++)
        if (!memcmp(text + i, "\\u0000", 6))
            text[i + 5] = '1';
    if (!json_gate_check(copy, &limits, &tokens, &fault)) {
        fprintf(stderr, "%s at %zu of %.*s\n", fault.sentence, fault.offset, (int)line.size, line.data);
        abort();
    }
    entry_free(copy);
}

static struct slice print(const struct event *event, char line[EVENT_PRINT_SIZE])
{
    size_t size = event_print_json(event, line);

    MUST(size > 1 && size <= EVENT_PRINT_SIZE && line[size - 1] == '\n' && !memchr(line, '\n', size - 1));
    check_json((struct slice){line, size - 1});
    return (struct slice){line, size - 1};
}

static void check_line(struct slice text)
{
    static struct event event;
    char first[EVENT_PRINT_SIZE], second[EVENT_PRINT_SIZE], sentence[EVENT_PRINT_SIZE];
    struct slice line, again;
    size_t size;

    if (!event_line_parse(text, &event))
        return;
    line = print(&event, first);
    size = event_print_text(&event, sentence);
    MUST(size > 0 && size <= EVENT_PRINT_SIZE && sentence[size - 1] == '\n');
    MUST(event_line_parse(line, &event));
    again = print(&event, second);
    MUST(slice_equal(line, again));
}

static void check_record(struct slice bytes)
{
    static struct event event;
    char line[EVENT_PRINT_SIZE];
    size_t size;

    memset(&event, 0, sizeof(event));
    memcpy(&event, bytes.data, bytes.size < sizeof(event) ? bytes.size : sizeof(event));
    print(&event, line);
    size = event_print_text(&event, line);
    MUST(size > 0 && size <= EVENT_PRINT_SIZE && line[size - 1] == '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = entry_copy(data, size), rest = text;

    if (size == 0 || data[0] != '{')
        check_record(text);
    else
        while (rest.size > 0)
            check_line(entry_line(&rest));
    entry_free(text);
    return 0;
}
