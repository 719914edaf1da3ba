/* SPDX-License-Identifier: MPL-2.0
 *
 * Asks the policy engine the same kind of question again and again, without HTTP and without a worker: what
 * `e2e/bench --instructions` counts under valgrind, for many keys and many policies.
 *
 *   fairvisor-engine INSTANCE MEGABYTES BUNDLE PATH KEYS QUESTIONS
 *
 * Requests for PATH come from KEYS identities (X-Api-Key) in turn. The arena INSTANCE is made when there is none, of so
 * many MEGABYTES, and left behind, so that a run without valgrind can fill it for one with. Prints how many requests were
 * allowed, and the CPU time of all in nanoseconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "policy/decide.h"
#include "policy/load.h"

#define SCRATCH_SIZE 4096
#define BUNDLE_MOST  (16 << 20)

static int fail(const char *what)
{
    fprintf(stderr, "fairvisor-engine: %s\n", what);
    return 1;
}

static bool find_arena(const char *instance, uint64_t megabytes, struct arena *arena, struct failure *failure)
{
    return arena_open(instance, getuid(), true, arena, failure) >= 0 ||
           arena_create(instance, megabytes << 20, geteuid(), getegid(), NULL, arena, failure) >= 0;
}

static struct bundle *read_bundle(const char *path)
{
    static struct complaint_list complaints;
    char *text = malloc(BUNDLE_MOST);
    FILE *file = fopen(path, "r");
    struct bundle *bundle = NULL;

    if (text && file)
        bundle = load_bundle((struct slice){text, fread(text, 1, BUNDLE_MOST, file)},
                             moment_now().wall_ns / NANOSECONDS_PER_SECOND, &complaints);
    if (file)
        fclose(file);
    free(text);
    return bundle;
}

/* What is counted: one decision, and nothing of this program around it. */
static bool __attribute__((noinline)) engine_decide(struct decider *decider, const struct facts *facts,
                                                    struct moment now)
{
    struct verdict verdict;

    decide_request(decider, facts, NULL, now, &verdict);
    return verdict.is_allowed;
}

static unsigned long long ask(struct decider *decider, const char *path, unsigned long long keys,
                              unsigned long long questions)
{
    char key[32];
    struct fact_field field = {.name = SLICE("X-Api-Key")};
    struct facts facts = {.method = SLICE("GET"),
                          .host = SLICE("localhost"),
                          .path = slice_of(path),
                          .fields = &field,
                          .field_count = 1};
    unsigned long long allowed = 0;

    for (unsigned long long i = 0; i < questions; i++) {
        field.value = (struct slice){key, (size_t)snprintf(key, sizeof(key), "key-%09llu", i % keys)};
        allowed += engine_decide(decider, &facts, moment_now());
    }
    return allowed;
}

static uint64_t cpu_nanoseconds(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * NANOSECONDS_PER_SECOND + (uint64_t)used.tv_nsec;
}

static void run(struct decider *decider, const char *path, unsigned long long keys, unsigned long long questions)
{
    uint64_t before = cpu_nanoseconds();
    unsigned long long allowed = ask(decider, path, keys, questions);

    printf("%llu %llu\n", allowed, (unsigned long long)(cpu_nanoseconds() - before));
}

int main(int argc, char **argv)
{
    struct failure failure = {.sentence = ""};
    struct decider *decider;
    struct bundle *bundle;
    struct arena arena;

    if (argc != 7)
        return fail("usage: fairvisor-engine INSTANCE MEGABYTES BUNDLE PATH KEYS QUESTIONS");
    bundle = read_bundle(argv[3]);
    if (!bundle)
        return fail("the bundle cannot be loaded");
    if (!find_arena(argv[1], strtoull(argv[2], NULL, 10), &arena, &failure))
        return fail(failure.sentence);
    decider = decide_new(bundle, &arena, &arena.slots[0], SCRATCH_SIZE);
    if (!decider || strtoull(argv[5], NULL, 10) == 0)
        return fail("no memory, or no keys");
    run(decider, argv[4], strtoull(argv[5], NULL, 10), strtoull(argv[6], NULL, 10));
    decide_free(decider);
    bundle_free(bundle);
    return 0;
}
