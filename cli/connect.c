/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor connect: bundles to the running master. What is shown and confirmed is exactly what is handed over: the file
 * is read once.
 */
#include "cli/connect.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/diff.h"
#include "cli/emit.h"
#include "cli/excerpt.h"
#include "cli/input.h"
#include "cli/loaded.h"
#include "cli/lookup.h"
#include "cli/order.h"
#include "policy/digest.h"
#include "policy/load.h"
#include "shm/counted.h"
#include "shm/kept.h"
#include "shm/quantity.h"

struct choice {
    const char *config, *name;
    const char *file, *number, *reason;
    bool is_list, is_rollback, is_yes, is_json;
};

/* What runs and what it serves. */
struct scene {
    struct instance instance;
    struct bundle *served;
    uint32_t kept_number; /* what is pushed is the kept bundle of this number; 0: it is a file of the user */
};

/* ---- words ------------------------------------------------------------------------------------------------------- */

static bool check(const struct choice *choice, int words, struct failure *failure)
{
    int actions = (choice->file != NULL) + choice->is_list + choice->is_rollback;

    if (words > 0)
        return failure_set(failure, EXIT_CODE_USAGE, "there is a word too many");
    if (actions != 1)
        return failure_set(failure, EXIT_CODE_USAGE, "one of --push FILE, --rollback and --list is needed");
    if (choice->number && !choice->is_rollback)
        return failure_set(failure, EXIT_CODE_USAGE, "--to belongs to --rollback");
    if (choice->is_json && !choice->is_list && !choice->is_yes)
        return failure_set(failure, EXIT_CODE_USAGE, "--json asks nobody: give --yes, too");
    if (choice->is_list && (choice->is_yes || choice->reason))
        return failure_set(failure, EXIT_CODE_USAGE, "--list changes nothing: it takes no --yes and no --reason");
    if (!choice->is_list && !choice->is_yes &&
        ((choice->file && strcmp(choice->file, "-") == 0) || !isatty(STDIN_FILENO)))
        return failure_set(failure, EXIT_CODE_USAGE, "there is nobody to ask: give --yes to serve the bundle unasked");
    return true;
}

static int read_words(const struct command *command, int count, char **words, struct choice *choice)
{
    const struct command_option options[] = {
        {NULL, 'c', .text = &choice->config},        {"push", .text = &choice->file},
        {"list", .flag = &choice->is_list},          {"rollback", .flag = &choice->is_rollback},
        {"to", .text = &choice->number},             {"yes", .flag = &choice->is_yes},
        {"reason", .text = &choice->reason},         {"instance", .text = &choice->name},
        {"json", .flag = &choice->is_json}};
    int code = command_read_options(command, count, words, options, sizeof(options) / sizeof(options[0]), NULL);
    struct failure failure;

    if (code == COMMAND_GOES_ON && !check(choice, count - optind, &failure))
        return command_refuse(command, "%s", failure.sentence);
    return code;
}

/* ---- kept bundles ------------------------------------------------------------------------------------------------ */

struct kept {
    uint32_t number;
    int64_t kept_at_ns;
    char digest[DIGEST_TEXT_SIZE];
    struct bundle *bundle; /* NULL: it cannot be loaded any more */
    bool is_as_served;     /* its bytes are those that are served */
};

/* As it was when it was kept: it may have expired since. */
static bool read_kept(const struct scene *scene, uint32_t number, struct kept *kept, struct failure *failure)
{
    static struct complaint_list complaints;
    char path[KEPT_PATH_SIZE];
    struct input input = {.data = NULL};
    struct stat facts;
    bool is_read;

    *kept = (struct kept){.number = number};
    kept_path(&scene->instance.settings, number, path);
    is_read = input_read(path, &input, failure) && stat(path, &facts) == 0;
    if (is_read) {
        kept->kept_at_ns = facts.st_mtim.tv_sec * NANOSECONDS_PER_SECOND;
        digest_hex(input_slice(&input), kept->digest);
        kept->is_as_served = strcmp(kept->digest, scene->instance.status.policy_hash) == 0;
        kept->bundle = load_bundle(input_slice(&input), facts.st_mtim.tv_sec, &complaints);
    }
    input_free(&input);
    return is_read;
}

