/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor top: the ring of events, added up, on a terminal or once. Reads shared memory and nothing else.
 */
#include "cli/top.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cli/emit.h"
#include "cli/instance.h"
#include "cli/ranking.h"
#include "cli/screen.h"
#include "cli/watch.h"
#include "shm/counters.h"
#include "shm/event_print.h"
#include "shm/moment.h"
#include "shm/quantity.h"

#define ONCE_LINES   20
#define MAX_LINES    1000
#define BAR_WIDTH    10
#define READ_MOST    100000 /* events between two frames; what is more waits for the next */
#define HEAD_LINES   4
#define SHORT_SIZE   32
#define FULL_PERCENT 90
#define FAST_LOOK_MS 50 /* between looks into the ring: it must not go around meanwhile */

struct top {
    struct instance instance;
    struct watch watch;
    struct ranking identities, rules;
    enum ranking_order order;
    bool by_rule;
    bool is_paused;
    bool is_json, is_once;
    uint64_t interval_ms;
    uint64_t lines; /* 0: as many as there is room for */
    size_t first;   /* row at the top */
    uint64_t events, lost;
    const char *config, *name;
    const struct ranking_row *rows[MAX_LINES];
};

/* ---- gathering ---------------------------------------------------------------------------------------------------- */

static void read_events(struct top *top)
{
    static struct event event;
    uint64_t lost;

    for (int i = 0; i < READ_MOST; i++) {
        switch (watch_next(&top->watch, &event, &lost)) {
        case WATCH_NOTHING:
            return;
        case WATCH_EVENT:
            top->events++;
            ranking_add(&top->identities, &event);
            ranking_add(&top->rules, &event);
            break;
        case WATCH_LOST:
            top->lost += lost;
            break;
        case WATCH_MASTER: /* the head tells */
        case WATCH_RENEWED:
            break;
        }
    }
}

static size_t sort_rows(struct top *top, size_t room)
{
    const struct ranking *ranking = top->by_rule ? &top->rules : &top->identities;

    return ranking_sort(ranking, top->order, moment_now().wall_ns, top->rows, room < MAX_LINES ? room : MAX_LINES);
}

/* ---- words -------------------------------------------------------------------------------------------------------- */

/* "0.5", "12", "1.2k", "34M" of thousandths. */
static const char *short_number(int64_t thousandths, char text[SHORT_SIZE])
{
    static const char units[] = " kMGTP";
    int unit = 0;

    while (thousandths >= 1000000 && units[unit + 1] != '\0') {
        thousandths /= 1000;
        unit++;
    }
    if (thousandths < 10000 && (thousandths % 1000 / 100 != 0 || unit > 0))
        snprintf(text, SHORT_SIZE, "%" PRId64 ".%" PRId64 "%.*s", thousandths / 1000, thousandths % 1000 / 100, unit > 0,
                 &units[unit]);
    else
        snprintf(text, SHORT_SIZE, "%" PRId64 "%.*s", thousandths / 1000, unit > 0, &units[unit]);
    return text;
}

static const char *rate_of(const struct ranking_row *row, enum ranking_count count, int64_t now_ns, char text[SHORT_SIZE])
{
    int64_t rate = ranking_rate(row, count, now_ns);

    return short_number(count == RANKING_COST ? rate / 1000000 : rate, text);
}

static const char *total_of(const struct ranking_row *row, enum ranking_count count, char text[SHORT_SIZE])
{
    int64_t total = row->total[count];

    if (count == RANKING_COST)
        return short_number(total / 1000, text);
    return short_number(total < INT64_MAX / 1000 ? total * 1000 : INT64_MAX, text);
}

static void print_bar(int percent, char bar[BAR_WIDTH + 1])
{
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = percent < 0 ? ' ' : i < percent / BAR_WIDTH ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
}

/* ---- the screen --------------------------------------------------------------------------------------------------- */

