/* SPDX-License-Identifier: MPL-2.0
 *
 * The way from bytes to a policy: gate and tokens, duplicate names, the objects one by one, then order and index.
 * Everything is looked at even after the first error, so that the complaints come all at once.
 */
#include "policy/load.h"

#include <stdarg.h>
#include <stdlib.h>

#include "policy/decimal.h"
#include "policy/load_private.h"
#include "policy/match.h"

#define MAX_SHOWN    80
#define MAX_REPEATED COMPLAINT_MAX

int load_shown(struct slice text)
{
    size_t size = text.size < MAX_SHOWN ? text.size : MAX_SHOWN;

    while (size > 0 && size < text.size && ((unsigned char)text.data[size] & 0xC0) == 0x80)
        size--;
    return (int)size;
}

static void complain(struct load *load, enum complaint_severity severity, uint32_t token, const char *code,
                     const char *format, va_list arguments)
{
    char pointer[COMPLAINT_POINTER_SIZE] = "", sentence[COMPLAINT_SENTENCE_SIZE];
    struct complaint_place place = {0, 0, pointer};

    if (token != JSON_NONE && load->complaints->count < COMPLAINT_MAX) {
        json_place(load->text, json_offset(load->json, token), &place.line, &place.column);
        json_pointer(load->json, token, pointer, sizeof(pointer));
    }
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    complaint_add(load->complaints, severity, code, place, "%s", sentence);
}

void load_complain(struct load *load, uint32_t token, const char *code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    complain(load, COMPLAINT_ERROR, token, code, format, arguments);
    va_end(arguments);
}

void load_warn(struct load *load, uint32_t token, const char *code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    complain(load, COMPLAINT_WARNING, token, code, format, arguments);
    va_end(arguments);
}

void *load_take(struct load *load, size_t count, size_t size)
{
    void *piece = region_take(load->region, count, size);

    load->is_out_of_memory |= !piece;
    return piece;
}

bool load_text(struct load *load, uint32_t token, struct slice *text)
{
    struct slice borrowed;
    bool is_fine = json_text(load->json, token, load->region, &borrowed);

    /* A text without escapes still lies in the document, which need not outlive the load. */
    if (is_fine && borrowed.data == json_raw(load->json, token).data)
        is_fine = region_copy(load->region, borrowed, text);
    else
        *text = borrowed;
    load->is_out_of_memory |= !is_fine;
    return is_fine;
}

static void check_duplicates(struct load *load)
{
    uint32_t names[MAX_REPEATED];
    size_t count;

    if (!json_duplicates(load->json, names, MAX_REPEATED, &count)) {
        load->is_out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < count; i++)
        load_complain(load, i < MAX_REPEATED ? names[i] : JSON_NONE, "duplicate_key",
                      "\"%.*s\" is given twice in the same object; remove one of the two",
                      SHOWN(json_raw(load->json, names[i < MAX_REPEATED ? i : MAX_REPEATED - 1])));
}

struct placed_policy {
    struct policy policy;
    uint32_t token;
};

static int compare_policies(const void *left, const void *right)
{
    const struct placed_policy *a = left, *b = right;
    size_t shared = a->policy.id.size < b->policy.id.size ? a->policy.id.size : b->policy.id.size;
    int order = shared > 0 ? memcmp(a->policy.id.data, b->policy.id.data, shared) : 0;

    if (order != 0)
        return order;
    if (a->policy.id.size != b->policy.id.size)
        return a->policy.id.size < b->policy.id.size ? -1 : 1;
    return (a->token > b->token) - (a->token < b->token);
}

/* Sorts by id, complains of ids that are there twice, and gives the policies to the bundle. */
static void finish_policies(struct load *load, struct placed_policy *placed, uint32_t count)
{
    struct policy *policies = load_take(load, count, sizeof(*policies));

    load->policy_tokens = load_take(load, count, sizeof(*load->policy_tokens));
    if (!policies || !load->policy_tokens)
        return;
    qsort(placed, count, sizeof(*placed), compare_policies);
    for (uint32_t i = 0; i < count; i++) {
        policies[i] = placed[i].policy;
        load->policy_tokens[i] = placed[i].token;
        load->bundle->rule_count += policies[i].rule_count + (policies[i].fallback ? 1 : 0);
        if (i > 0 && policies[i].id.size > 0 && slice_equal(policies[i].id, policies[i - 1].id))
            load_complain(load, placed[i].token, "duplicate_id",
                          "another policy has the id \"%.*s\" already; every policy needs one of its own",
                          SHOWN(policies[i].id));
    }
    load->bundle->policies = policies;
    load->bundle->policy_count = count;
}

