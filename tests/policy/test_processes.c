/* SPDX-License-Identifier: MPL-2.0
 *
 * Four processes decide and settle on one arena, over every kind of limit, and are killed with SIGKILL at random all the
 * while. What was admitted never exceeds what the limits allow, nobody is refused without a reason, and after every
 * round each cell holds exactly what the journal of tests/policy/processes says, but for what the dead had in their
 * hands.
 *
 * FAIRVISOR_TEST_SEED plays another game, FAIRVISOR_TEST_KILLS a longer one.
 */
#include <check.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/policy/processes/ledger.h"

/* Sanitizers make a fork slow, and a round too short for more than one or two kills. */
#ifdef __SANITIZE_ADDRESS__
#define KILLS 8
#else
#define KILLS 60
#endif
#define ROUNDS           4 /* of an epoch, of SCENE_ROWS / ROUNDS rows each */
#define KILLS_OF_A_ROUND 12

struct crew {
    pid_t workers[SCENE_WORKERS];
    int living;
    long killed;
};

static void start(struct crew *crew, struct scene *scene, int worker)
{
    fflush(stdout);
    crew->workers[worker] = fork();
    ck_assert_int_ge(crew->workers[worker], 0);
    if (crew->workers[worker] == 0)
        scene_play(scene, worker);
    crew->living++;
}

/* Waits for one worker to end; a killed one is replaced. */
static void reap(struct crew *crew, struct scene *scene, int worker)
{
    int status;

    ck_assert_int_eq(waitpid(crew->workers[worker], &status, 0), crew->workers[worker]);
    crew->living--;
    crew->workers[worker] = 0;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
        crew->killed++;
        start(crew, scene, worker);
        return;
    }
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a worker ended with status %x", (unsigned)status);
}

/* Any moment will do: only chance is wanted of the clock. */
static void kill_somebody(struct crew *crew, struct scene *scene)
{
    struct timespec nap = {.tv_nsec = random() % 1500000};
    int worker = (int)(random() % SCENE_WORKERS);

    nanosleep(&nap, NULL);
    if (crew->workers[worker] == 0)
        return;
    kill(crew->workers[worker], SIGKILL);
    reap(crew, scene, worker);
}

static void play_round(struct crew *crew, struct scene *scene, uint32_t end)
{
    struct scene_journal *journal = scene->journal;
    uint64_t repaired = 0;

    /* Rows that a worker took beyond the end of the last round. */
    atomic_store(&journal->next, atomic_load(&journal->end));
    atomic_store(&journal->end, end);
    for (int i = 0; i < SCENE_WORKERS; i++)
        start(crew, scene, i);
    for (int i = 0; i < KILLS_OF_A_ROUND && atomic_load(&journal->next) < end; i++)
        kill_somebody(crew, scene);
    for (int i = 0; crew->living > 0; i = (i + 1) % SCENE_WORKERS)
        if (crew->workers[i] != 0)
            reap(crew, scene, i);
    ck_assert_uint_eq(arena_audit(&scene->fixture.arena, &repaired), 0);
}

static void play_epoch(struct crew *crew, struct scene *scene, struct ledger *ledger)
{
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        play_round(crew, scene, SCENE_ROWS / ROUNDS * i);
        ledger_check(ledger, scene);
        ledger_advance(ledger, scene, i < ROUNDS ? random() % 7 : 7200 + random() % 7200, i == ROUNDS);
    }
}

START_TEST(killed_processes_change_nothing_but_what_they_had_in_their_hands)
{
    const char *seed = getenv("FAIRVISOR_TEST_SEED"), *kills = getenv("FAIRVISOR_TEST_KILLS");
    long wanted = kills ? strtol(kills, NULL, 10) : KILLS;
    static struct ledger ledger;
    struct crew crew = {0};
    struct scene scene;
    int epochs = 0;

    scene_open(&scene, seed ? strtoull(seed, NULL, 10) : 20260101);
    srandom((unsigned)scene.seed);
    for (; crew.killed < wanted; epochs++)
        play_epoch(&crew, &scene, &ledger);
    printf("%ld kills in %d epochs: %ld admitted, %ld refused, %ld settled, %ld in the hands of the dead, %ld cells "
           "between two sums\n",
           crew.killed, epochs, ledger.admitted, ledger.refused, ledger.settled, ledger.in_hands, ledger.unsure);
    /* Or the test proved nothing. */
    ck_assert_int_gt(ledger.admitted, 0);
    ck_assert_int_gt(ledger.refused, ledger.admitted / 20);
    ck_assert_int_gt(ledger.settled, ledger.admitted / 20);
    ck_assert_int_gt(ledger.in_hands, 0);
    scene_close(&scene);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("processes");
    TCase *tests = tcase_create("processes");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 0);
    tcase_add_test(tests, killed_processes_change_nothing_but_what_they_had_in_their_hands);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
