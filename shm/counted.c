/* SPDX-License-Identifier: MPL-2.0
 *
 * Singular or plural: see counted.h.
 */
#include "shm/counted.h"

#include <inttypes.h>
#include <stdio.h>

const char *counted(int64_t count, const char *one, const char *many, char text[COUNTED_SIZE])
{
    snprintf(text, COUNTED_SIZE, "%" PRId64 " %s", count, count == 1 ? one : many);
    return text;
}
