/* SPDX-License-Identifier: MPL-2.0
 *
 * See pieces.h. What a socket takes at once is never copied.
 */
#include "worker/pieces.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

_Static_assert(sizeof(uv_buf_t) == sizeof(struct iovec) && offsetof(uv_buf_t, len) == offsetof(struct iovec, iov_len),
               "libuv says that they are the same");

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

/* What uv_try_write does, by the call that is made for sockets: write(2) takes a longer way to them. */
int pieces_offer(int fd, const uv_buf_t *pieces, size_t count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)pieces, .msg_iovlen = count};
    ssize_t taken;

    do {
        taken = count == 1 ? send(fd, pieces->base, pieces->len, MSG_NOSIGNAL) : sendmsg(fd, &message, MSG_NOSIGNAL);
    } while (taken < 0 && errno == EINTR);
    if (taken < 0)
        return errno == EAGAIN ? 0 : -errno;
    return (int)taken;
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
