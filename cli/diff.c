/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor diff: what a new bundle demands otherwise than an old one.
 */
#include "cli/diff.h"

#include <getopt.h>
#include <string.h>

#include "cli/emit.h"
#include "cli/input.h"
#include "policy/load.h"
#include "shm/counted.h"
#include "shm/moment.h"

#define EXIT_DIFFERENT 1

/* ---- printing ---------------------------------------------------------------------------------------------------- */

static void print_effect(enum difference_effect effect, FILE *out)
{
    static const enum emit_colour colours[] = {[DIFFERENCE_STRICTER] = EMIT_BAD, [DIFFERENCE_LOOSER] = EMIT_GOOD,
                                               [DIFFERENCE_OTHER] = EMIT_WARN};
    const char *name = difference_effect_name(effect);

    fputs("  ", out);
    emit_coloured(colours[effect], name, out);
    fprintf(out, "%*s", (int)(10 - strlen(name)), "");
}

static void print_one(const struct difference *difference, FILE *out)
{
    bool is_rule = difference->rule.size > 0;

    print_effect(difference->effect, out);
    if (is_rule) {
        fputs("rule ", out);
        emit_plain(difference->rule, out);
        fputs(": ", out);
    }
    if (!is_rule || strcmp(difference->subject, "rule") != 0)
        fprintf(out, "%s ", difference->subject);
    fputs(difference_change_name(difference->change), out);
    if (difference->before.size > 0 || difference->after.size > 0)
        fputs(": ", out);
    emit_plain(difference->before, out);
    if (difference->before.size > 0 && difference->after.size > 0)
        fputs(" -> ", out);
    emit_plain(difference->after, out);
    fputs(difference->begins_at_zero ? " (its counts begin at zero)\n" : "\n", out);
}

void diff_print(const struct difference_list *list, FILE *out)
{
    for (size_t i = 0; i < list->count; i++) {
        struct slice policy = list->items[i].policy;

        if (i == 0 || !slice_equal(policy, list->items[i - 1].policy)) {
            fputs(policy.size > 0 ? "policy " : "bundle", out);
            emit_plain(policy, out);
            fputc('\n', out);
        }
        print_one(&list->items[i], out);
    }
}

void diff_print_sum(const struct difference_list *list, FILE *out)
{
    char text[COUNTED_SIZE];

    fprintf(out, "%s: %zu stricter, %zu looser, %zu other",
            counted((int64_t)list->count, "difference", "differences", text),
            list->by_effect[DIFFERENCE_STRICTER], list->by_effect[DIFFERENCE_LOOSER], list->by_effect[DIFFERENCE_OTHER]);
}

static void print_if_known(const char *label, struct slice text, FILE *out)
{
    if (text.size > 0)
        emit_json_text(label, text, out);
}

void diff_print_json(const struct difference_list *list, FILE *out)
{
    fprintf(out, "\"same\":%s,\"stricter\":%zu,\"looser\":%zu,\"other\":%zu,\"differences\":[",
            list->count == 0 ? "true" : "false", list->by_effect[DIFFERENCE_STRICTER],
            list->by_effect[DIFFERENCE_LOOSER], list->by_effect[DIFFERENCE_OTHER]);
    for (size_t i = 0; i < list->count; i++) {
        const struct difference *difference = &list->items[i];

        fprintf(out, "%s{\"change\":\"%s\",\"effect\":\"%s\"", i > 0 ? "," : "",
                difference_change_name(difference->change), difference_effect_name(difference->effect));
        print_if_known(",\"policy\":", difference->policy, out);
        print_if_known(",\"rule\":", difference->rule, out);
        print_if_known(",\"subject\":", slice_of(difference->subject), out);
        print_if_known(",\"before\":", difference->before, out);
        print_if_known(",\"after\":", difference->after, out);
        fputs(difference->begins_at_zero ? ",\"counts_at_zero\":true}" : "}", out);
    }
    fputc(']', out);
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static int report(const char *const paths[2], const struct difference_list *list, bool is_json)
{
    if (is_json) {
        emit_json_text("{\"before\":", slice_of(input_name(paths[0])), stdout);
        emit_json_text(",\"after\":", slice_of(input_name(paths[1])), stdout);
        putchar(',');
        diff_print_json(list, stdout);
        puts("}");
    } else if (list->count == 0) {
        puts("The bundles demand the same.");
    } else {
        diff_print(list, stdout);
        diff_print_sum(list, stdout);
        putchar('\n');
    }
    return list->count > 0 ? EXIT_DIFFERENT : EXIT_CODE_OK;
}

static int compare(const char *const paths[2], bool is_json)
{
    struct bundle *bundles[2] = {NULL, NULL};
    struct difference_list *list = NULL;
    struct failure failure;
    int code;

    if (input_load(paths[0], &bundles[0], &failure) && input_load(paths[1], &bundles[1], &failure)) {
        list = difference_find(bundles[0], bundles[1], moment_now().wall_ns / NANOSECONDS_PER_SECOND);
        if (!list)
            failure_set(&failure, EXIT_CODE_OS, "there is no memory to compare the bundles in");
    }
    code = list ? report(paths, list, is_json) : command_fail(&failure);
    difference_free(list);
    bundle_free(bundles[0]);
    bundle_free(bundles[1]);
    return code;
}

int diff_run(const struct command *command, int count, char **words)
{
    bool is_json = false;
    const struct command_option options[] = {{"json", .flag = &is_json}};
    int code = command_read_options(command, count, words, options, 1, NULL);

    if (code != COMMAND_GOES_ON)
        return code;
    if (count - optind != 2)
        return command_refuse(command, "two bundles are needed, the old and the new one");
    if (strcmp(words[optind], "-") == 0 && strcmp(words[optind + 1], "-") == 0)
        return command_refuse(command, "standard input can be one of the bundles, not both");
    return compare((const char *const[2]){words[optind], words[optind + 1]}, is_json);
}
