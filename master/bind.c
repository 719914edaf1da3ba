/* SPDX-License-Identifier: MPL-2.0
 *
 * socket(2), bind(2), listen(2) with the options each kind of address needs, and a sentence for each way it can fail.
 */
#include "master/bind.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "master/holder.h"
#include "master/listeners.h"
#include "shm/loopback.h"
#include "shm/slice.h"

union any_address {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
    struct sockaddr_un local;
};

static socklen_t make_address(const struct settings_listen *where, union any_address *address)
{
    memset(address, 0, sizeof(*address));
    if (where->is_unix) {
        address->local.sun_family = AF_UNIX;
        memcpy(address->local.sun_path, where->path, sizeof(address->local.sun_path) - 1);
        return sizeof(address->local);
    }
    if (where->address.family == ADDRESS_IPV6) {
        address->ipv6.sin6_family = AF_INET6;
        address->ipv6.sin6_port = htons(where->port);
        memcpy(&address->ipv6.sin6_addr, where->address.bytes, 16);
        return sizeof(address->ipv6);
    }
    address->ipv4.sin_family = AF_INET;
    address->ipv4.sin_port = htons(where->port);
    memcpy(&address->ipv4.sin_addr, where->address.bytes, 4);
    return sizeof(address->ipv4);
}

/* Closes FD and words what errno means for somebody who has to get the service up. */
static int refuse(int fd, const struct settings_listen *where, struct failure *failure)
{
    char name[LISTENERS_NAME_SIZE], holder[HOLDER_SIZE];
    int saved = errno;

    if (fd >= 0)
        close(fd);
    listeners_print_name(where, name, sizeof(name));
    errno = saved;
    if (saved == EADDRINUSE)
        failure_set(failure, EXIT_CODE_OS,
                    "%s is in use by %s, or choose another address in `%s`", name,
                    holder_find(where, holder), where->is_ops ? "ops_listen" : "listen");
    else if (saved == EAFNOSUPPORT)
        failure_set(failure, EXIT_CODE_OS, "%s cannot be bound: this machine does not speak IPv6", name);
    else if (saved == EADDRNOTAVAIL)
        failure_set(failure, EXIT_CODE_OS, "%s cannot be bound: this machine has no such address%s", name,
                    !where->is_unix && where->address.family == ADDRESS_IPV6
                        ? "; with net.ipv6.conf.all.disable_ipv6 = 1, IPv6 is off" : "");
    else if (saved == EACCES)
        failure_set(failure, EXIT_CODE_PERMISSION, "%s cannot be bound: this user may not", name);
    else
        failure_set_errno(failure, EXIT_CODE_OS, "%s cannot be bound", name);
    return -1;
}

static bool set_option(int fd, int level, int option)
{
    int on = 1;

    return setsockopt(fd, level, option, &on, sizeof(on)) == 0;
}

static int bind_address(const struct settings_listen *where, bool share, struct failure *failure)
{
    union any_address address;
    socklen_t size = make_address(where, &address);
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || !set_option(fd, SOL_SOCKET, SO_REUSEADDR) || (share && !set_option(fd, SOL_SOCKET, SO_REUSEPORT)) ||
        (address.any.sa_family == AF_INET6 && !set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY)) ||
        bind(fd, &address.any, size) != 0)
        return refuse(fd, where, failure);
    return fd;
}

bool bind_probe(const struct settings_listen *where, struct failure *failure)
{
    int fd = bind_address(where, false, failure);

    if (fd < 0)
        return false;
    close(fd);
    return true;
}

int bind_tcp(const struct settings_listen *where, struct failure *failure)
{
    int fd = bind_address(where, true, failure);

    if (fd >= 0)
        loopback_tune(fd, &where->address);
    if (fd >= 0 && listen(fd, LISTENERS_BACKLOG) != 0)
        return refuse(fd, where, failure);
    return fd;
}

