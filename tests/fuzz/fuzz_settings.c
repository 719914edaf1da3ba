/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor.conf. What is taken prints as a file that reads as the same settings; what is refused names the file and a cause.
 */
#include "shm/settings.h"
#include "tests/fuzz/entry.h"

static bool read_text(struct settings *settings, struct slice text, struct failure *failure)
{
    char path[ENTRY_PATH_SIZE];
    int fd = entry_file(text, path);
    bool is_good;

    settings_default(settings);
    is_good = settings_read_file(settings, path, failure);
    close(fd);
    return is_good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct settings settings, again;
    struct failure failure = {0};
    char *printed = NULL;
    size_t printed_size = 0;
    FILE *out;

    if (!read_text(&settings, (struct slice){(const char *)data, size}, &failure)) {
        MUST(failure.sentence[0] && failure.code != EXIT_CODE_OK);
        return 0;
    }
    out = open_memstream(&printed, &printed_size);
    MUST(out);
    settings_print(&settings, out);
    MUST(fclose(out) == 0);
    MUST(!strstr(printed, settings.debug_session_secret) || !settings.debug_session_secret[0] ||
         strlen(settings.debug_session_secret) < 8);
    failure = (struct failure){0};
    if (!read_text(&again, (struct slice){printed, printed_size}, &failure)) {
        fprintf(stderr, "%s\n%s\n", failure.sentence, printed);
        abort();
    }
    memcpy(again.debug_session_secret, settings.debug_session_secret, sizeof(again.debug_session_secret)); /* never printed */
    MUST(memcmp(&settings, &again, sizeof(settings)) == 0);
    free(printed);
    return 0;
}
