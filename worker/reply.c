/* SPDX-License-Identifier: MPL-2.0
 *
 * Frames answers. No formatting library on the way: constant pieces and small numbers are copied together.
 */
#include "worker/reply.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shm/moment.h"

#define CODE_LABEL  "code=\""
#define SERVER_LINE "\r\nServer: fairvisor\r\n"

static const struct {
    unsigned status;
    struct slice line;
} status_lines[] = {
#define LINE(status, phrase)                                                           \
    {                                                                                  \
        status,                                                                        \
        {                                                                              \
            "HTTP/1.1 " #status " " phrase, sizeof("HTTP/1.1 " #status " " phrase) - 1 \
        }                                                                              \
    }
    LINE(200, "OK"),
    LINE(204, "No Content"),
    LINE(429, "Too Many Requests"),
    LINE(403, "Forbidden"),
    LINE(400, "Bad Request"),
    LINE(401, "Unauthorized"),
    LINE(404, "Not Found"),
    LINE(405, "Method Not Allowed"),
    LINE(408, "Request Timeout"),
    LINE(409, "Conflict"),
    LINE(410, "Gone"),
    LINE(413, "Content Too Large"),
    LINE(414, "URI Too Long"),
    LINE(415, "Unsupported Media Type"),
    LINE(417, "Expectation Failed"),
    LINE(431, "Request Header Fields Too Large"),
    LINE(501, "Not Implemented"),
    LINE(502, "Bad Gateway"),
    LINE(503, "Service Unavailable"),
    LINE(504, "Gateway Timeout"),
    LINE(505, "HTTP Version Not Supported"),
    LINE(500, "Internal Server Error"),
#undef LINE
};
#define STATUS_LINES (sizeof(status_lines) / sizeof(status_lines[0]))

static struct slice status_line(unsigned status)
{
    for (size_t i = 0; i < STATUS_LINES; i++)
        if (status_lines[i].status == status)
            return status_lines[i].line;
    return status_lines[STATUS_LINES - 1].line;
}

/* Fills TABLE with the counters of METRIC, by the status in their label. */
static void fill(uint16_t table[WORKER_CODES], const char *metric, enum counter other)
{
    for (size_t code = 0; code < WORKER_CODES; code++)
        table[code] = (uint16_t)other;
    for (size_t counter = 0; counter < COUNTER_COUNT; counter++) {
        const char *labels = counters_table[counter].labels;
        unsigned long code;

        if (strcmp(counters_table[counter].name, metric) != 0 ||
            strncmp(labels, CODE_LABEL, sizeof(CODE_LABEL) - 1) != 0)
            continue;
        code = strtoul(labels + sizeof(CODE_LABEL) - 1, NULL, 10);
        if (code > 0 && code < WORKER_CODES)
            table[code] = (uint16_t)counter;
    }
}

void reply_init(struct worker *worker)
{
    fill(worker->code_counters, "fairvisor_http_requests_total", COUNTER_http_other);
    fill(worker->upstream_counters, "fairvisor_upstream_requests_total", COUNTER_upstream_other);
}

void reply_set_date(struct worker *worker, int64_t second)
{
    time_t time = (time_t)second;
    struct tm calendar;

    if (second == worker->date_second && worker->date_size > 0)
        return;
    if (!gmtime_r(&time, &calendar))
        return;
    worker->date_second = second;
    worker->date_size = strftime(worker->date, sizeof(worker->date),
                                 SERVER_LINE "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &calendar);
}

void reply_refresh_date(struct worker *worker)
{
    reply_set_date(worker, moment_wall_s());
}

struct slice reply_date(const struct worker *worker)
{
    return (struct slice){worker->date + sizeof(SERVER_LINE) - 1, worker->date_size - (sizeof(SERVER_LINE) - 1)};
}

void reply_begin(const struct reply *reply, unsigned status)
{
    struct worker *worker = reply->worker;

    outbox_add(&worker->out, status_line(status));
    outbox_add(&worker->out, (struct slice){worker->date, worker->date_size});
    counters_add(worker->slot, worker->code_counters[status < WORKER_CODES ? status : 0], 1);
}

void reply_end(const struct reply *reply, unsigned status, struct slice type, struct slice body)
{
    struct outbox *out = &reply->worker->out;

    if (!reply->keeps_alive)
        outbox_add(out, SLICE("Connection: close\r\n"));
    else if (reply->is_old)
        outbox_add(out, SLICE("Connection: keep-alive\r\n"));
    if (status == 204) {
        outbox_add(out, SLICE("\r\n"));
        return;
    }
    if (body.size == 0) {
        outbox_add(out, SLICE("Content-Length: 0\r\n\r\n"));
        return;
    }
    if (type.size > 0) {
        outbox_add(out, SLICE("Content-Type: "));
        outbox_add(out, type);
        outbox_add(out, SLICE("\r\n"));
    }
    outbox_add(out, SLICE("Content-Length: "));
    outbox_number(out, body.size);
    outbox_add(out, SLICE("\r\n\r\n"));
    if (!reply->is_bodyless)
        outbox_add(out, body);
}

void reply_sentence(const struct reply *reply, unsigned status, struct slice fields, const char *sentence)
{
    struct outbox *body = &reply->worker->body;

    outbox_clear(body);
    outbox_add(body, slice_of(sentence));
    outbox_add(body, SLICE("\n"));
    reply_begin(reply, status);
    outbox_add(&reply->worker->out, fields);
    reply_end(reply, status, SLICE("text/plain; charset=utf-8"), (struct slice){body->data, body->used});
}

void reply_continue(struct worker *worker)
{
    outbox_add(&worker->out, SLICE("HTTP/1.1 100 Continue\r\n\r\n"));
}

struct slice reply_plain_http(void)
{
    return SLICE("HTTP/1.1 400 Bad Request\r\nServer: fairvisor\r\nConnection: close\r\n"
                 "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 61\r\n\r\n"
                 "This port speaks TLS: ask with https:// in place of http://.\n");
}

struct slice reply_overloaded(void)
{
    return SLICE("HTTP/1.1 503 Service Unavailable\r\nServer: fairvisor\r\nRetry-After: 1\r\nConnection: close\r\n"
                 "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 37\r\n\r\n"
                 "All max_connections are in use here.\n");
}
