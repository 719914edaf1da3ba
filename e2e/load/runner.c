/* SPDX-License-Identifier: MPL-2.0
 *
 * Keeps connections busy and judges what comes back. With a rate, requests have an intended time of sending, kept
 * whether or not the server keeps up, and latency counts from there: a server that stalls cannot slow its own
 * measurement down. Without one, a connection asks again as soon as it was answered. Counts as failure whatever a
 * client would see as one, and nothing else: an answer with Connection: close is followed by a new connection, and a
 * close of an idle connection is none.
 */
#include "e2e/load/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS  INT64_C(1000000000)
#define SWEEP_NS   INT64_C(10000000) /* how often timeouts are looked for */
#define MAX_EVENTS 256

enum state {
    STATE_IDLE,       /* may take a request; fd may be open */
    STATE_CONNECTING, /* holds a request */
    STATE_BUSY,       /* request partly or wholly sent */
    STATE_RESTING,    /* after a failed connect, until deadline_ns */
};

struct connection {
    int fd; /* -1: closed */
    enum state state;
    bool wants_out; /* registered for EPOLLOUT */
    char *out;
    size_t out_size, out_sent;
    int64_t intended_ns, deadline_ns;
    struct answer answer;
};

struct loop {
    struct runner *runner;
    struct runner_plan *plan;
    int epoll, timer;
    struct connection *connections;
    struct connection **idle; /* ring: who has been idle longest is next, so that none idles until the server closes it */
    unsigned idle_first, idle_count, busy_count;
    int64_t next_sweep_ns;
    uint64_t sent; /* open loop: requests of this thread so far */
};

int64_t runner_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

static void watch(struct loop *loop, struct connection *connection, bool wants_out, int operation)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | (wants_out ? EPOLLOUT : 0u), .data.ptr = connection};

    connection->wants_out = wants_out;
    if (epoll_ctl(loop->epoll, operation, connection->fd, &event) != 0) {
        abort();
    }
}

static void disconnect(struct connection *connection)
{
    if (connection->fd >= 0) {
        close(connection->fd);
        connection->fd = -1;
    }
}

static void queue_idle(struct loop *loop, struct connection *connection)
{
    loop->idle[(loop->idle_first + loop->idle_count++) % loop->runner->connection_count] = connection;
}

static void become_idle(struct loop *loop, struct connection *connection)
{
    connection->state = STATE_IDLE;
    loop->busy_count--;
    queue_idle(loop, connection);
}

static struct connection *take_idle(struct loop *loop)
{
    struct connection *connection = loop->idle[loop->idle_first];

    loop->idle_first = (loop->idle_first + 1) % loop->runner->connection_count;
    loop->idle_count--;
    return connection;
}

static void fail(struct loop *loop, struct connection *connection, enum tally_trouble trouble)
{
    loop->runner->tally.troubles[trouble]++;
    disconnect(connection);
    if (trouble == TALLY_connect_errors) {
        connection->state = STATE_RESTING;
        connection->deadline_ns = runner_now() + SWEEP_NS;
        return;
    }
    become_idle(loop, connection);
}

static void send_rest(struct loop *loop, struct connection *connection)
{
    while (connection->out_sent < connection->out_size) {
        ssize_t sent = send(connection->fd, connection->out + connection->out_sent,
                            connection->out_size - connection->out_sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0 && errno == EAGAIN) {
            if (!connection->wants_out) {
                watch(loop, connection, true, EPOLL_CTL_MOD);
            }
            return;
        }
        if (sent < 0) {
            connection->out_sent = connection->out_size; /* reading tells whether an early answer is there */
            break;
        }
        connection->out_sent += (size_t)sent;
    }
    if (connection->wants_out) {
        watch(loop, connection, false, EPOLL_CTL_MOD);
    }
}

/* Opens a socket and begins to connect it. A full backlog of a unix socket is tried again at the next sweep. */
static void begin_connect(struct loop *loop, struct connection *connection)
{
    struct runner_plan *plan = loop->plan;
    int family = plan->target.ss_family;
    int one = 1;

    connection->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0) {
        fail(loop, connection, TALLY_connect_errors);
        return;
    }
    if (family != AF_UNIX) {
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    int result = connect(connection->fd, (const struct sockaddr *)&plan->target, plan->target_size);
    if (result != 0 && errno == EAGAIN) {
        disconnect(connection);
        connection->state = STATE_CONNECTING;
        return;
    }
    if (result != 0 && errno != EINPROGRESS) {
        fail(loop, connection, TALLY_connect_errors);
        return;
    }
    loop->runner->tally.opened++;
    connection->state = result == 0 ? STATE_BUSY : STATE_CONNECTING;
    watch(loop, connection, result != 0, EPOLL_CTL_ADD);
    if (result == 0) {
        send_rest(loop, connection);
    }
}