static bool list_numbers(const struct scene *scene, uint32_t *numbers, size_t *count, struct failure *failure)
{
    const struct settings *settings = &scene->instance.settings;

    if (kept_list(settings, numbers, KEPT_MAX, count))
        return true;
    return failure_set_errno(failure, errno == EACCES ? EXIT_CODE_PERMISSION : EXIT_CODE_OS,
                             "the bundles that were served before, in %s, cannot be listed", settings->state_dir);
}

/* The bytes of NUMBER are those that are served. */
static bool is_as_served(const struct scene *scene, uint32_t number)
{
    struct failure failure;
    struct kept kept;
    bool is_same = read_kept(scene, number, &kept, &failure) && kept.is_as_served;

    bundle_free(kept.bundle);
    return is_same;
}

/* The one that is served, of several with the same bytes the one that the master says; 0 when none is kept. */
static uint32_t find_served(const struct scene *scene, const uint32_t *numbers, size_t count)
{
    uint32_t place = kept_read_place(&scene->instance.settings);

    for (size_t i = 0; i < count; i++)
        if (numbers[i] == place && is_as_served(scene, place))
            return place;
    while (count > 0 && !is_as_served(scene, numbers[count - 1]))
        count--;
    return count > 0 ? numbers[count - 1] : 0;
}

static void print_kept_heading(void)
{
    printf("%8s  %-20s  %-12s  %s\n", "number", "kept at (UTC)", "sha256", "bundle");
}

static void print_kept(const struct kept *kept, bool is_served)
{
    char time[EMIT_TIME_SIZE], count[COUNTED_SIZE];

    printf("%8u  %s  %.12s  ", kept->number, emit_time(kept->kept_at_ns, time), kept->digest);
    if (kept->bundle) {
        fputs("version ", stdout);
        emit_plain(kept->bundle->version_text, stdout);
        printf(", %s", counted(kept->bundle->policy_count, "policy", "policies", count));
    } else {
        fputs("is no bundle that this version takes", stdout);
    }
    puts(is_served ? "  (served)" : "");
}

static void print_kept_json(const struct kept *kept, bool is_served)
{
    char time[EMIT_TIME_SIZE];

    printf("{\"number\":%u,\"kept_at\":\"%s\",\"hash\":\"%s\",\"served\":%s,\"version\":", kept->number,
           emit_time(kept->kept_at_ns, time), kept->digest, is_served ? "true" : "false");
    if (kept->bundle) {
        emit_json_string(kept->bundle->version_text, stdout);
        printf(",\"policies\":%u}", kept->bundle->policy_count);
    } else {
        fputs("null,\"policies\":null}", stdout);
    }
}

static bool list(const struct choice *choice, const struct scene *scene, struct failure *failure)
{
    uint32_t numbers[KEPT_MAX], served;
    size_t count;

    if (!list_numbers(scene, numbers, &count, failure))
        return false;
    served = find_served(scene, numbers, count);
    if (choice->is_json) {
        fputs("{\"instance\":", stdout);
        emit_json_string(slice_of(scene->instance.settings.instance), stdout);
        fputs(",\"config_file\":", stdout);
        emit_json_string(slice_of(scene->instance.settings.config_file), stdout);
        fputs(",\"bundles\":[", stdout);
    } else if (count > 0) {
        print_kept_heading();
    } else {
        puts("no bundle that was served is kept");
    }
    for (size_t i = 0; i < count; i++) {
        struct kept kept;

        if (!read_kept(scene, numbers[i], &kept, failure))
            return false;
        if (choice->is_json && i > 0)
            putchar(',');
        if (choice->is_json)
            print_kept_json(&kept, numbers[i] == served);
        else
            print_kept(&kept, numbers[i] == served);
        bundle_free(kept.bundle);
    }
    if (choice->is_json)
        puts("]}");
    return true;
}

