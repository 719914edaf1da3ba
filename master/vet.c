/* SPDX-License-Identifier: MPL-2.0
 *
 * Forks a child with little memory, little time and no descriptors but one pipe and one to spare, lets it load the bundle,
 * and reads its report. What comes back is treated like any other bytes of a stranger.
 */
#include "master/vet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/certificates.h"
#include "policy/difference.h"
#include "policy/iso8601.h"
#include "policy/load.h"
#include "policy/references.h"
#include "shm/moment.h"
#include "shm/write_whole.h"

#define VET_MEMORY      (UINT64_C(4) << 30) /* of address space: the largest bundle with all its tokens fits */
#define VET_CPU_SECONDS 60
#define VET_DEADLINE_NS (90 * NANOSECONDS_PER_SECOND)
#define VET_FILES       (STDERR_FILENO + 2) /* one at a time: the system's file of a time zone */

struct vet {
    struct loop *loop;
    int fd; /* read end; -1 after its end */
    pid_t pid;
    int status;
    bool has_exited;
    size_t used;
    struct vet_report *report;
};

/* ---- in the child ------------------------------------------------------------------------------------------------ */

static bool set_limit(int resource, rlim_t value)
{
    struct rlimit limit = {.rlim_cur = value, .rlim_max = value};

    return setrlimit(resource, &limit) == 0;
}

static bool set_limits(void)
{
#ifndef __SANITIZE_ADDRESS__ /* its shadow memory alone is larger than any limit */
    if (!set_limit(RLIMIT_AS, VET_MEMORY))
        return false;
#endif
    return set_limit(RLIMIT_CPU, VET_CPU_SECONDS) && set_limit(RLIMIT_CORE, 0) && set_limit(RLIMIT_FSIZE, 0);
}

/* A descriptor that is closed cannot be read, and the bundle's reader may open no more than one file: so this comes before
 * both. What is wrong is told only when the bundle itself is fine. */
static void open_references(const struct settings *settings, const struct copies *copies, struct references *references,
                            struct failure *failure)
{
    const char *names[SETTINGS_REFERENCES];

    settings_reference_names(settings, names);
    failure->code = EXIT_CODE_OK;
    if (references_open(copies->fds, names, references, failure))
        references_check(references, names, failure);
    if (failure->code == EXIT_CODE_OK)
        certificates_check(copies->fds, names, failure);
}

/* Is everything there that the keys of BUNDLE are looked up in? */
static void check_needs(const struct bundle *bundle, const char *name, const struct copies *copies,
                        struct failure *failure)
{
    unsigned missing = bundle->references;
    char sentence[REFERENCES_SENTENCE_SIZE];

    for (int i = 0; i < SETTINGS_REFERENCES; i++)
        if (copies->fds[i] >= 0)
            missing &= ~(1u << i);
    if (missing == 0)
        return;
    references_explain(missing, sentence);
    failure_set(failure, EXIT_CODE_BAD_CONFIG, "the bundle %s cannot be enforced: %s, which is not set",
                name, sentence);
}

static bool selects_by_host(const struct bundle *bundle)
{
    for (uint32_t i = 0; i < bundle->policy_count; i++)
        if (bundle->policies[i].host_count > 0)
            return true;
    return false;
}

/* 0 also when what is served cannot be loaded any more, as for want of memory: the new bundle is none the worse for it. */
static uint32_t count_at_zero(const struct vet_served *served, const struct bundle *bundle)
{
    static struct complaint_list complaints;
    struct bundle *before =
        served ? load_bundle((struct slice){served->source->bytes, served->source->size},
                             served->loaded_at_ns / NANOSECONDS_PER_SECOND, &complaints)
               : NULL;
    int64_t count = before ? difference_zero_count(before, bundle) : 0;

    bundle_free(before);
    return count > 0 ? (uint32_t)count : 0;
}

