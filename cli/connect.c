/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor connect: bundles to the running master. What is shown and confirmed is exactly what is handed over: the file
 * is read once.
 */
#include "cli/connect.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cli/connect_kept.h"
#include "cli/diff.h"
#include "cli/emit.h"
#include "cli/excerpt.h"
#include "cli/input.h"
#include "cli/loaded.h"
#include "cli/lookup.h"
#include "cli/order.h"
#include "cli/put_back.h"
#include "policy/digest.h"
#include "policy/load.h"
#include "shm/kept.h"
#include "shm/moment.h"

struct choice {
    const char *config, *name;
    const char *file, *number, *reason;
    bool is_list, is_rollback, is_yes, is_json;
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

/* ---- pushing ----------------------------------------------------------------------------------------------------- */

static bool load_input(const char *path, const struct connect_scene *scene, const struct input *input, struct bundle **bundle,
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
static void warn_of_edit(const struct connect_scene *scene, const struct input *pushed)
{
    const char *path = scene->instance.settings.config_file;
    struct input input = {.data = NULL};
    char digest[DIGEST_TEXT_SIZE];
    struct failure failure;

    if (path[0] != '\0' && input_read_regular(path, &input, &failure) && digest_hex(input_slice(&input), digest) &&
        strcmp(digest, scene->instance.status.policy_hash) != 0 &&
        !slice_equal(input_slice(&input), input_slice(pushed)))
        fprintf(stderr,
                "fairvisor: warning: %s has been changed since it was loaded; it will be moved to %s.replaced\n", path,
                path);
    input_free(&input);
}

static void show(const struct connect_scene *scene, const struct bundle *bundle, const struct difference_list *list)
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

static bool hand_over(const struct choice *choice, const struct connect_scene *scene, const struct input *input,
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

static void print_served_json(const struct connect_scene *scene, const struct bundle *bundle, const struct difference_list *list,
                              const struct door_reply *reply)
{
    emit_json_text("{\"instance\":", slice_of(scene->instance.settings.instance), stdout);
    emit_json_text(",\"before\":", scene->served->version_text, stdout);
    emit_json_text(",\"after\":", bundle->version_text, stdout);
    printf(",\"generation\":%u,\"kept\":%s", reply->generation, reply->changed == 0 ? "true" : "false");
    emit_json_text(",\"file\":", slice_of(reply->sentence), stdout);
    putchar(',');
    diff_print_json(list, stdout);
    puts("}");
}

static bool confirm_and_hand_over(const struct choice *choice, const struct connect_scene *scene, const struct input *input,
                                  const struct bundle *bundle, struct failure *failure)
{
    struct difference_list *list = difference_find(scene->served, bundle, moment_now().wall_ns / NANOSECONDS_PER_SECOND);
    struct door_reply reply;
    bool is_done;

    if (!list)
        return failure_set(failure, EXIT_CODE_OS, "there is no memory to compare the bundles in");
    if (!choice->is_json)
        show(scene, bundle, list);
    warn_of_edit(scene, input);
    is_done = confirm(choice, failure) && hand_over(choice, scene, input, &reply, failure);
    if (is_done && choice->is_json)
        print_served_json(scene, bundle, list, &reply);
    else if (is_done)
        print_served(bundle, &reply);
    if (is_done && reply.changed != 0)
        fprintf(stderr,
                "fairvisor: warning: the bundle is served, but could not be kept in %s: `fairvisor connect --rollback` will not "
                "come back to it. Is the disk full? The log of the service tells why\n",
                scene->instance.settings.state_dir);
    difference_free(list);
    return is_done;
}

/* Nobody is there to hand it to: the next start finds it. */
static bool confirm_and_put_back(const struct choice *choice, const struct connect_scene *scene, const struct input *input,
                                 const struct bundle *bundle, struct failure *failure)
{
    const char *path = scene->instance.settings.config_file;

    if (!choice->is_json) {
        printf("instance %s is not running; ", scene->instance.settings.instance);
        fputs("for its next start: version ", stdout);
        emit_plain(bundle->version_text, stdout);
        putchar('\n');
    }
    if (!confirm(choice, failure) || !put_back(path, input_slice(input), failure))
        return false;
    if (choice->is_json) {
        emit_json_text("{\"instance\":", slice_of(scene->instance.settings.instance), stdout);
        emit_json_text(",\"after\":", bundle->version_text, stdout);
        emit_json_text(",\"generation\":null,\"file\":", slice_of(path), stdout);
        puts("}");
    } else {
        fputs("written to ", stdout);
        emit_plain(slice_of(path), stdout);
        puts("; what was there has .replaced behind its name. Start the service with fairvisord");
    }
    return true;
}

static bool push(const struct choice *choice, const struct connect_scene *scene, const char *path, struct failure *failure)
{
    struct input input = {.data = NULL};
    struct bundle *bundle = NULL;
    bool is_done = input_read(path, &input, failure) && load_input(path, scene, &input, &bundle, failure) &&
                   (scene->is_down ? confirm_and_put_back : confirm_and_hand_over)(choice, scene, &input, bundle, failure);

    bundle_free(bundle);
    input_free(&input);
    return is_done;
}

/* What stopped the service may be the bundle itself: so the way back is open while it is down. */
static bool open_scene(const struct choice *choice, struct connect_scene *scene, struct failure *failure)
{
    char *digest = scene->instance.status.policy_hash;
    uint32_t numbers[KEPT_MAX];
    size_t count = 0;
    struct input input = {.data = NULL};
    struct failure ignored;

    scene->served = loaded_open(&scene->instance, choice->config, choice->name, failure);
    if (scene->served || failure->code != EXIT_CODE_NOT_RUNNING || choice->file)
        return scene->served != NULL;
    if (!kept_list(&scene->instance.settings, numbers, KEPT_MAX, &count) || count == 0)
        return false;
    scene->is_down = true;
    digest[0] = '\0';
    if (input_read_regular(scene->instance.settings.config_file, &input, &ignored))
        digest_hex(input_slice(&input), digest);
    input_free(&input);
    return true;
}

static bool run(const struct choice *choice, struct failure *failure)
{
    static struct connect_scene scene;
    char path[KEPT_PATH_SIZE];
    bool is_done;

    if (!open_scene(choice, &scene, failure))
        return false;
    if (choice->is_list)
        is_done = connect_kept_list(&scene, choice->is_json, failure);
    else if (choice->file)
        is_done = push(choice, &scene, choice->file, failure);
    else
        is_done = connect_kept_find(&scene, choice->number, path, failure) && push(choice, &scene, path, failure);
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
    if (!run(&choice, &failure))
        return command_fail(&failure);
    return choice.is_list ? EXIT_CODE_OK : COMMAND_DONE;
}
