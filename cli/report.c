/* SPDX-License-Identifier: MPL-2.0
 *
 * What a report gathers before it is printed: see report.h.
 */
#include "cli/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report_notes.h"

bool report_finish(struct report *report)
{
    if (!report_notes_find(report))
        return false;
    for (size_t i = 0; i < report->replay_count; i++) {
        tally_finish(&report->replays[i].tally);
        report->worst[i] =
            tally_worst(&report->replays[i].tally, report->most, &report->worst_count[i], &report->worst_all[i]);
        if (!report->worst[i] || report->replays[i].is_out_of_memory || report->replays[i].tally.is_out_of_memory)
            return false;
    }
    return report->replay_count == 1 ||
           contrast_finish(&report->contrast, &report->replays[0].tally, &report->replays[1].tally);
}

void report_fini(struct report *report)
{
    contrast_fini(&report->contrast);
    free(report->worst[0]);
    free(report->worst[1]);
    for (size_t i = 0; i < report->note_count; i++)
        free(report->notes[i]);
    free(report->notes);
}

const char *report_share(uint64_t part, uint64_t all, char text[REPORT_SHARE_SIZE])
{
    unsigned tenths = all > 0 ? (unsigned)(((unsigned __int128)part * 1000 + all / 2) / all) : 0;

    snprintf(text, REPORT_SHARE_SIZE, "%u.%u %%", tenths / 10 % 1000, tenths % 10);
    return text;
}

void report_print_reasons(const struct tally_row *row, FILE *out)
{
    const char *separator = "";

    for (int reason = 1; reason < REASON_COUNT; reason++) {
        if (row->by_reason[reason] == 0)
            continue;
        fprintf(out, "%s%s %" PRIu64, separator, verdict_reasons[reason].name, row->by_reason[reason]);
        separator = ", ";
    }
}

static int compare_rows(const void *left, const void *right)
{
    const struct tally_row *a = *(const struct tally_row *const *)left, *b = *(const struct tally_row *const *)right;

    /* Policies lie in one array, sorted by id, and their rules in arrays of their own. */
    if (a->policy != b->policy)
        return !a->policy ? -1 : !b->policy ? 1 : a->policy < b->policy ? -1 : 1;
    if (!a->rule || !b->rule)
        return a->rule ? -1 : b->rule ? 1 : strcmp(a->guard, b->guard);
    if (a->rule->is_fallback || b->rule->is_fallback)
        return a->rule->is_fallback - b->rule->is_fallback;
    return a->rule < b->rule ? -1 : 1;
}

const struct tally_row **report_rows(const struct tally *tally, size_t *count)
{
    const struct tally_row **rows;
    size_t all = 0;

    for (const struct tally_row *row = tally->rows; row; row = row->next)
        all++;
    rows = calloc(all + 1, sizeof(*rows));
    *count = 0;
    for (const struct tally_row *row = tally->rows; row && rows; row = row->next)
        rows[(*count)++] = row;
    if (rows)
        qsort(rows, *count, sizeof(*rows), compare_rows);
    return rows;
}
