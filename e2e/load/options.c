/* SPDX-License-Identifier: MPL-2.0
 *
 * Options in, plan out. A value that cannot be understood is an error with a sentence, never a default.
 */
#include "e2e/load/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static const char usage_text[] =
    "usage: fairvisor-load --target HOST:PORT|[V6]:PORT|unix:PATH [options]\n"
    "  --path PATH            request target (/)\n"
    "  --method METHOD        GET\n"
    "  --host NAME            Host header (localhost)\n"
    "  --header 'NAME: VALUE' may be repeated; {LOW-HIGH} in it counts up from request to request\n"
    "  --body TEXT, --body-size N\n"
    "  --connections N        1, shared among the threads\n"
    "  --threads N            1\n"
    "  --requests N           stop after N requests, or\n"
    "  --duration-ms N        stop after N milliseconds\n"
    "  --rate N               requests per second to intend, over all threads; latency counts from the intended time\n"
    "  --fresh                a new connection for each request\n"
    "  --expect 200,429       statuses that are no failure (200)\n"
    "  --count-header NAME    count the values of this answer header\n"
    "  --timeout-ms N         for one request (10000)\n"
    "Prints JSON. Exits 0 when nothing failed, 1 when something did, 2 when it could not run.\n";

enum option_code {
    OPTION_TARGET = 256,
    OPTION_PATH,
    OPTION_METHOD,
    OPTION_HOST,
    OPTION_HEADER,
    OPTION_BODY,
    OPTION_BODY_SIZE,
    OPTION_FRESH,
    OPTION_EXPECT,
    OPTION_COUNT_HEADER,
    OPTION_NUMBER, /* this and higher: numbers, see numbers[] */
};

static const struct {
    const char *name;
    size_t offset;
    uint64_t low, high;
} numbers[] = {
    {"connections", offsetof(struct options, connections), 1, 100000},
    {"threads", offsetof(struct options, threads), 1, 64},
    {"requests", offsetof(struct options, total), 1, UINT64_C(1) << 40},
    {"duration-ms", offsetof(struct options, duration_ms), 1, 86400000},
    {"rate", offsetof(struct options, rate), 1, 10000000},
    {"timeout-ms", offsetof(struct options, timeout_ms), 1, 3600000},
};

static const struct option option_table[] = {
    {"target", required_argument, NULL, OPTION_TARGET},
    {"path", required_argument, NULL, OPTION_PATH},
    {"method", required_argument, NULL, OPTION_METHOD},
    {"host", required_argument, NULL, OPTION_HOST},
    {"header", required_argument, NULL, OPTION_HEADER},
    {"body", required_argument, NULL, OPTION_BODY},
    {"body-size", required_argument, NULL, OPTION_BODY_SIZE},
    {"fresh", no_argument, NULL, OPTION_FRESH},
    {"expect", required_argument, NULL, OPTION_EXPECT},
    {"count-header", required_argument, NULL, OPTION_COUNT_HEADER},
    {"connections", required_argument, NULL, OPTION_NUMBER + 0},
    {"threads", required_argument, NULL, OPTION_NUMBER + 1},
    {"requests", required_argument, NULL, OPTION_NUMBER + 2},
    {"duration-ms", required_argument, NULL, OPTION_NUMBER + 3},
    {"rate", required_argument, NULL, OPTION_NUMBER + 4},
    {"timeout-ms", required_argument, NULL, OPTION_NUMBER + 5},
    {NULL, 0, NULL, 0},
};

static bool parse_number(const char *name, const char *text, uint64_t low, uint64_t high, uint64_t *value)
{
    char *end = NULL;

    errno = 0;
    *value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || *value < low || *value > high) {
        fprintf(stderr, "fairvisor-load: --%s must be a number from %llu to %llu, not '%s'\n", name,
                (unsigned long long)low, (unsigned long long)high, text);
        return false;
    }
    return true;
}

static bool add_header(struct options *options, const char *line)
{
    if (options->parts.header_count == OPTIONS_MAX_HEADERS || !strchr(line, ':') || strpbrk(line, "\r\n")) {
        fprintf(stderr, "fairvisor-load: --header takes 'NAME: VALUE', at most %d times\n", OPTIONS_MAX_HEADERS);
        return false;
    }
    options->headers[options->parts.header_count++] = line;
    return true;
}

static bool make_body(struct options *options, const char *text)
{
    uint64_t size = 0;

    if (!parse_number("body-size", text, 0, 1 << 30, &size)) {
        return false;
    }
    free(options->body);
    options->body = malloc(size + 1);
    if (!options->body) {
        fputs("fairvisor-load: memory is out\n", stderr);
        return false;
    }
    memset(options->body, 'x', size);
    options->parts.body = options->body;
    options->parts.body_size = size;
    return true;
}

static bool set_number(struct options *options, size_t index, const char *text)
{
    uint64_t *value = (uint64_t *)(void *)((char *)options + numbers[index].offset);

    return parse_number(numbers[index].name, text, numbers[index].low, numbers[index].high, value);
}

