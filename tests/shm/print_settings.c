/* SPDX-License-Identifier: MPL-2.0
 *
 * Prints the lists of fairvisor.conf(5) in mdoc(7) from settings.def. tests/cli/manual holds the page against it.
 */
#include <stdio.h>
#include <string.h>

#include "shm/setting.h"

static void print_later(const char *words)
{
    fputs("Not enforced by this release and refused:", stdout);
    for (const char *letter = words; *letter; letter++)
        if (*letter == '|')
            fputs(",", stdout);
        else
            printf("%s%c", letter == words || letter[-1] == '|' ? " " : "", *letter);
    fputs(".\n", stdout);
}

static void print_default(const struct setting_row *row)
{
    if (row->fallback[0] != '\0')
        printf("The default is\n.Ql %s .\n", row->fallback);
    else
        fputs("Unset by default.\n", stdout);
}

int main(void)
{
    fputs(".Bl -tag -width Ds\n", stdout);
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting_row *row = &setting_table[i];
        char allowed[SETTING_WHY_SIZE];

        if (row->is_later)
            continue;
        setting_describe(row, allowed, sizeof(allowed));
        printf(".It Ic %s\n%s\nAllowed is %s.\n", row->name, row->help, allowed);
        if (row->later[0] != '\0')
            print_later(row->later);
        print_default(row);
    }
    fputs(".El\n.Pp\nKnown, but refused when they are set, because this release does not enforce them yet:\n"
          ".Bl -tag -width Ds\n",
          stdout);
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (setting_table[i].is_later)
            printf(".It Ic %s\n%s\n", setting_table[i].name, setting_table[i].help);
    fputs(".El\n.Pp\nOther spellings:\n.Bl -tag -width Ds\n", stdout);
    for (size_t i = 0; i < setting_name_count; i++)
        if (strcmp(setting_names[i].name, setting_table[setting_names[i].index].name) != 0)
            printf(".It Ic %s\nThe same as\n.Ic %s .\n", setting_names[i].name,
                   setting_table[setting_names[i].index].name);
    fputs(".El\n", stdout);
    return 0;
}
