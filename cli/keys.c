/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor keys: get reads the shared memory; reset and grant are orders to the master.
 */
#include "cli/keys.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#include "cli/emit.h"
#include "cli/loaded.h"
#include "cli/order.h"
#include "policy/decide_cells.h"
#include "policy/decimal.h"
#include "policy/switch_words.h"
#include "shm/admission.h"

struct choice {
    const char *config, *name;
    const char *policy, *rule, *reason, *amount;
    bool is_json, wants_help;
    enum { ACTION_GET, ACTION_RESET, ACTION_GRANT } action;
    struct switch_words words[DOOR_MAX_PAIRS];
    size_t count;
};

static const char *const actions[] = {[ACTION_GET] = "get", [ACTION_RESET] = "reset", [ACTION_GRANT] = "grant"};

/* ---- words ------------------------------------------------------------------------------------------------------- */

static bool read_action(const char *word, struct choice *choice, struct failure *failure)
{
    for (int i = ACTION_GET; i <= ACTION_GRANT; i++)
        if (strcmp(word, actions[i]) == 0) {
            choice->action = i;
            return true;
        }
    return failure_set(failure, EXIT_CODE_USAGE, "'%s' is not one of get, reset and grant", word);
}

static bool read_pair(const char *word, struct choice *choice, struct failure *failure)
{
    const char *equals = strchr(word, '=');

    if (!equals)
        return failure_set(failure, EXIT_CODE_USAGE, "an identity is KEY=VALUE, as in header:x-api-key=1234, not '%s'",
                           word);
    if (choice->count == DOOR_MAX_PAIRS)
        return failure_set(failure, EXIT_CODE_USAGE, "at most %d keys are taken", DOOR_MAX_PAIRS);
    choice->words[choice->count++] = (struct switch_words){.key = {word, (size_t)(equals - word)},
                                                           .value = slice_of(equals + 1)};
    return true;
}

