/* SPDX-License-Identifier: MPL-2.0
 *
 * Terminal: see screen.h. Plain ECMA-48 sequences that every terminal of the last decades knows; no library.
 */
#include "cli/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "shm/moment.h"
#include "shm/utf8.h"

#define ENTER "\033[?1049h\033[?25l\033[?7l\033[2J" /* alternate screen, no cursor, no wrapping */
#define LEAVE "\033[0m\033[?7h\033[?25h\033[?1049l"

/* What signal handlers say, and what they have to give back: there is one terminal. */
static struct {
    struct termios before;
    volatile sig_atomic_t wants_end, was_resized, wants_stop;
} terminal;

static void on_signal(int number)
{
    if (number == SIGWINCH)
        terminal.was_resized = 1;
    else if (number == SIGTSTP)
        terminal.wants_stop = 1;
    else
        terminal.wants_end = 1;
}

static void watch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH};
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t blocked;

    sigemptyset(&action.sa_mask);
    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        sigaction(numbers[i], &action, NULL);
        sigaddset(&blocked, numbers[i]);
    }
    sigprocmask(SIG_BLOCK, &blocked, NULL); /* they come while screen_wait waits, and only then */
}

static bool send_all(const char *text, size_t size)
{
    while (size > 0) {
        ssize_t sent = write(STDOUT_FILENO, text, size);

        if (sent < 0 && errno == EAGAIN) {
            struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

            poll(&out, 1, 1000);
            continue;
        }
        if (sent < 0 && errno != EINTR)
            return false;
        text += sent > 0 ? sent : 0;
        size -= sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

static void measure(struct screen *screen)
{
    struct winsize size;
    bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;

    screen->width = is_known ? size.ws_col : 80;
    screen->height = is_known ? size.ws_row : 24;
}

static void enter(void)
{
    struct termios raw = terminal.before;

    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO); /* keys at once; Ctrl-C and Ctrl-Z stay signals */
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    send_all(ENTER, strlen(ENTER));
}

static void leave(void)
{
    send_all(LEAVE, strlen(LEAVE));
    tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal.before);
}

bool screen_open(struct screen *screen, struct failure *failure)
{
    *screen = (struct screen){.width = 0};
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &terminal.before) != 0)
        return failure_set(failure, EXIT_CODE_USAGE,
                           "standard input and output must be a terminal; with --once it prints and ends");
    watch_signals();
    measure(screen);
    enter();
    return true;
}

void screen_close(struct screen *screen)
{
    leave();
    free(screen->frame);
    screen->frame = NULL;
}

/* As the shell expects it: the terminal is whole while the process is stopped. */
static void stop_for_a_while(void)
{
    terminal.wants_stop = 0;
    leave();
    kill(getpid(), SIGSTOP);
    enter();
    terminal.was_resized = 1;
}

/* "\033[A" and "\033OA" are arrows; what else begins with an escape is passed over. Whoever types faster than the screen is
 * drawn has several keys in one read: the others wait for the next calls. */
static char take_key(struct screen *screen)
{
    const char *bytes = screen->typed + screen->typed_at;
    size_t size = screen->typed_size - screen->typed_at;

    if (bytes[0] != '\033') {
        screen->typed_at++;
        return bytes[0];
    }
    if (size < 3 || (bytes[1] != '[' && bytes[1] != 'O')) {
        screen->typed_at = screen->typed_size;
        return '\0';
    }
    screen->typed_at += 3;
    return bytes[2] == 'A' ? 'k' : bytes[2] == 'B' ? 'j' : '\0';
}

static bool has_typed(const struct screen *screen)
{
    return screen->typed_at < screen->typed_size;
}

static void read_keys(struct screen *screen)
{
    ssize_t got = read(STDIN_FILENO, screen->typed, sizeof(screen->typed));

    screen->typed_at = 0;
    screen->typed_size = got > 0 ? (size_t)got : 0;
}

enum screen_event screen_wait(struct screen *screen, int timeout_ms, char *key)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
    sigset_t none;
    int ready;

    sigemptyset(&none);
    ready = terminal.was_resized || has_typed(screen) ? 0 : ppoll(&input, 1, &timeout, &none);

    if (terminal.wants_stop)
        stop_for_a_while();
    if (terminal.wants_end || (ready == 1 && (input.revents & (POLLHUP | POLLERR | POLLNVAL))))
        return SCREEN_END;
    if (terminal.was_resized) {
        terminal.was_resized = 0;
        measure(screen);
        return SCREEN_RESIZED;
    }
    if (ready == 1)
        read_keys(screen);
    if (!has_typed(screen))
        return SCREEN_NOTHING;
    *key = take_key(screen);
    return *key ? SCREEN_KEY : SCREEN_NOTHING;
}

/* ---- a frame ------------------------------------------------------------------------------------------------------ */

void screen_begin(struct screen *screen)
{
    free(screen->frame);
    screen->frame = NULL;
    screen->column = 0;
    screen->out = open_memstream(&screen->frame, &screen->size);
    if (screen->out)
        fputs("\033[H", screen->out);
}

void screen_put(struct screen *screen, struct slice text)
{
    while (screen->out && text.size > 0 && screen->column < screen->width) {
        size_t size = utf8_size(text), used = size ? size : 1;

        if (size == 0 || utf8_is_control(text.data, size))
            fputc('?', screen->out);
        else
            fwrite(text.data, 1, size, screen->out);
        screen->column++;
        text = (struct slice){text.data + used, text.size - used};
    }
}

void screen_print(struct screen *screen, const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    screen_put(screen, slice_of(text));
}

void screen_style(struct screen *screen, const char *escape)
{
    if (screen->out)
        fputs(escape, screen->out);
}

void screen_end_line(struct screen *screen)
{
    if (screen->out)
        fputs("\033[0m\033[K\r\n", screen->out);
    screen->column = 0;
}

bool screen_end(struct screen *screen)
{
    if (!screen->out)
        return true; /* memory is out: the frame before stays */
    fputs("\033[0m\033[K\033[J", screen->out);
    if (fclose(screen->out) != 0)
        return true;
    screen->out = NULL;
    return send_all(screen->frame, screen->size);
}
