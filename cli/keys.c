/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor keys: list and get read the shared memory; reset and grant are orders to the master.
 */
#include "cli/keys.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#include "cli/emit.h"
#include "cli/input.h"
#include "cli/keys_list.h"
#include "cli/keys_view.h"
#include "cli/loaded.h"
#include "cli/order.h"
#include "policy/decide_cells.h"
#include "policy/decimal.h"
#include "policy/switch_words.h"

struct choice {
    const char *config, *name;
    const char *policy, *rule, *reason, *amount;
    bool is_json;
    enum { ACTION_LIST, ACTION_GET, ACTION_RESET, ACTION_GRANT } action;
    struct switch_words words[DOOR_MAX_PAIRS];
    size_t count;
    char secret[DOOR_VALUE_SIZE]; /* the value that was read from standard input */
};

static const char *const actions[] = {[ACTION_LIST] = "list", [ACTION_GET] = "get", [ACTION_RESET] = "reset", [ACTION_GRANT] = "grant"};

/* ---- words ------------------------------------------------------------------------------------------------------- */

static bool read_action(const char *word, struct choice *choice, struct failure *failure)
{
    for (int i = ACTION_LIST; i <= ACTION_GRANT; i++)
        if (strcmp(word, actions[i]) == 0) {
            choice->action = i;
            return true;
        }
    return failure_set(failure, EXIT_CODE_USAGE, "'%s' is not one of list, get, reset and grant", word);
}

static bool read_secret(struct choice *choice, struct slice *value, struct failure *failure)
{
    if (choice->secret[0] != '\0')
        return failure_set(failure, EXIT_CODE_USAGE, "only one value can be read from standard input");
    if (!input_read_value(choice->secret, sizeof(choice->secret), failure))
        return false;
    *value = slice_of(choice->secret);
    return true;
}

static bool read_pair(const char *word, struct choice *choice, struct failure *failure)
{
    const char *equals = strchr(word, '=');

    if (!equals)
        return failure_set(failure, EXIT_CODE_USAGE, "an identity is KEY=VALUE, as in header:x-api-key=1234, not '%s'",
                           word);
    if (choice->count == DOOR_MAX_PAIRS)
        return failure_set(failure, EXIT_CODE_USAGE, "at most %d keys are taken", DOOR_MAX_PAIRS);
    choice->words[choice->count] = (struct switch_words){.key = {word, (size_t)(equals - word)},
                                                         .value = slice_of(equals + 1)};
    if (strcmp(equals, "=-") == 0 && !read_secret(choice, &choice->words[choice->count].value, failure))
        return false;
    choice->count++;
    return true;
}

static bool check(const struct choice *choice, struct failure *failure)
{
    bool changes = choice->action == ACTION_RESET || choice->action == ACTION_GRANT;

    if (!changes && (choice->reason || choice->amount))
        return failure_set(failure, EXIT_CODE_USAGE, "%s changes nothing: it takes no --reason and no --amount",
                           actions[choice->action]);
    if (choice->action == ACTION_LIST && choice->count > 0)
        return failure_set(failure, EXIT_CODE_USAGE, "list takes no KEY=VALUE: get shows the limits of one identity");
    if (!changes)
        return true;
    if (!choice->reason || choice->reason[0] == '\0')
        return failure_set(failure, EXIT_CODE_USAGE, "--reason TEXT is needed: it goes to the log with your name");
    if ((choice->action == ACTION_GRANT) != (choice->amount != NULL))
        return failure_set(failure, EXIT_CODE_USAGE,
                           choice->amount ? "reset takes no --amount" : "grant needs --amount NUMBER");
    if (choice->count == 0 && !choice->policy)
        return failure_set(failure, EXIT_CODE_USAGE,
                           "without KEY=VALUE this changes limits that all requests share: name the policy with "
                           "--policy ID");
    return true;
}

