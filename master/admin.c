/* SPDX-License-Identifier: MPL-2.0
 *
 * accept -> who is it -> one request -> order.c -> one reply: see admin.h.
 */
#include "master/admin.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "master/master.h"
#include "master/order.h"
#include "shm/log.h"

#define ADMIN_BACKLOG 16

static void on_visitor(void *context, int fd);
static void on_door(void *context, int fd);

/* ---- visitors come and go ------------------------------------------------------------------------------------------ */

static struct admin_visitor *find_place(struct admin *admin)
{
    for (size_t i = 0; i < ADMIN_MAX_VISITORS; i++)
        if (admin->visitors[i].fd < 0 && admin->visitors[i].amend.pid == 0 &&
            &admin->visitors[i] != admin->pushing)
            return &admin->visitors[i];
    return NULL;
}

/* A door that is watched while nobody can be let in would wake the loop for ever. */
static void watch_door(struct admin *admin)
{
    bool can_enter = admin->fd >= 0 && admin->rests_until_ns == LOOP_NEVER && find_place(admin) != NULL;

    if (can_enter && !admin->is_watched)
        loop_watch(&admin->master->loop, admin->fd, on_door, admin);
    if (!can_enter && admin->is_watched)
        loop_unwatch(&admin->master->loop, admin->fd);
    admin->is_watched = can_enter;
}

static void send_away(struct admin_visitor *visitor)
{
    if (visitor->fd >= 0) {
        loop_unwatch(&visitor->admin->master->loop, visitor->fd);
        close(visitor->fd);
    }
    if (visitor->bundle_fd >= 0)
        close(visitor->bundle_fd);
    visitor->bundle_fd = -1;
    visitor->fd = -1;
    visitor->deadline_ns = LOOP_NEVER;
    watch_door(visitor->admin);
}

/* A record of this size fits into an empty socket: either it is sent at once, or nobody is there to read it. */
void admin_reply(struct admin_visitor *visitor, struct door_reply *answer)
{
    answer->magic = DOOR_MAGIC;
    answer->version = DOOR_VERSION;
    answer->size = sizeof(*answer);
    if (visitor->fd >= 0)
        send(visitor->fd, answer, sizeof(*answer), MSG_DONTWAIT | MSG_NOSIGNAL);
    send_away(visitor);
}

void admin_say(struct admin_visitor *visitor, enum exit_code code, const char *sentence)
{
    struct door_reply answer = {.code = code};

    snprintf(answer.sentence, sizeof(answer.sentence), "%s", sentence);
    admin_reply(visitor, &answer);
}

static bool may_enter(const struct ucred *who)
{
    return who->uid == 0 || who->uid == geteuid();
}

/* Whoever waits at the door goes on waiting, and would wake the loop without end. */
static void rest(struct admin *admin)
{
    log_errno(LOG_LEVEL_WARNING, "an order waits at %s, but cannot be let in for now", admin->path);
    admin->rests_until_ns = moment_now().boot_ns + ADMIN_REST_NS;
    watch_door(admin);
}

static void on_door(void *context, int fd)
{
    struct admin *admin = context;
    struct admin_visitor *visitor = find_place(admin);
    struct ucred who;
    socklen_t size = sizeof(who);
    int visiting = visitor ? accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) : -1;

    if (visitor && visiting < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
        rest(admin);
    if (visiting < 0)
        return;
    if (getsockopt(visiting, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 || !may_enter(&who)) {
        close(visiting);
        return;
    }
    visitor->fd = visiting;
    visitor->who = who;
    visitor->deadline_ns = moment_now().boot_ns + ADMIN_READ_NS;
    loop_watch(&admin->master->loop, visiting, on_visitor, visitor);
    watch_door(admin);
}

/* ---- what they want ------------------------------------------------------------------------------------------------ */

/* The kernel itself closes what there is no room for. */
static void take_descriptor(struct admin_visitor *visitor, struct msghdr *message)
{
    const struct cmsghdr *control = CMSG_FIRSTHDR(message);

    if (control && control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS &&
        control->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&visitor->bundle_fd, CMSG_DATA(control), sizeof(int));
}

static void on_visitor(void *context, int fd)
{
    struct admin_visitor *visitor = context;
    struct door_request *request = &visitor->request;
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {.iov_base = request, .iov_len = sizeof(*request)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = CMSG_LEN(sizeof(int))};
    ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (got >= 0)
        take_descriptor(visitor, &message);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got < (ssize_t)(3 * sizeof(uint32_t)) || request->magic != DOOR_MAGIC)
        return send_away(visitor);
    loop_unwatch(&visitor->admin->master->loop, fd); /* what else he may send is not read */
    if (request->version != DOOR_VERSION || request->size != sizeof(*request))
        admin_say(visitor, EXIT_CODE_OS,
                  "this command and the running service are of different versions: restart the service, or use its own "
                  "command");
    else if ((message.msg_flags & MSG_TRUNC) != 0 || !door_is_sane(request, (size_t)got))
        admin_say(visitor, EXIT_CODE_USAGE, "the request is malformed");
    else
        order_serve(visitor);
}

