/* SPDX-License-Identifier: MPL-2.0
 *
 * What `fairvisor top` shows: its state and the words of its figures (top_view.c), on a screen (top_screen.c) or once (top_once.c).
 */
#ifndef FAIRVISOR_CLI_TOP_VIEW_H
#define FAIRVISOR_CLI_TOP_VIEW_H

#include "cli/bundle_copy.h"
#include "cli/instance.h"
#include "cli/ranking.h"
#include "cli/screen.h"

#define TOP_MAX_LINES    1000
#define TOP_BAR_WIDTH    10
#define TOP_FIGURE_SIZE  32
#define TOP_NOT_SERVED   "(not served any more)"

struct top_view {
    struct instance instance;
    struct bundle_copy copy; /* without a decider when it cannot be read: fills are then those of the last events */
    struct ranking identities, rules;
    enum ranking_order order;
    bool by_rule;
    bool is_paused;
    uint64_t lines; /* 0: as many as there is room for */
    size_t first;   /* row at the top */
    uint64_t events, lost;
    const struct ranking_row *rows[TOP_MAX_LINES];
};

/* Reads how full limits are at this moment and puts the first rows, at most ROOM, in order; returns how many. */
size_t top_view_sort(struct top_view *view, size_t room);

/* "0.5", "12", "1.2k", "34M": COUNT of ROW in a second, or in all. */
const char *top_view_rate(const struct ranking_row *row, enum ranking_count count, int64_t now_ns, char text[TOP_FIGURE_SIZE]);
const char *top_view_total(const struct ranking_row *row, enum ranking_count count, char text[TOP_FIGURE_SIZE]);

/* "[###.......]   31" */
void top_view_bar(int percent, char text[TOP_FIGURE_SIZE]);

/* The policy; what refused without one; or that no limit was charged. */
struct slice top_view_place(const struct event *event);

/* Whether the policy that is served has the rule of ROW; true when that is not known, and for what refuses without a policy. */
bool top_view_is_served(const struct top_view *view, const struct ranking_row *row);

/* A frame. false: the terminal is gone. */
bool top_screen_draw(struct screen *screen, struct top_view *view);

/* On standard output; the first COUNT rows, which are sorted. */
void top_once_print(const struct top_view *view, size_t count);
void top_once_print_json(const struct top_view *view, size_t count);

#endif
