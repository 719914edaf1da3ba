/* SPDX-License-Identifier: MPL-2.0
 *
 * What no single setting can tell: which of them contradict each other or have no effect.
 */
#include "shm/settings.h"

#include <string.h>

static bool is_same_listen(const struct settings_listen *a, const struct settings_listen *b)
{
    if (a->is_unix || b->is_unix)
        return a->is_unix && b->is_unix && strcmp(a->path, b->path) == 0;
    return a->port == b->port && memcmp(&a->address, &b->address, sizeof(a->address)) == 0;
}

static bool check_listen(const struct settings *settings, struct failure *failure)
{
    for (uint32_t i = 0; i < settings->listen_count; i++)
        for (uint32_t j = 0; j < i; j++)
            if (is_same_listen(&settings->listen[i], &settings->listen[j])) {
                char text[SETTINGS_LISTEN_TEXT_SIZE];

                settings_print_listen(&settings->listen[i], text);
                return failure_set(failure, EXIT_CODE_BAD_CONFIG,
                                   "%s stands twice in listen and ops_listen; give each address once", text);
            }
    return true;
}

/* Rules for tokens mean nothing when no token is verified. */
static bool check_tokens(const struct settings *settings, struct failure *failure)
{
    const struct {
        const char *name;
        bool is_set;
    } rules[] = {{"jwt_issuer", settings->jwt_issuer[0] != '\0'},
                 {"jwt_audience", settings->jwt_audience[0] != '\0'},
                 {"jwt_on_invalid = anonymous", settings->jwt_on_invalid == SETTINGS_JWT_ANONYMOUS}};

    if (settings->references[SETTINGS_REFERENCE_TOKEN_KEYS][0] != '\0')
        return true;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (rules[i].is_set)
            return failure_set(
                failure, EXIT_CODE_BAD_CONFIG,
                "%s has no effect without jwt_keys_file, for no token is verified then: name the key set "
                "in jwt_keys_file, or remove it",
                rules[i].name);
    return true;
}

static bool check_mode(const struct settings *settings, struct failure *failure)
{
    bool is_proxy = settings->mode == SETTINGS_MODE_REVERSE_PROXY, has_backend = settings->backend_url[0] != '\0';

    if (is_proxy && !has_backend)
        return failure_set(failure, EXIT_CODE_BAD_CONFIG,
                           "mode = reverse_proxy needs an upstream: name it in backend_url (backend_url = "
                           "http://127.0.0.1:9000)");
    if (!is_proxy && has_backend)
        return failure_set(failure, EXIT_CODE_BAD_CONFIG,
                           "backend_url has no effect without mode = reverse_proxy: set the mode, or remove it");
    return true;
}

static bool check_tls(const struct settings *settings, struct failure *failure)
{
    bool has_cert = settings->references[SETTINGS_REFERENCE_TLS_CERT][0] != '\0';
    bool has_key = settings->references[SETTINGS_REFERENCE_TLS_KEY][0] != '\0';

    if (has_cert != has_key)
        return failure_set(failure, EXIT_CODE_BAD_CONFIG, "%s is set and %s is not: TLS needs both",
                           has_cert ? "tls_cert" : "tls_key", has_cert ? "tls_key" : "tls_cert");
    if (settings->references[SETTINGS_REFERENCE_BACKEND_CA][0] != '\0' &&
        strncmp(settings->backend_url, "https:", 6) != 0)
        return failure_set(failure, EXIT_CODE_BAD_CONFIG,
                           "backend_ca_file has no effect: backend_url is not an https:// one");
    return true;
}

bool settings_finish(struct settings *settings, struct failure *failure)
{
    if (settings->config_file[0] == '\0')
        return failure_set(failure, EXIT_CODE_BAD_CONFIG,
                           "config_file is not set: name the policy bundle in the configuration file (config_file = "
                           "/etc/fairvisor/policy.json) or in the environment variable FAIRVISOR_CONFIG_FILE");
    return check_listen(settings, failure) && check_tokens(settings, failure) && check_mode(settings, failure) &&
           check_tls(settings, failure) && settings_finish_pidfile(settings, failure);
}

bool settings_finish_pidfile(struct settings *settings, struct failure *failure)
{
    int length;

    if (settings->pidfile[0] != '\0')
        return true;
    length =
        snprintf(settings->pidfile, sizeof(settings->pidfile), "%s/%s.pid", settings->runtime_dir, settings->instance);
    if (length < 0 || length >= (int)sizeof(settings->pidfile))
        return failure_set(failure, EXIT_CODE_BAD_CONFIG, "runtime_dir is too long for a pidfile in it");
    return true;
}
