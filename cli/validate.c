/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor validate: loads a bundle as the service would and prints every complaint with its place. Needs no running
 * service; settings only to tell whether they name the files that keys such as ip:country are looked up in.
 */
#include "cli/validate.h"

#include <getopt.h>
#include <string.h>

#include "cli/emit.h"
#include "cli/excerpt.h"
#include "cli/input.h"
#include "cli/lookup.h"
#include "cli/schema.h"
#include "policy/load.h"
#include "shm/counted.h"
#include "shm/moment.h"

#define EXIT_INVALID 1

struct request {
    const char *path, *config;
    bool is_strict;
    bool is_json;
    bool wants_schema;
};

struct result {
    bool is_valid;
    uint32_t policies, rules;
    const struct complaint_list *complaints;
};

static void print_text(const struct request *request, const struct result *result, struct slice text)
{
    const struct complaint_list *complaints = result->complaints;
    const char *name = input_name(request->path);
    char policies[COUNTED_SIZE], rules[COUNTED_SIZE], warnings[COUNTED_SIZE], errors[COUNTED_SIZE];

    for (size_t i = 0; i < complaints->count; i++) {
        complaint_print(&complaints->items[i], name, stdout);
        excerpt_print(text, complaints->items[i].line, complaints->items[i].column, stdout);
    }
    if (complaints->errors + complaints->warnings > complaints->count)
        printf("%s not shown.\n", counted((int64_t)(complaints->errors + complaints->warnings - complaints->count),
                                          "further complaint is", "further complaints are", errors));
    printf("%s: ", name);
    emit_coloured(result->is_valid ? EMIT_GOOD : EMIT_BAD, result->is_valid ? "valid" : "invalid", stdout);
    counted(result->policies, "policy", "policies", policies);
    counted(result->rules, "rule", "rules", rules);
    counted((int64_t)complaints->warnings, "warning", "warnings", warnings);
    if (complaints->errors == 0)
        printf(": %s, %s, %s%s\n", policies, rules, warnings, result->is_valid ? "" : ", and --strict takes none");
    else
        printf(": %s, %s\n", counted((int64_t)complaints->errors, "error", "errors", errors), warnings);
}

static void print_json(const struct request *request, const struct result *result)
{
    const struct complaint_list *complaints = result->complaints;

    emit_json_text("{\"file\":", slice_of(input_name(request->path)), stdout);
    printf(",\"valid\":%s,\"policies\":%u,\"rules\":%u,\"errors\":%zu,\"warnings\":%zu,\"complaints\":[",
           result->is_valid ? "true" : "false", result->policies, result->rules, complaints->errors,
           complaints->warnings);
    for (size_t i = 0; i < complaints->count; i++) {
        if (i > 0)
            putchar(',');
        complaint_print_json(&complaints->items[i], stdout);
    }
    puts("]}");
}

static bool read_settings(const struct request *request, struct settings *settings, struct failure *failure)
{
    settings_default(settings);
    return !request->config || settings_read_file(settings, request->config, failure);
}

static int validate(const struct request *request)
{
    static struct complaint_list complaints;
    static struct settings settings;
    struct result result = {.complaints = &complaints};
    struct failure failure;
    struct input input;
    struct bundle *bundle;

    if (!read_settings(request, &settings, &failure))
        return command_fail(&failure);
    if (!input_read(request->path, &input, &failure)) {
        input_free(&input);
        return command_fail(&failure);
    }
    bundle = load_bundle(input_slice(&input), moment_now().wall_ns / NANOSECONDS_PER_SECOND, &complaints);
    if (!request->config) { /* whether a gateway asks is not known */
        complaint_remove_warnings(&complaints, LOAD_UNSETTLED);
        complaint_remove_warnings(&complaints, LOAD_PROXY_ONLY);
    }
    if (bundle)
        lookup_complain(&settings, bundle, COMPLAINT_WARNING, &complaints);
    result.is_valid = bundle && !(request->is_strict && complaints.warnings > 0);
    result.policies = bundle ? bundle->policy_count : 0;
    result.rules = bundle ? bundle->rule_count : 0;
    if (request->is_json)
        print_json(request, &result);
    else
        print_text(request, &result, input_slice(&input));
    bundle_free(bundle);
    input_free(&input);
    return result.is_valid ? EXIT_CODE_OK : EXIT_INVALID;
}

static bool take_format(void *context, const char *word, struct failure *failure)
{
    struct request *request = context;

    request->is_json = strcmp(word, "json") == 0;
    return request->is_json || strcmp(word, "text") == 0 ||
           failure_set(failure, EXIT_CODE_USAGE, "--format takes text or json, not '%s'", word);
}

int validate_run(const struct command *command, int count, char **words)
{
    struct request request = {.path = NULL};
    const struct command_option options[] = {
        {NULL, 'c', .text = &request.config},      {"strict", .flag = &request.is_strict},
        {"schema", .flag = &request.wants_schema}, {"json", .flag = &request.is_json},
        {"format", .take = take_format}};
    int code = command_read_options(command, count, words, options, sizeof(options) / sizeof(options[0]), &request);

    if (code != COMMAND_GOES_ON)
        return code;
    if (request.wants_schema && count > optind)
        return command_refuse(command, "--schema takes no file");
    if (request.wants_schema) {
        schema_print(stdout);
        return EXIT_CODE_OK;
    }
    if (count - optind != 1)
        return command_refuse(command, count == optind ? "which bundle? give its FILE, or - for standard input" : "one file at a time");
    request.path = words[optind];
    return validate(&request);
}
