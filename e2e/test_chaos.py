# SPDX-License-Identifier: MPL-2.0
"""Anybody dies or is stopped at any time, the master included; disks, descriptors, clocks and neighbours fail. Never one request
over a limit, none that waits for ever, no budget forgotten, nobody left behind, and a new start works at once."""

import os
import random
import resource
import signal
import subprocess
import time

import faults
import harness
import upstream

NEGLIGIBLE = 0.000001
BURST = 5_000  # gone soon: from then on every counter that is lost would show as one request too many
WORKERS = 3
DEATHS = harness.full_or_short(1000, 16 if not harness.ASAN else 8)
RELOADS = harness.full_or_short(500, 4)
PAUSES = harness.full_or_short(100, 4)
TEARS = harness.full_or_short(100, 3)
REQUEST = ["--path", "/v1/decision", "--header", "X-Original-Method: GET", "--header", "X-Original-URI: /api"]
SECONDS = 60
HANG_SECONDS = 3  # longer than a worker that has something to do gets no processor, however busy the machine
GATEWAYS = harness.full_or_short(20, 3)
STEP_SECONDS = 600
HOURLY, DAILY, ASKED = 20, 300, 5  # of an hour, of a day, in a step


def bundle(version=1):
    """A key that the load asks for, and a witness that is spent before anything happens."""
    policy = harness.one_rule(NEGLIGIBLE, BURST, ["header:x-key"], version=version)
    policy["policies"][0]["spec"]["rules"].append(harness.token_bucket("witness", NEGLIGIBLE, 3, ["header:x-witness"]))
    return policy


def budget(name, period, limit):
    return {"name": name, "limit_keys": [], "algorithm": "cost_based", "algorithm_config": {
        "budget": limit, "period": period, "cost_key": "fixed", "staged_actions": [{"threshold_percent": 100, "action": "reject"}]}}


class Chaos(harness.TestCase):
    def witness(self, edge):
        """The status that the spent budget is answered with. Waits while there is nobody, or its lock is held, and asks again
        where nobody answers: a connection to a worker that is dead waits for the next one, which a paused master does not start."""
        def ask():
            try:
                status = edge.decide("GET", "/api", headers=[("X-Witness", "w")], timeout=SECONDS / 10).status
                return status != 503 and status
            except (OSError, harness.Incomplete):
                return 0
        return harness.wait_until(ask, "an answer", SECONDS)

    def start_spent(self, **settings):
        edge = self.start_edge(bundle(), workers=WORKERS, settings={"snapshot_interval": "100ms", "drain_timeout": "1s", **settings})
        self.assertEqual([self.witness(edge) for _ in range(4)], [200, 200, 200, 429])
        return edge

    def wait_whole(self, edge):
        harness.wait_until(lambda: len(edge.workers()) == WORKERS and edge.ready().get("ready"), "all to serve", SECONDS)