/* The last one before the one that is served with other bytes, however often somebody has gone back before. */
static bool find_previous(const struct scene *scene, uint32_t *number, struct failure *failure)
{
    uint32_t numbers[KEPT_MAX], served;
    size_t count;

    if (!list_numbers(scene, numbers, &count, failure))
        return false;
    served = find_served(scene, numbers, count);
    while (count-- > 0) {
        struct kept kept;
        bool is_other;

        if (served != 0 && numbers[count] >= served)
            continue;
        is_other = read_kept(scene, numbers[count], &kept, failure) && !kept.is_as_served && kept.bundle;

        bundle_free(kept.bundle);
        if (is_other) {
            *number = numbers[count];
            return true;
        }
    }
    return failure_set(failure, EXIT_CODE_REFUSED, "there is nothing to go back to: no other bundle was served before; --to NUMBER serves any "
                       "of those that --list shows");
}

static bool find_file(const struct choice *choice, struct scene *scene, char path[KEPT_PATH_SIZE],
                      struct failure *failure)
{
    uint64_t count;
    uint32_t number = 0;

    if (choice->number && (!quantity_parse_count(slice_of(choice->number), &count) || count == 0 || count > KEPT_HIGHEST))
        return failure_set(failure, EXIT_CODE_USAGE, "--to takes a number that --list shows, not '%s'", choice->number);
    if (choice->number)
        number = (uint32_t)count;
    else if (!find_previous(scene, &number, failure))
        return false;
    scene->kept_number = number;
    kept_path(&scene->instance.settings, number, path);
    if (!choice->number || access(path, F_OK) == 0)
        return true;
    return failure_set(failure, EXIT_CODE_REFUSED, "there is no bundle %u; --list shows those that are kept", number);
}

/* ---- pushing ----------------------------------------------------------------------------------------------------- */

static bool load_input(const char *path, const struct scene *scene, const struct input *input, struct bundle **bundle,
                       struct failure *failure)
{
    static struct complaint_list complaints;
    const char *name = input_name(path);

    *bundle = load_bundle(input_slice(input), moment_now().wall_ns / NANOSECONDS_PER_SECOND, &complaints);
    if (*bundle)
        lookup_complain(&scene->instance.settings, *bundle, COMPLAINT_ERROR, &complaints);
    for (size_t i = 0; i < complaints.count; i++) {
        complaint_print(&complaints.items[i], name, stderr);
        excerpt_print(input_slice(input), complaints.items[i].line, complaints.items[i].column, stderr);
    }
    if (!*bundle)
        return failure_set(failure, EXIT_CODE_BAD_BUNDLE, "%s is not a valid bundle: nothing was changed", name);
    return complaints.errors == 0 ||
           failure_set(failure, EXIT_CODE_BAD_CONFIG, "%s cannot be enforced: nothing was changed", name);
}

/* An edit of the file that nobody has loaded would be replaced: that must be known before. */
static void warn_of_edit(const struct scene *scene)
{
    const char *path = scene->instance.settings.config_file;
    struct input input = {.data = NULL};
    char digest[DIGEST_TEXT_SIZE];
    struct failure failure;

    if (path[0] != '\0' && input_read(path, &input, &failure) && digest_hex(input_slice(&input), digest) &&
        strcmp(digest, scene->instance.status.policy_hash) != 0)
        fprintf(stderr,
                "fairvisor: warning: %s has been changed since it was loaded; it will be moved to %s.replaced\n", path,
                path);
    input_free(&input);
}

static void show(const struct scene *scene, const struct bundle *bundle, const struct difference_list *list)
{
    fputs("version ", stdout);
    emit_plain(scene->served->version_text, stdout);
    fputs(" -> ", stdout);
    emit_plain(bundle->version_text, stdout);
    putchar('\n');
    diff_print(list, stdout);
    if (list->count == 0)
        fputs("The bundles demand the same.", stdout);
    else
        diff_print_sum(list, stdout);
    putchar('\n');
}