static void draw_head(struct screen *screen, const struct top *top)
{
    const struct instance *instance = &top->instance;
    struct arena_status status;
    char span[EMIT_SPAN_SIZE];

    screen_style(screen, "\033[1m");
    screen_print(screen, "fairvisor top - instance %s%s", instance->settings.instance,
                 instance->is_running ? "" : " IS NOT RUNNING");
    if (instance->is_running && arena_read_status(&instance->arena, &status))
        screen_print(screen, ", policy %s, up %s, %u workers", status.policy_version,
                     emit_span(moment_now().wall_ns - status.started_at_ns, span), status.worker_count);
    screen_print(screen, ", %" PRId64 " connections", counters_sum(&instance->arena, COUNTER_connections));
    screen_end_line(screen);
    screen_print(screen, "%" PRIu64 " events, %" PRIu64 " lost, of the %s by %s%s", top->events, top->lost,
                 top->by_rule ? "rules" : "identities", ranking_order_name(top->order), top->is_paused ? ", PAUSED" : "");
    screen_end_line(screen);
    screen_style(screen, "\033[7m");
    screen_print(screen, "%-*s %4s %8s %8s %8s %8s %8s  %-24s %s", BAR_WIDTH + 2, "fill", "%", "reject/s", "would/s",
                 "allow/s", "cost/s", "rejects", "policy/rule", top->by_rule ? "" : "identity");
    while (screen->column < screen->width)
        screen_put(screen, SLICE(" "));
    screen_end_line(screen);
}

static void put_padded(struct screen *screen, struct slice text, unsigned until)
{
    screen_put(screen, text);
    while (screen->column < until && screen->column < screen->width)
        screen_put(screen, SLICE(" "));
}

static void draw_keys(struct screen *screen, const struct event *event)
{
    struct slice name, value;
    size_t at = 0;

    while (at < event->rule_keys && event_next_key(event, &at, &name, &value)) {
        screen_put(screen, SLICE(" "));
        screen_put(screen, name);
        screen_put(screen, SLICE("="));
        screen_put(screen, value);
    }
}

/* The policy; what refused without one; or that no limit was charged. */
static struct slice place_of(const struct event *event)
{
    struct slice policy = event_get(event, EVENT_TEXT_POLICY), reason = event_get(event, EVENT_TEXT_REASON);

    if (policy.size > 0)
        return policy;
    return reason.size > 0 ? reason : SLICE("(no limit)");
}

static void draw_row(struct screen *screen, const struct top *top, const struct ranking_row *row, int64_t now_ns)
{
    char bar[BAR_WIDTH + 1], percent[16] = "-", text[5][SHORT_SIZE];
    struct slice rule = event_get(&row->last, EVENT_TEXT_RULE);
    int fill = ranking_fill(row);
    unsigned begins;

    print_bar(fill, bar);
    if (fill >= 0)
        snprintf(percent, sizeof(percent), "%d", fill);
    if (fill >= FULL_PERCENT)
        screen_style(screen, "\033[31m");
    screen_print(screen, "[%s] %4s", bar, percent);
    screen_style(screen, "\033[0m");
    screen_print(screen, " %8s %8s %8s %8s %8s  ", rate_of(row, RANKING_REJECTS, now_ns, text[0]),
                 rate_of(row, RANKING_WOULD_REJECTS, now_ns, text[1]), rate_of(row, RANKING_ALLOWS, now_ns, text[2]),
                 rate_of(row, RANKING_COST, now_ns, text[3]), total_of(row, RANKING_REJECTS, text[4]));
    begins = screen->column;
    screen_put(screen, place_of(&row->last));
    if (rule.size > 0) {
        screen_put(screen, SLICE("/"));
        screen_put(screen, rule);
    }
    put_padded(screen, SLICE(""), begins + 24);
    if (!top->by_rule)
        draw_keys(screen, &row->last);
    screen_end_line(screen);
}

