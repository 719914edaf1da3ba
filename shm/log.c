/* SPDX-License-Identifier: MPL-2.0
 *
 * Formats a line on the stack and hands it to fd 2 with one write(2). What is logged may come from clients, so control
 * bytes and broken UTF-8 never reach the line as they are. A line that cannot be written at once is counted, never
 * waited for.
 */
#include "shm/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shm/moment.h"
#include "shm/utf8.h"

#define WHO_SIZE      32
#define SENTENCE_SIZE 3072
#define CAUSE_SIZE    256 /* of errno */

/* The one exception to "no globals": what every line of this process begins with. */
static struct {
    char who[WHO_SIZE];
    enum log_level level;
    bool json;
    _Atomic uint64_t dropped;
    _Atomic bool is_failing;
} log_state = {.who = "fairvisor", .level = LOG_LEVEL_INFO};

static const char *const level_names[] = {"error", "warning", "notice", "info", "debug"};

const char *log_level_name(enum log_level level)
{
    return (size_t)level < sizeof(level_names) / sizeof(level_names[0]) ? level_names[level] : NULL;
}

void log_init(const char *who, enum log_level level, bool json)
{
    snprintf(log_state.who, sizeof(log_state.who), "%s", who);
    log_state.level = level;
    log_state.json = json;
}

uint64_t log_dropped(void)
{
    return atomic_load_explicit(&log_state.dropped, memory_order_relaxed);
}

bool log_is_failing(void)
{
    return atomic_load_explicit(&log_state.is_failing, memory_order_relaxed);
}

bool log_is_torn(void)
{
    struct stat facts;
    char last = '\n';
    int fd;

    if (fstat(STDERR_FILENO, &facts) != 0 || !S_ISREG(facts.st_mode) || facts.st_size == 0)
        return false;
    fd = open("/proc/self/fd/2", O_RDONLY | O_CLOEXEC); /* fd 2 itself is for writing only */
    if (fd < 0)
        return false;
    if (pread(fd, &last, 1, facts.st_size - 1) != 1)
        last = '\n';
    close(fd);
    return last != '\n';
}

bool log_mend(void)
{
    return !log_is_torn() || write(STDERR_FILENO, "\n", 1) == 1;
}

/* Room for text; what does not fit marks the line as cut. */
struct line {
    char *data;
    size_t size, used;
    bool is_cut;
};

static void put(struct line *line, const char *bytes, size_t size)
{
    if (line->is_cut || size > line->size - line->used) {
        line->is_cut = true;
        return;
    }
    memcpy(line->data + line->used, bytes, size);
    line->used += size;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

static void put_time(struct line *line, int64_t wall_ns)
{
    time_t seconds = wall_ns / NANOSECONDS_PER_SECOND;
    int milliseconds = (int)(wall_ns % NANOSECONDS_PER_SECOND / 1000000);
    struct tm when;
    char text[80] = "";

    if (gmtime_r(&seconds, &when))
        snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", when.tm_year + 1900, when.tm_mon + 1,
                 when.tm_mday, when.tm_hour, when.tm_min, when.tm_sec, milliseconds);
    put_text(line, text);
}

static void put_escape(struct line *line, unsigned char byte, bool json)
{
    char text[8];

    if (byte == '\n' || byte == '\r' || byte == '\t')
        snprintf(text, sizeof(text), "\\%c", byte == '\n' ? 'n' : byte == '\r' ? 'r' : 't');
    else if (json)
        snprintf(text, sizeof(text), "\\u%04x", byte < 0x80 ? byte : 0xfffd);
    else
        snprintf(text, sizeof(text), "\\x%02x", byte);
    put_text(line, text);
}

static void put_point(struct line *line, uint32_t point)
{
    char text[12];

    snprintf(text, sizeof(text), "\\u%04x", point & 0xFFFF);
    put_text(line, text);
}

