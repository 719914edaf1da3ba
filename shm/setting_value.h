/* SPDX-License-Identifier: MPL-2.0
 *
 * Single values, as the kinds table of setting.c calls them: see setting_parse and setting_print.
 */
#ifndef FAIRVISOR_SHM_SETTING_VALUE_H
#define FAIRVISOR_SHM_SETTING_VALUE_H

#include "shm/setting.h"

/* Is VALUE an absolute path of less than ROOM bytes? */
bool setting_value_check_path(struct slice value, size_t room, char *why);

/* Copies TEXT, which fits, and terminates it. */
void setting_value_copy(char *to, struct slice text);

bool setting_value_parse_word(struct settings *settings, const struct setting_row *row, struct slice value, char *why);
void setting_value_print_word(const struct settings *settings, const struct setting_row *row, FILE *out);
bool setting_value_parse_flag(struct settings *settings, const struct setting_row *row, struct slice value, char *why);
void setting_value_print_flag(const struct settings *settings, const struct setting_row *row, FILE *out);
bool setting_value_parse_status(struct settings *settings, const struct setting_row *row, struct slice value,
                                char *why);
void setting_value_print_number(const struct settings *settings, const struct setting_row *row, FILE *out);
bool setting_value_parse_count(struct settings *settings, const struct setting_row *row, struct slice value, char *why);
void setting_value_print_count(const struct settings *settings, const struct setting_row *row, FILE *out);
bool setting_value_parse_size(struct settings *settings, const struct setting_row *row, struct slice value, char *why);
void setting_value_print_size(const struct settings *settings, const struct setting_row *row, FILE *out);
bool setting_value_parse_duration(struct settings *settings, const struct setting_row *row, struct slice value,
                                  char *why);
void setting_value_print_duration(const struct settings *settings, const struct setting_row *row, FILE *out);
bool setting_value_parse_workers(struct settings *settings, const struct setting_row *row, struct slice value,
                                 char *why);
bool setting_value_parse_file_mode(struct settings *settings, const struct setting_row *row, struct slice value,
                                   char *why);
void setting_value_print_file_mode(const struct settings *settings, const struct setting_row *row, FILE *out);
void setting_value_print_text(const struct settings *settings, const struct setting_row *row, FILE *out);
bool setting_value_parse_path(struct settings *settings, const struct setting_row *row, struct slice value, char *why);
bool setting_value_parse_backend(struct settings *settings, const struct setting_row *row, struct slice value,
                                 char *why);
bool setting_value_parse_text(struct settings *settings, const struct setting_row *row, struct slice value, char *why);
bool setting_value_parse_instance(struct settings *settings, const struct setting_row *row, struct slice value,
                                  char *why);
bool setting_value_parse_account(struct settings *settings, const struct setting_row *row, struct slice value,
                                 char *why);
bool setting_value_parse_log(struct settings *settings, const struct setting_row *row, struct slice value, char *why);
void setting_value_print_log(const struct settings *settings, const struct setting_row *row, FILE *out);

#endif