static bool check(const struct choice *choice, struct failure *failure)
{
    if (choice->action == ACTION_GET && (choice->reason || choice->amount))
        return failure_set(failure, EXIT_CODE_USAGE, "get changes nothing: it takes no --reason and no --amount");
    if (choice->action == ACTION_GET)
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

/* *ANSWER is that of getopt_long(3) when it was the one to refuse; failure->code is 0 then. */
static bool read_words(int count, char **words, struct choice *choice, int *answer, struct failure *failure)
{
    static const struct option options[] = {
        {"policy", required_argument, NULL, 'p'}, {"rule", required_argument, NULL, 'r'},
        {"reason", required_argument, NULL, 'y'}, {"amount", required_argument, NULL, 'n'},
        {"instance", required_argument, NULL, 'i'}, {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0}};
    int letter;

    opterr = 0;
    failure->code = EXIT_CODE_OK;
    while ((letter = getopt_long(count, words, ":c:h", options, NULL)) != -1) {
        switch (letter) {
        case 'c':
            choice->config = optarg;
            break;
        case 'p':
            choice->policy = optarg;
            break;
        case 'r':
            choice->rule = optarg;
            break;
        case 'y':
            choice->reason = optarg;
            break;
        case 'n':
            choice->amount = optarg;
            break;
        case 'i':
            choice->name = optarg;
            break;
        case 'j':
            choice->is_json = true;
            break;
        case 'h':
            choice->wants_help = true;
            return true;
        default:
            *answer = letter;
            return false;
        }
    }
    if (optind == count)
        return failure_set(failure, EXIT_CODE_USAGE, "what is to be done? get, reset or grant");
    if (!read_action(words[optind++], choice, failure))
        return false;
    while (optind < count)
        if (!read_pair(words[optind++], choice, failure))
            return false;
    return check(choice, failure);
}

/* ---- get --------------------------------------------------------------------------------------------------------- */

struct view {
    const struct arena *arena;
    struct moment now;
    const struct policy *policy; /* printed last */
    bool is_json;
    size_t count;
};

static void print_amount(const char *label, int64_t millionths)
{
    char text[DECIMAL_TEXT_SIZE];

    decimal_print(millionths, text);
    printf("%s%s", label, text);
}

static bool is_open(const struct decide_cells_limit *limit, const struct cell_view *cell)
{
    return limit->limit.kind == CELL_BREAKER && !cell->fits && !cell->trips;
}

static void print_limit(struct view *view, const struct decide_cells_limit *limit, const struct cell_view *cell,
                        int64_t spent)
{
    char span[EMIT_SPAN_SIZE];

    if (view->policy != limit->policy) {
        fputs("policy ", stdout);
        emit_plain(limit->policy->id, stdout);
        puts(limit->is_shadow ? " (shadow: reported, never enforced)" : "");
    }
    fputs("  ", stdout);
    emit_plain(limit->rule ? limit->rule->name : SLICE("circuit breaker"), stdout);
    printf(", %s: ", limit->role);
    if (is_open(limit, cell)) {
        emit_coloured(EMIT_BAD, "open", stdout);
        if (cell->wait_ns == INT64_MAX)
            puts(", until it is reset by hand");
        else
            printf(" for another %s\n", emit_span(cell->reset_ns, span));
        return;
    }
    print_amount("", cell->remaining);
    print_amount(" of ", limit->limit.capacity);
    printf(" left in %s", emit_span(limit->window_ns, span));
    print_amount(", spent ", spent);
    if (spent > 0 && limit->limit.kind != CELL_FLIGHT)
        printf(", whole again in %s", emit_span(cell->reset_ns, span));
    putchar('\n');
}

static void print_seconds(const char *name, int64_t ns)
{
    int64_t milliseconds = ns / 1000000;

    printf(",\"%s\":%" PRId64 ".%03" PRId64, name, milliseconds / 1000, milliseconds % 1000);
}

static void print_limit_json(struct view *view, const struct decide_cells_limit *limit, const struct cell_view *cell,
                             int64_t spent)
{
    printf("%s{\"policy\":", view->count > 0 ? "," : "");
    emit_json_string(limit->policy->id, stdout);
    fputs(",\"rule\":", stdout);
    if (limit->rule)
        emit_json_string(limit->rule->name, stdout);
    else
        fputs("null", stdout);
    printf(",\"limit\":\"%s\",\"shadow\":%s", limit->role, limit->is_shadow ? "true" : "false");
    print_amount(",\"capacity\":", limit->limit.capacity);
    print_amount(",\"spent\":", spent);
    print_amount(",\"remaining\":", cell->remaining);
    print_seconds("window_seconds", limit->window_ns);
    print_seconds("reset_seconds", spent > 0 ? cell->reset_ns : 0);
    if (limit->limit.kind == CELL_BREAKER)
        printf(",\"open\":%s", is_open(limit, cell) ? "true" : "false");
    putchar('}');
}

static void on_limit(void *context, const struct decide_cells_limit *limit)
{
    struct view *view = context;
    struct charge charge = {.limit = limit->limit, .key = {limit->key[0], limit->key[1]}};
    struct admission admission;
    int64_t spent;

    admission_look(view->arena, &charge, 1, view->now, &admission);
    spent = limit->limit.capacity - charge.view.remaining;
    if (view->is_json)
        print_limit_json(view, limit, &charge.view, spent);
    else
        print_limit(view, limit, &charge.view, spent);
    view->policy = limit->policy;
    view->count++;
}

static void print_identity_json(const struct instance *instance, const struct decide_cells_identity *identity)
{
    fputs("{\"instance\":", stdout);
    emit_json_string(slice_of(instance->settings.instance), stdout);
    fputs(",\"identity\":[", stdout);
    for (size_t i = 0; i < identity->count; i++) {
        printf("%s{\"key\":", i > 0 ? "," : "");
        emit_json_string(identity->pairs[i].key, stdout);
        fputs(",\"value\":", stdout);
        emit_json_string(identity->pairs[i].value, stdout);
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

static bool get(const struct choice *choice, const struct instance *instance, struct decider *decider,
                const struct decide_cells_identity *identity, struct failure *failure)
{
    struct view view = {.arena = &instance->arena, .now = moment_now(), .is_json = choice->is_json};

    if (choice->is_json)
        print_identity_json(instance, identity);
    decide_cells_list(decider, identity, view.now, on_limit, &view);
    if (choice->is_json)
        puts("]}");
    return view.count > 0 ||
           failure_set(failure, EXIT_CODE_REFUSED,
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
            print_amount(",\"amount\":", reply->amount);
        puts("}");
        return;
    }
    if (is_grant) {
        print_amount("given back: ", reply->amount);
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
    is_done = check_keys(decider, &identity, failure) &&
              (choice->action == ACTION_GET ? get(choice, instance, decider, &identity, failure)
                                            : amend(choice, instance, &identity, failure));
    decide_free(decider);
    return is_done;
}

static bool run(const struct choice *choice, struct failure *failure)
{
    static struct instance instance;
    struct bundle *words = switch_words_parse(choice->words, choice->count, failure);
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
    int answer = 0;

    if (!read_words(count, words, &choice, &answer, &failure))
        return failure.code == EXIT_CODE_OK ? command_refuse_option(command, answer, words)
                                            : command_refuse(command, "%s", failure.sentence);
    if (choice.wants_help) {
        command_print_help(command, stdout);
        return EXIT_CODE_OK;
    }
    return run(&choice, &failure) ? EXIT_CODE_OK : command_fail(&failure);
}
