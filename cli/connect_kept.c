/* SPDX-License-Identifier: MPL-2.0
 *
 * Reads the bundles that the master keeps, finds the served one among them by its bytes, and the one before it.
 */
#include "cli/connect_kept.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/emit.h"
#include "cli/input.h"
#include "policy/digest.h"
#include "policy/load.h"
#include "shm/counted.h"
#include "shm/quantity.h"

struct kept {
    uint32_t number;
    int64_t kept_at_ns;
    char digest[DIGEST_TEXT_SIZE];
    struct bundle *bundle; /* NULL: it cannot be loaded any more */
    bool is_as_served;     /* its bytes are those that are served */
    struct kept_note note; /* how it came to be served */
};

/* As it was when it was kept: it may have expired since. */
static bool read_kept(const struct connect_scene *scene, uint32_t number, struct kept *kept, struct failure *failure)
{
    static struct complaint_list complaints;
    char path[KEPT_PATH_SIZE];
    struct input input = {.data = NULL};
    struct stat facts;
    bool is_read;

    *kept = (struct kept){.number = number};
    kept_path(&scene->instance.settings, number, path);
    kept_read_note(&scene->instance.settings, number, &kept->note);
    is_read = input_read_regular(path, &input, failure) && stat(path, &facts) == 0;
    if (is_read) {
        kept->kept_at_ns = facts.st_mtim.tv_sec * NANOSECONDS_PER_SECOND;
        digest_hex(input_slice(&input), kept->digest);
        kept->is_as_served = strcmp(kept->digest, scene->instance.status.policy_hash) == 0;
        kept->bundle = load_bundle(input_slice(&input), facts.st_mtim.tv_sec, &complaints);
    }
    input_free(&input);
    return is_read;
}

static bool list_numbers(const struct connect_scene *scene, uint32_t *numbers, size_t *count, struct failure *failure)
{
    const struct settings *settings = &scene->instance.settings;

    if (kept_list(settings, numbers, KEPT_MAX, count))
        return true;
    return failure_set_errno(failure, errno == EACCES ? EXIT_CODE_PERMISSION : EXIT_CODE_OS,
                             "the bundles that were served before, in %s, cannot be listed", settings->state_dir);
}

/* The bytes of NUMBER are those that are served. */
static bool is_as_served(const struct connect_scene *scene, uint32_t number)
{
    struct failure failure;
    struct kept kept;
    bool is_same = read_kept(scene, number, &kept, &failure) && kept.is_as_served;

    bundle_free(kept.bundle);
    return is_same;
}

/* The one that is served, of several with the same bytes the one that the master says; 0 when none is kept. */
static uint32_t find_served(const struct connect_scene *scene, const uint32_t *numbers, size_t count)
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

/* ", push by root, because: ticket 77". */
static void print_note(const struct kept_note *note)
{
    const struct passwd *user = note->user >= 0 ? getpwuid((uid_t)note->user) : NULL;

    if (note->how[0] != '\0')
        printf(", %s", note->how);
    if (user)
        printf(" by %s", user->pw_name);
    else if (note->user >= 0)
        printf(" by user %" PRId64, note->user);
    if (note->reason[0] != '\0')
        fputs(", because: ", stdout);
    emit_plain(slice_of(note->reason), stdout);
}

/* MARK stands behind the line. */
static void print_kept(const struct kept *kept, const char *mark)
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
    print_note(&kept->note);
    puts(mark);
}

/* One that is damaged hides no other. */
static void print_unreadable(uint32_t number, const struct failure *failure)
{
    printf("%8u  %-20s  %-12s  %s\n", number, "-", "-", failure->sentence);
}

static void print_unreadable_json(uint32_t number, const struct failure *failure)
{
    printf("{\"number\":%u", number);
    emit_json_text(",\"error\":", slice_of(failure->sentence), stdout);
    fputs(",\"kept_at\":null,\"hash\":null,\"served\":false,\"version\":null,\"policies\":null,\"how\":null,\"uid\":null,"
          "\"reason\":null}", stdout);
}

