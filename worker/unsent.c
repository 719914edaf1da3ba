/* SPDX-License-Identifier: MPL-2.0
 *
 * See unsent.h.
 */
#include "worker/unsent.h"

#include <stdlib.h>

struct unsent {
    size_t size; /* of data */
    size_t sent;
    char data[];
};

bool unsent_keep(struct unsent **unsent, const uv_buf_t *pieces, size_t count, size_t taken, size_t total)
{
    size_t before = *unsent ? (*unsent)->size : 0;
    struct unsent *grown = realloc(*unsent, sizeof(*grown) + before + total - taken);

    if (!grown)
        return false;
    if (!*unsent)
        grown->sent = 0;
    grown->size = before + pieces_copy_rest(pieces, count, taken, grown->data + before);
    *unsent = grown;
    return true;
}

bool unsent_offer(struct unsent **unsent, int fd)
{
    struct unsent *own = *unsent;
    uv_buf_t rest = uv_buf_init(own->data + own->sent, (unsigned)(own->size - own->sent));
    int taken = pieces_offer(fd, &rest, 1);

    if (taken < 0)
        return false;
    own->sent += (size_t)taken;
    if (own->sent == own->size) {
        free(own);
        *unsent = NULL;
    }
    return true;
}

size_t unsent_size(const struct unsent *unsent)
{
    return unsent ? unsent->size - unsent->sent : 0;
}

void unsent_free(struct unsent *unsent)
{
    free(unsent);
}
