/* SPDX-License-Identifier: MPL-2.0
 *
 * A number with the word for what it counts, in the singular or the plural.
 */
#ifndef FAIRVISOR_SHM_COUNTED_H
#define FAIRVISOR_SHM_COUNTED_H

#include <stdint.h>

#define COUNTED_SIZE 64

/* "1 policy", "2 policies": COUNT of what is called ONE or MANY, in TEXT, which it returns. */
const char *counted(int64_t count, const char *one, const char *many, char text[COUNTED_SIZE]);

#endif