static int read_words(const struct command *command, int count, char **words, struct choice *choice)
{
    const struct command_option options[] = {
        {NULL, 'c', .text = &choice->config},    {"policy", .text = &choice->policy},
        {"rule", .text = &choice->rule},         {"reason", .text = &choice->reason},
        {"amount", .text = &choice->amount},     {"instance", .text = &choice->name},
        {"json", .flag = &choice->is_json}};
    int code = command_read_options(command, count, words, options, sizeof(options) / sizeof(options[0]), NULL);
    struct failure failure;

    if (code != COMMAND_GOES_ON)
        return code;
    if (optind == count)
        return command_refuse(command, "what is to be done? list, get, reset or grant");
    if (!read_action(words[optind++], choice, &failure))
        return command_refuse(command, "%s", failure.sentence);
    while (optind < count)
        if (!read_pair(words[optind++], choice, &failure))
            return command_refuse(command, "%s", failure.sentence);
    return check(choice, &failure) ? COMMAND_GOES_ON : command_refuse(command, "%s", failure.sentence);
}

/* ---- get --------------------------------------------------------------------------------------------------------- */

struct view {
    const struct arena *arena;
    struct moment now;
    const struct policy *policy; /* printed last */
    bool is_json;
    size_t count;
};

static void print_limit(struct view *view, const struct keys_view *shown)
{
    const struct decide_cells_limit *limit = &shown->limit;

    if (view->policy != limit->policy) {
        fputs("policy ", stdout);
        emit_plain(limit->policy->id, stdout);
        puts(limit->is_shadow ? " (shadow: reported, never enforced)" : "");
    }
    fputs("  ", stdout);
    emit_plain(limit->rule ? limit->rule->name : SLICE("circuit breaker"), stdout);
    printf(", %s: ", limit->role);
    keys_view_print(shown);
    putchar('\n');
}

static void print_limit_json(struct view *view, const struct keys_view *shown)
{
    fputs(view->count > 0 ? ",{" : "{", stdout);
    keys_view_print_json(shown);
    putchar('}');
}

static void on_limit(void *context, const struct decide_cells_limit *limit)
{
    struct view *view = context;
    struct keys_view shown;

    keys_view_read(view->arena, limit, view->now, &shown);
    if (view->is_json)
        print_limit_json(view, &shown);
    else
        print_limit(view, &shown);
    view->policy = limit->policy;
    view->count++;
}

static void print_identity_json(const struct instance *instance, const struct decide_cells_identity *identity)
{
    emit_json_text("{\"instance\":", slice_of(instance->settings.instance), stdout);
    fputs(",\"identity\":[", stdout);
    for (size_t i = 0; i < identity->count; i++) {
        emit_json_text(i > 0 ? ",{\"key\":" : "{\"key\":", identity->pairs[i].key, stdout);
        emit_json_text(",\"value\":", identity->pairs[i].value, stdout);
        putchar('}');
    }
    fputs("],\"limits\":[", stdout);
}

static bool check_keys(const struct decider *decider, const struct decide_cells_identity *identity,
                       struct failure *failure)
{
    size_t unknown = decide_cells_find_unknown(decider, identity);

    return unknown == identity->count ||
           failure_set(failure, EXIT_CODE_USAGE, "no policy of the loaded bundle asks for %.*s",
                       (int)identity->pairs[unknown].key.size, identity->pairs[unknown].key.data);
}

static bool has_hash(const struct decide_cells_identity *identity)
{
    for (size_t i = 0; i < identity->count; i++)
        if (decide_cells_is_hash(identity->pairs[i].value))
            return true;
    return false;
}

static bool get(const struct choice *choice, const struct instance *instance, struct decider *decider,
                const struct decide_cells_identity *identity, struct failure *failure)
{
    struct view view = {.arena = &instance->arena, .now = moment_now(), .is_json = choice->is_json};

    if (choice->is_json)
        print_identity_json(instance, identity);
    decide_cells_list(decider, identity, view.now, on_limit, &view);
    if (choice->is_json)
        puts("]}");
    if (view.count > 0)
        return true;
    if (has_hash(identity))
        return failure_set(failure, EXIT_CODE_REFUSED,
                           "no event that is still in memory tells an identity with this hash; fairvisor keys list shows "
                           "those that are told");
    return failure_set(failure, EXIT_CODE_REFUSED,
                       "no limit is about this identity; all keys of a rule's limit_keys are needed to find its limit");
}

/* ---- reset and grant --------------------------------------------------------------------------------------------- */

static bool read_amount(const char *text, int64_t *amount, struct failure *failure)
{
    if (!text)
        return true;
    if (decimal_parse(slice_of(text), amount) == DECIMAL_OK && *amount > 0)
        return true;
    return failure_set(failure, EXIT_CODE_USAGE,
                       "--amount takes a number greater than 0 with at most six decimal places, not '%s'", text);
}

