/* SPDX-License-Identifier: MPL-2.0
 *
 * One datagram for each message, as sd_notify(3) describes: "NAME=value" lines to the socket that NOTIFY_SOCKET names.
 * A manager that does not listen is no reason to stop serving.
 */
#include "master/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void send_message(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void send_message(const char *format, ...)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char message[1024];
    size_t length = path ? strlen(path) : 0;
    va_list arguments;
    int fd, size;

    if (length < 2 || length >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
        return;
    va_start(arguments, format);
    size = vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    if (size <= 0 || (size_t)size >= sizeof(message))
        return;
    memcpy(address.sun_path, path, length);
    if (path[0] == '@')
        address.sun_path[0] = '\0'; /* the abstract name space of unix(7) */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    (void)!sendto(fd, message, (size_t)size, MSG_NOSIGNAL, (const struct sockaddr *)&address,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
    close(fd);
}

void notify_ready(const char *status)
{
    send_message("READY=1\nSTATUS=%s", status);
}

void notify_reloading(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    send_message("RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=Reloading",
                 (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

void notify_stopping(void)
{
    send_message("STOPPING=1\nSTATUS=Stopping");
}

void notify_main_pid(pid_t pid)
{
    send_message("MAINPID=%d", (int)pid);
}
