/* SPDX-License-Identifier: MPL-2.0
 *
 * The automaton: states are the beginnings of patterns, `next` says for each state and class of bytes where to go. What
 * a state has found, the suffixes of its beginning included, is worked out when it is made, so that a pass over a text
 * is one step and one comparison for each byte.
 *
 * Bytes that occur in no pattern share class 0, which leads back to the start.
 */
#include "policy/bots.h"

#include <stdlib.h>

#include "policy/lines.h"

#define NOTHING UINT16_MAX /* found[] of a state that ends no pattern */

struct pattern {
    struct slice category, text;
    uint32_t line;
};

struct bots {
    uint8_t class_of[256];
    uint32_t class_count;
    uint32_t state_count;
    uint16_t *next;  /* [state][class] */
    uint16_t *found; /* per state: the pattern that stands first in the list, or NOTHING */
    struct pattern *patterns;
    uint32_t pattern_count, pattern_room;
    size_t pattern_bytes;
    char *text; /* what categories and patterns point into */
};

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool refuse_memory(const struct lines *lines, struct failure *failure)
{
    return failure_set(failure, EXIT_CODE_OS, "there is no memory for the list %s", lines->file);
}

static bool add_pattern(struct bots *bots, const struct lines *lines, const struct pattern *pattern,
                        struct failure *failure)
{
    if (bots->pattern_bytes + pattern->text.size > BOTS_MAX_BYTES)
        return lines_refuse(lines, failure,
                            "the substrings up to here have more than %d bytes together; shorten the list",
                            BOTS_MAX_BYTES);
    if (bots->pattern_count == bots->pattern_room) {
        uint32_t room = bots->pattern_room > 0 ? bots->pattern_room * 2 : 128;
        struct pattern *patterns = realloc(bots->patterns, room * sizeof(*patterns));

        if (!patterns)
            return refuse_memory(lines, failure);
        bots->patterns = patterns;
        bots->pattern_room = room;
    }
    bots->patterns[bots->pattern_count++] = *pattern;
    bots->pattern_bytes += pattern->text.size;
    return true;
}

static bool read_line(struct bots *bots, const struct lines *lines, struct slice line, struct failure *failure)
{
    const char *tab = memchr(line.data, '\t', line.size);
    struct pattern pattern = {.line = lines->number};

    if (!tab)
        return lines_refuse(lines, failure, "\"%.*s\" has no tab; write a category, a tab and a part of the User-Agent",
                            LINES_SHOWN(line));
    pattern.category = slice_trim((struct slice){line.data, (size_t)(tab - line.data)});
    pattern.text = slice_trim((struct slice){tab + 1, line.size - (size_t)(tab + 1 - line.data)});
    if (!lines_is_name(pattern.category) || slice_equal(pattern.category, SLICE(BOTS_EMPTY_CATEGORY)))
        return lines_refuse(
            lines, failure,
            "\"%.*s\" cannot be a category; a category is 1 to 32 of a-z, 0-9, '_' and '-', begins with a "
            "letter and is not \"" BOTS_EMPTY_CATEGORY "\"",
            LINES_SHOWN(pattern.category));
    if (pattern.text.size < BOTS_MIN_PATTERN || pattern.text.size > BOTS_MAX_PATTERN)
        return lines_refuse(lines, failure, "\"%.*s\" has %zu bytes; a part of the User-Agent has %d to %d",
                            LINES_SHOWN(pattern.text), pattern.text.size, BOTS_MIN_PATTERN, BOTS_MAX_PATTERN);
    if (memchr(pattern.text.data, '\t', pattern.text.size))
        return lines_refuse(lines, failure,
                            "there is a second tab; write a category, a tab and a part of the User-Agent");
    return add_pattern(bots, lines, &pattern, failure);
}

static bool read_lines(struct bots *bots, struct lines *lines, struct failure *failure)
{
    enum lines_result result;
    struct slice line;

    while ((result = lines_next(lines, &line, failure)) == LINES_LINE)
        if (!read_line(bots, lines, line, failure))
            return false;
    if (result == LINES_END && bots->pattern_count == 0)
        return failure_set(failure, EXIT_CODE_BAD_CONFIG, "the list %s holds no line with a category and a substring",
                           lines->file);
    return result == LINES_END;
}

/* ---- making the automaton ---------------------------------------------------------------------------------------- */

