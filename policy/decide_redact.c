/* SPDX-License-Identifier: MPL-2.0
 *
 * What must not be told: values of keys that are credentials leave this process only as their hash.
 */
#include "policy/decide_private.h"

#include "policy/load.h"

static bool holds_word(struct slice name, struct slice word)
{
    for (size_t i = 0; i + word.size <= name.size; i++)
        if (slice_equal_nocase((struct slice){name.data + i, word.size}, word))
            return true;
    return false;
}

/* Headers and parameters by whose value one can pass for somebody else. */
static bool is_credential(const struct descriptor *descriptor)
{
    static const struct slice words[] = {{"auth", 4},  {"key", 3},    {"token", 5},    {"secret", 6},
                                         {"cookie", 6}, {"session", 7}, {"password", 8}, {"signature", 9}};

    if (descriptor->source != DESCRIPTOR_HEADER && descriptor->source != DESCRIPTOR_QUERY)
        return false;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (holds_word(descriptor->name, words[i]))
            return true;
    return false;
}

bool decide_redact_hides(enum settings_redact redact, const struct descriptor *descriptor)
{
    switch (redact) {
    case SETTINGS_REDACT_CREDENTIALS:
        return is_credential(descriptor);
    case SETTINGS_REDACT_ALL:
        return true;
    case SETTINGS_REDACT_NONE:
        break;
    }
    return false;
}

struct slice decide_redact_hash(const struct arena *arena, struct slice key, struct slice value,
                                char room[DECIDE_REDACT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    struct siphash hash;
    uint64_t out[2];
    size_t size = 0;

    siphash_init(&hash, arena_hash_key(arena));
    siphash_update_value(&hash, SLICE("event"));
    siphash_update_value(&hash, key);
    siphash_update_value(&hash, value);
    siphash_final(&hash, out);
    room[size++] = '#';
    for (int shift = 60; shift >= 0; shift -= 4)
        room[size++] = digits[out[1] >> shift & 15];
    return (struct slice){room, size};
}

struct slice decide_redact(const struct arena *arena, enum settings_redact redact, struct slice key, struct slice value,
                           char room[DECIDE_REDACT_SIZE])
{
    struct descriptor descriptor;

    if (load_key_parse(key, &descriptor) && !decide_redact_hides(redact, &descriptor))
        return value;
    return decide_redact_hash(arena, key, value, room);
}
