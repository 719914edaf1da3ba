/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor(1): the table of commands. Each lives in the file of its name, takes its words and returns the exit code.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/connect.h"
#include "cli/diff.h"
#include "cli/emit.h"
#include "cli/explain.h"
#include "cli/init.h"
#include "cli/jwt.h"
#include "cli/keys.h"
#include "cli/kill.h"
#include "cli/logs.h"
#include "cli/status.h"
#include "cli/top.h"
#include "cli/test.h"
#include "cli/validate.h"
#include "shm/near.h"

static int run_version(const struct command *command, int count, char **words);
static int run_help(const struct command *command, int count, char **words);

static const struct command command_table[] = {
    {"init", init_run, "Write a policy to begin with.", "init --template=NAME [--force] [--json] [FILE|-]\n"
     "       fairvisor init --list [--json]", INIT_DETAILS, INIT_EXAMPLES},
    {"validate", validate_run, "Check a policy bundle and say what is wrong with it, and where.",
     "validate [--strict] [-c FILE] [--format text|json] [--json] FILE|-\n       fairvisor validate --schema",
     VALIDATE_DETAILS, VALIDATE_EXAMPLES},
    {"status", status_run, "Tell whether an instance runs and how it is.",
     "status [-c FILE] [--instance NAME] [--json]", STATUS_DETAILS, STATUS_EXAMPLES},
    {"logs", logs_run, "Show refused, warned and sampled requests as they happen, or of a log.",
     "logs [-c FILE] [--instance NAME] [--action LIST] [--reason REASON]...\n"
     "                      [--policy ID]... [--key NAME[=VALUE]]... [--since TIME] [--lines N]\n"
     "                      [--no-follow] [--format text|json] [--json] [FILE|-]",
     LOGS_DETAILS, LOGS_EXAMPLES},
    {"top", top_run, "Show who is refused most and who spends most, as it happens.",
     "top [-c FILE] [--instance NAME] [--sort reject|cost|fill|allow] [--by identity|rule]\n"
     "                     [--interval TIME] [--lines N] [--once [--json]]",
     TOP_DETAILS, TOP_EXAMPLES},
    {"explain", explain_run, "Tell what would happen to a request, and why, without charging it.",
     "explain [-c FILE] [--bundle FILE] [--instance NAME] [--json]\n"
     "                         METHOD URI [-H 'NAME: VALUE']... [--client ADDRESS] [--body FILE]",
     EXPLAIN_DETAILS, EXPLAIN_EXAMPLES},
    {"test", test_run, "Replay recorded requests and tell who would have been limited.",
     "test [BUNDLE] [--requests FILE] [--log-format FORMAT] [--dry-run]\n"
     "                      [--compare OTHER] [--format table|json|html] [--json] [--identities N] [-c FILE]",
     TEST_DETAILS, TEST_EXAMPLES},
    {"diff", diff_run, "Tell what a new policy bundle demands otherwise than an old one.", "diff [--json] BEFORE AFTER",
     DIFF_DETAILS, DIFF_EXAMPLES},
    {"jwt", jwt_run, "Verify a token and show what it says.",
     "jwt --keys FILE [--issuer TEXT] [--audience TEXT] [--leeway TIME]\n"
     "                     [--raw] [--json] [TOKEN|-]",
     JWT_DETAILS, JWT_EXAMPLES},
    {"keys", keys_run, "Look at the limits of one identity, and set them right.",
     "keys list|get|reset|grant [--policy ID] [--rule NAME] [--amount NUMBER]\n"
     "                      [--reason TEXT] [-c FILE] [--instance NAME] [--json] [KEY=VALUE]...",
     KEYS_DETAILS, KEYS_EXAMPLES},
    {"kill", kill_run, "Refuse all requests of an identity, at once.",
     "kill KEY VALUE [--route PATH] [--for TIME] [--reason TEXT] [-c FILE] [--instance NAME] [--json]\n"
     "       fairvisor kill --list [-c FILE] [--instance NAME] [--json]\n"
     "       fairvisor kill --remove KEY VALUE [--route PATH] [-c FILE] [--instance NAME] [--json]",
     KILL_DETAILS, KILL_EXAMPLES},
    {"connect", connect_run, "Have the running instance serve another policy, and go back.",
     "connect --push FILE|- [--yes] [--reason TEXT] [-c FILE] [--instance NAME] [--json]\n"
     "       fairvisor connect --rollback [--to NUMBER] [--yes] [--reason TEXT] [-c FILE] [--instance NAME]\n"
     "                         [--json]\n"
     "       fairvisor connect --list [-c FILE] [--instance NAME] [--json]",
     CONNECT_DETAILS, CONNECT_EXAMPLES},
    {"version", run_version, "Print the version.", "version [--json]", "  --json  one object: version\n",
     "  fairvisor version\n  fairvisor version --json\n"},
    {"help", run_help, "Print this overview, or what one command does.", "help [COMMAND]", "",
     "  fairvisor help\n  fairvisor help validate\n"},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};

