/* SPDX-License-Identifier: MPL-2.0
 *
 * fairvisor jwt: judges a token by the code that judges those of requests, and shows what it says. Never prints a key.
 */
#include "cli/jwt.h"

#include <getopt.h>
#include <string.h>

#include "cli/emit.h"
#include "cli/input.h"
#include "cli/lookup.h"
#include "policy/jwt.h"
#include "shm/moment.h"
#include "shm/quantity.h"
#include "shm/utf8.h"

#define EXIT_INVALID                 1
#define DEFAULT_LEEWAY_US            INT64_C(60000000)
#define MAX_LEEWAY_MS                UINT64_C(3600000) /* as of jwt_leeway */
#define MICROSECONDS_PER_MILLISECOND 1000
#define NANOSECONDS_PER_MICROSECOND  1000

struct choice {
    const char *keys, *token; /* token: "-" is standard input */
    struct jwt_rules rules;
    bool is_raw, is_json, wants_help;
};

/* ---- printing ---------------------------------------------------------------------------------------------------- */

/* JSON that passed the gate, as it is but for control characters, which stand in strings only. */
static void print_json_text(struct slice text, FILE *out)
{
    while (text.size > 0) {
        size_t size = utf8_size(text);

        if (size == 0)
            break;
        if (size > 1 && utf8_is_control(text.data, size))
            fprintf(out, "\\u%04x", utf8_point(text.data, size));
        else if (text.data[0] == 0x7f)
            fputs("\\u007f", out);
        else if (memchr("\r\n\t", text.data[0], 3))
            fputc(' ', out);
        else
            fwrite(text.data, 1, size, out);
        text = (struct slice){text.data + size, text.size - size};
    }
}

static bool is_object(struct slice bytes)
{
    struct json *json = bytes.data ? jwt_shape_parse(bytes) : NULL;
    bool is_fine = json != NULL;

    json_free(json);
    return is_fine;
}

static void print_part(const char *label, struct slice bytes, bool is_raw)
{
    if (!bytes.data)
        return;
    fputs(label, stdout);
    if (!is_raw && is_object(bytes))
        print_json_text(bytes, stdout);
    else
        emit_plain(bytes, stdout);
    putchar('\n');
}

static void print_text(const struct choice *choice, const struct jwt *jwt, enum jwt_fault fault)
{
    const struct jwks_key *key = jwt->key;

    fputs("verdict  ", stdout);
    emit_coloured(fault == JWT_GOOD ? EMIT_GOOD : EMIT_BAD, fault == JWT_GOOD ? "valid" : "invalid", stdout);
    if (fault != JWT_GOOD)
        printf("\nreason   %s: %s", jwt_faults[fault].name, jwt_faults[fault].sentence);
    if (key) {
        printf("\nkey      %s", key->key.algorithm->name);
        if (key->id) {
            fputs(", kid ", stdout);
            emit_plain((struct slice){key->id, key->id_size}, stdout);
        }
    }
    putchar('\n');
    print_part("header   ", jwt->header, false);
    print_part(choice->is_raw ? "payload  " : "claims   ", jwt->payload, choice->is_raw);
}

static void print_json_part(const char *label, struct slice bytes)
{
    printf(",\"%s\":", label);
    if (is_object(bytes))
        print_json_text(bytes, stdout);
    else
        fputs("null", stdout);
}

