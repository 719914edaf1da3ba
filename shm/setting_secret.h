/* SPDX-License-Identifier: MPL-2.0
 *
 * Secrets among the settings: written as they are, or in a file of their own that NAME_file names. Never printed, never part
 * of a message.
 */
#ifndef FAIRVISOR_SHM_SETTING_SECRET_H
#define FAIRVISOR_SHM_SETTING_SECRET_H

#include "shm/setting.h"

/* Is NAME, one of the names of ROW, the one that takes a file? */
bool setting_secret_is_file(const struct setting_row *row, struct slice name);

/* Takes the secret from the file VALUE: its first line, which must be its only one. As setting_parse; CODE becomes another one
 * when the file cannot be opened. */
bool setting_secret_read(struct settings *settings, const struct setting_row *row, struct slice value, char *why,
                         enum exit_code *code);

bool setting_secret_parse(struct settings *settings, const struct setting_row *row, struct slice value, char *why);
void setting_secret_print(const struct settings *settings, const struct setting_row *row, FILE *out);

#endif
