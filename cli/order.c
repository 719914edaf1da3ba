/* SPDX-License-Identifier: MPL-2.0
 *
 * connect -> one request -> one reply: see order.h.
 */
#include "cli/order.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "shm/write_whole.h"

#define CONNECT_SECONDS 10
#define ANSWER_MS       150000 /* longer than the master takes for anything */
#define PATIENCE_MS     3000   /* after which whoever waits is told why */

bool order_set_text(char *to, size_t size, struct slice text, const char *what, struct failure *failure)
{
    if (text.size >= size || (text.size > 0 && memchr(text.data, '\0', text.size)))
        return failure_set(failure, EXIT_CODE_USAGE, "%s is longer than %zu bytes", what, size - 1);
    if (text.size > 0)
        memcpy(to, text.data, text.size);
    to[text.size] = '\0';
    return true;
}

static bool refuse_connection(const struct settings *settings, const char *path, struct failure *failure)
{
    const char *hint = geteuid() == 0 ? "" : "; an instance that root started is reached as root";

    if (errno == EACCES || errno == EPERM)
        return failure_set(failure, EXIT_CODE_PERMISSION,
                           "you may not give orders to instance %s (%s): run this as root, or as the user that started "
                           "it", settings->instance, path);
    if (errno == ENOENT || errno == ECONNREFUSED)
        return failure_set(failure, EXIT_CODE_NOT_RUNNING, "instance %s is not running: nobody answers at %s; start it with "
                           "fairvisord, or give the settings with its runtime_dir by -c FILE%s", settings->instance, path, hint);
    if (errno == EAGAIN)
        return failure_set(failure, EXIT_CODE_OS, "the master of instance %s has no time: too many orders wait at %s",
                           settings->instance, path);
    return failure_set_errno(failure, EXIT_CODE_OS, "the master of instance %s cannot be reached at %s",
                             settings->instance, path);
}

/* A folder that a stranger made, in a place where everybody may make one, is no door of ours: an order would tell him what only the
 * service should know. Root gives orders to the service of whoever the folder belongs to. */
static bool is_ours(int fd, const struct settings *settings)
{
    struct ucred who;
    socklen_t size = sizeof(who);
    struct stat folder;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
        return false;
    if (who.uid == 0 || who.uid == geteuid())
        return true;
    return geteuid() == 0 && lstat(settings->runtime_dir, &folder) == 0 && S_ISDIR(folder.st_mode) &&
           folder.st_uid == who.uid;
}

static int open_door(const struct settings *settings, struct failure *failure)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = CONNECT_SECONDS};
    int fd;

    if (!door_path(settings, address.sun_path)) {
        failure_set(failure, EXIT_CODE_BAD_CONFIG, "runtime_dir %s is too long for a socket in it",
                    settings->runtime_dir);
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
        if (is_ours(fd, settings))
            return fd;
        failure_set(failure, EXIT_CODE_PERMISSION,
                    "the socket %s was made by somebody else than you or root: nothing was sent to it", address.sun_path);
        close(fd);
        return -1;
    }
    refuse_connection(settings, address.sun_path, failure);
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool judge(const struct door_reply *reply, ssize_t got, struct failure *failure)
{
    if (got < (ssize_t)offsetof(struct door_reply, changed) || reply->magic != DOOR_MAGIC ||
        !memchr(reply->sentence, '\0', sizeof(reply->sentence)))
        return failure_set(failure, EXIT_CODE_OS,
                           "the service ended the conversation, or is of another version: see its log");
    if (reply->code != EXIT_CODE_OK)
        return failure_set(failure, (enum exit_code)reply->code, "%s", reply->sentence);
    if (reply->version != DOOR_VERSION || got != (ssize_t)sizeof(*reply))
        return failure_set(failure, EXIT_CODE_OS, "the running service is of another version");
    return true;
}

/* BUNDLE_FD goes along when it is not -1. */
static bool send_request(int fd, const struct door_request *request, int bundle_fd)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = ""};
    struct iovec part = {.iov_base = (void *)(uintptr_t)request, .iov_len = sizeof(*request)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (bundle_fd >= 0) {
        message.msg_control = control.room;
        message.msg_controllen = sizeof(control.room);
        *CMSG_FIRSTHDR(&message) = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &bundle_fd, sizeof(int));
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL) == (ssize_t)sizeof(*request);
}

/* A master that is stopped, or whose disk is stuck, takes no order and refuses none. */
static bool wait_for_answer(int fd, const char *instance, struct failure *failure)
{
    struct pollfd answer = {.fd = fd, .events = POLLIN};

    if (poll(&answer, 1, PATIENCE_MS) == 1)
        return true;
    fprintf(stderr,
            "fairvisor: the master of instance %s has not answered yet: it may be reloading, or be stopped; waiting for up to "
            "%d s\n",
            instance, ANSWER_MS / 1000);
    if (poll(&answer, 1, ANSWER_MS - PATIENCE_MS) == 1)
        return true;
    return failure_set(failure, EXIT_CODE_OS,
                       "the master of instance %s does not answer: it is stopped, or hangs, and may follow the order later; see its "
                       "log, and what became of the order", instance);
}

static bool talk(int fd, const char *instance, struct door_request *request, int bundle_fd, struct door_reply *reply,
                 struct failure *failure)
{
    request->magic = DOOR_MAGIC;
    request->version = DOOR_VERSION;
    request->size = sizeof(*request);
    if (!send_request(fd, request, bundle_fd))
        return failure_set_errno(failure, EXIT_CODE_OS, "the order could not be sent");
    return wait_for_answer(fd, instance, failure) && judge(reply, recv(fd, reply, sizeof(*reply), 0), failure);
}

static bool send_order(const struct settings *settings, struct door_request *request, int bundle_fd,
                       struct door_reply *reply, struct failure *failure)
{
    int fd = open_door(settings, failure);
    bool is_done;

    *reply = (struct door_reply){.code = EXIT_CODE_OK};
    if (fd < 0)
        return false;
    is_done = talk(fd, settings->instance, request, bundle_fd, reply, failure);
    close(fd);
    return is_done;
}

bool order_send(const struct settings *settings, struct door_request *request, struct door_reply *reply,
                struct failure *failure)
{
    return send_order(settings, request, -1, reply, failure);
}

static bool fill_memory(int fd, struct slice bytes)
{
    return write_whole(fd, bytes.data, bytes.size) &&
           fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0;
}

bool order_send_bundle(const struct settings *settings, struct door_request *request, struct slice bytes,
                       struct door_reply *reply, struct failure *failure)
{
    int fd = memfd_create("fairvisor-bundle", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    bool is_done;

    if (fd >= 0 && fill_memory(fd, bytes))
        is_done = send_order(settings, request, fd, reply, failure);
    else
        is_done = failure_set_errno(failure, EXIT_CODE_OS, "the bundle cannot be handed over");
    if (fd >= 0)
        close(fd);
    return is_done;
}
