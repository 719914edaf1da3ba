/* SPDX-License-Identifier: MPL-2.0
 *
 * Both sides of an upgrade: see upgrade.h.
 */
#include "master/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/master.h"
#include "master/notify.h"
#include "master/pidfile.h"
#include "shm/log.h"

void upgrade_report_ready(const struct letter *letter)
{
    const char word = LETTER_READY;

    if (write(letter->report_fd, &word, 1) != 1)
        log_errno(LOG_LEVEL_WARNING, "the old master (process %d) could not be told to go", (int)letter->pid);
    close(letter->report_fd);
}

/* ---- the old master ---------------------------------------------------------------------------------------------- */

static void restore_pidfile(const struct master *master)
{
    const char *path = master->serving.settings.pidfile;
    char old[SETTINGS_PATH_SIZE + 16];

    if (pidfile_old_name(path, old, sizeof(old)) && rename(old, path) != 0 && errno != ENOENT)
        log_errno(LOG_LEVEL_WARNING, "%s could not be renamed back to %s", old, path);
}

static void forget(struct master *master)
{
    struct upgrade *upgrade = &master->upgrade;

    if (upgrade->report_fd >= 0) {
        loop_unwatch(&master->loop, upgrade->report_fd);
        close(upgrade->report_fd);
    }
    upgrade->report_fd = -1;
}

void upgrade_hand_on(const struct master *master, int signal)
{
    if (master->upgrade.is_handed_over && master->upgrade.pid > 0)
        kill(master->upgrade.pid, signal);
}

/* What was wished for meanwhile is for who serves now: what it has read and opened may be of before. */
static void hand_on_wishes(struct master *master)
{
    if (master->wants_reload)
        upgrade_hand_on(master, SIGHUP);
    if (master->upgrade.wants_reopen)
        upgrade_hand_on(master, SIGUSR1);
    master->wants_reload = false;
}

/* It may have been known to others already: they must find us again, and what we serve. */
static void take_back(struct master *master)
{
    const char *pidfile = master->serving.settings.pidfile;
    const struct kept_note note = {.how = "start", .user = KEPT_USER_UNKNOWN};
    struct failure failure;

    restore_pidfile(master);
    if (pidfile_read(pidfile) != getpid() && !pidfile_write(pidfile, getpid(), &failure)) /* somebody had removed ours before */
        log_line(LOG_LEVEL_WARNING, "%s", failure.sentence);
    if (!pidfile_sign_lock(master->lock_fd, getpid()))
        log_errno(LOG_LEVEL_WARNING, "the lock file in %s could not be written", master->serving.settings.runtime_dir);
    if (!admin_take_back(&master->admin, &failure))
        log_line(LOG_LEVEL_ERROR, "%s; nothing can be changed with fairvisor(1) until the service is restarted", failure.sentence);
    master_publish(master);
    master_keep_bundle(master, 0, &note);
}

static void on_report(void *context, int fd)
{
    struct master *master = context;
    char word = 0;
    ssize_t got = read(fd, &word, 1);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    forget(master);
    if (got != 1 || word != LETTER_READY)
        return; /* its exit will tell why */
    log_line(LOG_LEVEL_NOTICE, "the new master (process %d) has taken over; this one drains and goes",
             (int)master->upgrade.pid);
    notify_main_pid(master->upgrade.pid);
    master->upgrade.is_handed_over = true;
    hand_on_wishes(master);
    master->stop = MASTER_STOP_GRACEFUL;
}

static void on_new_master_exit(void *context, pid_t pid, int status)
{
    struct master *master = context;

    master->upgrade.pid = 0;
    if (master->upgrade.is_handed_over)
        return;
    forget(master);
    take_back(master);
    log_line(LOG_LEVEL_ERROR, "the upgrade failed, this master goes on: the new one (process %d) ended with %s %d",
             (int)pid, WIFSIGNALED(status) ? "signal" : "code",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void collect_sockets(const struct listeners *listeners, struct letter *letter)
{
    letter->socket_count = 0;
    for (uint32_t i = 0; i < listeners->count; i++)
        for (uint32_t j = 0; j < listeners->rows[i].socket_count; j++)
            letter->sockets[letter->socket_count++] = listeners->rows[i].sockets[j];
}

static bool keep_open(int fd)
{
    return fcntl(fd, F_SETFD, 0) == 0;
}

static void run_child(const struct master *master, const struct letter *letter, char *text)
{
    bool is_open = keep_open(letter->lock_fd) && keep_open(letter->report_fd);

    for (size_t i = 0; i < letter->socket_count; i++)
        is_open = is_open && keep_open(letter->sockets[i]);
    if (!is_open || setenv(LETTER_VARIABLE, text, 1) != 0 || dup2(master->logsink.console_fd, STDERR_FILENO) < 0)
        _exit(EXIT_CODE_OS);
    loop_release_signals();
    execv(master->program, master->arguments);
    log_errno(LOG_LEVEL_ERROR, "%s could not be executed", master->program);
    _exit(EXIT_CODE_OS);
}

static bool rename_pidfile(const struct master *master)
{
    const char *path = master->serving.settings.pidfile;
    char old[SETTINGS_PATH_SIZE + 16];

    return pidfile_old_name(path, old, sizeof(old)) && (rename(path, old) == 0 || errno == ENOENT);
}

void upgrade_begin(struct master *master)
{
    struct upgrade *upgrade = &master->upgrade;
    struct letter letter = {.lock_fd = master->lock_fd, .generation = master->serving.number, .pid = getpid()};
    char text[LETTER_TEXT_SIZE];
    int ends[2];

    upgrade->wants_reopen = false;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        log_errno(LOG_LEVEL_ERROR, "the upgrade could not begin");
        return;
    }
    letter.report_fd = ends[1];
    listeners_drop_spares(&master->listeners);
    collect_sockets(&master->listeners, &letter);
    if (!letter_print(&letter, text, sizeof(text)) || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0 ||
        !rename_pidfile(master) || (upgrade->pid = loop_fork(&master->loop, on_new_master_exit, master)) < 0) {
        log_errno(LOG_LEVEL_ERROR, "the upgrade could not begin");
        upgrade->pid = 0;
        restore_pidfile(master);
        close(ends[0]);
        close(ends[1]);
        return;
    }
    if (upgrade->pid == 0)
        run_child(master, &letter, text);
    close(ends[1]);
    upgrade->report_fd = ends[0];
    loop_watch(&master->loop, ends[0], on_report, master);
    log_line(LOG_LEVEL_NOTICE, "upgrade: %s was started as process %d", master->program, (int)upgrade->pid);
}

void upgrade_cancel(struct master *master)
{
    struct upgrade *upgrade = &master->upgrade;

    if (upgrade->pid > 0 && !upgrade->is_handed_over)
        kill(upgrade->pid, SIGTERM);
    while (upgrade->pid > 0 && !upgrade->is_handed_over)
        loop_turn(&master->loop, LOOP_NEVER);
}
