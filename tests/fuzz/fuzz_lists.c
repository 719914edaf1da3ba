/* SPDX-License-Identifier: MPL-2.0
 *
 * Lists of operators: networks, substrings of user agents, types of networks. The first line is what is looked up, the rest the
 * list; the fast look-ups find what a walk over the lines finds.
 */
#include "policy/asn_types.h"
#include "policy/bots.h"
#include "policy/lines.h"
#include "policy/networks.h"
#include "tests/fuzz/entry.h"

static void check_networks(struct slice wanted, struct slice text)
{
    struct failure failure = {0};
    struct networks *networks = networks_parse("list", text, &failure);
    struct lines lines = {.file = "list", .rest = text};
    struct address address;
    struct network network;
    struct slice line;
    bool is_in = false;

    MUST(networks || strstr(failure.sentence, "list"));
    if (networks && address_parse(wanted, &address)) {
        while (lines_next(&lines, &line, &failure) == LINES_LINE)
            is_in |= address_parse_network(line, &network) && address_in_network(&address, &network);
        MUST(networks_has(networks, &address) == is_in);
    }
    networks_free(networks);
}

static bool has_text(struct slice text, struct slice part)
{
    for (size_t at = 0; at + part.size <= text.size; at++)
        if (slice_equal_nocase((struct slice){text.data + at, part.size}, part))
            return true;
    return false;
}

static void check_bots(struct slice wanted, struct slice text)
{
    struct failure failure = {0};
    struct bots *bots = bots_parse("list", text, &failure);
    struct lines lines = {.file = "list", .rest = text};
    struct slice line, category = {0};
    uint32_t found;

    MUST(bots || strstr(failure.sentence, "list"));
    if (!bots)
        return;
    found = bots_find(bots, wanted, BOTS_NONE);
    while (!category.data && lines_next(&lines, &line, &failure) == LINES_LINE) {
        const char *tab = memchr(line.data, '\t', line.size);
        struct slice pattern = slice_trim((struct slice){tab, (size_t)(line.data + line.size - tab)});

        if (has_text(wanted, pattern))
            category = slice_trim((struct slice){line.data, (size_t)(tab - line.data)});
    }
    MUST((found != BOTS_NONE) == (category.data != NULL));
    if (category.data)
        MUST(slice_equal(bots_category(bots, found), category));
    bots_free(bots);
}

static void check_types(struct slice wanted, struct slice text)
{
    struct failure failure = {0};
    struct asn_types *types = asn_types_parse("list", text, &failure);
    struct slice type = {0};
    uint32_t number = 0;

    MUST(types || strstr(failure.sentence, "list"));
    for (size_t i = 0; i < wanted.size; i++)
        number = number * 10 + (uint32_t)(wanted.data[i] - '0');
    if (types && asn_types_find(types, number, &type)) {
        struct slice same = {0};

        MUST(lines_is_name(type) && asn_types_find_name(types, type, &same) && slice_equal(type, same));
    }
    asn_types_free(types);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice copy = entry_copy(data, size), rest = copy, wanted = entry_line(&rest);

    check_networks(wanted, rest);
    check_bots(wanted, rest);
    check_types(wanted, rest);
    entry_free(copy);
    return 0;
}
