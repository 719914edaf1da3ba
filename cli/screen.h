/* SPDX-License-Identifier: MPL-2.0
 *
 * A terminal that is drawn on: taken over with its alternate screen, given back as it was found, also when a signal ends the
 * process or stops it for a while. A frame is written at once and over the one before, so that nothing flickers.
 */
#ifndef FAIRVISOR_CLI_SCREEN_H
#define FAIRVISOR_CLI_SCREEN_H

#include <stdbool.h>
#include <stdio.h>

#include "shm/failure.h"
#include "shm/slice.h"

enum screen_event {
    SCREEN_NOTHING, /* the time is over */
    SCREEN_KEY,
    SCREEN_RESIZED, /* draw anew; also after the process was stopped and goes on */
    SCREEN_END,     /* a signal wants the process to end, or the terminal is gone */
};

struct screen {
    unsigned width, height;
    char *frame;
    size_t size;
    FILE *out; /* into the frame */
    unsigned column;
    char typed[16]; /* what was read of the keyboard; from typed_at on it is not taken yet */
    size_t typed_at, typed_size;
};

/* Takes the terminal of standard input and output over. EXIT_CODE_USAGE when they are none. */
bool screen_open(struct screen *screen, struct failure *failure);

/* Gives it back. Whoever got SCREEN_END does not come back from here: it ends by the signal it was sent, SIGHUP when the
 * terminal is gone. */
void screen_close(struct screen *screen);

/* Waits for the next event, at most TIMEOUT_MS; *KEY is the letter. Arrow keys are 'k' (up) and 'j' (down). */
enum screen_event screen_wait(struct screen *screen, int timeout_ms, char *key);

/* A frame: begin, texts and line ends, end. What is wider than the terminal is cut. */
void screen_begin(struct screen *screen);
void screen_put(struct screen *screen, struct slice text);
void screen_print(struct screen *screen, const char *format, ...) __attribute__((format(printf, 2, 3)));
void screen_style(struct screen *screen, const char *escape); /* takes no room */
void screen_end_line(struct screen *screen);
bool screen_end(struct screen *screen); /* false: as SCREEN_END */

#endif