static const struct command *find(const char *name)
{
    for (const struct command *command = command_table; command->name; command++)
        if (strcmp(command->name, name) == 0)
            return command;
    return NULL;
}

static void print_overview(FILE *out)
{
    fputs("fairvisor checks policies and looks at the running service.\n\nUsage: fairvisor COMMAND [ARGUMENT]...\n\n",
          out);
    for (const struct command *command = command_table; command->name; command++)
        fprintf(out, "  %-10s %s\n", command->name, command->sentence);
    fputs("\n`fairvisor help COMMAND` tells more. The service itself is fairvisord(8).\n", out);
}

/* Words that others give to their one program, and that are for fairvisord(8) here. */
static bool is_of_daemon(const char *word)
{
    static const char *const words[] = {"start", "stop", "quit", "restart", "reload", "reopen", "run", "serve"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

static int refuse_name(const char *name)
{
    struct near near;

    near_init(&near, slice_of(name));
    for (const struct command *command = command_table; command->name; command++)
        near_offer(&near, slice_of(command->name));
    fputs("fairvisor: there is no command '", stderr);
    emit_plain(slice_of(name), stderr);
    putc('\'', stderr);
    if (name[0] == '-')
        fputs("; options stand behind the command, as in `fairvisor status -c FILE`", stderr);
    else if (is_of_daemon(name))
        fputs("; the service is fairvisord(8), and its orders are `fairvisord -s reload`, stop, quit and reopen", stderr);
    else if (near.best.size > 0)
        fprintf(stderr, "; did you mean '%.*s'?", (int)near.best.size, near.best.data);
    fputs("\nThe commands are:", stderr);
    for (const struct command *command = command_table; command->name; command++)
        fprintf(stderr, " %s", command->name);
    fputs("\n", stderr);
    return EXIT_CODE_USAGE;
}

static int run_version(const struct command *command, int count, char **words)
{
    bool is_json = false;
    const struct command_option options[] = {{"json", .flag = &is_json}};
    int code = command_read_options(command, count, words, options, 1, NULL);

    if (code != COMMAND_GOES_ON)
        return code;
    if (optind < count)
        return command_refuse(command, "'%s' is one argument too many", words[optind]);
    puts(is_json ? "{\"version\":\"" PACKAGE_VERSION "\"}" : "fairvisor " PACKAGE_VERSION);
    return EXIT_CODE_OK;
}

static int run_help(const struct command *command, int count, char **words)
{
    const struct command *about;

    if (count > 2)
        return command_refuse(command, "'%s' is one argument too many", words[2]);
    if (count == 1) {
        print_overview(stdout);
        return EXIT_CODE_OK;
    }
    about = strcmp(words[1], "--help") == 0 ? command : find(words[1]);
    if (!about)
        return refuse_name(words[1]);
    command_print_help(about, stdout);
    return EXIT_CODE_OK;
}

/* Words that people try before they know the commands. */
static const char *command_of(const char *word)
{
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return "help";
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        return "version";
    return word;
}

static int end(int code)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "fairvisor: standard output cannot be written: %s%s\n", strerror(errno),
                code == COMMAND_DONE ? "; what was ordered is done all the same" : "");
        return EXIT_CODE_OS;
    }
    return code == COMMAND_DONE ? EXIT_CODE_OK : code;
}

int main(int count, char **words)
{
    const struct command *command;

    if (count < 2) {
        print_overview(stderr);
        return EXIT_CODE_USAGE;
    }
    command = find(command_of(words[1]));
    if (!command)
        return refuse_name(words[1]);
    return end(command->run(command, count - 1, words + 1));
}
