/* SPDX-License-Identifier: MPL-2.0
 *
 * Writing all of a piece of memory to a blocking file descriptor, however many calls of write(2) that takes.
 */
#ifndef SHM_WRITE_WHOLE_H
#define SHM_WRITE_WHOLE_H

#include <stdbool.h>
#include <stddef.h>

/* Writes SIZE bytes. False when it cannot, with errno set (0 when write took nothing); what was written before stays. */
bool write_whole(int fd, const void *bytes, size_t size);

#endif