static void read_policies(struct load *load, uint32_t list)
{
    uint32_t count = json_count(load->json, list), i = 0;
    struct placed_policy *placed = calloc((size_t)count + 1, sizeof(*placed));

    if (!placed) {
        load->is_out_of_memory = true;
        return;
    }
    for (uint32_t token = json_first(load->json, list); token != JSON_NONE; token = json_next(load->json, token)) {
        placed[i].token = token;
        load_policy_read(load, token, &placed[i++].policy);
    }
    finish_policies(load, placed, count);
    free(placed);
}

static void read_version(struct load *load, const struct load_value *version)
{
    char text[DECIMAL_TEXT_SIZE];
    size_t size = decimal_print(version->number, text);

    load->is_out_of_memory |= !region_copy(load->region, (struct slice){text, size}, &load->bundle->version_text);
}

static void read_defaults(struct load *load, const struct load_value *defaults)
{
    struct load_record record;

    if (defaults->is_valid && load_object_read(load, OBJECT_defaults, defaults->token, &record))
        load->bundle->rejects_unmatched = load_object_get(&record, FIELD_defaults_unmatched)->number == 1;
}

static void read_times(struct load *load, const struct load_record *record)
{
    const struct load_value *issued_at = load_object_get(record, FIELD_bundle_issued_at);
    const struct load_value *expires_at = load_object_get(record, FIELD_bundle_expires_at);

    load->bundle->issued_at = issued_at->is_valid ? issued_at->number : 0;
    load->bundle->expires_at = expires_at->is_valid ? expires_at->number : BUNDLE_NEVER;
    if (expires_at->is_valid && expires_at->number <= load->now)
        load_complain(load, expires_at->token, "expired",
                      "the bundle has expired; issue a new one with \"expires_at\" in the future");
}

static void read_bundle(struct load *load)
{
    struct load_record record;
    const struct load_value *policies;

    check_duplicates(load);
    if (!load_object_read(load, OBJECT_bundle, JSON_ROOT, &record))
        return;
    read_version(load, load_object_get(&record, FIELD_bundle_bundle_version));
    read_times(load, &record);
    read_defaults(load, load_object_get(&record, FIELD_bundle_defaults));
    load_prices_read(load, load_object_get(&record, FIELD_bundle_price_table));
    load_switches_read(load, &record);
    policies = load_object_get(&record, FIELD_bundle_policies);
    if (policies->is_valid)
        read_policies(load, policies->token);
    load->is_out_of_memory |= !load_key_finish(load);
}

/* Complains of a text that is no JSON, or of missing memory. */
static void complain_fault(struct complaint_list *complaints, struct slice text, const struct json_gate_fault *fault)
{
    struct complaint_place place = {0, 0, ""};

    json_place(text, fault->offset < text.size ? fault->offset : text.size, &place.line, &place.column);
    complaint_add(complaints, COMPLAINT_ERROR, "bad_json", place, "%s", fault->sentence);
}

static struct bundle *new_bundle(void)
{
    struct region *region = region_new();
    struct bundle *bundle = region ? region_take(region, 1, sizeof(*bundle)) : NULL;

    if (bundle)
        bundle->region = region;
    else
        region_free(region);
    return bundle;
}

struct bundle *load_bundle(struct slice text, int64_t now, struct complaint_list *complaints)
{
    static const struct json_gate_limits limits = {LOAD_MAX_BYTES, LOAD_MAX_TOKENS};
    struct load load = {.text = text, .complaints = complaints, .now = now, .jwt_token = JSON_NONE};
    struct json_gate_fault fault;
    struct json *json;

    complaint_init(complaints);
    json = json_parse(text, &limits, &fault);
    if (!json) {
        complain_fault(complaints, text, &fault);
        return NULL;
    }
    load.json = json;
    load.bundle = new_bundle();
    if (load.bundle) {
        load.region = load.bundle->region;
        read_bundle(&load);
        if (complaints->errors == 0 && !load.is_out_of_memory) {
            lint_bundle(&load);
            load.is_out_of_memory |= !match_build(load.bundle);
        }
    }
    if (!load.bundle || load.is_out_of_memory)
        load_complain(&load, JSON_NONE, "out_of_memory", "there is not enough memory for the bundle");
    load_key_fini(&load);
    json_free(json);
    complaint_sort(complaints);
    if (complaints->errors > 0) {
        bundle_free(load.bundle);
        return NULL;
    }
    return load.bundle;
}

void load_suit_settings(struct complaint_list *complaints, bool verifies_tokens, bool answers_gateways)
{
    if (verifies_tokens)
        complaint_remove_warnings(complaints, LOAD_UNVERIFIED_JWT);
    if (answers_gateways)
        return;
    complaint_remove_warnings(complaints, LOAD_LONG_DELAY);
    complaint_remove_warnings(complaints, LOAD_UNSETTLED);
    complaint_remove_warnings(complaints, LOAD_PROXY_ONLY);
}
