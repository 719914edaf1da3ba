/* SPDX-License-Identifier: MPL-2.0
 *
 * A look at a cell: see keys_view.h.
 */
#include "cli/keys_view.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/emit.h"
#include "policy/decimal.h"
#include "shm/admission.h"

void keys_view_read(const struct arena *arena, const struct decide_cells_limit *limit, struct moment now,
                    struct keys_view *view)
{
    struct charge charge = {.limit = limit->limit, .key = {limit->key[0], limit->key[1]}};
    struct admission admission;

    admission_look(arena, &charge, 1, now, &admission);
    *view = (struct keys_view){
        .limit = *limit, .cell = charge.view, .spent = limit->limit.capacity - charge.view.remaining};
}

bool keys_view_is_open(const struct keys_view *view)
{
    return view->limit.limit.kind == CELL_BREAKER && !view->cell.fits && !view->cell.trips;
}

int keys_view_fill(const struct keys_view *view)
{
    __int128 percent = (__int128)view->spent * 100 / view->limit.limit.capacity;

    if (keys_view_is_open(view))
        return 100;
    return percent < 0 ? 0 : percent > 999 ? 999 : (int)percent;
}

void keys_view_print_amount(const char *label, int64_t millionths)
{
    char text[DECIMAL_TEXT_SIZE];

    decimal_print(millionths, text);
    printf("%s%s", label, text);
}

void keys_view_print(const struct keys_view *view)
{
    char span[EMIT_SPAN_SIZE];

    if (keys_view_is_open(view)) {
        emit_coloured(EMIT_BAD, "open", stdout);
        if (view->cell.wait_ns == INT64_MAX)
            fputs(", until it is reset by hand", stdout);
        else
            printf(" for another %s", emit_span(view->cell.reset_ns, span));
        return;
    }
    keys_view_print_amount("", view->cell.remaining);
    keys_view_print_amount(" of ", view->limit.limit.capacity);
    printf(" left in %s", emit_span(view->limit.window_ns, span));
    keys_view_print_amount(", spent ", view->spent);
    if (view->spent > 0 && view->limit.limit.kind != CELL_FLIGHT)
        printf(", whole again in %s", emit_span(view->cell.reset_ns, span));
}

void keys_view_print_json(const struct keys_view *view)
{
    const struct decide_cells_limit *limit = &view->limit;

    emit_json_text("\"policy\":", limit->policy->id, stdout);
    emit_json_text_or_null(",\"rule\":", limit->rule ? limit->rule->name : (struct slice){NULL, 0}, stdout);
    printf(",\"limit\":\"%s\",\"shadow\":%s", limit->role, limit->is_shadow ? "true" : "false");
    keys_view_print_amount(",\"capacity\":", limit->limit.capacity);
    keys_view_print_amount(",\"spent\":", view->spent);
    keys_view_print_amount(",\"remaining\":", view->cell.remaining);
    emit_json_seconds(",\"window_seconds\":", limit->window_ns, stdout);
    emit_json_seconds(",\"reset_seconds\":", view->spent > 0 ? view->cell.reset_ns : 0, stdout);
    if (limit->limit.kind == CELL_BREAKER)
        printf(",\"open\":%s", keys_view_is_open(view) ? "true" : "false");
}
