/* SPDX-License-Identifier: MPL-2.0
 *
 * Values that are lists, as the kinds table of setting.c calls them: see setting_parse and setting_print.
 */
#ifndef FAIRVISOR_SHM_SETTING_LIST_H
#define FAIRVISOR_SHM_SETTING_LIST_H

#include "shm/setting.h"

/* Cuts the first piece off REST, without the spaces around it. false when REST is used up. */
bool setting_list_next(struct slice *rest, char separator, struct slice *piece);

/* Is WORD one of WORDS ("a|b|c")? *INDEX is its place. */
bool setting_list_has(const char *words, struct slice word, uint32_t *index);

void setting_list_clear_listen(struct settings *settings, bool is_ops);

bool setting_list_parse_listen(struct settings *settings, const struct setting_row *row, struct slice value, char *why);
void setting_list_print_listen(const struct settings *settings, const struct setting_row *row, FILE *out);
bool setting_list_parse_networks(struct settings *settings, const struct setting_row *row, struct slice value,
                                 char *why);
void setting_list_print_networks(const struct settings *settings, const struct setting_row *row, FILE *out);

#endif