static bool confirm(const struct choice *choice, struct failure *failure)
{
    char answer[8];

    if (choice->is_yes)
        return true;
    fputs("Serve this bundle? [y/N] ", stdout);
    fflush(stdout);
    if (fgets(answer, sizeof(answer), stdin) && (strcmp(answer, "y\n") == 0 || strcmp(answer, "yes\n") == 0))
        return true;
    return failure_set(failure, EXIT_CODE_REFUSED, "not confirmed: nothing was changed");
}

static bool hand_over(const struct choice *choice, const struct scene *scene, const struct input *input,
                      struct door_reply *reply, struct failure *failure)
{
    static struct door_request request;

    request.verb = DOOR_PUSH;
    request.amount = scene->kept_number;
    return order_set_text(request.reason, sizeof(request.reason), slice_of(choice->reason), "--reason", failure) &&
           order_send_bundle(&scene->instance.settings, &request, input_slice(input), reply, failure);
}

static void print_served(const struct bundle *bundle, const struct door_reply *reply)
{
    fputs("served: version ", stdout);
    emit_plain(bundle->version_text, stdout);
    printf(", generation %u, written to ", reply->generation);
    emit_plain(slice_of(reply->sentence), stdout);
    putchar('\n');
}

static void print_served_json(const struct scene *scene, const struct bundle *bundle, const struct difference_list *list,
                              const struct door_reply *reply)
{
    fputs("{\"instance\":", stdout);
    emit_json_string(slice_of(scene->instance.settings.instance), stdout);
    fputs(",\"before\":", stdout);
    emit_json_string(scene->served->version_text, stdout);
    fputs(",\"after\":", stdout);
    emit_json_string(bundle->version_text, stdout);
    printf(",\"generation\":%u,\"file\":", reply->generation);
    emit_json_string(slice_of(reply->sentence), stdout);
    putchar(',');
    diff_print_json(list, stdout);
    puts("}");
}

static bool confirm_and_hand_over(const struct choice *choice, const struct scene *scene, const struct input *input,
                                  const struct bundle *bundle, struct failure *failure)
{
    struct difference_list *list = difference_find(scene->served, bundle);
    struct door_reply reply;
    bool is_done;

    if (!list)
        return failure_set(failure, EXIT_CODE_OS, "there is no memory to compare the bundles in");
    if (!choice->is_json)
        show(scene, bundle, list);
    warn_of_edit(scene);
    is_done = confirm(choice, failure) && hand_over(choice, scene, input, &reply, failure);
    if (is_done && choice->is_json)
        print_served_json(scene, bundle, list, &reply);
    else if (is_done)
        print_served(bundle, &reply);
    difference_free(list);
    return is_done;
}

static bool push(const struct choice *choice, const struct scene *scene, const char *path, struct failure *failure)
{
    struct input input = {.data = NULL};
    struct bundle *bundle = NULL;
    bool is_done = input_read(path, &input, failure) && load_input(path, scene, &input, &bundle, failure) &&
                   confirm_and_hand_over(choice, scene, &input, bundle, failure);

    bundle_free(bundle);
    input_free(&input);
    return is_done;
}

static bool run(const struct choice *choice, struct failure *failure)
{
    static struct scene scene;
    char path[KEPT_PATH_SIZE];
    bool is_done;

    scene.served = loaded_open(&scene.instance, choice->config, choice->name, failure);
    if (!scene.served)
        return false;
    if (choice->is_list)
        is_done = list(choice, &scene, failure);
    else if (choice->file)
        is_done = push(choice, &scene, choice->file, failure);
    else
        is_done = find_file(choice, &scene, path, failure) && push(choice, &scene, path, failure);
    bundle_free(scene.served);
    return is_done;
}

int connect_run(const struct command *command, int count, char **words)
{
    struct choice choice = {.config = NULL};
    struct failure failure;
    int code = read_words(command, count, words, &choice);

    if (code != COMMAND_GOES_ON)
        return code;
    return run(&choice, &failure) ? EXIT_CODE_OK : command_fail(&failure);
}
