/* SPDX-License-Identifier: MPL-2.0
 *
 * See loopback.h.
 */
#include "shm/loopback.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

void loopback_tune(int fd, const struct address *address)
{
    static const char simplest[] = "reno";

    if (address_is_loopback(address))
        (void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, simplest, sizeof(simplest) - 1);
}
