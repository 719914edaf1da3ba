/* SPDX-License-Identifier: MPL-2.0
 *
 * Every socket is served by exactly one worker place, whatever the number of workers was before; addresses come and go
 * all or nothing; a busy address is refused by name.
 */
#include "master/listeners.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "master/bind.h"

static struct listeners current, next;
static struct settings settings;
static int fds[HANDOFF_MAX_LISTENERS];
static struct handoff_listener descriptions[HANDOFF_MAX_LISTENERS];
static const struct privileges privileges;

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* Connections that go out get ports from here on, as they please. */
static unsigned first_own_port(void)
{
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");
    unsigned port = 0;

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%u", &port), 1);
    fclose(file);
    return port;
}

/* A TCP port of the loopback that nobody has, nor gets by connecting somewhere. */
static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    unsigned end = first_own_port(), begin = end / 2;
    int fd, taken;

    do {
        uint32_t chance;

        ck_assert_int_eq(getrandom(&chance, sizeof(chance), 0), (ssize_t)sizeof(chance));
        address.sin_port = htons((uint16_t)(begin + chance % (end - begin)));
        fd = socket(AF_INET, SOCK_STREAM, 0);
        taken = bind(fd, (struct sockaddr *)&address, sizeof(address));
        close(fd);
    } while (taken != 0);
    return ntohs(address.sin_port);
}

static struct settings_listen tcp(uint16_t port)
{
    return (struct settings_listen){.address = {.family = ADDRESS_IPV4, .bytes = {127, 0, 0, 1}}, .port = port};
}

static struct settings_listen local(const char *path)
{
    struct settings_listen where = {.is_unix = true};

    snprintf(where.path, sizeof(where.path), "%s", path);
    return where;
}

static void set_up(void)
{
    memset(&current, 0, sizeof(current));
    memset(&next, 0, sizeof(next));
    memset(&settings, 0, sizeof(settings));
    settings.socket_mode = 0660;
}

static void plan_and_commit(uint32_t workers)
{
    struct failure failure;

    settings.worker_processes = workers;
    ck_assert_msg(listeners_plan(&current, &settings, &privileges, &next, &failure), "%s", failure.sentence);
    listeners_commit(&current, &next, settings.socket_mode);
}

START_TEST(every_socket_has_one_place)
{
    uint32_t served[64] = {0};

    current.count = 1;
    current.rows[0].socket_count = 64;
    for (int i = 0; i < 64; i++)
        current.rows[0].sockets[i] = i;
    for (uint32_t workers = 1; workers <= 64; workers++) {
        memset(served, 0, sizeof(served));
        for (uint32_t place = 0; place < workers; place++) {
            uint32_t count = listeners_get(&current, place, workers, fds, descriptions);

            ck_assert_uint_ge(count, 1);
            for (uint32_t i = 0; i < count; i++)
                served[fds[i]]++;
        }
        for (int i = 0; i < 64; i++)
            ck_assert_uint_eq(served[i], 1);
    }
}
END_TEST

START_TEST(unix_socket_is_served_by_all)
{
    current.count = 2;
    current.rows[0] = (struct listener){.where = local("x"), .sockets = {7}, .socket_count = 1};
    current.rows[1] = (struct listener){.where = {.is_ops = true}, .sockets = {8, 9, 10}, .socket_count = 3};
    ck_assert_uint_eq(listeners_get(&current, 1, 2, fds, descriptions), 2);
    ck_assert_int_eq(fds[0], 7);
    ck_assert(descriptions[0].is_unix && !descriptions[0].is_ops);
    ck_assert_int_eq(fds[1], 9);
    ck_assert(!descriptions[1].is_unix && descriptions[1].is_ops);
}
END_TEST

