/* SPDX-License-Identifier: MPL-2.0
 *
 * What the filter refuses and what it lets through, each asked of the kernel in a child.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/syscalls.h"

static char folder[] = "/tmp/fairvisor-test-XXXXXX";
static char path[64];
static int fd; /* of the file at PATH, open for writing */
static int listening, pair[2];
static void *shared; /* a page of the file */

/* ---- what is asked: each returns 0, or -1 with errno ---------------------------------------------------------------- */

static int open_for_writing(void)
{
    return open(path, O_WRONLY | O_CLOEXEC);
}

static int make_file(void)
{
    return open("/tmp/fairvisor-test-new", O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
}

static int cut_file(void)
{
    return ftruncate(fd, 0);
}

static int remove_file(void)
{
    return unlink(path);
}

static int rename_file(void)
{
    return rename(path, "/tmp/fairvisor-test-other");
}

static int change_mode(void)
{
    return chmod(path, 0777);
}

static int run_program(void)
{
    char *arguments[] = {path, NULL}, *environment[] = {NULL};

    return execve("/bin/true", arguments, environment);
}

static int make_process(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid < 0 ? -1 : 0;
}

static int signal_another(void)
{
    return kill(getppid(), 0);
}

static int signal_through_a_socket(void)
{
    return fcntl(fd, F_SETOWN, getppid());
}

static int claim_a_file(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    return fcntl(fd, F_SETLK, &lock);
}

static int limit_another(void)
{
    return prlimit(getppid(), RLIMIT_NOFILE, NULL, NULL);
}

static int make_code(void)
{
    return mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

static int make_code_later(void)
{
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

/* What was written into a file before is mapped as code: shared memory is such a file. */
static int map_what_was_written(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0;
}

static int give_pages_back(void)
{
    return madvise(shared, 4096, MADV_REMOVE);
}

static int slow_others_down(void)
{
    return setpriority(PRIO_USER, 0, 19);
}

static int choose_processor_of_another(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(0, &set);
    return sched_setaffinity(getppid(), sizeof(set), &set);
}

static int type_at_the_terminal(void)
{
    return ioctl(fd, TIOCSTI, "x"); /* of a file: ENOTTY, were it asked */
}

static int end_listening(void)
{
    return shutdown(listening, SHUT_RDWR);
}

static int listen_less(void)
{
    return listen(listening, 0);
}

static int attach(int option)
{
    struct sock_filter nothing_passes[] = {{BPF_RET | BPF_K, 0, 0, 0}};
    struct sock_fprog program = {.len = 1, .filter = nothing_passes};

    return setsockopt(listening, SOL_SOCKET, option, &program, sizeof(program));
}

static int drop_all(void)
{
    return attach(SO_ATTACH_FILTER);
}

static int take_all_connections(void)
{
    return attach(SO_ATTACH_REUSEPORT_CBPF);
}

static int end_what_we_say(void)
{
    return shutdown(pair[0], SHUT_WR);
}

static int set_option(void)
{
    int on = 1;

    return setsockopt(listening, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int knock_at_doors(void)
{
    return socket(AF_UNIX, SOCK_SEQPACKET, 0);
}

static int enter_namespace(void)
{
    return unshare(CLONE_NEWUSER);
}

static int make_ring(void)
{
    return (int)syscall(SYS_io_uring_setup, 1, NULL);
}

static int connect_to_somebody(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}

static int read_file(void)
{
    return open(path, O_RDONLY | O_CLOEXEC);
}

static int write_file(void)
{
    return write(fd, "x", 1) == 1 ? 0 : -1;
}

static void *nothing(void *context)
{
    return context;
}

static int make_thread(void)
{
    pthread_t thread;

    errno = pthread_create(&thread, NULL, nothing, NULL);
    return errno || pthread_join(thread, NULL) ? -1 : 0;
}

static int take_memory(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

static int find_host(void)
{
    struct addrinfo *list = NULL;

    if (getaddrinfo("localhost", "80", NULL, &list) != 0)
        return -1;
    freeaddrinfo(list);
    return 0;
}

static int raise_own_limit(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit);
}

/* ---- whether it is done --------------------------------------------------------------------------------------------- */

static const struct {
    const char *what;
    int (*ask)(void);
    int error;          /* 0: it is done */
    bool for_servers;   /* who connects to nobody */
} rows[] = {
    {"open for writing", open_for_writing, EPERM, false},
    {"make a file", make_file, EPERM, false},
    {"cut a file", cut_file, EPERM, false},
    {"remove a file", remove_file, EPERM, false},
    {"rename a file", rename_file, EPERM, false},
    {"change a mode", change_mode, EPERM, false},
    {"run a program", run_program, EPERM, false},
    {"make a process", make_process, EPERM, false},
    {"signal another", signal_another, EPERM, false},
    {"signal through a socket", signal_through_a_socket, EPERM, false},
    {"claim a file", claim_a_file, EPERM, false},
    {"limit another", limit_another, EPERM, false},
    {"make code", make_code, EPERM, false},
    {"make code later", make_code_later, EPERM, false},
    {"map what was written", map_what_was_written, EPERM, true},
    {"map modules of the resolver", map_what_was_written, 0, false},
    {"give pages of others back", give_pages_back, EPERM, false},
    {"slow others down", slow_others_down, EPERM, false},
    {"choose another's processor", choose_processor_of_another, EPERM, false},
    {"type at the terminal", type_at_the_terminal, EPERM, false},
    {"end listening", end_listening, EPERM, false},
    {"listen less", listen_less, EPERM, false},
    {"drop all that comes", drop_all, EPERM, false},
    {"take all connections", take_all_connections, EPERM, false},
    {"end what we say", end_what_we_say, 0, false},
    {"set an option", set_option, 0, true},
    {"knock at doors", knock_at_doors, EPERM, false},
    {"enter a namespace", enter_namespace, EPERM, false},
    {"make a ring", make_ring, ENOSYS, false},
    {"connect, who does not", connect_to_somebody, EPERM, true},
    {"connect", connect_to_somebody, 0, false},
    {"find a host", find_host, 0, false},
    {"read a file", read_file, 0, false},
    {"write to what is open", write_file, 0, false},
    {"make a thread", make_thread, 0, false},
    {"take memory", take_memory, 0, false},
    {"ask for its limit", raise_own_limit, 0, false},
};

static int outcome_of(int row)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !syscalls_restrict(!rows[row].for_servers))
            _exit(255);
        errno = 0;
        _exit(rows[row].ask() < 0 ? errno : 0);
    }
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status), "%s: ended with status %d", rows[row].what, status);
    return WEXITSTATUS(status);
}

START_TEST(only_what_serving_takes)
{
    ck_assert_msg(outcome_of(_i) == rows[_i].error, "%s: %s", rows[_i].what, strerror(outcome_of(_i)));
}
END_TEST

/* abort(3) signals its own process. */
START_TEST(a_bug_still_ends_it)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscalls_restrict(true))
            abort();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
END_TEST

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/file", folder);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, 4096), 0);
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(shared, MAP_FAILED);
    listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(listening, 0);
    ck_assert_int_eq(listen(listening, 1), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
}

static void tear_down(void)
{
    munmap(shared, 4096);
    close(pair[0]);
    close(pair[1]);
    close(listening);
    close(fd);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    Suite *suite = suite_create("syscalls");
    TCase *tests = tcase_create("syscalls");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_unchecked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, only_what_serving_takes, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_test(tests, a_bug_still_ends_it);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
