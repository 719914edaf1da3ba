/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor explain: judges a made-up request by the code that judges real ones, on a read-only view of the counters,
 * and tells every step. Never charges.
 */
#include "cli/explain.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#include "cli/bearer.h"
#include "cli/emit.h"
#include "cli/input.h"
#include "cli/instance.h"
#include "cli/loaded.h"
#include "cli/lookup.h"
#include "cli/narrate.h"
#include "cli/question.h"
#include "policy/body_edit.h"
#include "policy/decide.h"
#include "policy/estimate.h"
#include "policy/load.h"
#include "shm/counted.h"

#define NANOSECONDS_PER_MICROSECOND 1000
#define SCRATCH_SIZE    (64u << 10)
#define REQUEST_MEMBERS 5 /* of the answer's head, before those of the bundle */

struct choice {
    const char *config, *bundle, *name;
    const char *method, *uri;
    bool is_json;
    struct question *question; /* made of the words */
};

/* What is judged by. */
struct basis {
    struct instance instance;
    char path[LOADED_PATH_SIZE]; /* of the bundle */
    bool is_loaded;                /* it is the copy of the loaded one */
    const struct arena *arena;     /* NULL: fresh counters */
    struct bundle *bundle;
    struct references references; /* of the settings, as far as the bundle's keys need them */
    struct bearer bearer;         /* the request's */
};

static bool choose_path(struct basis *basis, const struct choice *choice, struct failure *failure)
{
    const char *chosen = choice->bundle ? choice->bundle : basis->instance.settings.config_file;

    basis->is_loaded = !choice->bundle && basis->arena;
    if (basis->is_loaded)
        return true;
    if (chosen[0] == '\0')
        return failure_set(failure, EXIT_CODE_BAD_CONFIG,
                           "there is no policy to judge by: instance %s does not run and config_file is not set; give "
                           "--bundle FILE or -c FILE",
                           basis->instance.settings.instance);
    if (strlen(chosen) >= sizeof(basis->path))
        return failure_set(failure, EXIT_CODE_USAGE, "the bundle's file name is too long");
    memcpy(basis->path, chosen, strlen(chosen) + 1);
    return true;
}

static bool load(struct basis *basis, struct moment now, struct failure *failure)
{
    if (basis->is_loaded)
        return loaded_read(&basis->instance, basis->path, &basis->bundle, failure);
    return input_load_at(basis->path, now.wall_ns / NANOSECONDS_PER_SECOND, &basis->bundle, failure);
}

static bool prepare(struct basis *basis, const struct choice *choice, struct moment now, struct failure *failure)
{
    if (!instance_configure(&basis->instance, choice->config, choice->name, failure))
        return false;
    instance_open(&basis->instance);
    basis->arena = instance_is_serving(&basis->instance) ? &basis->instance.arena : NULL;
    return choose_path(basis, choice, failure) && load(basis, now, failure);
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */

static void print_labelled(const char *label, struct slice text)
{
    fputs(label, stdout);
    emit_plain(text, stdout);
}

static void print_counters(const struct basis *basis)
{
    const char *name = basis->instance.settings.instance;
    char text[COUNTED_SIZE];

    if (basis->instance.orphans > 0)
        printf("counters  live, of instance %s, whose master is dead; %s on until drained\n", name,
               counted(basis->instance.orphans, "worker serves", "workers serve", text));
    else if (basis->arena)
        printf("counters  live, of instance %s\n", name);
    else if (basis->instance.has_arena || basis->instance.failure.code == EXIT_CODE_NO_INPUT)
        printf("counters  fresh, because instance %s is not running\n", name);
    else {
        print_labelled("counters  fresh, because ", slice_of(basis->instance.failure.sentence));
        putchar('\n');
    }
}

static void print_override(const struct override *override, struct moment now, const char *what)
{
    if (bundle_override_holds(override, now.wall_ns / NANOSECONDS_PER_SECOND))
        printf("note      %s\n", what);
}

static void print_missing(const struct basis *basis)
{
    unsigned missing = lookup_find_missing(&basis->instance.settings, basis->bundle->references);
    char sentence[REFERENCES_SENTENCE_SIZE];

    if (missing == 0)
        return;
    references_explain(missing, sentence);
    printf("note      %s, which is not set\n", sentence);
}

static bool has_small_letter(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] >= 'a' && text.data[i] <= 'z')
            return true;
    return false;
}

/* Nobody would guess from the verdict that nothing was found in the body. */
static void print_body(const struct question *question, bool wants_body)
{
    struct estimate estimate = estimate_body(question->facts.body);
    char text[COUNTED_SIZE];

    printf("body      %s\n", counted((int64_t)question->facts.body.size, "byte", "bytes", text));
    if (wants_body && !estimate.is_readable)
        printf("note      the body is no JSON object: it counts as %s of text, and nothing else is found in it\n",
               counted(estimate.prompt, "token", "tokens", text));
}

