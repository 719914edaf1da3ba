/* SPDX-License-Identifier: MPL-2.0
 *
 * Opens the very files that the settings name; the service works on copies it made when it loaded them.
 */
#include "cli/lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "policy/load.h"

unsigned lookup_find_missing(const struct settings *settings, unsigned wanted)
{
    unsigned missing = 0;

    for (int i = 0; i < SETTINGS_REFERENCES; i++) {
        bool is_packaged;

        if ((wanted >> i & 1) != 0 && !settings_reference_path(settings, (enum settings_reference)i, &is_packaged))
            missing |= 1u << i;
    }
    return missing;
}

static bool open_one(const char *path, const char *setting, int *fd, struct failure *failure)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd >= 0)
        return true;
    return failure_set_errno(failure, errno == EACCES ? EXIT_CODE_PERMISSION : EXIT_CODE_NO_INPUT,
                             "the file %s (setting %s) could not be opened", path, setting);
}

void lookup_complain(const struct settings *settings, const struct bundle *bundle, enum complaint_severity severity,
                     struct complaint_list *complaints)
{
    unsigned missing = lookup_find_missing(settings, bundle->references);
    char sentence[REFERENCES_SENTENCE_SIZE];

    load_suit_settings(complaints, settings->references[SETTINGS_REFERENCE_TOKEN_KEYS][0] != '\0',
                       settings->mode != SETTINGS_MODE_REVERSE_PROXY);
    if (missing == 0)
        return;
    references_explain(missing, sentence);
    complaint_add(complaints, severity, "needs_setting", (struct complaint_place){0, 0, ""},
                  severity == COMPLAINT_ERROR
                      ? "%s, which is not set, and without which the service refuses this bundle"
                      : "%s, without which the service refuses this bundle; -c FILE checks the settings of a file",
                  sentence);
}

bool lookup_open(const struct settings *settings, unsigned wanted, struct references *references,
                 struct failure *failure)
{
    const char *names[SETTINGS_REFERENCES];
    int fds[SETTINGS_REFERENCES];
    bool is_open = true;

    *references = (struct references){.bots = NULL};
    settings_reference_names(settings, names);
    for (int i = 0; i < SETTINGS_REFERENCES; i++) {
        fds[i] = -1;
        if (is_open && (wanted >> i & 1) != 0 && names[i])
            is_open = open_one(names[i], settings_reference_name((enum settings_reference)i), &fds[i], failure);
    }
    is_open = is_open && references_open(fds, names, references, failure);
    for (int i = 0; i < SETTINGS_REFERENCES; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return is_open;
}

bool lookup_open_keys(const char *path, struct references *references, struct failure *failure)
{
    const char *names[SETTINGS_REFERENCES] = {[SETTINGS_REFERENCE_TOKEN_KEYS] = path};
    int fds[SETTINGS_REFERENCES];
    bool is_open;

    *references = (struct references){.bots = NULL};
    for (int i = 0; i < SETTINGS_REFERENCES; i++)
        fds[i] = -1;
    fds[SETTINGS_REFERENCE_TOKEN_KEYS] = open(path, O_RDONLY | O_CLOEXEC);
    if (fds[SETTINGS_REFERENCE_TOKEN_KEYS] < 0)
        return failure_set_errno(failure, errno == EACCES ? EXIT_CODE_PERMISSION : EXIT_CODE_NO_INPUT,
                                 "the key set %s could not be opened", path);
    is_open = references_open(fds, names, references, failure);
    close(fds[SETTINGS_REFERENCE_TOKEN_KEYS]);
    return is_open;
}