START_TEST(sockets_survive_fewer_workers)
{
    int first, last;

    settings.listen[0] = tcp(free_port());
    settings.listen_count = 1;
    plan_and_commit(4);
    ck_assert_uint_eq(current.rows[0].socket_count, 4);
    first = current.rows[0].sockets[0];
    last = current.rows[0].sockets[3];
    plan_and_commit(2);
    ck_assert_uint_eq(current.rows[0].socket_count, 4);
    plan_and_commit(6);
    ck_assert_uint_eq(current.rows[0].socket_count, 6);
    ck_assert_int_eq(current.rows[0].sockets[0], first);
    ck_assert_int_eq(current.rows[0].sockets[3], last);
    listeners_close(&current, true);
    ck_assert(!is_open(first) && !is_open(last));
}
END_TEST

START_TEST(busy_port_is_refused_by_name_and_nothing_is_kept)
{
    static struct listeners other, none;
    struct failure failure;
    char name[LISTENERS_NAME_SIZE];
    int before = dup(STDIN_FILENO), after;

    close(before);
    settings.listen[0] = tcp(free_port());
    settings.listen_count = 1;
    settings.worker_processes = 2;
    ck_assert(
        listeners_plan(&none, &settings, &privileges, &other, &failure)); /* with SO_REUSEPORT, as another daemon */
    listeners_print_name(&settings.listen[0], name, sizeof(name));
    settings.listen[1] = settings.listen[0];
    settings.listen[0] = tcp(free_port());
    settings.listen_count = 2;
    ck_assert(!listeners_plan(&current, &settings, &privileges, &next, &failure));
    ck_assert_int_eq(failure.code, EXIT_CODE_OS);
    ck_assert_ptr_nonnull(strstr(failure.sentence, name));
    listeners_close(&other, true);
    after = dup(STDIN_FILENO); /* the lowest free number again: nothing stayed open */
    ck_assert_int_eq(after, before);
    close(after);
}
END_TEST

START_TEST(removed_address_is_closed_at_commit_only)
{
    struct failure failure;
    int removed;

    settings.listen[0] = tcp(free_port());
    settings.listen_count = 1;
    plan_and_commit(1);
    removed = current.rows[0].sockets[0];
    settings.listen[0] = tcp(free_port());
    ck_assert(listeners_plan(&current, &settings, &privileges, &next, &failure));
    ck_assert(is_open(removed));
    listeners_commit(&current, &next, settings.socket_mode);
    ck_assert(!is_open(removed));
    listeners_close(&current, true);
}
END_TEST

/* But of an address that is served: see listeners_abort. */
START_TEST(abort_closes_what_is_new)
{
    struct failure failure;
    int kept, added, closed;

    settings.listen[0] = tcp(free_port());
    settings.listen_count = 1;
    plan_and_commit(1);
    kept = current.rows[0].sockets[0];
    settings.listen[1] = tcp(free_port());
    settings.listen_count = 2;
    settings.worker_processes = 2;
    ck_assert(listeners_plan(&current, &settings, &privileges, &next, &failure));
    added = next.rows[0].sockets[1];
    closed = next.rows[1].sockets[0];
    ck_assert(is_open(added) && is_open(closed));
    listeners_abort(&current, &next);
    ck_assert(is_open(kept) && is_open(added) && !is_open(closed));
    ck_assert_uint_eq(current.rows[0].socket_count, 1);
    settings.listen_count = 1;
    plan_and_commit(2);
    ck_assert_int_eq(current.rows[0].sockets[0], kept);
    ck_assert_int_eq(current.rows[0].sockets[1], added); /* and is served now */
    listeners_close(&current, true);
    ck_assert(!is_open(kept) && !is_open(added));
}
END_TEST

static void plan_and_abort(uint32_t workers)
{
    struct failure failure;

    settings.worker_processes = workers;
    ck_assert_msg(listeners_plan(&current, &settings, &privileges, &next, &failure), "%s", failure.sentence);
    listeners_abort(&current, &next);
}

