# SPDX-License-Identifier: MPL-2.0
"""Reloads under load: no request fails, no count is lost, whatever changes."""

import os
import signal

import harness

NEGLIGIBLE = 0.000001
RELOADS = harness.full_or_short(200, 100 if not harness.ASAN else 10)
BURST = 20_000
FIELDS = ["--path", "/v1/decision", "--header", "X-Original-Method: GET", "--header", "X-Original-URI: /api/data",
          "--expect", "200,429", "--timeout-ms", 20000]


def bundles():
    """Two bundles that share one limit and differ in everything around it."""
    first = harness.one_rule(NEGLIGIBLE, BURST, ["ip:address"], policy="shared")
    second = harness.with_version(first, 2)
    second["policies"].append(harness.one_rule(1000, 1000, policy="other", prefix="/other")["policies"][0])
    second["policies"][0]["spec"]["rules"].append(harness.token_bucket("wide", 1000000, 1000000, []))
    return first, second


class TestReload(harness.TestCase):
    def test_reload_under_load(self):
        """Alternating two bundles and 4 <-> 2 workers, under load from 64 keep-alive and from fresh connections."""
        first, second = bundles()
        edge = self.start_edge(first, workers=4)
        loads = [self.load(edge.address, *FIELDS, "--header", "X-Forwarded-For: 10.0.0.1", "--duration-ms", 3_000_000,
                           "--connections", 64),
                 self.load(edge.address, *FIELDS, "--header", "X-Forwarded-For: 10.0.0.1", "--duration-ms", 3_000_000,
                           "--connections", 8, "--fresh")]
        for number in range(RELOADS):
            edge.write_policy(harness.with_version(second if number % 2 == 0 else first, number + 2))
            edge.write_settings(worker_processes=2 if number % 2 == 0 else 4)
            edge.reload()
            self.assertTrue(all(load.is_running() for load in loads), "a load ended early")
            if number % 3 == 0:  # some generations drain wholly, others are overtaken by the next reload
                self.wait_workers(edge, 2 if number % 2 == 0 else 4)
        results = [load.finish() for load in loads]
        results.append(self.load(edge.address, *FIELDS, "--header", "X-Forwarded-For: 10.0.0.1", "--connections", 8,
                                 "--requests", BURST + 1).result())  # whatever is left of the burst
        for result in results:
            self.assertEqual(result["failed"], 0, result)
            self.assertGreater(result["answered"], RELOADS)
        allowed = sum(harness.statuses(result).get(200, 0) for result in results)
        self.assertEqual(allowed, BURST, f"counters were not kept: {results}")
        print(f"        {RELOADS} reloads: {sum(result['answered'] for result in results)} requests, 0 failed, "
              f"{sum(result['connections_opened'] for result in results)} connections, {allowed} allowed of {BURST}")
        self.wait_workers(edge, 4 if RELOADS % 2 == 0 else 2)
        self.assertEqual(edge.ready()["policy_version"], RELOADS + 1)

    def test_who_is_told_finds_the_new_policy_alone(self):
        """Behind a new connection, from the moment on at which the order to reload is answered; but where a worker of before had no
        processor for a second, which is said."""
        edge = self.start_edge(harness.one_rule(version=1), workers=2)
        version, judged = 1, 0
        while judged < 30:
            version, written = version + 1, len(edge.log())
            edge.write_policy(harness.one_rule(version=version))
            done = edge.run("-s", "reload")
            self.assertEqual(done.returncode, 0, done.stderr)
            served = [edge.ready().get("policy_version") for _ in range(8)]
            if "still accepts connections" not in edge.log()[written:]:
                self.assertEqual(served, [version] * 8)
                judged += 1
            self.assertLess(version, 60, "workers are heard for a second and longer")

    def test_a_stopped_worker_does_not_hold_up_a_reload(self):
        edge = self.start_edge(harness.one_rule(version=1), workers=2)
        stopped = edge.workers()[0]
        os.kill(stopped, signal.SIGSTOP)
        edge.write_policy(harness.one_rule(version=2))
        done = edge.run("-s", "reload")
        self.assertEqual(done.returncode, 0, done.stderr)
        edge.wait_log("a worker of an earlier generation still accepts connections")
        os.kill(stopped, signal.SIGCONT)
        self.wait_workers(edge, 2)

    def test_warnings_are_said_once(self):
        """Each bundle's warnings stand in the log when its bytes come, not at every reload of the same ones."""
        edge = self.start_edge(harness.one_rule(1, 2, ["header:x-tenant"]))
        for version in (1, 1, 2, 2, 1):
            edge.write_policy(harness.one_rule(1, 2, ["header:x-tenant"], version=version))
            edge.reload()
        harness.wait_until(lambda: (edge.log().count(" kill switches, sha256 "),
                                    edge.log().count("gets a new budget")) == (6, 3),
                           "the warning at the start and at each change")

    def wait_workers(self, edge, count):
        harness.wait_until(lambda: len(edge.workers()) == count, "old generations to leave", 60)

    def test_open_loop_latency_over_reloads(self):
        """No request of a client that sends at fixed times, whatever becomes of the others, fails."""
        first, second = bundles()
        edge = self.start_edge(first, workers=2)
        load = self.load(edge.address, *FIELDS, "--header", "X-Forwarded-For: 10.1.{0-255}.1", "--duration-ms", 3_000_000,
                         "--rate", 500, "--connections", 32)
        for number in range(harness.full_or_short(200, 20)):
            edge.write_policy(harness.with_version((second, first)[number % 2], number + 2))
            edge.reload()
        result = load.finish()
        self.assertEqual((result["failed"], result["answered"]), (0, result["requests"]), result)
        self.assertGreater(result["answered"], 0)
        print(f"        {number + 1} reloads in {result['seconds']} s at 500 requests/s: {result['latency_us']}")

    def test_changed_limit_keeps_what_was_spent(self):
        edge = self.start_edge(harness.one_rule(NEGLIGIBLE, 10))
        for _ in range(6):
            self.assertEqual(edge.decide("GET", "/", "10.0.0.1").status, 200)
        edge.write_policy(harness.one_rule(NEGLIGIBLE, 8, version=2))
        edge.reload()
        self.assertEqual([edge.decide("GET", "/", "10.0.0.1").status for _ in range(3)], [200, 200, 429])

    def test_reload_without_places_waits_and_says_so(self):
        """64 workers serve and one still drains: 63 places are free, which is not enough for any generation. The reload
        says what it waits for, once, and is done as soon as the one has left."""
        edge = self.start_edge(harness.one_rule(), workers=64,
                               settings={"header_timeout": "10m", "drain_timeout": "10m"})
        with harness.Connection(edge.address, timeout=60) as busy:
            busy.send(harness.format_request(target="/livez"))
            self.assertEqual(busy.answer().status, 200)
            busy.send(b"GET /livez HTTP/1.1\r\nHost: ")
            edge.reload(seconds=60)
            harness.wait_until(lambda: len(edge.workers()) == 65, "all but one to leave", 60)
            edge.send_signal(signal.SIGHUP)
            edge.wait_log("the reload waits until workers of earlier generations have left .*: 63 of 128 places are free, "
                          "64 are needed; 65 workers live", 60)
            self.assertEqual((edge.ready()["generation"], len(edge.workers())), (2, 65))
            busy.send(b"x\r\n\r\n")
            self.assertEqual(busy.answer().status, 200)
        edge.wait_log("reloaded: generation 3 serves", 60)
        self.assertEqual(edge.log().count("the reload waits"), 1)

    def test_refused_reload_changes_nothing(self):
        edge = self.start_edge(harness.one_rule(NEGLIGIBLE, 3), workers=2)
        before, workers = edge.ready(), edge.workers()
        self.assertEqual(edge.decide("GET", "/", "10.0.0.1").status, 200)
        edge.write_policy('{"bundle_version": 2, "policies": [], "polices": []}')
        self.assertIn("polices", edge.reload_refused())
        edge.write_policy(harness.one_rule(NEGLIGIBLE, 3, version=2))
        edge.write_settings(no_such_setting="1")
        self.assertIn("no_such_setting", edge.reload_refused())
        self.assertEqual((edge.ready()["generation"], edge.workers()), (before["generation"], workers))
        self.assertEqual(edge.metric("fairvisor_config_last_reload_successful"), 0)
        edge.write_settings(no_such_setting=None)
        self.assertEqual(edge.reload(), True)
        self.assertEqual(edge.metric("fairvisor_config_last_reload_successful"), 1)
        self.assertEqual([edge.decide("GET", "/", "10.0.0.1").status for _ in range(3)], [200, 200, 429])
