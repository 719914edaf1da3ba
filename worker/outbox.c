/* SPDX-License-Identifier: MPL-2.0
 *
 * The growing output buffer and the few spellings that answers are made of. Never writes to a socket.
 */
#include "worker/outbox.h"

#include <stdlib.h>

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

bool outbox_init(struct outbox *box, size_t size)
{
    *box = (struct outbox){.data = malloc(size), .size = size, .rest_size = size};
    return box->data != NULL;
}

void outbox_fini(struct outbox *box)
{
    free(box->data);
    *box = (struct outbox){0};
}

void outbox_clear(struct outbox *box)
{
    box->used = 0;
    box->is_short = false;
    if (box->size > box->rest_size) {
        char *smaller = realloc(box->data, box->rest_size);

        if (smaller) {
            box->data = smaller;
            box->size = box->rest_size;
        }
    }
}

bool outbox_grow(struct outbox *box, size_t more)
{
    size_t size = box->size ? box->size : 64;
    char *data;

    if (more <= box->size - box->used)
        return true;
    while (size - box->used < more) {
        if (size > SIZE_MAX / 4) {
            box->is_short = true;
            return false;
        }
        size *= 2;
    }
    data = realloc(box->data, size);
    if (!data) {
        box->is_short = true;
        return false;
    }
    box->data = data;
    box->size = size;
    return true;
}

struct slice outbox_spell(uint64_t number, char room[OUTBOX_NUMBER_SIZE])
{
    char *end = room + OUTBOX_NUMBER_SIZE, *at = end;

    while (number >= 100) {
        at -= 2;
        memcpy(at, digit_pairs + number % 100 * 2, 2);
        number /= 100;
    }
    if (number >= 10) {
        at -= 2;
        memcpy(at, digit_pairs + number * 2, 2);
    } else {
        *--at = (char)('0' + number);
    }
    return (struct slice){at, (size_t)(end - at)};
}

void outbox_number(struct outbox *box, uint64_t number)
{
    char digits[OUTBOX_NUMBER_SIZE];

    outbox_add(box, outbox_spell(number, digits));
}

void outbox_json(struct outbox *box, struct slice text)
{
    static const char hex[] = "0123456789abcdef";

    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        char escape[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};

        if (byte == '"' || byte == '\\') {
            escape[1] = (char)byte;
            outbox_add(box, (struct slice){escape, 2});
        } else if (byte < 0x20 || byte == 0x7f) {
            outbox_add(box, (struct slice){escape, 6});
        } else {
            outbox_add(box, (struct slice){text.data + i, 1});
        }
    }
}

void outbox_quoted(struct outbox *box, struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        char escape[2] = {'\\', text.data[i]};

        if (escape[1] == '"' || escape[1] == '\\')
            outbox_add(box, (struct slice){escape, 2});
        else if (escape[1] < 0x20 || escape[1] > 0x7e)
            outbox_add(box, SLICE("?"));
        else
            outbox_add(box, (struct slice){escape + 1, 1});
    }
}
