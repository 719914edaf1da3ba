/* SPDX-License-Identifier: MPL-2.0
 *
 * /proc/net/tcp and /proc/net/unix have the inodes of listening sockets, /proc/<pid>/fd who holds them: see holder.h.
 */
#include "master/holder.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shm/quantity.h"

#define LISTENING "0A" /* TCP_LISTEN, as the kernel prints it */
#define ACCEPTS (1u << 16) /* __SO_ACCEPTCON, the same for unix sockets */
#define LINK_SIZE 64

#define MASTER "fairvisord"
#define WORKER "fairvisor-worker"
#define QUIT   "with its settings and `fairvisord -s quit`"

/* The inode of one socket that listens at the port, whatever its address: 0.0.0.0 keeps 127.0.0.1 busy, too. */
static uint64_t find_tcp_inode(const char *table, unsigned port)
{
    FILE *file = fopen(table, "re");
    char line[512], state[3];
    unsigned found;
    uint64_t inode = 0, one;

    while (file && inode == 0 && fgets(line, sizeof(line), file))
        if (sscanf(line, " %*[^:]: %*[0-9A-F]:%x %*s %2s %*s %*s %*s %*s %*s %" SCNu64, &found, state, &one) == 3 &&
            found == port && strcmp(state, LISTENING) == 0)
            inode = one;
    if (file)
        fclose(file);
    return inode;
}

/* The same for a unix socket, by the path that it was bound to. */
static uint64_t find_unix_inode(const char *wanted)
{
    FILE *file = fopen("/proc/net/unix", "re");
    char line[512], path[SETTINGS_UNIX_SIZE];
    unsigned flags;
    uint64_t inode = 0, one;

    while (file && inode == 0 && fgets(line, sizeof(line), file))
        if (sscanf(line, " %*[^:]: %*x %*x %x %*x %*x %" SCNu64 " %107[^\n]", &flags, &one, path) == 3 &&
            (flags & ACCEPTS) != 0 && strcmp(path, wanted) == 0)
            inode = one;
    if (file)
        fclose(file);
    return inode;
}

static uint64_t find_inode(const struct settings_listen *where)
{
    uint64_t inode;

    if (where->is_unix)
        return find_unix_inode(where->path);
    inode = find_tcp_inode("/proc/net/tcp", where->port);
    return inode != 0 ? inode : find_tcp_inode("/proc/net/tcp6", where->port);
}

static bool holds(const char *pid, const char *wanted)
{
    char folder[32 + NAME_MAX], path[64 + 2 * NAME_MAX], target[LINK_SIZE];
    struct dirent *entry;
    bool is_held = false;
    DIR *fds;

    snprintf(folder, sizeof(folder), "/proc/%s/fd", pid);
    fds = opendir(folder);
    while (fds && !is_held && (entry = readdir(fds))) {
        ssize_t size;

        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        size = readlink(path, target, sizeof(target) - 1);
        target[size > 0 ? size : 0] = '\0';
        is_held = strcmp(target, wanted) == 0;
    }
    if (fds)
        closedir(fds);
    return is_held;
}

/* PID 0: nobody that we may look at. */
static pid_t find_process(uint64_t inode)
{
    char wanted[LINK_SIZE];
    DIR *processes = opendir("/proc");
    struct dirent *entry;
    uint64_t number;
    pid_t pid = 0;

    snprintf(wanted, sizeof(wanted), "socket:[%" PRIu64 "]", inode);
    while (processes && pid == 0 && (entry = readdir(processes)))
        if (quantity_parse_count(slice_of(entry->d_name), &number) && number <= INT_MAX && (pid_t)number != getpid() &&
            holds(entry->d_name, wanted))
            pid = (pid_t)number;
    if (processes)
        closedir(processes);
    return pid;
}

/* How many bytes of PATH are in TEXT, behind which is a NUL. */
static size_t read_start(const char *path, char *text, size_t room)
{
    FILE *file = fopen(path, "re");
    size_t size = file ? fread(text, 1, room - 1, file) : 0;

    text[size] = '\0';
    if (file)
        fclose(file);
    return size;
}

/* Its first word, and its second when it is a worker of ours: "fairvisor-worker instance/slot". */
static void read_command(pid_t pid, char command[LINK_SIZE])
{
    char path[32];
    size_t size;

    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    size = read_start(path, command, LINK_SIZE);
    if (strcmp(command, WORKER) == 0 && size > sizeof(WORKER))
        command[sizeof(WORKER) - 1] = ' ';
    for (char *byte = command; *byte; byte++) /* it may call itself anything */
        if ((unsigned char)*byte < 0x20 || (unsigned char)*byte > 0x7e)
            *byte = '?';
}

/* Whose child a worker is, while its master lives: 0 when that one is gone. */
static pid_t find_master(pid_t worker)
{
    char path[32], stat[512] = "", name[32] = "";
    const char *behind_name;
    int parent = 0;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)worker);
    read_start(path, stat, sizeof(stat));
    behind_name = strrchr(stat, ')');
    if (!behind_name || sscanf(behind_name, ") %*c %d", &parent) != 1 || parent <= 0)
        return 0;
    snprintf(path, sizeof(path), "/proc/%d/comm", parent);
    read_start(path, name, sizeof(name));
    return strncmp(name, MASTER, strlen(MASTER)) == 0 ? parent : 0;
}

static bool is_master(const char *command)
{
    const char *slash = strrchr(command, '/');

    return strncmp(slash ? slash + 1 : command, MASTER, strlen(MASTER)) == 0;
}

const char *holder_find(const struct settings_listen *where, char text[HOLDER_SIZE])
{
    uint64_t inode = find_inode(where);
    char command[LINK_SIZE];
    bool is_worker;
    pid_t pid, master;

    pid = inode != 0 ? find_process(inode) : 0;
    snprintf(text, HOLDER_SIZE, "another process: stop that one");
    if (pid == 0)
        return text;
    read_command(pid, command);
    is_worker = strncmp(command, WORKER " ", strlen(WORKER " ")) == 0;
    master = is_worker ? find_master(pid) : is_master(command) ? pid : 0;
    if (is_worker && master == 0)
        snprintf(text, HOLDER_SIZE, "process %d (%s), which a master that is gone left behind: `kill -QUIT`, to each of its "
                 "workers, lets them finish and leave", (int)pid, command);
    else if (is_worker)
        snprintf(text, HOLDER_SIZE, "process %d (%s), whose master is process %d: stop that instance, " QUIT, (int)pid,
                 command, (int)master);
    else
        snprintf(text, HOLDER_SIZE, "process %d (%s): stop %s", (int)pid, command,
                 master != 0 ? "that instance, " QUIT : "that one");
    return text;
}