static void sort_bytes_into_classes(struct bots *bots)
{
    bots->class_count = 1;
    for (uint32_t i = 0; i < bots->pattern_count; i++)
        for (size_t k = 0; k < bots->patterns[i].text.size; k++) {
            uint8_t byte = (uint8_t)slice_lower(bots->patterns[i].text.data[k]);

            if (bots->class_of[byte] == 0)
                bots->class_of[byte] = (uint8_t)bots->class_count++;
        }
    for (int letter = 'A'; letter <= 'Z'; letter++)
        bots->class_of[letter] = bots->class_of[letter | 0x20];
}

static uint16_t *step(const struct bots *bots, uint32_t state, uint8_t class)
{
    return &bots->next[(size_t)state * bots->class_count + class];
}

static bool plant(struct bots *bots, struct lines *lines, uint32_t index, struct failure *failure)
{
    const struct pattern *pattern = &bots->patterns[index];
    uint32_t state = 0;

    for (size_t i = 0; i < pattern->text.size; i++) {
        uint16_t *next = step(bots, state, bots->class_of[(uint8_t)pattern->text.data[i]]);

        if (*next == 0)
            *next = (uint16_t)bots->state_count++;
        state = *next;
    }
    if (bots->found[state] != NOTHING) {
        lines->number = pattern->line;
        return lines_refuse(lines, failure, "\"%.*s\" stands in line %u already; keep one of the two",
                            LINES_SHOWN(pattern->text), bots->patterns[bots->found[state]].line);
    }
    bots->found[state] = (uint16_t)index;
    return true;
}

/* Breadth first: when a state's turn comes, the state of its longest proper suffix is complete. QUEUE and SUFFIX have
 * room for every state. */
static void link_suffixes(struct bots *bots, uint16_t *queue, uint16_t *suffix)
{
    uint32_t head = 0, tail = 0;

    for (uint32_t class = 1; class < bots->class_count; class ++)
        if (*step(bots, 0, (uint8_t) class) != 0)
            queue[tail++] = *step(bots, 0, (uint8_t) class);
    while (head < tail) {
        uint16_t state = queue[head++], shorter = suffix[state];

        if (bots->found[shorter] < bots->found[state])
            bots->found[state] = bots->found[shorter];
        for (uint32_t class = 1; class < bots->class_count; class ++) {
            uint16_t *next = step(bots, state, (uint8_t) class);
            uint16_t detour = *step(bots, shorter, (uint8_t) class);

            if (*next == 0) {
                *next = detour;
                continue;
            }
            suffix[*next] = detour;
            queue[tail++] = *next;
        }
    }
}

static bool build(struct bots *bots, struct lines *lines, struct failure *failure)
{
    size_t most = bots->pattern_bytes + 1;
    uint16_t *queue = calloc(most, sizeof(*queue)), *suffix = calloc(most, sizeof(*suffix));
    bool is_built = queue && suffix;

    sort_bytes_into_classes(bots);
    bots->state_count = 1;
    bots->next = calloc(most * bots->class_count, sizeof(*bots->next));
    bots->found = malloc(most * sizeof(*bots->found));
    if (!is_built || !bots->next || !bots->found) {
        is_built = refuse_memory(lines, failure);
    } else {
        memset(bots->found, 0xff, most * sizeof(*bots->found));
        for (uint32_t i = 0; is_built && i < bots->pattern_count; i++)
            is_built = plant(bots, lines, i, failure);
        if (is_built)
            link_suffixes(bots, queue, suffix);
    }
    free(queue);
    free(suffix);
    return is_built;
}

struct bots *bots_parse(const char *file, struct slice text, struct failure *failure)
{
    struct bots *bots = calloc(1, sizeof(*bots));
    struct lines lines = {.file = file};

    if (bots)
        bots->text = malloc(text.size + 1);
    if (!bots || !bots->text) {
        refuse_memory(&lines, failure);
        bots_free(bots);
        return NULL;
    }
    if (text.size > 0)
        memcpy(bots->text, text.data, text.size);
    lines.rest = (struct slice){bots->text, text.size};
    if (read_lines(bots, &lines, failure) && build(bots, &lines, failure))
        return bots;
    bots_free(bots);
    return NULL;
}

void bots_free(struct bots *bots)
{
    if (!bots)
        return;
    free(bots->next);
    free(bots->found);
    free(bots->patterns);
    free(bots->text);
    free(bots);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

uint32_t bots_find(const struct bots *bots, struct slice text, uint32_t best)
{
    uint32_t state = 0, found = NOTHING;

    for (size_t i = 0; i < text.size; i++) {
        state = *step(bots, state, bots->class_of[(uint8_t)text.data[i]]);
        if (bots->found[state] < found)
            found = bots->found[state];
    }
    return found != NOTHING && found < best ? found : best;
}

struct slice bots_category(const struct bots *bots, uint32_t pattern)
{
    return bots->patterns[pattern].category;
}
