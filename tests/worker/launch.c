/* SPDX-License-Identifier: MPL-2.0
 *
 * Runs one worker without a master, for tests and measurements: makes an arena, seals a bundle and the handoff, opens
 * the listening sockets, execs the worker, prints "ready" when it says so, and removes the arena when it has left.
 *
 *   launch WORKER BUNDLE SETTINGS      SETTINGS is a file as fairvisor.conf(5); its config_file is ignored
 *
 * SIGTERM and SIGQUIT are passed on; SIGUSR1 closes the lifeline, as the death of a master would. The exit code is the
 * worker's.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/arena.h"
#include "shm/handoff.h"
#include "shm/sealed.h"

#define TEMPORARY_FD 200 /* above all the descriptors that a worker is given */
#define DIGEST       "0000000000000000000000000000000000000000000000000000000000000000"

static void die(const char *what)
{
    fprintf(stderr, "launch: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Moves FD out of the way of the worker's numbers. */
static int lift(int fd)
{
    int lifted = fcntl(fd, F_DUPFD_CLOEXEC, TEMPORARY_FD);

    if (fd < 0 || lifted < 0)
        die("descriptor");
    close(fd);
    return lifted;
}

static int listen_unix(const struct settings_listen *listen_on)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", listen_on->path);
    unlink(address.sun_path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 511))
        die(listen_on->path);
    return fd;
}

static int listen_tcp(const struct settings_listen *listen_on)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(listen_on->port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    memcpy(&address.sin_addr, listen_on->address.bytes, sizeof(address.sin_addr));
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 511))
        die("listen");
    return fd;
}

static int seal_bundle(const char *path)
{
    static char bytes[1 << 20];
    FILE *file = fopen(path, "r");
    size_t size;

    if (!file)
        die(path);
    size = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    return sealed_create(1, moment_now().wall_ns, DIGEST, (struct slice){bytes, size});
}

/* A file that keys are looked up in, or the key set; /dev/null when there is none. */
static int seal_reference(const struct settings *settings, int reference)
{
    int file, sealed;

    if (settings->references[reference][0] == '\0')
        return open("/dev/null", O_RDWR | O_CLOEXEC);
    file = open(settings->references[reference], O_RDONLY | O_CLOEXEC);
    sealed = file < 0 ? -1 : memfd_create("reference", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (sealed < 0)
        die(settings->references[reference]);
    while (sendfile(sealed, file, NULL, 1 << 20) > 0)
        continue;
    close(file);
    return sealed;
}

static void fill_handoff(struct handoff *handoff, const struct settings *settings)
{
    handoff->magic = HANDOFF_MAGIC;
    handoff->size = sizeof(*handoff);
    handoff->generation = 1;
    handoff->settings = *settings;
    handoff->listener_count = settings->listen_count;
    for (int i = 0; i < SETTINGS_REFERENCES; i++)
        if (settings->references[i][0] != '\0')
            handoff->references |= UINT32_C(1) << i;
    for (uint32_t i = 0; i < settings->listen_count; i++) {
        handoff->listeners[i].is_ops = settings->listen[i].is_ops;
        handoff->listeners[i].is_unix = settings->listen[i].is_unix;
    }
}

static void exec_worker(const char *path, const int *fds, int count)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (dup2(null, 0) < 0 || dup2(null, 1) < 0)
        die("/dev/null");
    for (int i = 0; i < count; i++)
        if (dup2(fds[i], HANDOFF_FD_STATUS + i) < 0)
            die("dup2");
    execl(path, path, (char *)NULL);
    die(path);
}

static void publish_status(const struct arena *arena)
{
    struct arena_status status = {.master_pid = getpid(), .worker_count = 1, .generation = 1, .policy_hash = DIGEST};

    status.started_at_ns = status.loaded_at_ns = status.last_reload_ns = moment_now().wall_ns;
    arena_publish(arena, &status);
}

/* Waits for the worker, passing on what we are told. */
static int supervise(pid_t worker, int lifeline, int status_fd, const sigset_t *signals)
{
    char ready;
    int status, number;

    if (read(status_fd, &ready, 1) == 1 && ready == HANDOFF_READY) {
        printf("ready %d\n", (int)worker);
        fflush(stdout);
    }
    for (;;) {
        if (sigwait(signals, &number) != 0)
            die("sigwait");
        if (number == SIGCHLD && waitpid(worker, &status, WNOHANG) == worker)
            break;
        if (number == SIGUSR1 && lifeline >= 0) {
            close(lifeline);
            lifeline = -1;
        } else if (number == SIGTERM || number == SIGQUIT) {
            kill(worker, number);
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Makes everything the worker inherits; FDS[i] will be its descriptor HANDOFF_FD_STATUS + i. Returns their number. */
static int prepare(const struct settings *settings, const char *bundle, int status_fd, int lifeline, int *fds)
{
    static struct handoff handoff;
    struct failure failure;
    struct arena arena;
    int count = 0;

    fill_handoff(&handoff, settings);
    arena_remove(settings->instance);
    fds[count++] = lift(status_fd);
    fds[count++] = lift(lifeline);
    fds[count] =
        arena_create(settings->instance, settings->shared_dict_size, geteuid(), getegid(), NULL, &arena, &failure);
    if (fds[count] < 0) {
        fprintf(stderr, "launch: %s\n", failure.sentence);
        exit(failure.code);
    }
    fds[count] = lift(fds[count]);
    count++;
    fds[count++] = lift(seal_bundle(bundle));
    fds[count++] = lift(handoff_seal(&handoff));
    for (int i = 0; i < SETTINGS_REFERENCES; i++)
        fds[count++] = lift(seal_reference(settings, i));
    for (uint32_t i = 0; i < settings->listen_count; i++)
        fds[count++] =
            lift(settings->listen[i].is_unix ? listen_unix(&settings->listen[i]) : listen_tcp(&settings->listen[i]));
    publish_status(&arena);
    return count;
}

static void block_signals(sigset_t *signals, sigset_t *before)
{
    static const int awaited[] = {SIGCHLD, SIGTERM, SIGQUIT, SIGUSR1};

    sigemptyset(signals);
    for (size_t i = 0; i < sizeof(awaited) / sizeof(awaited[0]); i++)
        sigaddset(signals, awaited[i]);
    sigprocmask(SIG_BLOCK, signals, before);
}

int main(int argc, char **argv)
{
    struct settings settings;
    struct failure failure = {0};
    int status_pipe[2], lifeline[2], fds[HANDOFF_FD_LISTENERS + SETTINGS_MAX_LISTEN], count, result;
    sigset_t signals, before;
    pid_t worker;

    if (argc != 4) {
        fprintf(stderr, "usage: launch WORKER BUNDLE SETTINGS\n");
        return 64;
    }
    settings_default(&settings);
    if (!settings_read_file(&settings, argv[3], &failure)) {
        fprintf(stderr, "launch: %s\n", failure.sentence);
        return failure.code;
    }
    block_signals(&signals, &before);
    if (pipe2(status_pipe, O_CLOEXEC) || pipe2(lifeline, O_CLOEXEC))
        die("pipe2");
    count = prepare(&settings, argv[2], status_pipe[1], lifeline[0], fds);
    worker = fork();
    if (worker == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        exec_worker(argv[1], fds, count);
    }
    for (int i = 0; i < count; i++)
        close(fds[i]);
    result = worker < 0 ? 1 : supervise(worker, lifeline[1], status_pipe[0], &signals);
    arena_remove(settings.instance);
    return result;
}
