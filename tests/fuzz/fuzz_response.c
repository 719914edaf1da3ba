/* SPDX-License-Identifier: MPL-2.0
 *
 * An upstream's response, cut where the first byte says: heads that the strict reader takes end where it says, and bodies say the same
 * however they are cut.
 */
#include "tests/fuzz/entry.h"
#include "worker/http.h"

#define MAX_BODY 4096

struct outcome {
    enum http_result result;
    size_t used, body_size;
    char body[MAX_BODY];
};

/* In a copy, which is changed by being read. */
static void read_body(struct slice text, bool is_for_head, size_t piece, struct outcome *outcome)
{
    static struct response_room room;
    struct slice copy = entry_copy(text.data, text.size);
    char *data = (char *)(uintptr_t)copy.data;
    struct response response;
    struct http http;
    size_t at;

    MUST(response_parse(copy, is_for_head, &room, &response) == RESPONSE_COMPLETE);
    at = response.size;
    outcome->body_size = 0;
    outcome->result = http_begin_response(&http, &response, data);
    while (outcome->result == HTTP_MORE && at < text.size) {
        size_t given = text.size - at < piece ? text.size - at : piece, used = 0;
        struct slice part = {0};

        outcome->result = http_piece(&http, data + at, given, MAX_BODY, &part, &used);
        MUST(used <= given && part.size <= used && outcome->body_size + part.size <= MAX_BODY);
        if (part.size > 0)
            memcpy(outcome->body + outcome->body_size, part.data, part.size);
        outcome->body_size += part.size;
        at += used;
        if (outcome->result == HTTP_MORE)
            MUST(used == given);
    }
    outcome->used = at;
    entry_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct response_room room;
    static struct outcome whole, cut;
    unsigned choice = entry_take(&data, &size);
    struct slice text = entry_copy(data, size);
    struct response response;
    enum response_result result = response_parse(text, choice & 128, &room, &response);

    if (result == RESPONSE_REFUSED)
        MUST(response.cause && response.cause[0]);
    if (result == RESPONSE_COMPLETE) {
        MUST(response.size <= size && response.status >= 100 && response.status <= 599);
        MUST(response.field_count <= RESPONSE_MAX_FIELDS);
        read_body(text, choice & 128, size, &whole);
        read_body(text, choice & 128, choice % 7 + 1, &cut);
        MUST(whole.result == cut.result);
        if (whole.result == HTTP_DONE || whole.result == HTTP_MORE) {
            MUST(whole.used == cut.used && whole.body_size == cut.body_size);
            MUST(memcmp(whole.body, cut.body, whole.body_size) == 0);
        }
    }
    entry_free(text);
    return 0;
}