static void fill_report(const struct source *source, const struct settings *settings, const struct copies *copies,
                        const struct vet_served *served, struct vet_report *report)
{
    int64_t now = moment_now().wall_ns / NANOSECONDS_PER_SECOND;
    struct bundle *bundle = load_bundle((struct slice){source->bytes, source->size}, now, &report->complaints);
    size_t length;

    load_suit_settings(&report->complaints, copies->fds[SETTINGS_REFERENCE_TOKEN_KEYS] >= 0,
                       settings->mode != SETTINGS_MODE_REVERSE_PROXY);
    for (size_t i = 0; i < COMPLAINT_MAX; i++)
        report->complaints.items[i].code = NULL;
    if (bundle == NULL)
        return;
    report->is_valid = 1;
    report->policy_count = bundle->policy_count;
    report->rule_count = bundle->rule_count;
    report->at_zero = count_at_zero(served, bundle);
    report->expires_at = bundle->expires_at == BUNDLE_NEVER ? 0 : bundle->expires_at;
    report->kill_switch_count = bundle->kill_switch_count;
    report->trusts_claims = bundle->uses_jwt && copies->fds[SETTINGS_REFERENCE_TOKEN_KEYS] < 0;
    report->trusts_hosts = settings->mode == SETTINGS_MODE_REVERSE_PROXY && selects_by_host(bundle);
    length = bundle->version_text.size;
    if (length > sizeof(report->version_text) - 1)
        length = sizeof(report->version_text) - 1;
    memcpy(report->version_text, bundle->version_text.data, length);
    if (report->references.code == EXIT_CODE_OK)
        check_needs(bundle, source_name(source, settings->config_file), copies, &report->references);
    bundle_free(bundle);
}

static void run_child(const struct source *source, const struct settings *settings, const struct copies *copies,
                      const struct vet_served *served, const struct privileges *privileges, int out)
{
    static const struct vet_report empty;
    struct references references;
    struct vet_report *report = malloc(sizeof(*report));

    if (report == NULL || dup2(out, STDOUT_FILENO) < 0 || !privileges_drop(privileges) || !set_limits())
        _exit(EXIT_CODE_OS);
    *report = empty;
    open_references(settings, copies, &references, &report->references);
    report->certificate_ends_at = certificates_end(copies->fds[SETTINGS_REFERENCE_TLS_CERT]);
    report->shows_key = copies->shows_key;
    report->keys_left_out = references.token_keys ? (uint32_t)references.token_keys->left_out : 0;
    if (close_range(STDERR_FILENO + 1, ~0U, 0) != 0 || !set_limit(RLIMIT_NOFILE, VET_FILES))
        _exit(EXIT_CODE_OS);
    fill_report(source, settings, copies, served, report);
    _exit(write_whole(STDOUT_FILENO, report, sizeof(*report)) ? 0 : EXIT_CODE_OS);
}

/* ---- in the master ----------------------------------------------------------------------------------------------- */

