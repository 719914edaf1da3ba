/* SPDX-License-Identifier: MPL-2.0
 *
 * See pieces.h. What a socket takes at once is never copied.
 */
#include "worker/pieces.h"

#include <string.h>

size_t pieces_gather(const struct slice *pieces, size_t count, uv_buf_t *out, size_t *total)
{
    size_t used = 0;

    *total = 0;
    for (size_t i = 0; i < count && used < PIECES_MOST; i++) {
        if (pieces[i].size == 0)
            continue;
        out[used].base = (char *)(uintptr_t)pieces[i].data;
        out[used++].len = pieces[i].size;
        *total += pieces[i].size;
    }
    return used;
}

int pieces_offer(uv_stream_t *stream, const uv_buf_t *pieces, size_t count)
{
    int taken = uv_try_write(stream, pieces, (unsigned)count);

    return taken == UV_EAGAIN ? 0 : taken;
}

size_t pieces_copy_rest(const uv_buf_t *pieces, size_t count, size_t taken, char *out)
{
    size_t size = 0;

    for (size_t i = 0; i < count; i++) {
        size_t skipped = taken < pieces[i].len ? taken : pieces[i].len;

        taken -= skipped;
        memcpy(out + size, pieces[i].base + skipped, pieces[i].len - skipped);
        size += pieces[i].len - skipped;
    }
    return size;
}
