/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor test: judges the requests of a log by one bundle or two, and reports.
 */
#include "cli/test.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/input.h"
#include "cli/instance.h"
#include "cli/log_format.h"
#include "cli/page.h"
#include "cli/replay.h"
#include "cli/report.h"
#include "cli/traffic.h"
#include "policy/decimal.h"

#define EXIT_BAD_LINES   1
#define PROGRESS_STEP    16384
#define BAR_WIDTH        40
#define MOST_IDENTITIES  1000000

struct choice {
    const char *config, *bundle, *other, *log, *log_format;
    bool is_dry;
    bool is_json, is_html; /* what the report is; neither: a table. JSON when both are */
    size_t most;
};

/* A bar on the terminal that standard error is; nothing when it is none. */
struct bar {
    bool is_shown;
    const char *what;
    size_t percent;
};

struct job {
    struct instance instance;
    struct traffic traffic;
    struct replay replays[2];
    struct report report;
    struct bar bar;
    char *log_format; /* NULL: what the first line looks like */
};

/* ---- progress ---------------------------------------------------------------------------------------------------- */

static void show_progress(void *context, size_t done, size_t all)
{
    struct bar *bar = context;
    size_t percent = all > 0 ? (size_t)((unsigned __int128)done * 100 / all) : 100;
    int filled = (int)(percent * BAR_WIDTH / 100);

    if (!bar->is_shown || percent == bar->percent)
        return;
    bar->percent = percent;
    fprintf(stderr, "\r%-8s [%.*s%*s] %3zu %%", bar->what, filled, "########################################",
            BAR_WIDTH - filled, "", percent);
}

static void begin_progress(struct bar *bar, const char *what)
{
    bar->is_shown = isatty(STDERR_FILENO) == 1;
    bar->what = what;
    bar->percent = SIZE_MAX;
}

static void end_progress(const struct bar *bar)
{
    if (bar->is_shown)
        fprintf(stderr, "\r%*s\r", BAR_WIDTH + 20, "");
}

/* ---- the job ----------------------------------------------------------------------------------------------------- */

static bool is_caught(const struct choice *choice, const struct verdict *verdict)
{
    return !verdict->is_allowed || (choice->is_dry && verdict->would_reject);
}

static void judge(struct job *job, const struct choice *choice)
{
    static struct verdict verdicts[2];
    struct traffic *traffic = &job->traffic;
    struct facts facts;

    begin_progress(&job->bar, "judging");
    for (size_t i = 0; i < traffic->count; i++) {
        traffic_read(traffic, i);
        if (!record_facts(&traffic->record, &facts))
            continue; /* it was read before */
        for (size_t j = 0; j < job->report.replay_count; j++)
            replay_judge(&job->replays[j], &traffic->record, &facts, &verdicts[j]);
        if (job->report.replay_count > 1)
            contrast_count(&job->report.contrast, is_caught(choice, &verdicts[0]), is_caught(choice, &verdicts[1]));
        if (i % PROGRESS_STEP == 0)
            show_progress(&job->bar, i, traffic->count);
    }
    end_progress(&job->bar);
}

static bool open_replay(struct job *job, const struct choice *choice, const char *path, struct failure *failure)
{
    const struct traffic *traffic = &job->traffic;
    struct replay *replay = &job->replays[job->report.replay_count];
    struct bundle *bundle;

    if (!input_load(path, &bundle, failure))
        return false;
    job->report.paths[job->report.replay_count++] = path;
    return replay_open(replay, bundle, choice->is_dry, &job->instance.settings, job->report.from_ns, job->report.to_ns,
                       traffic->record.scratch_size, failure);
}

static bool open_log(struct job *job, const struct choice *choice, struct failure *failure)
{
    struct traffic *traffic = &job->traffic;
    bool is_open;

    if (choice->log_format && !log_format_read(choice->log_format, &job->log_format, failure))
        return false;
    begin_progress(&job->bar, "reading");
    is_open = traffic_open(traffic, choice->log, job->log_format, show_progress, &job->bar, failure);
    end_progress(&job->bar);
    if (!is_open)
        return false;
    if (traffic->count == 0 && traffic->bad > 0)
        return failure_set(failure, EXIT_CODE_BAD_BUNDLE,
                           "none of the %zu lines of %s could be read; line %zu: %s. --log-format tells how they are "
                           "written",
                           traffic->bad, input_name(choice->log), traffic->first_bad[0].line, traffic->first_bad[0].cause);
    if (traffic->count == 0)
        return failure_set(failure, EXIT_CODE_BAD_BUNDLE, "there is no request in %s", input_name(choice->log));
    job->report.from_ns = traffic->lines[0].time_ns;
    job->report.to_ns = traffic->lines[traffic->count - 1].time_ns;
    return true;
}

static const char *bundle_path(const struct job *job, const struct choice *choice)
{
    return choice->bundle ? choice->bundle : job->instance.settings.config_file;
}

