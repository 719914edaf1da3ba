/* SPDX-License-Identifier: MPL-2.0
 *
 * Terminal: see screen.h. Plain ECMA-48 sequences that every terminal of the last decades knows; no library.
 */
#include "cli/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

#include "shm/moment.h"
#include "shm/utf8.h"

#define ENTER "\033[?1049h\033[?25l\033[?7l\033[2J" /* alternate screen, no cursor, no wrapping */
#define LEAVE "\033[0m\033[?7h\033[?25h\033[?1049l"

/* What signal handlers say, and what they have to give back: there is one terminal. */
static struct {
    struct termios before;
    int out; /* never waits: a terminal that takes nothing (Ctrl-S) must not keep signals out */
    volatile sig_atomic_t ended_by; /* the signal; 0: none yet */
    volatile sig_atomic_t was_resized, wants_stop;
} terminal = {.out = STDOUT_FILENO};

static void on_signal(int number)
{
    if (number == SIGWINCH)
        terminal.was_resized = 1;
    else if (number == SIGTSTP)
        terminal.wants_stop = 1;
    else
        terminal.ended_by = number;
}

/* A terminal that is gone is what SIGHUP says, also where nobody sends it. */
static bool hang_up(void)
{
    if (terminal.ended_by == 0)
        terminal.ended_by = SIGHUP;
    return false;
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
    sigprocmask(SIG_BLOCK, &blocked, NULL); /* they come while wait_for waits, and only then */
}

/* Waits until FD is ready, a signal comes, or TIMEOUT (NULL: never) is over. Returns the ready events. */
static short wait_for(int fd, short events, const struct timespec *timeout)
{
    struct pollfd one = {.fd = fd, .events = events};
    sigset_t none;

    sigemptyset(&none);
    return ppoll(&one, 1, timeout, &none) == 1 ? one.revents : 0;
}

/* false: the terminal is gone, or a signal ended the wait for one that takes nothing. */
static bool send_all(const char *text, size_t size)
{
    while (size > 0) {
        ssize_t sent = write(terminal.out, text, size);

        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return hang_up();
        if (sent < 0 && terminal.ended_by == 0)
            wait_for(terminal.out, POLLOUT, NULL);
        if (sent < 0 && terminal.ended_by != 0)
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
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    send_all(ENTER, strlen(ENTER));
}

/* Also in the background, where touching the terminal would stop the process. */
static void leave(void)
{
    sigset_t background, before;

    sigemptyset(&background);
    sigaddset(&background, SIGTTOU);
    sigprocmask(SIG_BLOCK, &background, &before);
    send_all(LEAVE, strlen(LEAVE));
    tcsetattr(STDIN_FILENO, TCSANOW, &terminal.before);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

/* The same terminal, opened once more: whoever else has it open is not told to never wait. */
static void open_out(void)
{
    const char *name = ttyname(STDOUT_FILENO);
    int fd = name ? open(name, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;

    terminal.out = fd >= 0 ? fd : STDOUT_FILENO;
}

bool screen_open(struct screen *screen, struct failure *failure)
{
    *screen = (struct screen){.width = 0};
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &terminal.before) != 0)
        return failure_set(failure, EXIT_CODE_USAGE,
                           "standard input and output must be a terminal; with --once it prints and ends");
    watch_signals();
    open_out();
    measure(screen);
    enter();
    return true;
}

/* As whoever started the process expects it of one that was ended. It is no crash: no core is left of what was shown. */
static void end_by(int number)
{
    static const struct rlimit nothing = {0, 0};
    sigset_t only;

    setrlimit(RLIMIT_CORE, &nothing);
    signal(number, SIG_DFL);
    sigemptyset(&only);
    sigaddset(&only, number);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    raise(number);
}

void screen_close(struct screen *screen)
{
    leave();
    if (terminal.out != STDOUT_FILENO)
        close(terminal.out);
    free(screen->frame);
    screen->frame = NULL;
    if (terminal.ended_by != 0)
        end_by(terminal.ended_by);
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

    if (got < 0 && errno != EINTR && errno != EAGAIN)
        hang_up();
    screen->typed_at = 0;
    screen->typed_size = got > 0 ? (size_t)got : 0;
}

enum screen_event screen_wait(struct screen *screen, int timeout_ms, char *key)
{
    struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
    short ready = 0;

    if (!terminal.was_resized && !has_typed(screen))
        ready = wait_for(STDIN_FILENO, POLLIN, &timeout);
    if (ready & (POLLHUP | POLLERR | POLLNVAL))
        hang_up();
    if (terminal.wants_stop && terminal.ended_by == 0)
        stop_for_a_while();
    if (ready & POLLIN && terminal.ended_by == 0)
        read_keys(screen);
    if (terminal.ended_by != 0)
        return SCREEN_END;
    if (terminal.was_resized) {
        terminal.was_resized = 0;
        measure(screen);
        return SCREEN_RESIZED;
    }
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
    /* In a line that is full the cursor stands on its last letter, which an erasure would take away. */
    if (screen->out)
        fputs(screen->column < screen->width ? "\033[0m\033[K\r\n" : "\033[0m\r\n", screen->out);
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