/* Takes the next request of all threads; false when there are no more. */
static bool take_request(struct loop *loop, int64_t now, uint64_t *number)
{
    struct runner_plan *plan = loop->plan;

    if (atomic_load_explicit(&plan->is_stopped, memory_order_relaxed) || now >= plan->stop_ns) {
        return false;
    }
    *number = atomic_fetch_add_explicit(&plan->taken, 1, memory_order_relaxed);
    return *number < plan->total;
}

static void begin(struct loop *loop, struct connection *connection, uint64_t number, int64_t intended_ns, int64_t now)
{
    loop->runner->tally.begun++;
    loop->busy_count++;
    connection->out_size = request_print(&loop->plan->request, number, connection->out);
    connection->out_sent = 0;
    connection->intended_ns = intended_ns;
    connection->deadline_ns = now + loop->plan->timeout_ns;
    answer_init(&connection->answer);
    if (connection->fd < 0) {
        begin_connect(loop, connection);
        return;
    }
    connection->state = STATE_BUSY;
    send_rest(loop, connection);
}

static void on_whole_answer(struct loop *loop, struct connection *connection)
{
    struct tally *tally = &loop->runner->tally;
    struct answer *answer = &connection->answer;
    bool is_early = connection->out_sent < connection->out_size;

    tally_answer(tally, answer->status, runner_now() - connection->intended_ns);
    tally->troubles[TALLY_unexpected_status] += !loop->plan->is_expected[answer->status];
    tally->closed_by_server += !answer->keeps_open;
    if (loop->plan->counted) {
        tally_value(tally, answer->counted, 1);
    }
    if (loop->plan->is_fresh || !answer->keeps_open || is_early) {
        disconnect(connection);
    }
    become_idle(loop, connection);
}

static void on_end(struct loop *loop, struct connection *connection, bool is_reset)
{
    struct answer *answer = &connection->answer;

    if (connection->state == STATE_IDLE) {
        loop->runner->tally.idle_closes++;
        disconnect(connection);
    } else if (is_reset) {
        fail(loop, connection, TALLY_resets);
    } else if (answer->phase == ANSWER_TO_CLOSE) {
        on_whole_answer(loop, connection);
    } else {
        fail(loop, connection, answer->has_started ? TALLY_truncated : TALLY_closed_unanswered);
    }
}

static void on_bytes(struct loop *loop, struct connection *connection, const char *bytes, size_t size)
{
    if (connection->state == STATE_IDLE) { /* bytes nobody asked for */
        loop->runner->tally.troubles[TALLY_bad_answers]++;
        disconnect(connection);
        return;
    }
    size_t taken =
        answer_take(&connection->answer, bytes, size, loop->plan->counted, loop->plan->request.is_head_method);
    if (connection->answer.phase == ANSWER_BAD || taken < size) {
        fail(loop, connection, TALLY_bad_answers);
    } else if (connection->answer.phase == ANSWER_DONE) {
        on_whole_answer(loop, connection);
    }
}

static void receive(struct loop *loop, struct connection *connection)
{
    static _Thread_local char bytes[65536];

    while (connection->fd >= 0) {
        ssize_t size = recv(connection->fd, bytes, sizeof bytes, 0);

        if (size > 0) {
            on_bytes(loop, connection, bytes, (size_t)size);
            if ((size_t)size < sizeof bytes) {
                return; /* level-triggered: an end that follows is told again */
            }
        } else if (size == 0) {
            on_end(loop, connection, false);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR) {
            on_end(loop, connection, true);
        }
    }
}

static void on_event(struct loop *loop, struct connection *connection, uint32_t events)
{
    if (connection->fd < 0) {
        return;
    }
    if (connection->state == STATE_CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            fail(loop, connection, TALLY_connect_errors);
            return;
        }
        connection->state = STATE_BUSY;
    }
    if (connection->state == STATE_BUSY && (events & EPOLLOUT)) {
        send_rest(loop, connection);
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLRDHUP | EPOLLERR)) {
        receive(loop, connection);
    }
}

