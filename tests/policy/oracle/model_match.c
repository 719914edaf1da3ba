/* SPDX-License-Identifier: MPL-2.0
 *
 * Who a request is from and which policies it falls under, by the contract's words.
 */
#include "tests/policy/oracle/model_private.h"

#include <stdio.h>
#include <string.h>

const char *model_match_parameter(const struct world_ask *ask, const char *name)
{
    for (int i = 0; i < ask->parameter_count; i++)
        if (!strcmp(world_parameters[ask->parameters[i]].name, name))
            return world_parameters[ask->parameters[i]].value;
    return NULL;
}

static const char *raw_value(const struct world_ask *ask, enum world_key key)
{
    switch (key) {
    case WORLD_KEY_A:
        return world_headers[ask->a].joined;
    case WORLD_KEY_B:
        return world_headers[ask->b].joined;
    case WORLD_KEY_USER:
        return model_match_parameter(ask, "user");
    case WORLD_KEY_ADDRESS:
        return world_clients[ask->client].address;
    case WORLD_KEY_PREFIX:
        return world_clients[ask->client].prefix;
    case WORLD_KEY_SUBJECT:
        return world_tokens[ask->token].subject;
    case WORLD_KEY_METHOD:
        return world_methods[ask->method];
    case WORLD_KEY_HOST:
        return world_hosts[ask->host];
    case WORLD_KEY_PATH:
        return world_paths[ask->path];
    case WORLD_KEYS:
        break;
    }
    return NULL;
}

const char *model_match_value(const struct world_ask *ask, enum world_key key)
{
    const char *value = raw_value(ask, key);

    return value && value[0] ? value : NULL;
}

bool model_match_condition(const struct world_ask *ask, enum world_key key, int value)
{
    const char *found = model_match_value(ask, key);

    /* Addresses are told apart by family in the model's identities. */
    if (found && key == WORLD_KEY_ADDRESS)
        found += 2;
    return found && !strcmp(found, world_match_values[key][value]);
}

static bool is_below(const char *path, const char *prefix)
{
    size_t length = strlen(prefix);

    if (strncmp(path, prefix, length) != 0)
        return false;
    if (!strcmp(prefix, "/"))
        return true;
    if (prefix[length - 1] == '/')
        return path[length] != '\0';
    return path[length] == '\0' || path[length] == '/';
}

bool model_match_policy(const struct world_policy *policy, const struct world_ask *ask)
{
    const char *path = world_paths[ask->path];
    bool is_on_path = (policy->exact >= 0 && !strcmp(path, world_paths[policy->exact])) ||
                      (policy->prefix >= 0 && is_below(path, world_prefixes[policy->prefix]));

    return policy->is_present && is_on_path && (!policy->methods || policy->methods >> ask->method & 1) &&
           (!policy->host || policy->host == ask->host);
}

bool model_match_holds(const struct world_override *override, int64_t wall_ns)
{
    return override->is_enabled && wall_ns < override->expires_s * WORLD_SECOND;
}

bool model_match_switch(const struct world_bundle *bundle, const struct world_step *step)
{
    for (int i = 0; i < bundle->switch_count; i++) {
        const struct world_switch *one = &bundle->switches[i];

        if ((one->route < 0 || one->route == step->ask.path) &&
            (!one->expires_s || step->wall_ns < one->expires_s * WORLD_SECOND) &&
            model_match_condition(&step->ask, one->key, one->value))
            return true;
    }
    return false;
}