static bool fill_request(const struct choice *choice, const struct decide_cells_identity *identity,
                         struct door_request *request, struct failure *failure)
{
    request->verb = choice->action == ACTION_GRANT ? DOOR_GRANT : DOOR_RESET;
    request->pair_count = (uint32_t)identity->count;
    if (!read_amount(choice->amount, &request->amount, failure) ||
        !order_set_text(request->policy, sizeof(request->policy), identity->policy, "--policy", failure) ||
        !order_set_text(request->rule, sizeof(request->rule), identity->rule, "--rule", failure) ||
        !order_set_text(request->reason, sizeof(request->reason), slice_of(choice->reason), "--reason", failure))
        return false;
    for (size_t i = 0; i < identity->count; i++)
        if (!order_set_text(request->pairs[i].key, DOOR_KEY_SIZE, identity->pairs[i].key, "a key", failure) ||
            !order_set_text(request->pairs[i].value, DOOR_VALUE_SIZE, identity->pairs[i].value, "a value", failure))
            return false;
    return true;
}

static void print_done(const struct choice *choice, const struct door_reply *reply)
{
    bool is_grant = choice->action == ACTION_GRANT;

    if (choice->is_json) {
        printf("{\"changed\":%" PRIu64, reply->changed);
        if (is_grant)
            keys_view_print_amount(",\"amount\":", reply->amount);
        puts("}");
        return;
    }
    if (is_grant && reply->changed == 0) {
        puts("nothing to give back: nothing is spent");
    } else if (is_grant) {
        keys_view_print_amount("given back: ", reply->amount);
        printf(", limits changed: %" PRIu64 "\n", reply->changed);
    } else if (reply->changed > 0) {
        printf("limits reset: %" PRIu64 "\n", reply->changed);
    } else {
        puts("nothing to reset: nothing is spent");
    }
}

static bool amend(const struct choice *choice, const struct instance *instance,
                  const struct decide_cells_identity *identity, struct failure *failure)
{
    static struct door_request request;
    struct door_reply reply;

    if (!fill_request(choice, identity, &request, failure) ||
        !order_send(&instance->settings, &request, &reply, failure))
        return false;
    print_done(choice, &reply);
    return true;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static bool run_on(const struct choice *choice, const struct instance *instance, const struct bundle *loaded,
                   const struct bundle *words, struct failure *failure)
{
    struct decide_cells_pair pairs[DOOR_MAX_PAIRS];
    struct decide_cells_identity identity = {.pairs = pairs,
                                             .count = words->kill_switch_count,
                                             .policy = slice_of(choice->policy),
                                             .rule = slice_of(choice->rule)};
    struct decider *decider = decide_new(loaded, &instance->arena, NULL, 0);
    bool is_done;

    for (uint32_t i = 0; i < words->kill_switch_count; i++)
        pairs[i] = (struct decide_cells_pair){words->descriptors[words->kill_switches[i].descriptor].text,
                                              words->kill_switches[i].value};
    if (!decider)
        return failure_set(failure, EXIT_CODE_OS, "memory is out");
    if (choice->action == ACTION_LIST)
        is_done = keys_list_print(instance, decider, &identity, choice->is_json, failure);
    else
        is_done = check_keys(decider, &identity, failure) &&
                  (choice->action == ACTION_GET ? get(choice, instance, decider, &identity, failure)
                                                : amend(choice, instance, &identity, failure));
    decide_free(decider);
    return is_done;
}

static bool run(const struct choice *choice, struct failure *failure)
{
    static struct instance instance;
    static struct complaint_list complaints; /* a pattern finds nothing, which is told */
    struct bundle *words = switch_words_parse(choice->words, choice->count, &complaints, failure);
    struct bundle *loaded = words ? loaded_open(&instance, choice->config, choice->name, failure) : NULL;
    bool is_done = loaded && run_on(choice, &instance, loaded, words, failure);

    bundle_free(loaded);
    bundle_free(words);
    return is_done;
}

int keys_run(const struct command *command, int count, char **words)
{
    static struct choice choice;
    struct failure failure;
    int code = read_words(command, count, words, &choice);

    if (code != COMMAND_GOES_ON)
        return code;
    if (!run(&choice, &failure))
        return command_fail(&failure);
    return choice.action == ACTION_LIST || choice.action == ACTION_GET ? EXIT_CODE_OK : COMMAND_DONE;
}
