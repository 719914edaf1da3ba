/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor.conf. What is taken prints as a file that reads as the same settings; what is refused names the file and a cause.
 */
#include "shm/settings.h"
#include "tests/fuzz/entry.h"

static bool read_text(struct settings *settings, struct slice text, struct failure *failure)
{
    static struct settings defaults;
    static bool has_defaults;

    if (!has_defaults)
        settings_default(&defaults);
    has_defaults = true;
    *settings = defaults;
    return settings_read_text(settings, "/etc/fairvisor/fairvisor.conf", text, failure);
}

/* What SETTINGS print as. It lies there until the next time. */
static struct slice print(const struct settings *settings)
{
    static struct entry_sink sink;

    settings_print(settings, entry_sink_begin(&sink));
    return entry_sink_end(&sink);
}

/* Nothing that is printed depends on the secret. Other settings may say the same as it. */
static void check_secret(const struct settings *settings)
{
    static struct settings other;
    struct slice copy, printed = print(settings);

    copy = entry_copy(printed.data, printed.size);
    other = *settings;
    snprintf(other.debug_session_secret, sizeof(other.debug_session_secret), "another one");
    MUST(slice_equal(copy, print(&other)));
    entry_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct settings settings, again;
    struct failure failure = {0};
    struct slice text = entry_copy(data, size), printed;
    bool is_taken = read_text(&settings, text, &failure);

    entry_free(text);
    if (!is_taken) {
        MUST(failure.sentence[0] && failure.code != EXIT_CODE_OK);
        return 0;
    }
    if (settings.debug_session_secret[0])
        check_secret(&settings);
    printed = print(&settings);
    failure = (struct failure){0};
    if (!read_text(&again, printed, &failure)) {
        fprintf(stderr, "%s\n%.*s\n", failure.sentence, (int)printed.size, printed.data);
        abort();
    }
    memcpy(again.debug_session_secret, settings.debug_session_secret, sizeof(again.debug_session_secret)); /* never printed */
    MUST(memcmp(&settings, &again, sizeof(settings)) == 0);
    return 0;
}