static bool prepare(struct job *job, const struct choice *choice, struct failure *failure)
{
    struct bundle *bundle;

    job->report.traffic = &job->traffic;
    job->report.replays = job->replays;
    job->report.log_path = choice->log;
    job->report.is_dry = choice->is_dry;
    job->report.most = choice->most;
    if (!instance_configure(&job->instance, choice->config, NULL, failure))
        return false;
    if (bundle_path(job, choice)[0] == '\0')
        return failure_set(failure, EXIT_CODE_USAGE,
                           "there is no policy to judge by: name the bundle, or settings with config_file (-c FILE)");
    /* A mistake in a bundle is told before a long log is read. */
    if (strcmp(bundle_path(job, choice), "-") != 0) {
        if (!input_load(bundle_path(job, choice), &bundle, failure))
            return false;
        bundle_free(bundle);
    }
    return open_log(job, choice, failure) && open_replay(job, choice, bundle_path(job, choice), failure) &&
           (!choice->other || open_replay(job, choice, choice->other, failure));
}

static int run(struct job *job, const struct choice *choice)
{
    struct failure failure;

    if (!prepare(job, choice, &failure))
        return command_fail(&failure);
    judge(job, choice);
    if (!report_finish(&job->report)) {
        failure_set(&failure, EXIT_CODE_OS, "there is no memory for the report");
        return command_fail(&failure);
    }
    if (choice->is_json)
        report_json_print(&job->report, stdout);
    else if (choice->is_html)
        page_print(&job->report, stdout);
    else
        report_text_print(&job->report, stdout);
    if (job->traffic.bad > 0 && (choice->is_json || choice->is_html))
        fprintf(stderr, "fairvisor: %zu of %zu lines could not be read; line %zu: %s\n", job->traffic.bad,
                job->traffic.all_lines, job->traffic.first_bad[0].line, job->traffic.first_bad[0].cause);
    return job->traffic.bad > 0 ? EXIT_BAD_LINES : EXIT_CODE_OK;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static bool take_format(void *context, const char *word, struct failure *failure)
{
    struct choice *choice = context;

    choice->is_json = strcmp(word, "json") == 0;
    choice->is_html = strcmp(word, "html") == 0;
    return choice->is_json || choice->is_html || strcmp(word, "table") == 0 ||
           failure_set(failure, EXIT_CODE_USAGE, "--format takes table, json or html, not '%s'", word);
}

static bool take_most(void *context, const char *word, struct failure *failure)
{
    struct choice *choice = context;
    int64_t millionths;

    if (decimal_parse(slice_of(word), &millionths) != DECIMAL_OK || millionths < 0 || millionths % BUNDLE_MILLIONTHS != 0 ||
        millionths / BUNDLE_MILLIONTHS > MOST_IDENTITIES)
        return failure_set(failure, EXIT_CODE_USAGE, "--identities takes a whole number, at most %d, not '%s'",
                           MOST_IDENTITIES, word);
    choice->most = (size_t)(millionths / BUNDLE_MILLIONTHS);
    return true;
}

static bool take_log(void *context, const char *word, struct failure *failure)
{
    struct choice *choice = context;

    if (strcmp(choice->log, "-") != 0)
        return failure_set(failure, EXIT_CODE_USAGE,
                           "--requests names one log; several: cat %s %s | fairvisor test BUNDLE", choice->log, word);
    choice->log = word;
    return true;
}

static int read_words(const struct command *command, int count, char **words, struct choice *choice)
{
    const struct command_option options[] = {
        {NULL, 'c', .text = &choice->config},       {"requests", .take = take_log},
        {"log-format", .text = &choice->log_format}, {"dry-run", .flag = &choice->is_dry},
        {"compare", .text = &choice->other},        {"format", .take = take_format},
        {"json", .flag = &choice->is_json},         {"identities", .take = take_most}};
    int code = command_read_options(command, count, words, options, sizeof(options) / sizeof(options[0]), choice);

    if (code != COMMAND_GOES_ON)
        return code;
    if (count - optind > 1)
        return command_refuse(command, "one bundle at a time; --requests takes the log, --compare another bundle");
    choice->bundle = optind < count ? words[optind] : NULL;
    return COMMAND_GOES_ON;
}

static int check_inputs(const struct command *command, const struct choice *choice)
{
    int inputs = (choice->bundle && strcmp(choice->bundle, "-") == 0) + (choice->other && strcmp(choice->other, "-") == 0) +
                 (strcmp(choice->log, "-") == 0);

    if (inputs > 1)
        return command_refuse(command, "standard input can be a bundle or the log, not both; --requests FILE names the log");
    if (strcmp(choice->log, "-") == 0 && isatty(STDIN_FILENO))
        return command_refuse(command, "name the log with --requests FILE, or give it on standard input");
    return COMMAND_GOES_ON;
}

int test_run(const struct command *command, int count, char **words)
{
    static struct job job;
    struct choice choice = {.log = "-", .most = 10};
    int code = read_words(command, count, words, &choice);

    if (code == COMMAND_GOES_ON)
        code = check_inputs(command, &choice);
    if (code != COMMAND_GOES_ON)
        return code;
    code = run(&job, &choice);
    report_fini(&job.report);
    for (size_t i = 0; i < job.report.replay_count; i++)
        replay_close(&job.replays[i]);
    traffic_close(&job.traffic);
    free(job.log_format);
    return code;
}