static bool set_option(struct options *options, int option)
{
    if (option >= OPTION_NUMBER) {
        return set_number(options, (size_t)(option - OPTION_NUMBER), optarg);
    }
    switch (option) {
    case OPTION_TARGET:
        options->target = optarg;
        return true;
    case OPTION_PATH:
        options->parts.path = optarg;
        return true;
    case OPTION_METHOD:
        options->parts.method = optarg;
        return true;
    case OPTION_HOST:
        options->parts.host = optarg;
        return true;
    case OPTION_HEADER:
        return add_header(options, optarg);
    case OPTION_BODY:
        options->parts.body = optarg;
        options->parts.body_size = strlen(optarg);
        return true;
    case OPTION_BODY_SIZE:
        return make_body(options, optarg);
    case OPTION_FRESH:
        options->parts.closes = true;
        return true;
    case OPTION_EXPECT:
        options->expected = optarg;
        return true;
    case OPTION_COUNT_HEADER:
        options->counted = optarg;
        return true;
    default:
        fputs(usage_text, stderr);
        return false;
    }
}

bool options_parse(struct options *options, int count, char **arguments)
{
    *options = (struct options){
        .parts = {.method = "GET", .path = "/", .host = "localhost"},
        .connections = 1,
        .threads = 1,
        .timeout_ms = 10000,
        .expected = "200",
    };
    options->parts.headers = options->headers;
    for (;;) {
        int option = getopt_long(count, arguments, "", option_table, NULL);
        if (option < 0) {
            break;
        }
        if (!set_option(options, option)) {
            return false;
        }
    }
    if (!options->target || optind < count || (options->total == 0) == (options->duration_ms == 0)) {
        fputs("fairvisor-load: --target and exactly one of --requests and --duration-ms are needed\n", stderr);
        fputs(usage_text, stderr);
        return false;
    }
    if (options->threads > options->connections) {
        fputs("fairvisor-load: --threads must not exceed --connections\n", stderr);
        return false;
    }
    return true;
}

void options_fini(struct options *options)
{
    free(options->body);
}

static bool plan_unix(const char *path, struct runner_plan *plan)
{
    struct sockaddr_un *target = (struct sockaddr_un *)(void *)&plan->target;

    if (strlen(path) >= sizeof target->sun_path) {
        fprintf(stderr, "fairvisor-load: the path of a unix socket has at most %zu bytes\n",
                sizeof target->sun_path - 1);
        return false;
    }
    target->sun_family = AF_UNIX;
    memcpy(target->sun_path, path, strlen(path) + 1);
    plan->target_size = sizeof *target;
    return true;
}

static bool plan_target(const char *text, struct runner_plan *plan)
{
    const char *colon = strrchr(text, ':');
    char host[64] = "";
    uint64_t port = 0;

    if (strncmp(text, "unix:", 5) == 0) {
        return plan_unix(text + 5, plan);
    }
    if (text[0] == '/') {
        return plan_unix(text, plan);
    }
    size_t size = colon ? (size_t)(colon - text) : 0;
    bool is_bracketed = size > 2 && text[0] == '[' && text[size - 1] == ']';
    if (size == 0 || size >= sizeof host || !parse_number("target", colon + 1, 1, 65535, &port)) {
        fprintf(stderr, "fairvisor-load: '%s' is not HOST:PORT, [V6]:PORT or unix:PATH\n", text);
        return false;
    }
    memcpy(host, text + is_bracketed, size - 2 * is_bracketed);
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&plan->target;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&plan->target;
    if (is_bracketed && inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        plan->target_size = sizeof *v6;
        return true;
    }
    if (!is_bracketed && inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        plan->target_size = sizeof *v4;
        return true;
    }
    fprintf(stderr, "fairvisor-load: '%s' is not an address; names are not looked up\n", host);
    return false;
}

static bool plan_expected(const char *text, struct runner_plan *plan)
{
    const char *at = text;

    for (;;) {
        char *end = NULL;
        unsigned long status = strtoul(at, &end, 10);
        if (end == at || status < 100 || status >= TALLY_STATUS_LIMIT || (*end != ',' && *end != '\0')) {
            fprintf(stderr, "fairvisor-load: --expect takes statuses like 200,429, not '%s'\n", text);
            return false;
        }
        plan->is_expected[status] = true;
        if (*end == '\0') {
            return true;
        }
        at = end + 1;
    }
}

bool options_plan(const struct options *options, struct runner_plan *plan)
{
    const char *problem = NULL;

    if (!plan_target(options->target, plan) || !plan_expected(options->expected, plan)) {
        return false;
    }
    if (!request_init(&plan->request, &options->parts, &problem)) {
        fprintf(stderr, "fairvisor-load: %s\n", problem);
        return false;
    }
    plan->is_fresh = options->parts.closes;
    plan->counted = options->counted;
    plan->total = options->total ? options->total : UINT64_MAX;
    plan->timeout_ns = (int64_t)options->timeout_ms * 1000000;
    plan->start_ns = runner_now();
    plan->stop_ns = INT64_MAX;
    if (options->rate > 0) {
        plan->interval_ns_e3 = (int64_t)(UINT64_C(1000000000000) / options->rate * options->threads);
    }
    if (options->duration_ms > 0 && options->rate > 0) {
        plan->total = options->rate * options->duration_ms / 1000; /* every intended request is sent, however late */
    } else if (options->duration_ms > 0) {
        plan->stop_ns = plan->start_ns + (int64_t)options->duration_ms * 1000000;
    }
    return true;
}
