/* SPDX-License-Identifier: MPL-2.0
 *
 * The model of a request: see model.h. What stands in the path wins, for that is what such a provider obeys.
 */
#include "policy/model.h"

/* The segment behind the last "/NAME/" of PATH, up to the byte STOP; empty when there is none. */
static struct slice segment_behind(struct slice path, struct slice name, char stop)
{
    struct slice found = {NULL, 0};

    for (size_t i = 0; i + name.size < path.size; i++) {
        struct slice rest = {path.data + i, path.size - i};
        const char *end;

        if (!slice_has_prefix(rest, name))
            continue;
        rest = (struct slice){rest.data + name.size, rest.size - name.size};
        end = memchr(rest.data, stop, rest.size);
        found = end && !memchr(rest.data, '/', (size_t)(end - rest.data))
                    ? (struct slice){rest.data, (size_t)(end - rest.data)}
                    : (struct slice){NULL, 0};
    }
    return found;
}

/* What Bedrock calls the deed stands last. */
static bool is_bedrock(struct slice path)
{
    static const struct slice deeds[] = {SLICE("/converse"), SLICE("/converse-stream"), SLICE("/invoke"),
                                         SLICE("/invoke-with-response-stream")};

    for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
        if (path.size > deeds[i].size &&
            memcmp(path.data + path.size - deeds[i].size, deeds[i].data, deeds[i].size) == 0)
            return true;
    return false;
}

struct slice model_of(struct slice path, const struct estimate *estimate)
{
    struct slice model = segment_behind(path, SLICE("/models/"), ':');

    if (model.size == 0)
        model = segment_behind(path, SLICE("/deployments/"), '/');
    if (model.size == 0 && is_bedrock(path))
        model = segment_behind(path, SLICE("/model/"), '/');
    if (model.size == 0 && !estimate->has_two_models)
        model = (struct slice){estimate->model, estimate->model_size};
    return model;
}