static void put_sentence(struct line *line, const char *sentence, bool json)
{
    struct slice rest = slice_of(sentence);

    while (rest.size > 0 && !line->is_cut) {
        size_t size = utf8_size(rest);

        if (json && size > 1 && utf8_is_control(rest.data, size)) {
            put_point(line, utf8_point(rest.data, size));
        } else if (size == 0 || utf8_is_control(rest.data, size)) {
            size = 1;
            put_escape(line, (unsigned char)rest.data[0], json);
        } else if (json && (rest.data[0] == '"' || rest.data[0] == '\\')) {
            char escaped[2] = {'\\', rest.data[0]};

            put(line, escaped, 2);
        } else {
            put(line, rest.data, size);
        }
        rest = (struct slice){rest.data + size, rest.size - size};
    }
}

/* CAUSE, which is "" or stands behind a colon, is kept when the sentence is cut. */
static size_t format_line(char out[LOG_LINE_SIZE], int64_t wall_ns, enum log_level level, const char *who, bool json,
                          const char *sentence, const char *cause)
{
    static const char ellipsis[] = "...";
    const char *level_name = log_level_name(level);
    char escaped[CAUSE_SIZE];
    struct line end = {.data = escaped, .size = sizeof(escaped)};
    struct line line = {.data = out};

    put_text(&end, cause[0] != '\0' ? ": " : "");
    put_sentence(&end, cause, json);
    line.size = LOG_LINE_SIZE - end.used - sizeof(ellipsis) - sizeof("\"}\n");
    put_text(&line, json ? "{\"time\":\"" : "");
    put_time(&line, wall_ns);
    put_text(&line, json ? "\",\"level\":\"" : " ");
    put_text(&line, level_name ? level_name : "unknown");
    put_text(&line, json ? "\",\"who\":\"" : " ");
    put_sentence(&line, who, json);
    put_text(&line, json ? "\",\"message\":\"" : ": ");
    put_sentence(&line, sentence, json);
    line.size = LOG_LINE_SIZE;
    if (line.is_cut) {
        line.is_cut = false;
        put_text(&line, ellipsis);
    }
    put(&line, end.data, end.used);
    put_text(&line, json ? "\"}\n" : "\n");
    return line.used;
}

size_t log_format(char out[LOG_LINE_SIZE], int64_t wall_ns, enum log_level level, const char *who, bool json,
                  const char *sentence)
{
    return format_line(out, wall_ns, level, who, json, sentence, "");
}

static void write_line(enum log_level level, const char *sentence, const char *cause)
{
    char line[LOG_LINE_SIZE];
    size_t size = format_line(line, moment_now().wall_ns, level, log_state.who, log_state.json, sentence, cause);
    ssize_t written;

    if (log_is_failing())
        (void)log_mend();
    do
        written = write(STDERR_FILENO, line, size);
    while (written < 0 && errno == EINTR);
    atomic_store_explicit(&log_state.is_failing, written != (ssize_t)size, memory_order_relaxed);
    if (written != (ssize_t)size)
        atomic_fetch_add_explicit(&log_state.dropped, 1, memory_order_relaxed);
}

/* A sentence cut by vsnprintf keeps a mark of it. */
static void mark_cut(char sentence[SENTENCE_SIZE], int length)
{
    if (length >= SENTENCE_SIZE)
        memcpy(sentence + SENTENCE_SIZE - 4, "...", 4);
}

void log_line(enum log_level level, const char *format, ...)
{
    int saved = errno;
    char sentence[SENTENCE_SIZE];
    va_list arguments;

    if (level > log_state.level)
        return;
    va_start(arguments, format);
    mark_cut(sentence, vsnprintf(sentence, sizeof(sentence), format, arguments));
    va_end(arguments);
    write_line(level, sentence, "");
    errno = saved;
}

void log_errno(enum log_level level, const char *format, ...)
{
    int saved = errno;
    char sentence[SENTENCE_SIZE];
    va_list arguments;

    if (level > log_state.level)
        return;
    va_start(arguments, format);
    mark_cut(sentence, vsnprintf(sentence, sizeof(sentence), format, arguments));
    va_end(arguments);
    write_line(level, sentence, strerror(saved));
    errno = saved;
}

bool log_is_due(int64_t *last, int64_t now, int64_t interval)
{
    if (*last != 0 && now - *last < interval)
        return false;
    *last = now;
    return true;
}
