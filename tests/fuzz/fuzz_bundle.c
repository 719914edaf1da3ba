/* SPDX-License-Identifier: MPL-2.0
 *
 * The policy loader. What it takes has a canonical form, which loads again without new complaints, demands the same and is its own
 * canonical form; what it refuses comes with a complaint that says why.
 */
#include "policy/difference.h"
#include "policy/load.h"
#include "policy/print.h"
#include "tests/fuzz/entry.h"

#define NOW INT64_C(1780000000)

/* The canonical form of TEXT. The caller frees its data. */
static struct slice print(struct slice text)
{
    static struct entry_sink sink;
    struct slice printed;

    MUST(print_bundle(text, entry_sink_begin(&sink)));
    printed = entry_sink_end(&sink);
    return entry_copy(printed.data, printed.size);
}

static void check_complaints(const struct complaint_list *complaints)
{
    static FILE *out;

    if (!out)
        out = fopen("/dev/null", "w");
    MUST(out && complaints->count <= COMPLAINT_MAX && complaints->count <= complaints->errors + complaints->warnings);
    for (size_t i = 0; i < complaints->count; i++) {
        MUST(complaints->items[i].sentence[0] && complaints->items[i].code[0]);
        complaint_print(&complaints->items[i], "bundle.json", out);
        complaint_print_json(&complaints->items[i], out);
    }
}

static void check_canonical(const struct bundle *bundle, struct slice text, struct complaint_list *complaints)
{
    size_t warnings = complaints->warnings;
    struct slice canonical = print(text), again;
    struct bundle *same = load_bundle(canonical, NOW, complaints);
    struct difference_list *differences;

    MUST(same && complaints->warnings == warnings);
    differences = difference_find(bundle, same, NOW);
    MUST(differences && differences->count == 0);
    MUST(slice_equal(bundle->version_text, same->version_text) && bundle->rule_count == same->rule_count);
    again = print(canonical);
    MUST(slice_equal(canonical, again));
    difference_free(differences);
    bundle_free(same);
    entry_free(again);
    entry_free(canonical);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct complaint_list complaints;
    struct slice text = entry_copy(data, size);
    struct bundle *bundle = load_bundle(text, NOW, &complaints);

    MUST((bundle != NULL) == (complaints.errors == 0));
    check_complaints(&complaints);
    if (bundle)
        check_canonical(bundle, text, &complaints);
    bundle_free(bundle);
    entry_free(text);
    return 0;
}