/* ---- time ---------------------------------------------------------------------------------------------------------- */

static int64_t next_time(void *context)
{
    const struct admin *admin = context;
    int64_t next = admin->rests_until_ns;

    for (size_t i = 0; i < ADMIN_MAX_VISITORS; i++)
        if (admin->visitors[i].deadline_ns < next)
            next = admin->visitors[i].deadline_ns;
    return next;
}

static void on_time(void *context, int64_t now)
{
    struct admin *admin = context;

    if (now >= admin->rests_until_ns) {
        admin->rests_until_ns = LOOP_NEVER;
        watch_door(admin);
    }
    for (size_t i = 0; i < ADMIN_MAX_VISITORS; i++) {
        struct admin_visitor *visitor = &admin->visitors[i];

        if (now < visitor->deadline_ns)
            continue;
        visitor->deadline_ns = LOOP_NEVER;
        if (visitor->amend.pid > 0)
            kill(visitor->amend.pid, SIGKILL); /* he is told when it has ended */
        else
            send_away(visitor);
    }
}

/* ---- the door itself ----------------------------------------------------------------------------------------------- */

void admin_init(struct admin *admin, struct master *master)
{
    *admin = (struct admin){.master = master, .fd = -1, .rests_until_ns = LOOP_NEVER};
    for (size_t i = 0; i < ADMIN_MAX_VISITORS; i++) {
        admin->visitors[i].admin = admin;
        admin->visitors[i].fd = -1;
        admin->visitors[i].bundle_fd = -1;
        admin->visitors[i].deadline_ns = LOOP_NEVER;
    }
    loop_add_clock(&master->loop, next_time, on_time, admin);
}

/* Under a name of its own first, then renamed: at no time is there a name without a door behind it, and a door is never
 * seen with another mode than its own. */
static bool bind_door(int fd, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s~", path);
    mode_t saved;
    bool is_bound;

    if (length < 0 || (size_t)length >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return false;
    }
    unlink(address.sun_path); /* of a master that died here */
    saved = umask(0177);
    is_bound = bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    umask(saved);
    return is_bound && listen(fd, ADMIN_BACKLOG) == 0 && rename(address.sun_path, path) == 0;
}

static bool make_door(struct admin *admin, struct failure *failure)
{
    admin->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (admin->fd < 0 || !bind_door(admin->fd, admin->path)) {
        failure_set_errno(failure, EXIT_CODE_OS, "the socket %s of fairvisor(1) could not be made", admin->path);
        if (admin->fd >= 0)
            close(admin->fd);
        admin->fd = -1;
        return false;
    }
    if (lstat(admin->path, &admin->named) != 0)
        memset(&admin->named, 0, sizeof(admin->named));
    watch_door(admin);
    return true;
}

bool admin_open(struct admin *admin, struct failure *failure)
{
    const struct settings *settings = &admin->master->serving.settings;

    audit_init(&admin->audit, &admin->master->arena, &admin->master->serving);
    if (!door_path(settings, admin->path))
        return failure_set(failure, EXIT_CODE_BAD_CONFIG,
                           "runtime_dir %s is too long for the socket of fairvisor(1) in it", settings->runtime_dir);
    return make_door(admin, failure);
}

static void close_door(struct admin *admin)
{
    if (admin->is_watched)
        loop_unwatch(&admin->master->loop, admin->fd);
    close(admin->fd);
    admin->fd = -1;
    admin->is_watched = false;
}

bool admin_take_back(struct admin *admin, struct failure *failure)
{
    struct stat found;

    if (admin->fd < 0 || (lstat(admin->path, &found) == 0 && found.st_dev == admin->named.st_dev &&
                          found.st_ino == admin->named.st_ino))
        return true;
    close_door(admin);
    return make_door(admin, failure);
}

void admin_close(struct admin *admin, bool keeps_name)
{
    if (admin->fd < 0)
        return;
    if (!keeps_name)
        unlink(admin->path);
    close_door(admin);
    for (size_t i = 0; i < ADMIN_MAX_VISITORS; i++)
        if (admin->visitors[i].amend.pid == 0)
            send_away(&admin->visitors[i]);
}