static void sweep(struct loop *loop, int64_t now)
{
    for (unsigned i = 0; i < loop->runner->connection_count; i++) {
        struct connection *connection = &loop->connections[i];

        if (connection->state == STATE_IDLE) {
            continue;
        }
        if (now >= connection->deadline_ns) {
            if (connection->state == STATE_RESTING) {
                become_idle(loop, connection);
            } else {
                fail(loop, connection, TALLY_timeouts);
            }
        } else if (connection->state == STATE_CONNECTING && connection->fd < 0) {
            begin_connect(loop, connection);
        }
    }
}

static int64_t intended_time(const struct loop *loop)
{
    const struct runner *runner = loop->runner;
    int64_t interval = loop->plan->interval_ns_e3;
    int64_t offset = interval / runner->thread_count * runner->number / 1000;

    return loop->plan->start_ns + offset + (int64_t)((__int128)interval * (__int128)loop->sent / 1000);
}

static void set_timer(const struct loop *loop, int64_t at)
{
    struct itimerspec when = {.it_value = {.tv_sec = at / SECOND_NS, .tv_nsec = at % SECOND_NS}};

    timerfd_settime(loop->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Gives requests to idle connections; false when no more are to be begun. */
static bool feed(struct loop *loop)
{
    bool is_open_loop = loop->plan->interval_ns_e3 > 0;
    unsigned tries = loop->idle_count; /* a connection that fails at once must not be fed for ever */

    while (loop->idle_count > 0 && tries-- > 0) {
        int64_t now = runner_now();
        int64_t intended = is_open_loop ? intended_time(loop) : now;
        uint64_t number = 0;
        struct connection *connection;

        if (intended > now) {
            set_timer(loop, intended);
            return true;
        }
        if (!take_request(loop, now, &number)) {
            return false;
        }
        loop->sent++;
        connection = take_idle(loop);
        if (is_open_loop) {
            receive(loop, connection); /* it may have been closed long since, where we are late */
        }
        begin(loop, connection, number, intended, now);
    }
    return true;
}

static bool is_over(const struct loop *loop)
{
    return atomic_load(&loop->plan->taken) >= loop->plan->total || atomic_load(&loop->plan->is_stopped) ||
           runner_now() >= loop->plan->stop_ns;
}

static void run_loop(struct loop *loop)
{
    struct epoll_event events[MAX_EVENTS];
    bool has_more = true;

    while (has_more || loop->busy_count > 0) {
        if (has_more) {
            has_more = feed(loop) && !is_over(loop);
        }
        bool can_start_now = has_more && loop->idle_count > 0 && loop->plan->interval_ns_e3 == 0;
        int count = epoll_wait(loop->epoll, events, MAX_EVENTS, can_start_now ? 0 : (int)(SWEEP_NS / 1000000));
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL) {
                uint64_t expirations;
                ssize_t ignored = read(loop->timer, &expirations, sizeof expirations);
                (void)ignored;
            } else {
                on_event(loop, events[i].data.ptr, events[i].events);
            }
        }
        int64_t now = runner_now();
        if (now >= loop->next_sweep_ns) {
            sweep(loop, now);
            loop->next_sweep_ns = now + SWEEP_NS;
        }
    }
}

static bool loop_init(struct loop *loop, struct runner *runner)
{
    unsigned count = runner->connection_count;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

    *loop = (struct loop){.runner = runner, .plan = runner->plan, .next_sweep_ns = runner_now() + SWEEP_NS};
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    loop->connections = calloc(count, sizeof *loop->connections);
    loop->idle = calloc(count, sizeof *loop->idle);
    if (loop->epoll < 0 || loop->timer < 0 || !loop->connections || !loop->idle ||
        epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->timer, &event) != 0) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        loop->connections[i].fd = -1;
        loop->connections[i].out = malloc(request_max_size(&runner->plan->request));
        if (!loop->connections[i].out) {
            return false;
        }
        queue_idle(loop, &loop->connections[i]);
    }
    return true;
}

static void loop_fini(struct loop *loop)
{
    for (unsigned i = 0; loop->connections && i < loop->runner->connection_count; i++) {
        disconnect(&loop->connections[i]);
        free(loop->connections[i].out);
    }
    free(loop->connections);
    free(loop->idle);
    if (loop->timer >= 0) {
        close(loop->timer);
    }
    if (loop->epoll >= 0) {
        close(loop->epoll);
    }
}

void *runner_run(void *argument)
{
    struct runner *runner = argument;
    struct loop loop;

    runner->has_failed = !loop_init(&loop, runner);
    if (!runner->has_failed) {
        run_loop(&loop);
    }
    loop_fini(&loop);
    return NULL;
}
