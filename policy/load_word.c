/* SPDX-License-Identifier: MPL-2.0
 *
 * Words: which of them a field has, and what whoever wrote another one may have meant.
 */
#include "policy/load_private.h"

#include "shm/near.h"

int64_t load_word_index(const char *words, struct slice text)
{
    size_t at = 0;
    struct slice word;

    for (int64_t i = 0; fields_next_word(words, &at, &word); i++)
        if (slice_equal(word, text))
            return i;
    return -1;
}

/* What else people write: see hints.def. */
static const struct hint {
    const char *key;    /* of the field that has the word; NULL: the word is a field's name, or a key of requests */
    enum object object; /* whose field the word would be; OBJECT_COUNT: it is a key of requests */
    const char *word, *meant, *advice;
} hints[] = {
#define HINT(key, word, meant)          {#key, OBJECT_COUNT, word, meant, NULL},
#define ADVICE(key, word, use)          {#key, OBJECT_COUNT, word, NULL, use},
#define FIELD_ADVICE(object, word, use) {NULL, OBJECT_##object, word, NULL, use},
#define KEY_ADVICE(word, use)           {NULL, OBJECT_COUNT, word, NULL, use},
#include "policy/hints.def"
#undef HINT
#undef ADVICE
#undef FIELD_ADVICE
#undef KEY_ADVICE
};
#define HINT_COUNT (sizeof(hints) / sizeof(hints[0]))

static bool is_separator(char byte)
{
    return byte == ' ' || byte == '-' || byte == '_';
}

static void skip_separators(struct slice *text)
{
    while (text->size > 0 && is_separator(text->data[0]))
        *text = (struct slice){text->data + 1, text->size - 1};
}

/* "1 Month" is "1month". */
static bool sounds_like(struct slice text, struct slice word)
{
    for (;; text.data++, text.size--, word.data++, word.size--) {
        skip_separators(&text);
        skip_separators(&word);
        if (text.size == 0 || word.size == 0)
            return text.size == word.size;
        if (slice_lower(text.data[0]) != slice_lower(word.data[0]))
            return false;
    }
}

static const struct hint *find_hint(const struct field_row *row, struct slice text)
{
    for (size_t i = 0; i < HINT_COUNT; i++)
        if (hints[i].key && strcmp(row->key, hints[i].key) == 0 && sounds_like(text, slice_of(hints[i].word)) &&
            (!hints[i].meant || load_word_index(row->words, slice_of(hints[i].meant)) >= 0))
            return &hints[i];
    return NULL;
}

const char *load_word_field_advice(enum object object, struct slice name)
{
    for (size_t i = 0; i < HINT_COUNT; i++)
        if (!hints[i].key && hints[i].object == object && sounds_like(name, slice_of(hints[i].word)))
            return hints[i].advice;
    return NULL;
}

const char *load_word_key_advice(struct slice text)
{
    for (size_t i = 0; i < HINT_COUNT; i++) {
        struct slice word = slice_of(hints[i].word), head = {word.data, word.size - 1};

        if (hints[i].key || hints[i].object != OBJECT_COUNT)
            continue;
        if (word.data[head.size] == '*' ? slice_has_prefix(text, head) : sounds_like(text, word))
            return hints[i].advice;
    }
    return NULL;
}

/* A length in figures that is a letter off is no slip, but another length. */
static bool is_length(struct slice text)
{
    return text.size > 0 && text.data[0] >= '0' && text.data[0] <= '9';
}

static struct slice nearest_word(const struct field_row *row, struct slice text)
{
    struct slice word;
    struct near near;
    size_t at = 0;

    near_init(&near, text);
    while (fields_next_word(row->words, &at, &word))
        if (!is_length(text) || sounds_like(text, word))
            near_offer(&near, word);
    return near.best;
}

void load_word_complain(struct load *load, const struct field_row *row, uint32_t token, struct slice text,
                          const char *further)
{
    const struct hint *hint = find_hint(row, text);
    bool is_alone = !strchr(row->words, ' ') && further[0] == '\0';
    struct slice near = nearest_word(row, text);

    if (hint && hint->advice)
        load_complain(load, token, "unknown_word", "\"%s\" cannot be \"%.*s\"; %s", row->key, SHOWN(text), hint->advice);
    else if (hint || near.size > 0)
        load_complain(load, token, "unknown_word", "\"%s\" cannot be \"%.*s\"; did you mean \"%.*s\"?", row->key,
                      SHOWN(text), SHOWN(hint ? slice_of(hint->meant) : near));
    else
        load_complain(load, token, "unknown_word", "\"%s\" cannot be \"%.*s\"; it %s %s%s", row->key, SHOWN(text),
                      is_alone ? "can only be" : "is one of:", row->words, further);
}