static void on_report(void *context, int fd)
{
    struct vet *vet = context;
    char surplus;
    bool is_full = vet->used == sizeof(*vet->report);
    ssize_t got =
        is_full ? read(fd, &surplus, 1) : read(fd, (char *)vet->report + vet->used, sizeof(*vet->report) - vet->used);

    if (got > 0 && !is_full) {
        vet->used += (size_t)got;
        return;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    loop_unwatch(vet->loop, fd);
    close(fd);
    vet->fd = -1;
}

static void on_exit_of_child(void *context, pid_t pid, int status)
{
    struct vet *vet = context;

    (void)pid;
    vet->status = status;
    vet->has_exited = true;
}

static bool is_terminated(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

static bool is_references_code(enum exit_code code)
{
    return code == EXIT_CODE_OK || code == EXIT_CODE_OS || code == EXIT_CODE_BAD_CONFIG;
}

static bool is_sane(const struct vet_report *report)
{
    const struct complaint_list *list = &report->complaints;

    if (list->count > COMPLAINT_MAX || report->is_valid > 1 || report->trusts_claims > 1 || report->trusts_hosts > 1 ||
        report->shows_key > 1 || report->expires_at < 0 || report->certificate_ends_at < 0 ||
        report->keys_left_out > JWKS_MAX_KEYS || report->at_zero > report->rule_count ||
        !is_terminated(report->version_text, sizeof(report->version_text)) ||
        !is_terminated(report->references.sentence, sizeof(report->references.sentence)) ||
        !is_references_code(report->references.code) || (report->is_valid && list->errors > 0))
        return false;
    for (size_t i = 0; i < list->count; i++)
        if (!is_terminated(list->items[i].sentence, COMPLAINT_SENTENCE_SIZE) ||
            !is_terminated(list->items[i].pointer, COMPLAINT_POINTER_SIZE))
            return false;
    return true;
}

static bool judge(const struct vet *vet, const char *path, struct failure *failure)
{
    const struct vet_report *report = vet->report;

    if (WIFSIGNALED(vet->status))
        return failure_set(
            failure, EXIT_CODE_OUR_BUG,
            "checking the bundle %s ended with signal %d (%s); it was not loaded. Please report this bundle", path,
            WTERMSIG(vet->status), strsignal(WTERMSIG(vet->status)));
    if (WEXITSTATUS(vet->status) == EXIT_CODE_OS)
        return failure_set(failure, EXIT_CODE_OS, "the process that checks the bundle %s could not be set up", path);
    if (vet->status != 0 || vet->used != sizeof(*report) || !is_sane(report))
        return failure_set(failure, EXIT_CODE_OUR_BUG,
                           "checking the bundle %s ended without a report (exit code %d); it was not loaded", path,
                           WEXITSTATUS(vet->status));
    if (!report->is_valid)
        failure_set(failure, EXIT_CODE_BAD_BUNDLE, "the bundle %s has %zu error%s; it was not loaded", path,
                    report->complaints.errors, report->complaints.errors == 1 ? "" : "s");
    else if (report->references.code != EXIT_CODE_OK)
        return failure_set(failure, report->references.code, "%s", report->references.sentence);
    return true;
}

static void wait_for_child(struct vet *vet)
{
    int64_t deadline = moment_now().boot_ns + VET_DEADLINE_NS;

    while (!vet->has_exited || vet->fd >= 0) {
        loop_turn(vet->loop, deadline);
        if (moment_now().boot_ns < deadline)
            continue;
        kill(vet->pid, SIGKILL);
        deadline = LOOP_NEVER;
    }
}

bool vet_bundle(struct loop *loop, const struct source *source, const struct settings *settings,
                const struct copies *copies, const struct vet_served *served, const struct privileges *privileges,
                struct vet_report *report, struct failure *failure)
{
    const char *path = source_name(source, settings->config_file);
    struct vet vet = {.loop = loop, .report = report};
    int ends[2];

    memset(report, 0, sizeof(*report));
    if (pipe2(ends, O_CLOEXEC) != 0)
        return failure_set_errno(failure, EXIT_CODE_OS, "the bundle %s could not be checked", path);
    vet.pid = loop_fork(loop, on_exit_of_child, &vet);
    if (vet.pid == 0)
        run_child(source, settings, copies, served, privileges, ends[1]);
    close(ends[1]);
    if (vet.pid < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) {
        close(ends[0]);
        return failure_set_errno(failure, EXIT_CODE_OS, "the bundle %s could not be checked", path);
    }
    vet.fd = ends[0];
    loop_watch(loop, vet.fd, on_report, &vet);
    wait_for_child(&vet);
    return judge(&vet, path, failure);
}

bool vet_trusts_everybody(const struct settings *settings)
{
    for (uint32_t i = 0; i < settings->trusted_count; i++)
        if (settings->trusted[i].prefix_bits == 0)
            return true;
    return false;
}

bool vet_print_certificate(const struct vet_report *report, char *line, size_t size)
{
    int64_t now = moment_now().wall_ns / NANOSECONDS_PER_SECOND;
    char time[ISO8601_TEXT_SIZE];

    if (report->certificate_ends_at == 0 || report->certificate_ends_at - now > CERTIFICATES_SOON_S)
        return false;
    iso8601_print(report->certificate_ends_at, time);
    snprintf(line, size, "the certificate of tls_cert %s at %s: %s", report->certificate_ends_at <= now ? "expired" : "expires",
             time, report->certificate_ends_at <= now ? "clients that check it turn away; put a new one in its place and reload"
                                             : "put a new one in its place and reload before");
    return true;
}

void vet_print_complaint(const struct complaint *complaint, const char *path, char *line, size_t size)
{
    const char *severity = complaint->severity == COMPLAINT_WARNING ? "warning" : "error";
    char place[32] = "";
    char pointer[COMPLAINT_POINTER_SIZE + 4] = "";

    if (complaint->line > 0)
        snprintf(place, sizeof(place), "%u:%u:", complaint->line, complaint->column);
    if (complaint->pointer[0])
        snprintf(pointer, sizeof(pointer), " (%s)", complaint->pointer);
    snprintf(line, size, "%s:%s %s: %s%s", path, place, severity, complaint->sentence, pointer);
    for (char *byte = line; *byte; byte++) /* a bundle must not speak to the operator's terminal */
        if ((unsigned char)*byte < 0x20 || *byte == 0x7f)
            *byte = '?';
}
