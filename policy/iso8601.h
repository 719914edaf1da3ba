/* SPDX-License-Identifier: MPL-2.0
 *
 * Points in time as a bundle writes them: the one form YYYY-MM-DDThh:mm:ssZ of RFC 3339, always UTC. An offset other
 * than Z, a fraction of a second, a leap second and lower-case letters are refused: nothing is rounded or shifted in
 * silence.
 */
#ifndef FAIRVISOR_POLICY_ISO8601_H
#define FAIRVISOR_POLICY_ISO8601_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/slice.h"

#define ISO8601_TEXT_SIZE 21 /* with its NUL */

/* Seconds since 1970; years 1970 to 9999. false when TEXT has another form or names no day that exists. */
bool iso8601_parse(struct slice text, int64_t *seconds);

/* Writes the time and a NUL; SECONDS outside of the years above are clamped to them. */
void iso8601_print(int64_t seconds, char text[ISO8601_TEXT_SIZE]);

#endif