class TestStorm(Chaos):
    """What may happen, in any order; each method leaves an instance that is whole again."""

    def worker_dies(self, edge, dice):
        victim = dice.choice(edge.workers())
        harness.kill(victim, signal.SIGKILL)
        harness.wait_until(lambda: not harness.is_alive(victim), "the worker to be dead", SECONDS)

    def master_dies(self, edge, dice):
        edge.process.kill()
        edge.process.wait()
        edge.start()  # at once, its workers serve still

    def all_die(self, edge, dice):
        edge.kill_everything()
        edge.start()

    def worker_then_master_dies(self, edge, dice):
        harness.kill(dice.choice(edge.workers()), signal.SIGKILL)
        self.master_dies(edge, dice)

    def worker_pauses(self, edge, dice):
        victim = dice.choice(edge.workers())
        harness.kill(victim, signal.SIGSTOP)
        others = self.load(edge.address, *REQUEST, "--header", "X-Key: other", "--expect", "200,429,503", "--fresh",
                           "--connections", 24, "--requests", 480, "--timeout-ms", SECONDS * 1000)
        harness.wait_until(lambda: edge_answers(edge), "the others to go on")
        harness.kill(victim, signal.SIGCONT)
        self.assertEqual(others.result()["timeouts"], 0)

    def master_pauses(self, edge, dice):
        harness.kill(edge.pid, signal.SIGSTOP)
        self.assertEqual(self.witness(edge), 429)
        harness.kill(edge.pid, signal.SIGCONT)

    def reload(self, edge, dice):
        self.version += 1
        edge.write_policy(bundle(self.version))
        edge.reload(SECONDS)

    def events(self, dice):
        deaths = [self.worker_dies, self.worker_dies, self.master_dies, self.all_die, self.worker_then_master_dies]
        events = [deaths[number % len(deaths)] for number in range(DEATHS)] + [self.reload] * RELOADS
        events += [self.worker_pauses, self.master_pauses] * (PAUSES // 2)
        dice.shuffle(events)
        return events

    def test_random_deaths_pauses_and_reloads(self):
        seed = int.from_bytes(os.urandom(4), "big")
        print(f"        seed {seed}")
        dice = random.Random(seed)
        self.version = 1
        edge = self.start_spent()
        load = self.load(edge.address, *REQUEST, "--header", "X-Key: one", "--expect", "200,429,503", "--connections",
                         12, "--duration-ms", 3_000_000, "--timeout-ms", SECONDS * 1000)
        for number, event in enumerate(self.events(dice)):
            event(edge, dice)
            self.wait_whole(edge)
            self.assertEqual(self.witness(edge), 429, f"a budget was forgotten after {event.__name__}, number {number}")
        during = load.finish()
        more = self.load(edge.address, *REQUEST, "--header", "X-Key: one", "--expect", "200,429", "--connections", 16,
                         "--requests", BURST + 1000).result()
        allowed = sum(harness.statuses(part).get(200, 0) for part in (during, more))
        print(f"        {DEATHS} deaths, {RELOADS} reloads, {PAUSES} pauses: {allowed} of {BURST} allowed, "
              f"{during['answered']} answered, {during['failed']} failed")
        self.assertEqual(more["failed"], 0, more)
        self.assertLessEqual(allowed, BURST, "more requests than the limit were let through")
        self.assertGreaterEqual(allowed + during["failed"], BURST, "more was lost than the failed requests explain")
        self.assertEqual(during["timeouts"], 0, "requests waited for ever")
        self.assertNotIn("damaged", edge.log())
        self.assertNotIn("set aside", edge.log())
        harness.wait_until(lambda: len(harness.processes_with_arena(edge.name)) == WORKERS + 1, "everybody else to leave")


def edge_answers(edge):
    """Whether somebody answers within a second: a connection may have been put before the paused one."""
    try:
        return edge.get("/livez", timeout=1).status == 200
    except (OSError, harness.Incomplete):
        return False


class TestHangs(Chaos):
    """A worker that is stopped, or stuck, is killed and replaced after worker_hang_timeout: whoever waits in its backlog is served then."""

    def start_paused(self, timeout):
        edge = self.start_spent(worker_hang_timeout=timeout)
        victim = edge.workers()[0]
        harness.kill(victim, signal.SIGSTOP)
        return edge, victim

    def test_others_go_on_and_nothing_is_lost(self):
        edge = self.start_spent(worker_hang_timeout=f"{HANG_SECONDS}s")
        kept = [harness.Connection(edge.address, SECONDS) for _ in range(8 * WORKERS)]
        for connection in kept:
            self.addCleanup(connection.close)
            connection.send(harness.format_request(target="/livez"))
            self.assertEqual(connection.answer().status, 200)
        victim = edge.workers()[0]
        harness.kill(victim, signal.SIGSTOP)
        stopped = time.monotonic()
        fresh = self.load(edge.address, *REQUEST, "--header", "X-Key: one", "--expect", "200,429", "--fresh", "--connections", 24,
                          "--requests", BURST + 1000, "--timeout-ms", SECONDS * 1000)
        harness.wait_until(lambda: not harness.is_alive(victim), "the worker that hangs to be killed")
        print(f"        killed {time.monotonic() - stopped:.2f} s after it was stopped, of {HANG_SECONDS * 0.75} to {HANG_SECONDS * 1.25}")
        served = fresh.result()
        self.assertEqual(served["failed"], 0, served)
        self.assertEqual(harness.statuses(served).get(200), BURST)
        self.wait_whole(edge)
        edge.wait_log(rf"worker \d+ \(process {victim}\) has done nothing for {HANG_SECONDS * 1000} ms "
                      r"and is killed \(worker_hang_timeout\)")
        self.assertEqual(edge.metric("fairvisor_worker_hangs_total"), 1)
        self.assertEqual(edge.metric("fairvisor_worker_restarts_total"), 1)
        alive = 0
        for connection in kept:  # those of the others were never touched
            try:
                connection.send(harness.format_request(target="/livez"))
                alive += connection.answer().status == 200
            except (OSError, harness.Incomplete):
                pass
        self.assertGreater(alive, 0)
        self.assertLess(alive, len(kept))
        self.assertEqual(self.witness(edge), 429)

    def test_reload_over_one_that_hangs(self):
        edge, victim = self.start_paused(f"{HANG_SECONDS}s")
        edge.write_policy(bundle(2))
        edge.reload(SECONDS)
        harness.wait_until(lambda: not harness.is_alive(victim), "the worker that hangs to be killed")
        self.wait_whole(edge)
        self.assertEqual(edge.metric("fairvisor_worker_hangs_total"), 1)
        self.assertEqual(self.witness(edge), 429)

    def test_debuggers_may_stop_them(self):
        """With 0 a worker may stay stopped, for longer than it takes to kill one where it is not."""
        edge, victim = self.start_paused("0")
        other, hanging = self.start_paused(f"{HANG_SECONDS}s")
        harness.wait_until(lambda: not harness.is_alive(hanging), "the worker that hangs to be killed")
        self.wait_whole(other)
        self.assertTrue(harness.is_alive(victim))
        harness.kill(victim, signal.SIGCONT)
        self.wait_whole(edge)
        self.assertEqual(edge.metric("fairvisor_worker_hangs_total"), 0)
        self.assertEqual(edge.metric("fairvisor_worker_restarts_total"), 0)


class TestMaster(Chaos):
    def test_workers_serve_on_and_the_next_master_takes_over(self):
        edge = self.start_spent(drain_timeout="30s")
        old = edge.workers()
        with harness.Connection(edge.address) as kept:
            kept.send(harness.format_request(target="/livez"))
            self.assertEqual(kept.answer().header("connection", "keep-alive"), "keep-alive")
            edge.process.kill()
            edge.process.wait()
            self.assertEqual(self.witness(edge), 429)
            self.assertEqual(sorted(pid for pid in old if harness.is_alive(pid)), old)
            edge.start()
            kept.send(harness.format_request(target="/livez"))  # of a worker that is leaving now
            self.assertEqual(kept.answer().header("connection"), "close")
        self.assertEqual(self.witness(edge), 429)
        harness.wait_until(lambda: not any(harness.is_alive(pid) for pid in old), "the old ones to leave")

    def test_start_over_a_worker_that_hangs(self):
        edge = self.start_spent()
        hanging = edge.workers()[0]
        harness.kill(hanging, signal.SIGSTOP)
        edge.process.kill()
        edge.process.wait()
        edge.start()
        self.assertFalse(harness.is_alive(hanging))
        edge.wait_log("did not let go and were ended")
        self.assertEqual(self.witness(edge), 429)

    def test_start_of_another_address_over_old_workers(self):
        edge = self.start_spent()
        edge.process.kill()
        edge.process.wait()
        old, edge.port = edge.address, harness.free_port()
        edge.address = ("127.0.0.1", edge.port)
        edge.write_settings(listen=f"127.0.0.1:{edge.port}")
        edge.start()
        self.assertEqual(self.witness(edge), 429)
        harness.wait_until(lambda: not is_open(old), "the old address to be closed")


def is_open(address):
    try:
        harness.Connection(address, 5).close()
        return True
    except OSError:
        return False


class TestSnapshots(Chaos):
    def test_torn_at_random_bytes(self):
        """The last snapshot is torn and the memory lost: the one before is used, and what was spent before it stays spent."""
        seed = int.from_bytes(os.urandom(4), "big")
        print(f"        seed {seed}")
        dice = random.Random(seed)
        edge = self.start_spent(snapshot_interval="1h")
        path = os.path.join(edge.settings["state_dir"], f"{edge.name}.snapshot")
        for _ in range(2):  # two snapshots that know of it
            self.assertEqual(edge.stop(), 0)
            edge.start()
        for _ in range(TEARS):
            self.assertEqual(edge.stop(), 0)
            self.assertFalse(os.path.exists(f"/dev/shm/fairvisor-{edge.name}"))
            os.truncate(path, dice.randrange(os.path.getsize(path)))
            written = len(edge.log())
            edge.start()
            edge.wait_log(r"the snapshot .* was refused: .*set aside", after=written)
            edge.wait_log("the snapshot before the last is used", after=written)
            self.assertEqual(self.witness(edge), 429)


class TestEnvironment(Chaos):
    def test_no_descriptors(self):
        """Connections wait in the backlog while there are none, and are served when there are again."""
        edge = self.start_spent()
        old = edge.workers()
        resource.prlimit(edge.pid, resource.RLIMIT_NOFILE, (90, 90))  # what its workers are given from now on
        for pid in old:
            harness.kill(pid)
        harness.wait_until(lambda: not set(old) & set(edge.workers()), "those killed to be reaped")
        self.wait_whole(edge)
        held = [harness.Connection(edge.address, SECONDS) for _ in range(200)]
        for connection in held:
            self.addCleanup(connection.close)
            connection.send(harness.format_request(target="/livez", headers=[("Connection", "close")]))
        for connection in held:
            self.assertEqual(connection.answer().status, 200)
        self.assertEqual(self.witness(edge), 429)
        self.assertEqual(edge.metric("fairvisor_worker_restarts_total"), WORKERS)

    def test_gateway_dies_and_comes_back(self):
        """A gateway that is killed under load takes its connections with it and nothing else: what was charged stays, no more passes."""
        edge = self.start_spent()
        http = GATEWAY.format(port=harness.free_port(), edge=edge.port)
        port = int(http.split("listen 127.0.0.1:")[1].split(";")[0])
        for number in range(GATEWAYS):
            gateway = self.start_nginx(http, port)
            load = self.load(gateway.address, "--path", "/api", "--header", "X-Key: one", "--expect", "200,403", "--connections", 24,
                             "--duration-ms", SECONDS * 1000)
            before = edge.metric("fairvisor_http_requests_total")
            harness.wait_until(lambda: edge.metric("fairvisor_http_requests_total") > before + 200, "decisions under way")
            pids = gateway.pids()
            for pid in pids:
                harness.kill(pid)
            harness.wait_until(lambda: not any(harness.is_alive(pid) for pid in pids), "the gateway to be dead")
            gateway.process.wait()
            load.finish()
            harness.wait_until(lambda: edge.metric("fairvisor_connections") == 1, "its connections to be gone")
            self.assertEqual(self.witness(edge), 429)
        rest = self.load(edge.address, *REQUEST, "--header", "X-Key: one", "--expect", "200,429", "--connections", 16, "--requests",
                         BURST + 1000).result()
        self.assertEqual(rest["failed"], 0, rest)
        allowed = sum(value for name, value in edge.metrics().items()
                      if name.startswith("fairvisor_decisions_total") and 'action="allow"' in name)
        self.assertEqual(allowed, BURST + 3)

    @harness.needs_mounts_of_root
    def test_no_shared_memory(self):
        """A /dev/shm that is full is a sentence at the start, and no obstacle once there is room."""
        edge = self.new_edge(bundle(), workers=WORKERS)
        start = "mount -t tmpfs -o size=4m tmpfs /dev/shm && exec \"$@\""
        done = subprocess.run(["unshare", "--mount", "sh", "-c", start, "sh", *edge.command()], env=edge.environment(), timeout=SECONDS,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 71, done)
        self.assertIn("cannot reserve 16 MiB of shared memory; free space in /dev/shm", done.stderr)
        self.assertEqual(edge.start().decide("GET", "/api").status, 200)

    def test_upstream_dies_and_comes_back(self):
        """What an upstream has not answered is not served from nowhere, and its loss frees what was reserved in flight."""
        policy = harness.one_rule(policy="p")
        policy["policies"][0]["spec"]["rules"] = [{
            "name": "flight", "limit_keys": [], "algorithm": "concurrency",
            "algorithm_config": {"max_in_flight": 2, "ttl_seconds": 3600}}]
        server = upstream.Scripted(answer_and_close)
        edge = self.start_edge(policy, workers=2, settings={"mode": "reverse_proxy", "backend_url": server.url})
        self.assertEqual(edge.get("/").status, 200)
        server.remove()
        for _ in range(6):
            self.assertEqual(edge.get("/").status, 502)
        server = self.own(upstream.Scripted(answer_and_close))
        edge.write_settings(backend_url=server.url)
        edge.reload()
        self.assertEqual([edge.get("/").status for _ in range(6)], [200] * 6)


GATEWAY = """
    upstream edge {{ server 127.0.0.1:{edge}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{ auth_request /decision; return 200; }}
        location /api {{ auth_request /decision; try_files /none @ok; }}
        location @ok {{ return 200; }}
        location = /decision {{
            internal;
            proxy_pass http://edge/v1/decision;
            proxy_http_version 1.1;
            proxy_pass_request_body off;
            proxy_set_header Connection "";
            proxy_set_header Content-Length "";
            proxy_set_header X-Original-Method $request_method;
            proxy_set_header X-Original-URI $request_uri;
            proxy_set_header X-Fairvisor-Reject-Status 403;
        }}
    }}
"""


def answer_and_close(peer):
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")


if not harness.ASAN:  # an allocator of its own is not to be stood in front of

    class TestClocksAndDisks(Chaos):
        def start_faulty(self, **settings):
            edge = self.new_edge(bundle(), workers=2, settings={"snapshot_interval": "100ms", **settings})
            plan = self.own(faults.Faults(edge))
            edge.start()
            self.assertEqual([self.witness(edge) for _ in range(4)], [200, 200, 200, 429])
            return edge, plan

        def test_clock_steps(self):
            """The wall clock jumps about, also over restarts: nothing is refilled, nothing is lost."""
            edge, plan = self.start_faulty()
            for step in (3600, -3600, 40 * 86400, -400 * 86400, 0):
                with self.subTest(step=step):
                    plan.set("wall_shift_s", step)
                    self.assertEqual(self.witness(edge), 429)
                    edge.reload()
                    self.assertEqual(self.witness(edge), 429)
                    self.assertEqual(edge.stop(), 0)
                    edge.start()
                    self.assertEqual(self.witness(edge), 429)
            self.assertEqual(edge.stop(), 0)

        def test_snapshot_of_the_future(self):
            """A clock that was wrong is put right while the service is down: told, and nothing is refilled."""
            edge, plan = self.start_faulty()
            plan.set("wall_shift_s", 40 * 86400)
            self.assertEqual(edge.stop(), 0)
            plan.set("wall_shift_s", 0)
            edge.start()
            edge.wait_log(r"restored from a snapshot that is 34\d+ s ahead of the clock, which was wrong then or is now: \d+ cells")
            self.assertEqual(self.witness(edge), 429)

        def test_machine_sleeps(self):
            """Time that the machine was suspended counts: it is CLOCK_BOOTTIME that refills."""
            edge, plan = self.start_faulty()
            plan.set("boot_shift_s", 3_500_000)  # three and a half tokens at one in a million seconds
            self.assertEqual([self.witness(edge) for _ in range(4)], [200, 200, 200, 429])

        def test_a_day(self):
            """A day and two hours pass in steps of ten minutes, while workers and masters die, reload, stop and start: each hour
            lets its budget through to the request, until the day's is spent, and the next day begins anew."""
            policy = harness.one_rule(policy="p")
            policy["policies"][0]["spec"]["rules"] = [budget("hour", "1h", HOURLY), budget("day", "1d", DAILY)]
            # A worker that has not counted at four looks in a row hangs; here two hours of looks pass before it has its turn.
            edge = self.new_edge(policy, workers=2, settings={
                "snapshot_interval": "100ms", "drain_timeout": "1s", "worker_hang_timeout": "0"})
            plan = self.own(faults.Faults(edge))
            began = (time.time() // 86400 + 1) * 86400 + 30
            first = int(began - time.time())
            plan.set("wall_shift_s", first)
            edge.start()
            allowed, moved = [], time.monotonic()
            for hour in range(26):
                allowed.append(0)
                for step in range(6):
                    self.assertLess(time.monotonic() - moved, STEP_SECONDS, "a step took longer than what it stands for")
                    shift, moved = int(began + hour * 3600 + step * STEP_SECONDS - time.time()), time.monotonic()
                    plan.set("wall_shift_s", shift)
                    plan.set("boot_shift_s", shift - first)
                    allowed[-1] += sum(self.ask(edge) == 200 for _ in range(ASKED))
                self.happen(edge, hour)
            self.assertEqual(allowed, [HOURLY] * (DAILY // HOURLY) + [0] * (24 - DAILY // HOURLY) + [HOURLY] * 2)

        def ask(self, edge):
            """The status of one request that is answered, whoever is gone meanwhile."""
            def answer():
                try:
                    return edge.decide("GET", "/api", timeout=SECONDS / 10).status
                except (OSError, harness.Incomplete):
                    return 0
            return harness.wait_until(answer, "an answer", SECONDS)

        def happen(self, edge, hour):
            def worker_dies():
                victim = edge.workers()[0]
                harness.kill(victim)
                harness.wait_until(lambda: not harness.is_alive(victim), "the worker to be dead", SECONDS)

            def master_dies():
                edge.process.kill()
                edge.process.wait()
                edge.start()

            def all_die():
                edge.kill_everything()
                edge.start()

            def stops_and_starts():
                self.assertEqual(edge.stop(), 0)
                edge.start()
            (worker_dies, edge.reload, master_dies, all_die, stops_and_starts)[hour % 5]()
            harness.wait_until(lambda: len(edge.workers()) == 2 and edge.ready().get("ready"), "all to serve", SECONDS)

        def test_slow_disk(self):
            edge, plan = self.start_faulty()
            plan.set("fsync_delay_ms", 1500)
            edge.wait_log("no snapshot of the counters was written .* the disk is slow or stuck")
            self.assertEqual(self.witness(edge), 429)
            edge.reload()
            self.assertEqual(self.witness(edge), 429)
            plan.set("fsync_delay_ms", 0)
            edge.wait_log("snapshots of the counters are written again")
            self.assertEqual(edge.stop(), 0)
