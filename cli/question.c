/* SPDX-License-Identifier: MPL-2.0
 *
 * From command line words to the facts of a request, by the functions a worker uses for those of a message.
 */
#include "cli/question.h"

#include <stdlib.h>
#include <string.h>

#include "policy/path.h"

void question_init(struct question *question)
{
    memset(question, 0, sizeof(*question));
    question->facts.fields = question->fields;
    question->facts.peer_is_trusted = true; /* whoever asks here decides what is told about the client */
}

/* RFC 9110 5.6.2: what methods and field names are made of. */
static bool is_token(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i], lower = slice_lower(c);

        if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return text.size > 0;
}

bool question_add_field(struct question *question, const char *word, struct failure *failure)
{
    const char *colon = strchr(word, ':');
    struct fact_field *field = &question->fields[question->facts.field_count];

    if (question->facts.field_count == QUESTION_MAX_FIELDS)
        return failure_set(failure, EXIT_CODE_USAGE, "at most %d header fields are taken", QUESTION_MAX_FIELDS);
    if (!colon || !is_token((struct slice){word, (size_t)(colon - word)}))
        return failure_set(failure, EXIT_CODE_USAGE, "-H takes 'NAME: VALUE', not '%s'", word);
    field->name = (struct slice){word, (size_t)(colon - word)};
    field->value = slice_trim(slice_of(colon + 1));
    question->size += field->value.size;
    question->facts.field_count++;
    return true;
}

bool question_set_client(struct question *question, const char *word, struct failure *failure)
{
    if (address_parse(slice_of(word), &question->facts.client))
        return true;
    return failure_set(failure, EXIT_CODE_USAGE, "--client takes an IPv4 or IPv6 address, not '%s'", word);
}

bool question_read_body(struct question *question, const char *path, struct failure *failure)
{
    if (question->has_body)
        return failure_set(failure, EXIT_CODE_USAGE, "a request has one body: --body is given twice");
    question->has_body = true;
    if (!input_read_body(path, &question->body, failure))
        return false;
    question->facts.body = input_slice(&question->body);
    return true;
}

static size_t count_fields(const struct question *question, struct slice name)
{
    size_t count = 0;

    for (size_t i = 0; i < question->facts.field_count; i++)
        count += slice_equal_nocase(question->fields[i].name, name);
    return count;
}

static bool find_field(const struct question *question, struct slice name, struct slice *value)
{
    for (size_t i = 0; i < question->facts.field_count; i++)
        if (slice_equal_nocase(question->fields[i].name, name)) {
            *value = question->fields[i].value;
            return true;
        }
    return false;
}

/* The host of an absolute URI: it counts, whatever the Host field says (RFC 9112 3.2.2). */
static struct slice host_of(struct slice uri)
{
    const char *begin = uri.size > 0 && uri.data[0] != '/' ? memmem(uri.data, uri.size, "://", 3) : NULL;
    struct slice host = {NULL, 0};

    if (!begin)
        return host;
    host.data = begin + 3;
    while (host.data + host.size < uri.data + uri.size && !memchr("/?#", host.data[host.size], 3))
        host.size++;
    return host;
}

static bool take_uri(struct question *question, struct slice uri, struct failure *failure)
{
    struct slice host = host_of(uri), path, query;

    if (!path_split(uri, &path, &query))
        return failure_set(failure, EXIT_CODE_USAGE, "the URI begins with '/' or 'http://', unlike '%s'", uri.data);
    if (host.size == 0)
        find_field(question, SLICE("host"), &host);
    question->path = malloc(PATH_NORMAL_SIZE(path.size));
    question->host = malloc(host.size + 1);
    if (!question->path || !question->host)
        return failure_set_errno(failure, EXIT_CODE_OS, "the request cannot be held");
    question->facts.path = path_normalize(path, question->path);
    question->facts.query = query;
    question->facts.host = facts_host(host, question->host);
    question->size += uri.size;
    return true;
}

bool question_finish(struct question *question, const char *method, const char *uri, struct failure *failure)
{
    question->facts.method = slice_of(method);
    if (!is_token(question->facts.method))
        return failure_set(failure, EXIT_CODE_USAGE, "'%s' is no method; give METHOD URI, as in GET /api/data", method);
    if (!take_uri(question, slice_of(uri), failure))
        return false;
    question->has_bearer = find_field(question, SLICE("authorization"), &question->authorization);
    question->is_repeated = count_fields(question, SLICE("authorization")) > 1;
    return true;
}

void question_free(struct question *question)
{
    input_free(&question->body);
    free(question->host);
    free(question->path);
}
