/* SPDX-License-Identifier: MPL-2.0
 *
 * A start that stops before anything is opened.
 */
#include "master/check.h"

#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "master/logsink.h"
#include "master/loop.h"
#include "master/privileges.h"
#include "master/source.h"
#include "master/vet.h"
#include "shm/arena.h"
#include "shm/counted.h"

static void ignore_signal(void *context, int signal, const struct ucred *from)
{
    (void)from;
    (void)context;
    (void)signal;
}

static void print_complaints(const struct vet_report *report, const struct settings *settings)
{
    const char *path = settings->config_file;
    char line[COMPLAINT_SENTENCE_SIZE + COMPLAINT_POINTER_SIZE + SETTINGS_PATH_SIZE + 64];

    for (size_t i = 0; i < report->complaints.count; i++) {
        vet_print_complaint(&report->complaints.items[i], path, line, sizeof(line));
        fprintf(stderr, "%s\n", line);
    }
    if (report->trusts_claims)
        fprintf(stderr, "%s: warning: %s\n", path, VET_UNVERIFIED_CLAIMS);
    if (report->trusts_hosts)
        fprintf(stderr, "%s: warning: %s\n", path, VET_CHOSEN_HOST);
    if (vet_trusts_everybody(settings))
        fputs("warning: " VET_TRUSTS_EVERYBODY "\n", stderr);
    if (vet_print_certificate(report, line, sizeof(line)))
        fprintf(stderr, "warning: %s\n", line);
    if (report->shows_key)
        fprintf(stderr, "warning: %s\n", VET_SHOWN_KEY);
    if (report->keys_left_out > 0)
        fprintf(stderr, VET_KEYS_LEFT_OUT "\n", report->keys_left_out);
}

/* Shared memory that is there already is adopted, whatever its size. What is free may be another at the start: no error. */
static void warn_of_room(const struct settings *settings)
{
    char name[ARENA_INSTANCE_SIZE + 16], path[sizeof("/dev/shm") + sizeof(name)];
    struct statvfs room;
    uint64_t free_bytes;

    arena_name(settings->instance, name, sizeof(name));
    snprintf(path, sizeof(path), "/dev/shm%s", name);
    if (access(path, F_OK) == 0 || statvfs("/dev/shm", &room) != 0)
        return;
    free_bytes = (uint64_t)room.f_bavail * room.f_frsize;
    if (settings->shared_dict_size > free_bytes)
        fprintf(stderr,
                "warning: shared_dict_size is %llu MiB, but /dev/shm has %llu MiB free of %llu: a start would fail now; free "
                "space there, make it larger (container: --shm-size) or lower shared_dict_size\n",
                (unsigned long long)(settings->shared_dict_size >> 20), (unsigned long long)(free_bytes >> 20),
                (unsigned long long)((uint64_t)room.f_blocks * room.f_frsize >> 20));
}

static bool vet(const struct settings *settings, struct vet_report *report, struct failure *failure)
{
    struct privileges privileges;
    struct source source;
    struct copies copies;
    struct loop loop;
    bool is_valid;

    if (!privileges_find(settings, &privileges, failure) || !loop_init(&loop, ignore_signal, NULL, failure))
        return false;
    if (!source_read(settings->config_file, &source, failure)) {
        loop_fini(&loop);
        return false;
    }
    is_valid = copies_make(settings, &copies, failure) &&
               vet_bundle(&loop, &source, settings, &copies, NULL, &privileges, report, failure) && report->is_valid;
    loop_fini(&loop);
    copies_close(&copies);
    source_free(&source);
    print_complaints(report, settings);
    return is_valid;
}

bool check_bundle(const struct settings *settings, struct failure *failure)
{
    struct vet_report report = {.is_valid = 0};

    return vet(settings, &report, failure);
}

bool check_settings(const struct settings *settings, bool prints, struct failure *failure)
{
    char policies[COUNTED_SIZE], rules[COUNTED_SIZE];
    struct vet_report report = {.is_valid = 0};

    if (!vet(settings, &report, failure) || !logsink_check(settings, failure))
        return false;
    warn_of_room(settings);
    if (logsink_lacks_syslog(settings))
        fputs("warning: " LOGSINK_NO_SYSLOG "\n", stderr);
    if (prints)
        settings_print(settings, stdout);
    printf("%sthe settings and the bundle %s are valid: version %s, %s, %s\n", prints ? "# " : "", settings->config_file,
           report.version_text, counted(report.policy_count, "policy", "policies", policies),
           counted(report.rule_count, "rule", "rules", rules));
    if (fflush(stdout) != 0)
        return failure_set_errno(failure, EXIT_CODE_OS, "the result could not be printed");
    return true;
}
