/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor init: writes a policy to begin with, one of the files in packaging/templates, which are compiled in. Needs
 * no running service and no settings; never overwrites a file unasked.
 */
#include "cli/init.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "cli/emit.h"
#include "cli/init_templates.h"
#include "shm/near.h"
#include "shm/write_whole.h"

#define DEFAULT_FILE "policy.json"
#define FILE_MODE    0644

struct template
{
    const char *name, *purpose, *text, *advice;
};

static const struct template templates[] = {
    {"api", "an API with keys: a rate for each client and each key, and a quota for each key and day",
     init_template_api,
     "- selector.pathPrefix: the paths of your API; selector.hosts, if this gateway serves others, too.\n"
     "- header:x-api-key: where your clients send their key. Requests without one share one budget; on_missing "
     "\"reject\"\n"
     "  refuses them instead.\n"
     "- tokens_per_second, burst, budget: what one client and one key may do.\n"},
    {"llm",
     "a gateway to language models: tokens a minute and a day, money a month and requests in flight for each "
     "organization",
     init_template_llm,
     "- header:x-org-id: who pays. Your gateway must set it, and remove what clients send under that name.\n"
     "- header:x-request-cost: what a request costs, set by your gateway; without it, default_cost.\n"
     "- The prompt's tokens are estimated from the body: have the gateway send it with the question.\n"
     "- POST /v1/settle tells afterwards what was really used, and ends a request in flight; see the manual.\n"},
    {"webhook", "webhooks from outside: a rate for each source and path, and a stop for senders that loop",
     init_template_webhook,
     "- selector.pathPrefix: where your webhooks arrive.\n"
     "- threshold_identical_requests: requests are identical when method, path, query, source and body are. A gateway "
     "that\n"
     "  does not send the body with the question (nginx auth_request) makes all calls of one source and path "
     "identical:\n"
     "  raise the threshold there.\n"},
    {"agents", "AI agents: a budget of tokens for each agent, a stop for loops, a breaker for spending that runs away",
     init_template_agents,
     "- header:x-agent-id: which agent it is. Your gateway must set it, and remove what clients send under that name.\n"
     "- threshold_identical_requests: how often an agent may repeat itself in window_seconds.\n"
     "- spend_rate_threshold_per_minute: tokens within a minute that open the breaker, for auto_reset_after_minutes.\n"
     "- The prompt's tokens are estimated from the body: have the gateway send it with the question.\n"},
};
#define TEMPLATE_COUNT (sizeof(templates) / sizeof(templates[0]))

struct choice {
    const char *name, *path;
    bool is_forced, is_list, is_json;
};

static const struct template *find(const char *name)
{
    for (size_t i = 0; i < TEMPLATE_COUNT; i++)
        if (strcmp(templates[i].name, name) == 0)
            return &templates[i];
    return NULL;
}

static int refuse_name(const struct command *command, const char *name)
{
    struct near near;

    near_init(&near, slice_of(name));
    for (size_t i = 0; i < TEMPLATE_COUNT; i++)
        near_offer(&near, slice_of(templates[i].name));
    if (near.best.size > 0)
        return command_refuse(command, "there is no template '%s'; did you mean '%.*s'?", name, (int)near.best.size,
                              near.best.data);
    return command_refuse(command, "there is no template '%s'; they are api, llm, webhook and agents", name);
}

static int print_list_json(void)
{
    fputs("{\"templates\":[", stdout);
    for (size_t i = 0; i < TEMPLATE_COUNT; i++) {
        emit_json_text(i > 0 ? ",{\"template\":" : "{\"template\":", slice_of(templates[i].name), stdout);
        emit_json_text(",\"purpose\":", slice_of(templates[i].purpose), stdout);
        putchar('}');
    }
    puts("]}");
    return EXIT_CODE_OK;
}

static int print_list(void)
{
    for (size_t i = 0; i < TEMPLATE_COUNT; i++)
        printf("%-8s %s\n", templates[i].name, templates[i].purpose);
    return EXIT_CODE_OK;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static bool refuse_file(const char *path, struct failure *failure)
{
    if (errno == EEXIST)
        return failure_set(
            failure, EXIT_CODE_PIDFILE,
            "%s is there already and was not touched; --force overwrites it, another name leaves it alone", path);
    return failure_set_errno(failure, errno == EACCES || errno == EPERM ? EXIT_CODE_PERMISSION : EXIT_CODE_OS,
                             "%s cannot be written", path);
}

static bool write_file(const struct choice *choice, const char *text, struct failure *failure)
{
    int fd = open(choice->path, O_WRONLY | O_CREAT | O_CLOEXEC | (choice->is_forced ? O_TRUNC : O_EXCL), FILE_MODE);
    bool is_written;

    if (fd < 0)
        return refuse_file(choice->path, failure);
    is_written = write_whole(fd, text, strlen(text));
    if (close(fd) == 0 && is_written)
        return true;
    return refuse_file(choice->path, failure);
}

static void tell_json(const struct choice *choice, const struct template *template)
{
    emit_json_text("{\"file\":", slice_of(choice->path), stdout);
    emit_json_text(",\"template\":", slice_of(template->name), stdout);
    emit_json_text(",\"purpose\":", slice_of(template->purpose), stdout);
    emit_json_text(",\"advice\":", slice_of(template->advice), stdout);
    puts("}");
}

static int write_template(const struct choice *choice, const struct template *template)
{
    struct failure failure;

    if (strcmp(choice->path, "-") == 0) {
        fputs(template->text, stdout);
        return EXIT_CODE_OK;
    }
    if (!write_file(choice, template->text, &failure))
        return command_fail(&failure);
    if (choice->is_json) {
        tell_json(choice, template);
        return COMMAND_DONE;
    }
    fprintf(stderr,
            "%s: %s.\n\nWhat to look at before it is loaded:\n%s\nThen: fairvisor validate --strict %s\n"
            "To see whom it would have refused: fairvisor test %s --requests access.log\n"
            "To watch it first without refusing anybody, set \"mode\" to \"shadow\"; to have it served:\n"
            "fairvisor connect --push %s\n",
            choice->path, template->purpose, template->advice, choice->path, choice->path, choice->path);
    return EXIT_CODE_OK;
}

static int init(const struct command *command, const struct choice *choice)
{
    const struct template *template;

    if (choice->is_list)
        return choice->is_json ? print_list_json() : print_list();
    if (choice->is_json && strcmp(choice->path, "-") == 0)
        return command_refuse(command, "the template is JSON itself; --json tells of a file that is written");
    if (!choice->name)
        return command_refuse(command, "--template is missing; --list tells which there are");
    template = find(choice->name);
    return template ? write_template(choice, template) : refuse_name(command, choice->name);
}

int init_run(const struct command *command, int count, char **words)
{
    struct choice choice = {.path = DEFAULT_FILE};
    const struct command_option options[] = {
        {"template", .text = &choice.name}, {"force", .flag = &choice.is_forced},
        {"list", .flag = &choice.is_list},  {"json", .flag = &choice.is_json}};
    int code = command_read_options(command, count, words, options, sizeof(options) / sizeof(options[0]), NULL);

    if (code != COMMAND_GOES_ON)
        return code;
    if (count - optind > 1)
        return command_refuse(command, "one file at a time");
    if (count - optind == 1)
        choice.path = words[optind];
    return init(command, &choice);
}