START_TEST(spares_are_used_first_and_go_with_the_rest)
{
    int sockets[8];

    settings.listen[0] = tcp(free_port());
    settings.listen_count = 1;
    plan_and_commit(2);
    plan_and_abort(6);
    plan_and_abort(4);
    plan_and_abort(8);
    memcpy(sockets, current.rows[0].sockets, sizeof(sockets));
    ck_assert_uint_eq(current.rows[0].spare_count, 6);
    plan_and_commit(3);
    ck_assert_uint_eq(current.rows[0].socket_count, 3);
    ck_assert_uint_eq(current.rows[0].spare_count, 5);
    ck_assert_mem_eq(current.rows[0].sockets, sockets, sizeof(sockets));
    listeners_drop_spares(&current);
    ck_assert_uint_eq(current.rows[0].spare_count, 0);
    ck_assert(is_open(sockets[2]) && !is_open(sockets[3]) && !is_open(sockets[7]));
    plan_and_abort(4);
    listeners_close(&current, true);
    ck_assert(!is_open(sockets[0]) && !is_open(sockets[2]) && !is_open(sockets[3]));
}
END_TEST

/* Connects COUNT times to the address of the first row; the sockets stay open. */
static void connect_often(int count)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    address.sin_port = htons(settings.listen[0].port);
    for (int i = 0; i < count; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    }
}

static int accept_all(int listener)
{
    int count = 0;

    while (accept(listener, NULL, NULL) >= 0)
        count++;
    return count;
}

START_TEST(no_connection_waits_in_a_socket_that_may_go)
{
    struct failure failure;

    settings.listen[0] = tcp(free_port());
    settings.listen_count = 1;
    plan_and_commit(2);
    settings.worker_processes = 8;
    ck_assert(listeners_plan(&current, &settings, &privileges, &next, &failure));
    connect_often(60);
    listeners_abort(&current, &next);
    ck_assert_int_eq(accept_all(current.rows[0].sockets[0]) + accept_all(current.rows[0].sockets[1]), 60);
    connect_often(60);
    ck_assert_int_eq(accept_all(current.rows[0].sockets[0]) + accept_all(current.rows[0].sockets[1]), 60);
    plan_and_commit(3); /* of eight sockets, which all are there */
    connect_often(60);
    ck_assert_int_eq(accept_all(current.rows[0].sockets[0]) + accept_all(current.rows[0].sockets[1]) +
                         accept_all(current.rows[0].sockets[2]), 60);
    plan_and_commit(8);
    connect_often(200);
    for (int i = 0; i < 8; i++)
        ck_assert_msg(accept_all(current.rows[0].sockets[i]) > 0, "socket %d gets nothing after the commit", i);
}
END_TEST

START_TEST(unix_socket_has_the_mode_asked_for)
{
    struct stat facts;
    struct failure failure;

    settings.listen[0] = local("listeners-test.sock");
    settings.listen_count = 1;
    settings.socket_mode = 0640;
    plan_and_commit(2);
    ck_assert_uint_eq(current.rows[0].socket_count, 1);
    ck_assert_int_eq(stat("listeners-test.sock", &facts), 0);
    ck_assert_uint_eq(facts.st_mode & 0777, 0640);
    ck_assert(!listeners_plan(&next, &settings, &privileges, &next, &failure)); /* somebody listens there */
    ck_assert_int_eq(failure.code, EXIT_CODE_OS);
    listeners_close(&current, false);
    ck_assert_int_eq(stat("listeners-test.sock", &facts), 0);
    plan_and_commit(1); /* nobody listens on it any more: it is replaced */
    listeners_close(&current, true);
    ck_assert_int_ne(stat("listeners-test.sock", &facts), 0);
}
END_TEST

START_TEST(file_that_is_no_socket_is_left_alone)
{
    struct failure failure;
    int fd = open("listeners-test.file", O_CREAT | O_WRONLY, 0600);

    ck_assert_int_ge(fd, 0);
    close(fd);
    settings.listen[0] = local("listeners-test.file");
    settings.listen_count = 1;
    settings.worker_processes = 1;
    ck_assert(!listeners_plan(&current, &settings, &privileges, &next, &failure));
    ck_assert_ptr_nonnull(strstr(failure.sentence, "not a socket"));
    ck_assert_int_eq(unlink("listeners-test.file"), 0);
}
END_TEST

