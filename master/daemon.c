/* SPDX-License-Identifier: MPL-2.0
 *
 * fork(2), setsid(2), and a pipe on which the start's outcome is awaited.
 */
#include "master/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/master.h"

/* One byte means ready; the end without it, that the start has failed. */
static void wait_and_exit(pid_t pid, int report_fd)
{
    char ready;
    ssize_t got;
    int status;

    do
        got = read(report_fd, &ready, 1);
    while (got < 0 && errno == EINTR);
    if (got == 1)
        _exit(EXIT_CODE_OK);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            _exit(EXIT_CODE_OUR_BUG);
    _exit(WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : EXIT_CODE_OUR_BUG);
}

bool daemon_detach(struct master *master, struct failure *failure)
{
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return failure_set_errno(failure, EXIT_CODE_OS, "the service could not go to the background");
    pid = fork();
    if (pid < 0)
        return failure_set_errno(failure, EXIT_CODE_OS, "the service could not go to the background");
    if (pid > 0) {
        close(ends[1]);
        wait_and_exit(pid, ends[0]);
    }
    close(ends[0]);
    setsid();
    master->daemon_fd = ends[1];
    return true;
}

void daemon_report_ready(struct master *master)
{
    const char ready = 1;
    int null_fd = master->crew.null_fd;

    if (master->daemon_fd < 0)
        return;
    dup2(null_fd, STDIN_FILENO);
    dup2(null_fd, STDOUT_FILENO);
    dup3(null_fd, master->logsink.console_fd, O_CLOEXEC);
    (void)!write(master->daemon_fd, &ready, 1); /* nobody may be waiting any more */
    close(master->daemon_fd);
    master->daemon_fd = -1;
}