static bool draw(struct screen *screen, struct top *top)
{
    size_t room = screen->height > HEAD_LINES ? screen->height - HEAD_LINES : 0, count;
    int64_t now_ns = moment_now().wall_ns;
    bool is_hashed = false;

    count = sort_rows(top, top->first + (top->lines && top->lines < room ? (size_t)top->lines : room));
    if (top->first >= count)
        top->first = count ? count - 1 : 0;
    screen_begin(screen);
    draw_head(screen, top);
    for (size_t i = top->first; i < count; i++) {
        draw_row(screen, top, top->rows[i], now_ns);
        is_hashed |= (top->rows[i]->last.flags & EVENT_IS_HASHED) != 0 && !top->by_rule;
    }
    screen_style(screen, "\033[2m");
    screen_print(screen, "r c f a sort   i identities or rules   p pause   j k scroll   q quit%s",
                 is_hashed ? "   #...: a value that `redact` hides" : "");
    return screen_end(screen);
}

/* false: the end. */
static bool press(struct top *top, char key)
{
    static const char orders[] = "rcfa";
    const char *order = strchr(orders, key);

    if (order) {
        top->order = (enum ranking_order)(order - orders);
        top->first = 0;
    } else if (key == 'i') {
        top->by_rule = !top->by_rule;
        top->first = 0;
    } else if (key == 'p' || key == ' ') {
        top->is_paused = !top->is_paused;
    } else if (key == 'j') {
        top->first += top->first + 1 < MAX_LINES;
    } else if (key == 'k') {
        top->first -= top->first > 0;
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
        bool is_due = now_ns >= next_ns && !top->is_paused;
        char key = '\0';

        read_events(top);
        if (is_due) {
            next_ns = now_ns + interval_ns;
            goes_on = draw(screen, top);
        }
        switch (screen_wait(screen, FAST_LOOK_MS, &key)) {
        case SCREEN_NOTHING:
            break;
        case SCREEN_KEY:
            goes_on = goes_on && press(top, key) && draw(screen, top);
            break;
        case SCREEN_RESIZED:
            goes_on = goes_on && draw(screen, top);
            break;
        case SCREEN_END:
            goes_on = false;
            break;
        }
    }
}

/* ---- once --------------------------------------------------------------------------------------------------------- */

static void print_json_keys(const struct event *event)
{
    struct slice name, value;
    size_t at = 0;

    fputs(",\"keys\":{", stdout);
    while (at < event->rule_keys && event_next_key(event, &at, &name, &value)) {
        if (at > 1)
            putchar(',');
        emit_json_string(name, stdout);
        putchar(':');
        emit_json_string(value, stdout);
    }
    putchar('}');
}

static void print_json_amount(const char *name, int64_t millionths)
{
    char text[EVENT_PRINT_NUMBER_SIZE];

    event_print_number(millionths, text);
    printf(",\"%s\":%s", name, text);
}

static void print_json_row(const struct top *top, const struct ranking_row *row)
{
    static const char *const names[] = {
#define RANKING_COUNT_NAME(symbol, name) name,
        RANKING_COUNT_ROWS(RANKING_COUNT_NAME)
#undef RANKING_COUNT_NAME
    };
    char time[EVENT_PRINT_TIME_SIZE];

    fputs("{\"policy\":", stdout);
    emit_json_string(event_get(&row->last, EVENT_TEXT_POLICY), stdout);
    fputs(",\"rule\":", stdout);
    emit_json_string(event_get(&row->last, EVENT_TEXT_RULE), stdout);
    if (!top->by_rule)
        print_json_keys(&row->last);
    for (int i = 0; i < RANKING_COST; i++)
        printf(",\"%s\":%" PRId64, names[i], row->total[i]);
    print_json_amount(names[RANKING_COST], row->total[RANKING_COST]);
    if (ranking_fill(row) >= 0) {
        print_json_amount("limit", row->limit);
        print_json_amount("remaining", row->remaining);
        printf(",\"fill_percent\":%d", ranking_fill(row));
    }
    event_print_time(row->last.wall_ns, time);
    printf(",\"last\":\"%s\"}", time);
}