static void print_json(const struct choice *choice, const struct jwt *jwt, enum jwt_fault fault)
{
    const struct jwks_key *key = jwt->key;

    printf("{\"valid\":%s,\"reason\":", fault == JWT_GOOD ? "true" : "false");
    if (fault == JWT_GOOD)
        fputs("null", stdout);
    else
        emit_json_string(slice_of(jwt_faults[fault].name), stdout);
    fputs(",\"sentence\":", stdout);
    emit_json_string(slice_of(jwt_faults[fault].sentence), stdout);
    printf(",\"algorithm\":%s%s%s,\"kid\":", key ? "\"" : "", key ? key->key.algorithm->name : "null", key ? "\"" : "");
    if (key && key->id)
        emit_json_string((struct slice){key->id, key->id_size}, stdout);
    else
        fputs("null", stdout);
    print_json_part("header", jwt->header);
    if (!choice->is_raw) {
        print_json_part("claims", jwt->payload);
    } else if (jwt->payload.data) {
        fputs(",\"payload\":", stdout);
        emit_json_string(jwt->payload, stdout);
    } else {
        fputs(",\"payload\":null", stdout);
    }
    puts("}");
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static int judge(const struct choice *choice, const struct jwks *keys, struct slice token)
{
    struct claims *claims = NULL;
    struct jwt_span span;
    struct jwt jwt;
    enum jwt_fault fault = jwt_open(token, keys, &jwt);

    if (fault == JWT_GOOD && !choice->is_raw)
        fault = jwt_check(&jwt, &choice->rules, moment_now().wall_ns / NANOSECONDS_PER_MICROSECOND, &claims, &span);
    if (choice->is_json)
        print_json(choice, &jwt, fault);
    else
        print_text(choice, &jwt, fault);
    claims_free(claims);
    jwt_close(&jwt);
    return fault == JWT_GOOD ? EXIT_CODE_OK : EXIT_INVALID;
}

/* Without the line ends and spaces around it, which a file has. */
static struct slice trim(struct slice text)
{
    while (text.size > 0 && memchr(" \t\r\n", text.data[0], 4))
        text = (struct slice){text.data + 1, text.size - 1};
    while (text.size > 0 && memchr(" \t\r\n", text.data[text.size - 1], 4))
        text.size--;
    return text;
}

static int verify(const struct choice *choice)
{
    struct references references;
    struct failure failure;
    struct input input = {.data = NULL};
    int code;

    if (!lookup_open_keys(choice->keys, &references, &failure))
        return command_fail(&failure);
    if (strcmp(choice->token, "-") != 0)
        code = judge(choice, references.token_keys, slice_of(choice->token));
    else if (input_read("-", &input, &failure))
        code = judge(choice, references.token_keys, trim(input_slice(&input)));
    else
        code = command_fail(&failure);
    input_free(&input);
    references_close(&references);
    return code;
}

static bool take_leeway(const char *text, struct choice *choice)
{
    uint64_t milliseconds;

    if (!quantity_parse_duration(slice_of(text), &milliseconds) || milliseconds > MAX_LEEWAY_MS)
        return false;
    choice->rules.leeway_us = (int64_t)milliseconds * MICROSECONDS_PER_MILLISECOND;
    return true;
}

static int check_words(const struct command *command, int count, char **words, struct choice *choice)
{
    if (!choice->keys)
        return command_refuse(command, "--keys FILE is missing: the key set that verifies");
    if (count - optind > 1)
        return command_refuse(command, "one token at a time");
    if (choice->is_raw && (choice->rules.issuer.size > 0 || choice->rules.audience.size > 0))
        return command_refuse(command, "--raw looks at no claims, so --issuer and --audience have no place beside it");
    choice->token = optind < count ? words[optind] : "-";
    return verify(choice);
}

int jwt_run(const struct command *command, int count, char **words)
{
    static const struct option options[] = {{"keys", required_argument, NULL, 'k'},
                                            {"issuer", required_argument, NULL, 'i'},
                                            {"audience", required_argument, NULL, 'a'},
                                            {"leeway", required_argument, NULL, 'l'},
                                            {"raw", no_argument, NULL, 'r'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct choice choice = {.rules.leeway_us = DEFAULT_LEEWAY_US};
    int letter;

    opterr = 0;
    while ((letter = getopt_long(count, words, ":h", options, NULL)) != -1) {
        if (letter == 'k')
            choice.keys = optarg;
        else if (letter == 'i')
            choice.rules.issuer = slice_of(optarg);
        else if (letter == 'a')
            choice.rules.audience = slice_of(optarg);
        else if (letter == 'l' && !take_leeway(optarg, &choice))
            return command_refuse(command, "--leeway takes a time of at most an hour, as 60s, not '%s'", optarg);
        else if (letter == 'r')
            choice.is_raw = true;
        else if (letter == 'j')
            choice.is_json = true;
        else if (letter == 'h')
            choice.wants_help = true;
        else if (letter == '?' || letter == ':')
            return command_refuse_option(command, letter, words);
    }
    if (!choice.wants_help)
        return check_words(command, count, words, &choice);
    command_print_help(command, stdout);
    return EXIT_CODE_OK;
}