START_TEST(inherited_sockets_find_their_addresses)
{
    struct failure failure;
    int inherited[4];

    settings.listen[0] = tcp(free_port());
    settings.listen[1] = local("listeners-test.inherit");
    settings.listen_count = 2;
    plan_and_commit(2);
    inherited[0] = current.rows[0].sockets[0];
    inherited[1] = current.rows[0].sockets[1];
    inherited[2] = current.rows[1].sockets[0];
    inherited[3] = bind_tcp(&(struct settings_listen){.address = {.family = ADDRESS_IPV4, .bytes = {127, 0, 0, 1}}},
                            &failure); /* a port nobody asks for any more */
    memset(&next, 0, sizeof(next));
    ck_assert(listeners_adopt(&next, &settings, inherited, 4, &failure));
    ck_assert_uint_eq(next.count, 2);
    ck_assert_uint_eq(next.rows[0].socket_count, 2);
    ck_assert(next.rows[1].where.is_unix);
    ck_assert_str_eq(next.rows[1].where.path, "listeners-test.inherit");
    ck_assert(!is_open(inherited[3]));
    listeners_close(&next, true);
    inherited[0] = STDIN_FILENO;
    ck_assert(!listeners_adopt(&next, &settings, inherited, 1, &failure));
}
END_TEST

static bool has_simple_congestion_control(const struct settings_listen *where)
{
    struct failure failure;
    char name[16] = "";
    socklen_t size = sizeof(name) - 1;
    int fd = bind_tcp(where, &failure);

    ck_assert_msg(fd >= 0, "%s", failure.sentence);
    ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &size), 0);
    close(fd);
    return strcmp(name, "reno") == 0;
}

START_TEST(loopback_needs_no_model_of_a_path)
{
    const struct settings_listen everywhere = {.address = {.family = ADDRESS_IPV4}};
    const struct settings_listen loopback = {.address = {.family = ADDRESS_IPV4, .bytes = {127, 0, 0, 1}}};
    char usual[16] = "";
    int file = open("/proc/sys/net/ipv4/tcp_congestion_control", O_RDONLY | O_CLOEXEC);

    ck_assert(file >= 0 && read(file, usual, sizeof(usual) - 1) > 0);
    close(file);
    ck_assert(has_simple_congestion_control(&loopback));
    ck_assert_int_eq(has_simple_congestion_control(&everywhere), strcmp(usual, "reno\n") == 0);
}
END_TEST

START_TEST(names_are_those_of_the_setting)
{
    char name[LISTENERS_NAME_SIZE];
    struct settings_listen where = tcp(8080);

    listeners_print_name(&where, name, sizeof(name));
    ck_assert_str_eq(name, "127.0.0.1:8080");
    where = (struct settings_listen){.address = {.family = ADDRESS_IPV6, .bytes = {[15] = 1}}, .port = 1};
    listeners_print_name(&where, name, sizeof(name));
    ck_assert_str_eq(name, "[::1]:1");
    where = local("/run/x.sock");
    listeners_print_name(&where, name, sizeof(name));
    ck_assert_str_eq(name, "unix:/run/x.sock");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("listeners");
    TCase *tests = tcase_create("sockets");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, every_socket_has_one_place);
    tcase_add_test(tests, unix_socket_is_served_by_all);
    tcase_add_test(tests, sockets_survive_fewer_workers);
    tcase_add_test(tests, busy_port_is_refused_by_name_and_nothing_is_kept);
    tcase_add_test(tests, removed_address_is_closed_at_commit_only);
    tcase_add_test(tests, abort_closes_what_is_new);
    tcase_add_test(tests, spares_are_used_first_and_go_with_the_rest);
    tcase_add_test(tests, no_connection_waits_in_a_socket_that_may_go);
    tcase_add_test(tests, unix_socket_has_the_mode_asked_for);
    tcase_add_test(tests, file_that_is_no_socket_is_left_alone);
    tcase_add_test(tests, inherited_sockets_find_their_addresses);
    tcase_add_test(tests, loopback_needs_no_model_of_a_path);
    tcase_add_test(tests, names_are_those_of_the_setting);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
