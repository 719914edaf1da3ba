/* SPDX-License-Identifier: MPL-2.0
 *
 * /proc/net/tcp has the inodes of listening sockets, /proc/<pid>/fd who holds them: see holder.h.
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
#define LINK_SIZE 64

/* The inode of one socket that listens at the port, whatever its address: 0.0.0.0 keeps 127.0.0.1 busy, too. */
static uint64_t find_inode(const char *table, unsigned port)
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

/* Its first word, and its second when it is a worker of ours: "fairvisor-worker instance/slot". */
static void read_command(pid_t pid, char command[LINK_SIZE])
{
    char path[32];
    FILE *file;
    size_t size;

    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    file = fopen(path, "re");
    size = file ? fread(command, 1, LINK_SIZE - 1, file) : 0;
    command[size] = '\0';
    if (file)
        fclose(file);
    if (strcmp(command, "fairvisor-worker") == 0 && size > sizeof("fairvisor-worker"))
        command[sizeof("fairvisor-worker") - 1] = ' ';
    for (char *byte = command; *byte; byte++) /* it may call itself anything */
        if ((unsigned char)*byte < 0x20 || (unsigned char)*byte > 0x7e)
            *byte = '?';
}

const char *holder_find(const struct settings_listen *where, char text[HOLDER_SIZE])
{
    uint64_t inode = where->is_unix ? 0 : find_inode("/proc/net/tcp", where->port);
    char command[LINK_SIZE];
    pid_t pid;

    if (inode == 0 && !where->is_unix)
        inode = find_inode("/proc/net/tcp6", where->port);
    pid = inode != 0 ? find_process(inode) : 0;
    snprintf(text, HOLDER_SIZE, "another process");
    if (pid == 0)
        return text;
    read_command(pid, command);
    snprintf(text, HOLDER_SIZE, "process %d (%s%s)", (int)pid, command,
             strncmp(command, "fairvisor-worker ", 17) == 0
                 ? ", which a master that is gone may have left behind: `kill -QUIT`, to each of them, lets it finish and leave"
                 : "");
    return text;
}
