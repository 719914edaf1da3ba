/* SPDX-License-Identifier: MPL-2.0
 *
 * status -> copy in the runtime folder -> bundle -> decider: see bundle_copy.h.
 */
#include "cli/bundle_copy.h"

#include <string.h>

#include "cli/loaded.h"
#include "policy/load.h"
#include "shm/moment.h"

void bundle_copy_free(struct bundle_copy *copy)
{
    decide_free(copy->decider);
    bundle_free(copy->bundle);
    *copy = (struct bundle_copy){.bundle = NULL};
}

static bool is_current(const struct bundle_copy *copy, const struct instance *instance)
{
    return copy->decider && copy->arena.header == instance->arena.header && copy->arena.size == instance->arena.size &&
           copy->generation == instance->status.generation && strcmp(copy->hash, instance->status.policy_hash) == 0;
}

void bundle_copy_refresh(struct bundle_copy *copy, const struct instance *instance)
{
    static struct complaint_list complaints;
    /* Judged at the time of its load: it may have expired since, and is in force all the same. */
    int64_t at = instance->status.loaded_at_ns / NANOSECONDS_PER_SECOND;
    struct input input;
    char path[LOADED_PATH_SIZE];

    if (is_current(copy, instance))
        return;
    bundle_copy_free(copy);
    if (loaded_find(instance, path, &input))
        copy->bundle = load_bundle(input_slice(&input), at, &complaints);
    input_free(&input);
    copy->arena = instance->arena;
    copy->decider = copy->bundle ? decide_new(copy->bundle, &copy->arena, NULL, 0) : NULL;
    copy->generation = instance->status.generation;
    memcpy(copy->hash, instance->status.policy_hash, sizeof(copy->hash));
}
