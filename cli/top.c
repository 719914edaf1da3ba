/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor top: the ring of events, added up, on a terminal or once, beside the cells that they name. Reads shared memory and the
 * copy of the loaded bundle, and nothing else.
 */
#include "cli/top.h"

#include <getopt.h>
#include <string.h>
#include <sys/random.h>

#include "cli/screen.h"
#include "cli/settled.h"
#include "cli/top_view.h"
#include "cli/watch.h"
#include "shm/moment.h"
#include "shm/quantity.h"

#define ONCE_LINES   20
#define READ_MOST    100000 /* events between two frames; what is more waits for the next */
#define FAST_LOOK_MS 50     /* between looks into the ring: it must not go around meanwhile */

struct top {
    struct top_view view;
    struct watch watch;
    bool is_json, is_once;
    uint64_t interval_ms;
    const char *config, *name;
};

/* ---- gathering ---------------------------------------------------------------------------------------------------- */

static void read_events(struct top *top)
{
    static struct settled settled;
    static struct event event;
    uint64_t lost;

    for (int i = 0; i < READ_MOST; i++) {
        switch (watch_next(&top->watch, &event, &lost)) {
        case WATCH_NOTHING:
            return;
        case WATCH_EVENT:
            top->view.events++;
            settled_pass(&settled, &event);
            ranking_add(&top->view.identities, &event);
            ranking_add(&top->view.rules, &event);
            break;
        case WATCH_LOST:
            top->view.lost += lost;
            break;
        case WATCH_MASTER: /* the head tells */
        case WATCH_RENEWED:
            break;
        }
    }
}

/* false: the end. */
static bool press(struct top *top, char key)
{
    static const char orders[] = "rcfa";
    const char *order = strchr(orders, key);

    if (order) {
        top->view.order = (enum ranking_order)(order - orders);
        top->view.first = 0;
    } else if (key == 'i') {
        top->view.by_rule = !top->view.by_rule;
        top->view.first = 0;
    } else if (key == 'p' || key == ' ') {
        top->view.is_paused = !top->view.is_paused;
    } else if (key == 'j') {
        top->view.first += top->view.first + 1 < TOP_MAX_LINES;
    } else if (key == 'k') {
        top->view.first -= top->view.first > 0;
    }
    return key != 'q' && key != 'Q';
}

/* The ring is read often, the screen drawn once in an interval. Paused, the ring is read on: nothing is lost. */
static void watch_screen(struct screen *screen, struct top *top)
{
    int64_t next_ns = 0, interval_ns = (int64_t)top->interval_ms * 1000000;
    bool goes_on = true;

    while (goes_on) {
        int64_t now_ns = moment_now().boot_ns;
        bool is_due = now_ns >= next_ns && !top->view.is_paused;
        char key = '\0';

        read_events(top);
        if (is_due) {
            next_ns = now_ns + interval_ns;
            goes_on = top_screen_draw(screen, &top->view);
        }
        switch (screen_wait(screen, FAST_LOOK_MS, &key)) {
        case SCREEN_NOTHING:
            break;
        case SCREEN_KEY:
            goes_on = goes_on && press(top, key) && top_screen_draw(screen, &top->view);
            break;
        case SCREEN_RESIZED:
            goes_on = goes_on && top_screen_draw(screen, &top->view);
            break;
        case SCREEN_END:
            goes_on = false;
            break;
        }
    }
}

/* ---- the command -------------------------------------------------------------------------------------------------- */

static void print_once(struct top *top)
{
    size_t count = top_view_sort(&top->view, top->view.lines ? (size_t)top->view.lines : ONCE_LINES);

    (top->is_json ? top_once_print_json : top_once_print)(&top->view, count);
}

static int run(struct top *top)
{
    struct failure failure;
    struct screen screen;
    uint64_t key[2];

    if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key)) {
        failure_set_errno(&failure, EXIT_CODE_OS, "there is no randomness");
        return command_fail(&failure);
    }
    ranking_init(&top->view.identities, false, key);
    ranking_init(&top->view.rules, true, key);
    if (!watch_open(&top->watch, &top->view.instance, &failure))
        return command_fail(&failure);
    read_events(top);
    if (top->is_once && !top->view.instance.is_running)
        watch_tell_master(&top->watch);
    if (top->is_once) {
        print_once(top);
        return EXIT_CODE_OK;
    }
    if (!screen_open(&screen, &failure))
        return command_fail(&failure);
    watch_screen(&screen, top);
    screen_close(&screen);
    return EXIT_CODE_OK;
}

static bool take_order(void *context, const char *word, struct failure *failure)
{
    struct top *top = context;

    for (int order = 0; order < RANKING_ORDERS; order++)
        if (strcmp(word, ranking_order_name((enum ranking_order)order)) == 0) {
            top->view.order = (enum ranking_order)order;
            return true;
        }
    return failure_set(failure, EXIT_CODE_USAGE, "--sort takes reject, cost, fill or allow, not '%s'", word);
}

static bool take_by(void *context, const char *word, struct failure *failure)
{
    struct top *top = context;

    top->view.by_rule = strcmp(word, "rule") == 0;
    return top->view.by_rule || strcmp(word, "identity") == 0 ||
           failure_set(failure, EXIT_CODE_USAGE, "--by takes identity or rule, not '%s'", word);
}

static bool take_lines(void *context, const char *word, struct failure *failure)
{
    struct top *top = context;

    return (quantity_parse_count(slice_of(word), &top->view.lines) && top->view.lines >= 1 && top->view.lines <= TOP_MAX_LINES) ||
           failure_set(failure, EXIT_CODE_USAGE, "--lines takes a number from 1 to %d, not '%s'", TOP_MAX_LINES, word);
}

static bool take_interval(void *context, const char *word, struct failure *failure)
{
    struct top *top = context;

    return (quantity_parse_duration(slice_of(word), &top->interval_ms) && top->interval_ms >= 100 &&
            top->interval_ms <= 60000) ||
           failure_set(failure, EXIT_CODE_USAGE, "--interval takes a time from 100ms to 1m, not '%s'", word);
}

static int read_words(const struct command *command, int count, char **words, struct top *top)
{
    const struct command_option options[] = {
        {NULL, 'c', .text = &top->config}, {"instance", .text = &top->name},   {"sort", .take = take_order},
        {"by", .take = take_by},           {"lines", .take = take_lines},      {"interval", .take = take_interval},
        {"json", .flag = &top->is_json},   {"once", .flag = &top->is_once}};
    int code = command_read_options(command, count, words, options, sizeof(options) / sizeof(options[0]), top);

    if (code != COMMAND_GOES_ON)
        return code;
    if (optind < count)
        return command_refuse(command, "'%s' is one argument too many", words[optind]);
    if (top->is_json && !top->is_once)
        return command_refuse(command, "--json is for --once; to follow events as JSON, see fairvisor logs");
    return COMMAND_GOES_ON;
}

int top_run(const struct command *command, int count, char **words)
{
    static struct top top = {.interval_ms = 1000};
    struct failure failure;
    int code = read_words(command, count, words, &top);

    if (code != COMMAND_GOES_ON)
        return code;
    if (!instance_find(&top.view.instance, top.config, top.name, &failure))
        return command_answer(command, &failure);
    return run(&top);
}
