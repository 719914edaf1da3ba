/* SPDX-License-Identifier: MPL-2.0
 *
 * Prints the list of metrics of fairvisord(8) in mdoc(7) from counters.def and families.def. tests/cli/manual holds the page
 * against it, e2e/test_monitoring what /metrics tells.
 */
#include <stdio.h>
#include <string.h>

#include "shm/counters.h"
#include "shm/families.h"

/* What is told as a histogram is counted in rows of types of its own. */
static const char *type_of(const struct counter_row *row)
{
    return strncmp(row->type, "ratio", 5) == 0 ? "histogram" : row->type;
}

static void print_head(const char *name, const char *type, const char *help)
{
    printf(".It Va %s\n%s\n%c%s", name, help, type[0] & ~0x20, type + 1);
}

/* The values that the label of the rows from FIRST on has, with its name before them. Returns the row behind them. */
static size_t print_values(size_t first)
{
    size_t i = first;

    for (; i < COUNTER_COUNT && strcmp(counters_table[i].name, counters_table[first].name) == 0; i++) {
        const char *labels = counters_table[i].labels, *is = strchr(labels, '=');

        if (!is || strncmp(labels, "le=", 3) == 0)
            continue;
        if (i == first)
            printf(", by\n.Va %.*s :\n", (int)(is - labels), labels);
        printf("%s%.*s", i == first ? "" : ", ", (int)strlen(is) - 3, is + 2);
    }
    return i;
}

static void print_names(const char *labels)
{
    if (labels[0] == '\0')
        return;
    fputs(", by\n.Va ", stdout);
    for (; *labels; labels++)
        fputs(*labels == ',' ? " , " : (char[]){*labels, '\0'}, stdout);
}

int main(void)
{
    fputs(".Bl -tag -width Ds\n", stdout);
    for (size_t i = 0; i < COUNTER_COUNT;) {
        print_head(counters_table[i].name, type_of(&counters_table[i]), counters_table[i].help);
        i = print_values(i);
        fputs(".\n", stdout);
    }
    for (size_t i = 0; i < FAMILY_COUNT; i++) {
        print_head(families_table[i].name, families_table[i].type, families_table[i].help);
        print_names(families_table[i].labels);
        fputs(families_table[i].labels[0] ? " .\n" : ".\n", stdout);
    }
    fputs(".El\n", stdout);
    return 0;
}