/* Makes room for a socket file: true when there is none any more. */
static bool remove_stale_socket(const struct settings_listen *where, const union any_address *address,
                                struct failure *failure)
{
    struct stat facts;
    int fd, result;

    if (lstat(where->path, &facts) != 0) {
        if (errno == ENOENT)
            return true;
        refuse(-1, where, failure);
        return false;
    }
    if (!S_ISSOCK(facts.st_mode))
        return failure_set(failure, EXIT_CODE_OS, "unix:%s cannot be bound: there is a file that is not a socket",
                           where->path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        refuse(-1, where, failure);
        return false;
    }
    result = connect(fd, &address->any, sizeof(address->local));
    if (result == 0 || errno != ECONNREFUSED) { /* EAGAIN: somebody listens and has a full backlog */
        errno = EADDRINUSE;
        refuse(fd, where, failure);
        return false;
    }
    close(fd);
    if (unlink(where->path) == 0 || errno == ENOENT)
        return true;
    refuse(-1, where, failure);
    return false;
}

bool bind_set_mode(const char *path, unsigned mode)
{
    char name[32]; /* chmod(2) of a path would follow a link that others have put there */
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), error = 0;
    struct stat facts;

    if (fd < 0)
        return false;
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    if (fstat(fd, &facts) == 0 && !S_ISSOCK(facts.st_mode))
        error = ENOTSOCK;
    else if (chmod(name, (mode_t)mode) != 0)
        error = errno;
    close(fd);
    errno = error;
    return error == 0;
}

int bind_unix(const struct settings_listen *where, unsigned mode, const struct privileges *privileges,
              struct failure *failure)
{
    union any_address address;
    mode_t saved;
    int fd, result;

    make_address(where, &address);
    if (!remove_stale_socket(where, &address, failure))
        return -1;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return refuse(fd, where, failure);
    saved = umask(0777); /* nobody gets in before owner and mode are right */
    result = bind(fd, &address.any, sizeof(address.local));
    umask(saved);
    if (result != 0)
        return refuse(fd, where, failure);
    /* By no name that others could have pointed elsewhere meanwhile. */
    if ((privileges->must_drop && lchown(where->path, privileges->uid, privileges->gid) != 0) ||
        !bind_set_mode(where->path, mode) || listen(fd, LISTENERS_BACKLOG) != 0) {
        int cause = errno;

        unlink(where->path);
        errno = cause;
        return refuse(fd, where, failure);
    }
    return fd;
}

/* A classic BPF program of the group picks the socket by its index, which is the order of listen(2). */
void bind_steer(int fd, uint32_t count)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM)),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, count),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

    (void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program));
}

void bind_unsteer(int fd, uint32_t all)
{
    int none = 0;

    if (setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &none, sizeof(none)) != 0 && errno != ENOENT)
        bind_steer(fd, all); /* before 5.3 a program can only be replaced */
}

static bool describe_unix(const struct sockaddr_un *local, socklen_t size, struct settings_listen *where)
{
    size_t length;

    if (size <= sizeof(local->sun_family) || local->sun_path[0] == '\0')
        return false;
    length = strnlen(local->sun_path, size - sizeof(local->sun_family));
    if (length >= sizeof(where->path))
        return false;
    where->is_unix = true;
    memcpy(where->path, local->sun_path, length);
    return true;
}

bool bind_describe(int fd, struct settings_listen *where)
{
    union any_address address;
    socklen_t size = sizeof(address), flag_size = sizeof(int);
    int is_listening = 0;

    *where = (struct settings_listen){0};
    memset(&address, 0, sizeof(address));
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &flag_size) != 0 || !is_listening ||
        getsockname(fd, &address.any, &size) != 0)
        return false;
    if (address.any.sa_family == AF_UNIX)
        return describe_unix(&address.local, size, where);
    where->port = ntohs(address.any.sa_family == AF_INET6 ? address.ipv6.sin6_port : address.ipv4.sin_port);
    address_from_sockaddr(&address.any, &where->address);
    return where->address.family != ADDRESS_NONE;
}
