/* SPDX-License-Identifier: MPL-2.0
 *
 * Bodies of requests to models: their estimate is possible, the same wherever a body lies, and what is changed in a body on its way is
 * changed as planned: the result is read as the same kind of request, with a completion that is no longer than allowed.
 */
#include "policy/body_edit.h"
#include "policy/estimate_form.h"
#include "policy/json_gate.h"
#include "tests/fuzz/entry.h"

static const struct slice paths[] = {
    SLICE("/v1/chat/completions"), SLICE("/v1/completions"), SLICE("/v1/responses"), SLICE("/v1/messages"),
    SLICE("/v1beta/models/gemini-pro:generateContent"), SLICE("/v1/embeddings"),
};
#define PATHS (sizeof(paths) / sizeof(paths[0]))
#define CLAMP 7

static const struct json_gate_limits limits = {.max_bytes = 1 << 24, .max_tokens = 1 << 20};

/* White space in front of a body moves every byte of it to another place among those that are looked at together, and says nothing. */
static void check_moved(struct slice body, const struct estimate *estimate)
{
    size_t blanks = 1 + body.size % 31;
    char *text = malloc(blanks + body.size);
    struct estimate moved;

    MUST(text);
    memset(text, ' ', blanks);
    memcpy(text + blanks, body.data, body.size);
    moved = estimate_body((struct slice){text, blanks + body.size});
    MUST(moved.is_readable == estimate->is_readable && (!moved.is_readable || moved.prompt == estimate->prompt));
    MUST(moved.completion == estimate->completion && moved.choices == estimate->choices);
    MUST(moved.has_bad_figure == estimate->has_bad_figure && moved.has_bad_completion == estimate->has_bad_completion);
    MUST(moved.is_background == estimate->is_background && moved.has_two_models == estimate->has_two_models);
    MUST(slice_equal((struct slice){moved.model, moved.model_size}, (struct slice){estimate->model, estimate->model_size}));
    free(text);
}

static void check_estimate(struct slice body)
{
    struct estimate estimate = estimate_body(body);
    struct json_gate_fault fault;
    size_t tokens;

    if (!slice_has_prefix(body, SLICE("\xef\xbb\xbf"))) /* a byte order mark is passed over in front of all else alone */
        check_moved(body, &estimate);
    MUST(estimate.prompt >= 0);
    MUST(estimate.completion >= 0 && estimate.completion <= ESTIMATE_MOST && estimate.choices >= 1);
    MUST(estimate.model_size <= ESTIMATE_MODEL_MAX);
    if (estimate.is_readable)
        MUST(memchr(body.data, '{', body.size));
    else
        MUST(!json_gate_check(body, &limits, &tokens, &fault) || !memchr(body.data, '{', body.size) ||
             body.data[0] != '{');
}

static void check_form(struct slice body)
{
    struct estimate estimate = {.choices = 1};

    if (!estimate_form(body, SLICE("multipart/form-data; boundary=b"), &estimate))
        return;
    MUST(slice_has_prefix(body, SLICE("--b")));
    MUST(estimate.prompt >= 0 && estimate.choices >= 1 && estimate.model_size <= ESTIMATE_MODEL_MAX && estimate.completion == 0);
}

static struct slice edited(struct slice body, const struct body_edit *edit)
{
    char *text = malloc(body.size + BODY_EDIT_SPLICES * BODY_EDIT_TEXT + 1);
    size_t at = 0, used = 0;

    MUST(text);
    for (size_t i = 0; i < edit->count; i++) {
        const struct body_splice *splice = &edit->splices[i];

        MUST(splice->offset >= at && splice->removed <= body.size - splice->offset && splice->size <= BODY_EDIT_TEXT);
        memcpy(text + used, body.data + at, splice->offset - at);
        used += splice->offset - at;
        memcpy(text + used, splice->text, splice->size);
        used += splice->size;
        at = splice->offset + splice->removed;
    }
    memcpy(text + used, body.data + at, body.size - at);
    return (struct slice){text, used + body.size - at};
}

static void check_edit(struct slice path, struct slice body)
{
    struct body_edit edit, again;
    struct json_gate_fault fault;
    struct slice changed;
    size_t tokens;

    if (!body_edit_plan(path, body, true, CLAMP, &edit))
        return;
    MUST(edit.count <= BODY_EDIT_SPLICES);
    changed = edited(body, &edit);
    MUST(json_gate_check(changed, &limits, &tokens, &fault));
    MUST(body_edit_plan(path, changed, true, CLAMP, &again));
    MUST(again.count == 0); /* nothing is left to change */
    if (body_edit_can_clamp(path, body))
        MUST(estimate_body(changed).completion <= CLAMP);
    entry_free(changed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned choice = entry_take(&data, &size);
    struct slice body = entry_copy(data, size);

    if (size > 0) {
        check_estimate(body);
        check_form(body);
        check_edit(paths[choice % PATHS], body);
    }
    entry_free(body);
    return 0;
}
