/* SPDX-License-Identifier: MPL-2.0
 *
 * Warnings about the words of refusals: error_format "auto" knows the paths of OpenAI and Anthropic, and the libraries
 * of others look for words of their own. Only a path that nobody else has tells them: where Mistral is asked as OpenAI
 * is, the library of either may ask.
 */
#include "policy/load_private.h"

struct dialect {
    struct slice end; /* of the path */
    const char *provider;
    enum error_format format;
    bool is_common; /* tells it only as the whole path of a policy that counts what models use: others have it, or have
                     * paths of models below it */
};

static const struct dialect gemini_models = {SLICE("/v1beta/models"), "Gemini", ERROR_FORMAT_GEMINI, false};

static const struct dialect dialects[] = {
    {SLICE(":generateContent"), "Gemini", ERROR_FORMAT_GEMINI, false},
    {SLICE(":streamGenerateContent"), "Gemini", ERROR_FORMAT_GEMINI, false},
    {SLICE("/v1/fim/completions"), "Mistral", ERROR_FORMAT_MISTRAL, false},
    {SLICE("/v1/agents/completions"), "Mistral", ERROR_FORMAT_MISTRAL, false},
    {SLICE("/v2/chat"), "Cohere", ERROR_FORMAT_MISTRAL, true},
};

/* SEGMENTS stand in PATH, also behind others or before some. */
static bool has_segments(struct slice path, struct slice segments)
{
    for (; path.size >= segments.size; path.data++, path.size--)
        if (slice_has_prefix(path, segments) && (path.size == segments.size || path.data[segments.size] == '/'))
            return true;
    return false;
}

static bool has_end(struct slice path, struct slice end)
{
    return path.size >= end.size && slice_equal((struct slice){path.data + path.size - end.size, end.size}, end);
}

/* What is spoken wherever a request's path is PATH, or IS_PREFIX is below it; NULL: nobody knows. */
static const struct dialect *dialect_of(struct slice path, bool is_prefix, bool counts_usage)
{
    if (has_segments(path, gemini_models.end))
        return &gemini_models;
    for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++)
        if (has_end(path, dialects[i].end) && (!dialects[i].is_common || (!is_prefix && counts_usage)))
            return &dialects[i];
    return NULL;
}

void lint_formats_check(struct load *load, uint32_t spec, const struct policy *policy)
{
    uint32_t selector = lint_member(load, spec, "selector"), given = lint_member(load, spec, "error_format");
    bool counts_usage = bundle_policy_counts_usage(policy);
    const struct dialect *dialect = dialect_of(policy->path, !policy->path_is_exact, counts_usage), *other = dialect;

    if (policy->also_prefix.size > 0)
        other = dialect_of(policy->also_prefix, true, counts_usage);
    if (policy->error_format != ERROR_FORMAT_AUTO || !dialect || !other || dialect->format != other->format)
        return;
    load_warn(load, given != JSON_NONE ? given : selector, "foreign_error_format",
              "the libraries of %s, whose paths these are, look for the message of a refusal where \"error_format\" auto "
              "does not put it; set \"error_format\": \"%s\"",
              dialect->provider, bundle_error_format_name(dialect->format));
}