/* A token that is not good ends the request, or counts for nothing; to a kill switch alone it never is more than nothing. */
static bool refuses_token(const struct basis *basis)
{
    return basis->bundle->uses_jwt && basis->bearer.fault != JWT_GOOD &&
           basis->instance.settings.jwt_on_invalid == SETTINGS_JWT_REJECT;
}

static void print_token(const struct basis *basis, const struct question *question)
{
    const struct bearer *bearer = &basis->bearer;

    if (bearer->fault != JWT_GOOD)
        printf("token     not good, %s: %s\n", jwt_faults[bearer->fault].name, jwt_faults[bearer->fault].sentence);
    if (bearer->fault != JWT_GOOD && !refuses_token(basis))
        puts("note      such a request is judged as one without claims, for jwt_on_invalid is anonymous");
    if (bearer->failure.code != EXIT_CODE_OK) {
        print_labelled("note      the signature is not verified: ", slice_of(bearer->failure.sentence));
        fputs(bearer->fault == JWT_GOOD ? "; the verdict holds if it is good, else it is jwt_invalid\n" : "\n", stdout);
    }
    if (bearer->claims && bearer->is_verified)
        puts("claims    of the token, whose signature is good");
    else if (bearer->claims && bearer->failure.code == EXIT_CODE_OK)
        fputs("claims    read from the token; its signature is not checked (`fairvisor jwt` does)\n", stdout);
    else if (!bearer->claims && question->has_bearer && bearer->fault == JWT_GOOD)
        fputs("claims    none, because the Authorization field holds no readable token\n", stdout);
}

static void print_head(const struct basis *basis, const struct question *question, bool wants_body, struct moment now)
{
    const struct facts *facts = &question->facts;
    char client[ADDRESS_TEXT_SIZE];

    print_labelled("request   ", facts->method);
    print_labelled(" ", facts->path);
    if (facts->query.size > 0)
        print_labelled("?", facts->query);
    if (facts->host.size > 0)
        print_labelled(", host ", facts->host);
    if (address_print(&facts->client, client) > 0)
        printf(", client %s\n", client);
    else
        fputs(", client unknown (--client gives one)\n", stdout);
    if (has_small_letter(facts->method))
        puts("note      the case of a method counts, and clients send GET, POST and the like in capitals");
    if (question->has_body)
        print_body(question, wants_body);
    print_labelled("policy    ", slice_of(input_name(basis->path)));
    print_labelled(", version ", basis->bundle->version_text);
    fputs(basis->is_loaded ? ", loaded\n" : "\n", stdout);
    print_counters(basis);
    print_override(&basis->bundle->global_shadow, now, "global_shadow holds: no policy refuses anything");
    print_override(&basis->bundle->kill_switch_override, now,
                   "kill_switch_override holds: no kill switch refuses anything");
    print_missing(basis);
    if (wants_body && !question->has_body)
        puts("note      a policy for this request looks into its body: --body FILE gives one; judged as one without");
    if (basis->bundle->uses_jwt)
        print_token(basis, question);
    putchar('\n');
}

/* `good` is null when nobody here knows. */
static void print_token_json(const struct bearer *bearer)
{
    printf(",\"token\":{\"good\":%s", !bearer->is_verified ? "null" : bearer->fault == JWT_GOOD ? "true" : "false");
    if (bearer->fault != JWT_GOOD)
        printf(",\"reason\":\"%s\"", jwt_faults[bearer->fault].name);
    if (bearer->failure.code != EXIT_CODE_OK) {
        emit_json_text(",\"keys\":", slice_of(bearer->failure.sentence), stdout);
    }
    putchar('}');
}

static void print_head_json(const struct basis *basis, const struct question *question)
{
    const struct facts *facts = &question->facts;
    char client[ADDRESS_TEXT_SIZE];
    const struct {
        const char *label;
        struct slice text;
    } members[] = {{"{\"request\":{\"method\":", facts->method},
                   {",\"path\":", facts->path},
                   {",\"query\":", facts->query},
                   {",\"host\":", facts->host},
                   {",\"client\":", {client, address_print(&facts->client, client)}},
                   {"},\"bundle\":{\"source\":", slice_of(input_name(basis->path))},
                   {",\"version\":", basis->bundle->version_text}};

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (i == REQUEST_MEMBERS && basis->bundle->uses_jwt && basis->bearer.is_token)
            print_token_json(&basis->bearer);
        if (i == REQUEST_MEMBERS && question->has_body)
            printf(",\"body\":{\"bytes\":%zu,\"readable\":%s}", facts->body.size,
                   estimate_body(facts->body).is_readable ? "true" : "false");
        emit_json_text(members[i].label, members[i].text, stdout);
    }
    printf(",\"loaded\":%s},\"counters\":\"%s\",\"steps\":[", basis->is_loaded ? "true" : "false",
           basis->arena ? "live" : "fresh");
}

