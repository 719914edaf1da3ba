/* SPDX-License-Identifier: MPL-2.0
 *
 * Moved to shm/near.h, where settings use it, too: include that one.
 */
#include "shm/near.h"