static void print_note_json(const struct kept_note *note)
{
    emit_json_text_or_null(",\"how\":", slice_of(note->how[0] != '\0' ? note->how : NULL), stdout);
    if (note->user >= 0)
        printf(",\"uid\":%" PRId64, note->user);
    else
        fputs(",\"uid\":null", stdout);
    emit_json_text_or_null(",\"reason\":", slice_of(note->reason[0] != '\0' ? note->reason : NULL), stdout);
    putchar('}');
}

static void print_kept_json(const struct kept *kept, bool is_served)
{
    char time[EMIT_TIME_SIZE];

    printf("{\"number\":%u,\"kept_at\":\"%s\",\"hash\":\"%s\",\"served\":%s,\"version\":", kept->number,
           emit_time(kept->kept_at_ns, time), kept->digest, is_served ? "true" : "false");
    if (kept->bundle) {
        emit_json_string(kept->bundle->version_text, stdout);
        printf(",\"policies\":%u", kept->bundle->policy_count);
    } else {
        fputs("null,\"policies\":null", stdout);
    }
    print_note_json(&kept->note);
}

static void print_one(const struct connect_scene *scene, const struct kept *kept, bool is_served, bool is_json)
{
    if (is_json)
        print_kept_json(kept, is_served && !scene->is_down);
    else
        print_kept(kept, !is_served ? "" : scene->is_down ? "  (in config_file)" : "  (served)");
}

bool connect_kept_list(const struct connect_scene *scene, bool is_json, struct failure *failure)
{
    uint32_t numbers[KEPT_MAX], served;
    size_t count;

    if (!list_numbers(scene, numbers, &count, failure))
        return false;
    served = find_served(scene, numbers, count);
    if (is_json) {
        emit_json_text("{\"instance\":", slice_of(scene->instance.settings.instance), stdout);
        emit_json_text(",\"config_file\":", slice_of(scene->instance.settings.config_file), stdout);
        fputs(",\"bundles\":[", stdout);
    } else if (count > 0) {
        print_kept_heading();
    } else {
        puts("no bundle that was served is kept");
    }
    for (size_t i = 0; i < count; i++) {
        struct kept kept;

        bool is_read = read_kept(scene, numbers[i], &kept, failure);

        if (is_json && i > 0)
            putchar(',');
        if (is_read)
            print_one(scene, &kept, numbers[i] == served, is_json);
        else
            (is_json ? print_unreadable_json : print_unreadable)(numbers[i], failure);
        bundle_free(kept.bundle);
    }
    if (is_json)
        puts("]}");
    return true;
}

/* The last one before the one that is served with other bytes, however often somebody has gone back before. */
static bool find_previous(const struct connect_scene *scene, uint32_t *number, struct failure *failure)
{
    uint32_t numbers[KEPT_MAX], served, last;
    size_t count;

    if (!list_numbers(scene, numbers, &count, failure))
        return false;
    served = find_served(scene, numbers, count);
    last = count > 0 ? numbers[count - 1] : 0;
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
    if (served != 0 && served < last)
        return failure_set(failure, EXIT_CODE_REFUSED,
                           "there is nothing to go back to: no other bundle older than number %u, which is served, is kept; "
                           "--to NUMBER serves any of those that --list shows, later ones too", served);
    return failure_set(failure, EXIT_CODE_REFUSED, "there is nothing to go back to: no other bundle was served before");
}

bool connect_kept_find(struct connect_scene *scene, const char *wanted, char path[KEPT_PATH_SIZE], struct failure *failure)
{
    uint64_t count;
    uint32_t number = 0;

    if (wanted && (!quantity_parse_count(slice_of(wanted), &count) || count == 0 || count > KEPT_HIGHEST))
        return failure_set(failure, EXIT_CODE_USAGE, "--to takes a number that --list shows, not '%s'", wanted);
    if (wanted)
        number = (uint32_t)count;
    else if (!find_previous(scene, &number, failure))
        return false;
    scene->kept_number = number;
    kept_path(&scene->instance.settings, number, path);
    if (!wanted || access(path, F_OK) == 0)
        return true;
    return failure_set(failure, EXIT_CODE_REFUSED, "there is no bundle %u; --list shows those that are kept", number);
}