static void tell(struct decider *decider, const struct basis *basis, const struct question *question, struct moment now,
                 bool is_json)
{
    struct narration narration = {.out = stdout};
    struct verdict verdict;

    if (is_json)
        print_head_json(basis, question);
    else
        print_head(basis, question, decide_wants_body(decider, &question->facts), now);
    if (refuses_token(basis))
        decide_refuse(decider, &question->facts, REASON_jwt_invalid, now, &verdict);
    else
        decide_explain(decider, &question->facts, basis->bearer.claims, now, &verdict,
                       is_json ? narrate_step_json : narrate_step, &narration);
    if (is_json) {
        fputs("],\"verdict\":", stdout);
        narrate_verdict_json(&verdict, stdout);
        puts("}");
    } else {
        if (narration.has_steps)
            putchar('\n');
        narrate_verdict(&verdict, stdout);
        if (verdict.metering.clamp > 0)
            printf("  the completion is made shorter: %" PRId64 " tokens at most for each choice\n", verdict.metering.clamp);
    }
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

/* What a worker does with a body before it asks. */
static bool take_body(const struct basis *basis, struct question *question, struct failure *failure)
{
    const struct settings *settings = &basis->instance.settings;
    struct facts *facts = &question->facts;

    if (facts->body.size > settings->max_body_bytes)
        return failure_set(failure, EXIT_CODE_USAGE,
                           "a body of %zu bytes is refused before it is judged, with the status 413: max_body_bytes is %" PRIu64,
                           facts->body.size, settings->max_body_bytes);
    facts->body_can_be_clamped = basis->bundle->clamps && settings->mode == SETTINGS_MODE_REVERSE_PROXY &&
                                 body_edit_can_clamp(facts->path, facts->body);
    return true;
}

static int explain(const struct choice *choice, struct question *question)
{
    static struct basis basis;
    struct moment now = moment_now();
    struct decider *decider;
    struct failure failure;

    if (!prepare(&basis, choice, now, &failure))
        return command_fail(&failure);
    if (!take_body(&basis, question, &failure) ||
        !lookup_open(&basis.instance.settings, basis.bundle->references, &basis.references, &failure)) {
        bundle_free(basis.bundle);
        return command_fail(&failure);
    }
    decider = decide_new(basis.bundle, basis.arena, NULL, SCRATCH_SIZE + 2 * question->size);
    if (!decider) {
        references_close(&basis.references);
        bundle_free(basis.bundle);
        failure_set_errno(&failure, EXIT_CODE_OS, "the decision cannot be prepared");
        return command_fail(&failure);
    }
    decide_use_references(decider, &basis.references);
    if (question->has_bearer)
        bearer_judge(&basis.instance.settings, question->authorization, question->is_repeated,
                     now.wall_ns / NANOSECONDS_PER_MICROSECOND, &basis.bearer);
    tell(decider, &basis, question, now, choice->is_json);
    bearer_free(&basis.bearer);
    decide_free(decider);
    references_close(&basis.references);
    bundle_free(basis.bundle);
    return EXIT_CODE_OK;
}

static bool take_field(void *context, const char *word, struct failure *failure)
{
    return question_add_field(((struct choice *)context)->question, word, failure);
}

static bool take_client(void *context, const char *word, struct failure *failure)
{
    return question_set_client(((struct choice *)context)->question, word, failure);
}

static bool take_body_file(void *context, const char *path, struct failure *failure)
{
    return question_read_body(((struct choice *)context)->question, path, failure);
}

static int read_words(const struct command *command, int count, char **words, struct choice *choice)
{
    const struct command_option options[] = {
        {NULL, 'c', .text = &choice->config},   {NULL, 'H', .take = take_field},
        {"bundle", .text = &choice->bundle},    {"client", .take = take_client},
        {"instance", .text = &choice->name},    {"json", .flag = &choice->is_json},
        {"body", .take = take_body_file}};
    int code = command_read_options(command, count, words, options, sizeof(options) / sizeof(options[0]), choice);
    struct failure failure;

    if (code != COMMAND_GOES_ON)
        return code;
    if (count - optind != 2)
        return command_refuse(command, "METHOD and URI are needed, and nothing else");
    choice->method = words[optind];
    choice->uri = words[optind + 1];
    if (question_finish(choice->question, choice->method, choice->uri, &failure))
        return COMMAND_GOES_ON;
    return command_answer(command, &failure);
}

int explain_run(const struct command *command, int count, char **words)
{
    static struct question question;
    struct choice choice = {.question = &question};
    int code;

    question_init(&question);
    code = read_words(command, count, words, &choice);
    if (code == COMMAND_GOES_ON)
        code = explain(&choice, &question);
    question_free(&question);
    return code;
}
