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
    const char *keys, *issuer, *audience, *token; /* token: "-" is standard input */
    struct jwt_rules rules;
    bool is_raw, is_json;
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

    printf("{\"valid\":%s", fault == JWT_GOOD ? "true" : "false");
    emit_json_text_or_null(",\"reason\":", slice_of(fault == JWT_GOOD ? NULL : jwt_faults[fault].name), stdout);
    emit_json_text(",\"sentence\":", slice_of(jwt_faults[fault].sentence), stdout);
    emit_json_text_or_null(",\"algorithm\":", slice_of(key ? key->key.algorithm->name : NULL), stdout);
    emit_json_text_or_null(",\"kid\":", key ? (struct slice){key->id, key->id_size} : (struct slice){NULL, 0}, stdout);
    print_json_part("header", jwt->header);
    if (choice->is_raw)
        emit_json_text_or_null(",\"payload\":", jwt->payload, stdout);
    else
        print_json_part("claims", jwt->payload);
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

static bool take_leeway(void *context, const char *word, struct failure *failure)
{
    struct choice *choice = context;
    uint64_t milliseconds;

    if (!quantity_parse_duration(slice_of(word), &milliseconds) || milliseconds > MAX_LEEWAY_MS)
        return failure_set(failure, EXIT_CODE_USAGE, "--leeway takes a time of at most an hour, as 60s, not '%s'", word);
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
    struct choice choice = {.rules.leeway_us = DEFAULT_LEEWAY_US};
    const struct command_option options[] = {
        {"keys", .text = &choice.keys},         {"issuer", .text = &choice.issuer},
        {"audience", .text = &choice.audience}, {"leeway", .take = take_leeway},
        {"raw", .flag = &choice.is_raw},        {"json", .flag = &choice.is_json}};
    int code = command_read_options(command, count, words, options, sizeof(options) / sizeof(options[0]), &choice);

    if (code != COMMAND_GOES_ON)
        return code;
    choice.rules.issuer = slice_of(choice.issuer);
    choice.rules.audience = slice_of(choice.audience);
    return check_words(command, count, words, &choice);
}
