/* SPDX-License-Identifier: MPL-2.0
 *
 * What both sides of the door know: see door.h.
 */
#include "shm/door.h"

#include <stdio.h>
#include <string.h>

bool door_path(const struct settings *settings, char path[SETTINGS_UNIX_SIZE])
{
    int length = snprintf(path, SETTINGS_UNIX_SIZE, "%s/%s.door", settings->runtime_dir, settings->instance);

    return length > 0 && length < SETTINGS_UNIX_SIZE;
}

static bool is_text(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

bool door_is_sane(const struct door_request *request, size_t size)
{
    if (size != sizeof(*request) || request->size != size || request->verb >= DOOR_VERBS ||
        request->pair_count > DOOR_MAX_PAIRS || request->amount < 0 ||
        !is_text(request->policy, sizeof(request->policy)) || !is_text(request->rule, sizeof(request->rule)) ||
        !is_text(request->reason, sizeof(request->reason)) || !is_text(request->route, sizeof(request->route)))
        return false;
    for (uint32_t i = 0; i < request->pair_count; i++)
        if (!is_text(request->pairs[i].key, sizeof(request->pairs[i].key)) ||
            !is_text(request->pairs[i].value, sizeof(request->pairs[i].value)))
            return false;
    return true;
}
