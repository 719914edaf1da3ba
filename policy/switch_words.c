/* SPDX-License-Identifier: MPL-2.0
 *
 * Writes the words as a small bundle and has that loaded.
 */
#include "policy/switch_words.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/load.h"

static void print_string(struct slice text, FILE *out)
{
    putc('"', out);
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];

        if (byte < 0x20)
            fprintf(out, "\\u%04x", byte);
        else if (byte == '"' || byte == '\\')
            fprintf(out, "\\%c", byte);
        else
            putc(byte, out);
    }
    putc('"', out);
}

static void print_switch(const struct switch_words *words, FILE *out)
{
    fputs("{\"scope_key\":", out);
    print_string(words->key, out);
    fputs(",\"scope_value\":", out);
    print_string(words->value, out);
    if (words->route.size > 0) {
        fputs(",\"route\":", out);
        print_string(words->route, out);
    }
    if (words->reason.size > 0) {
        fputs(",\"reason\":", out);
        print_string(words->reason, out);
    }
    putc('}', out);
}

/* The text is owned by the caller; NULL when memory is out. */
static char *print_bundle(const struct switch_words *words, size_t count, size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);

    if (!out)
        return NULL;
    fputs("{\"bundle_version\":1,\"policies\":[],\"kill_switches\":[", out);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            putc(',', out);
        print_switch(&words[i], out);
    }
    fputs("]}", out);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

struct bundle *switch_words_parse(const struct switch_words *words, size_t count, struct complaint_list *complaints,
                                  struct failure *failure)
{
    struct bundle *bundle;
    size_t size = 0;
    char *text = print_bundle(words, count, &size);

    if (!text) {
        failure_set(failure, EXIT_CODE_OS, "memory is out");
        return NULL;
    }
    bundle = load_bundle((struct slice){text, size}, 0, complaints);
    free(text);
    for (size_t i = 0; !bundle && i < complaints->count; i++)
        if (complaints->items[i].severity == COMPLAINT_ERROR) {
            failure_set(failure, EXIT_CODE_USAGE, "%s", complaints->items[i].sentence);
            return NULL;
        }
    if (!bundle)
        failure_set(failure, EXIT_CODE_OS, "memory is out");
    return bundle;
}