static void print_json(const struct top *top, size_t count)
{
    char time[EVENT_PRINT_TIME_SIZE];

    event_print_time(moment_now().wall_ns, time);
    fputs("{\"instance\":", stdout);
    emit_json_string(slice_of(top->instance.settings.instance), stdout);
    printf(",\"running\":%s", top->instance.is_running ? "true" : "false");
    printf(",\"time\":\"%s\",\"events\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"sort\":\"%s\",\"by\":\"%s\",\"rows\":[", time,
           top->events, top->lost, ranking_order_name(top->order), top->by_rule ? "rule" : "identity");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            putchar(',');
        print_json_row(top, top->rows[i]);
    }
    puts("]}");
}

static void print_text_row(const struct top *top, const struct ranking_row *row)
{
    char bar[BAR_WIDTH + 1], percent[16] = "-", text[4][SHORT_SIZE];
    struct slice name, value, rule = event_get(&row->last, EVENT_TEXT_RULE);
    int fill = ranking_fill(row);
    size_t at = 0;

    print_bar(fill, bar);
    if (fill >= 0)
        snprintf(percent, sizeof(percent), "%d", fill);
    printf("[%s] %4s %8s %8s %8s %8s  ", bar, percent, total_of(row, RANKING_REJECTS, text[0]),
           total_of(row, RANKING_WOULD_REJECTS, text[1]), total_of(row, RANKING_ALLOWS, text[2]),
           total_of(row, RANKING_COST, text[3]));
    emit_plain(place_of(&row->last), stdout);
    if (rule.size > 0) {
        putchar('/');
        emit_plain(rule, stdout);
    }
    while (!top->by_rule && at < row->last.rule_keys && event_next_key(&row->last, &at, &name, &value)) {
        putchar(' ');
        emit_plain(name, stdout);
        putchar('=');
        emit_plain(value, stdout);
    }
    putchar('\n');
}

static void print_once(struct top *top)
{
    size_t count = sort_rows(top, top->lines ? (size_t)top->lines : ONCE_LINES);

    if (top->is_json) {
        print_json(top, count);
        return;
    }
    printf("%" PRIu64 " events, %" PRIu64 " lost\n%-*s %4s %8s %8s %8s %8s  %s\n", top->events, top->lost, BAR_WIDTH + 2,
           "fill", "%", "rejects", "would", "allows", "cost", top->by_rule ? "policy/rule" : "policy/rule identity");
    for (size_t i = 0; i < count; i++)
        print_text_row(top, top->rows[i]);
}

/* ---- the command -------------------------------------------------------------------------------------------------- */

static int run(struct top *top)
{
    struct failure failure;
    struct screen screen;
    uint64_t key[2];

    if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key)) {
        failure_set_errno(&failure, EXIT_CODE_OS, "there is no randomness");
        return command_fail(&failure);
    }
    ranking_init(&top->identities, false, key);
    ranking_init(&top->rules, true, key);
    if (!watch_open(&top->watch, &top->instance, &failure))
        return command_fail(&failure);
    read_events(top);
    if (top->is_once && !top->instance.is_running)
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
            top->order = (enum ranking_order)order;
            return true;
        }
    return failure_set(failure, EXIT_CODE_USAGE, "--sort takes reject, cost, fill or allow, not '%s'", word);
}

static bool take_by(void *context, const char *word, struct failure *failure)
{
    struct top *top = context;

    top->by_rule = strcmp(word, "rule") == 0;
    return top->by_rule || strcmp(word, "identity") == 0 ||
           failure_set(failure, EXIT_CODE_USAGE, "--by takes identity or rule, not '%s'", word);
}

static bool take_lines(void *context, const char *word, struct failure *failure)
{
    struct top *top = context;

    return (quantity_parse_count(slice_of(word), &top->lines) && top->lines >= 1 && top->lines <= MAX_LINES) ||
           failure_set(failure, EXIT_CODE_USAGE, "--lines takes a number from 1 to %d, not '%s'", MAX_LINES, word);
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
    if (!instance_configure(&top.instance, top.config, top.name, &failure))
        return failure.code == EXIT_CODE_USAGE ? command_refuse(command, "%s", failure.sentence)
                                               : command_fail(&failure);
    return run(&top);
}
