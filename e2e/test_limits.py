# SPDX-License-Identifier: MPL-2.0
"""Limits that are reserved before and settled after, budgets with stages, requests in flight: exact over several
workers, whatever the order in which things happen."""

import json
import random
import threading
import time

import harness

SEQUENCES = harness.full_or_short(100_000, 10_000 if not harness.ASAN else 2_000)
WORKERS = 4
THREADS = 8


def bundle(algorithm, config, keys=("header:x-key",), **spec):
    rule = {"name": "r", "limit_keys": list(keys), "algorithm": algorithm, "algorithm_config": config}
    return {"bundle_version": 1, "policies": [
        {"id": "p", "spec": {"selector": {"pathPrefix": "/"}, "rules": [rule], **spec}}]}


def chat(max_tokens, text=""):
    return json.dumps({"messages": [{"role": "user", "content": text}], "max_tokens": max_tokens}).encode()


class Client(harness.Connection):
    """A connection that asks for decisions and settles them."""

    def ask(self, method, target, headers=(), body=b""):
        self.send(harness.format_request(method, target, headers, body))
        return self.answer(method)

    def reserve(self, key, max_tokens, text=""):
        return self.ask("POST", "/v1/decision/v1/chat", [("X-Key", key)], chat(max_tokens, text))

    def settle(self, reservation, prompt=None, completion=None):
        usage = {"prompt_tokens": prompt, "completion_tokens": completion}
        usage = {name: value for name, value in usage.items() if value is not None}
        return self.ask("POST", "/v1/settle", [], json.dumps({"reservation": reservation, **usage}).encode())


def at_once(edge, count, work):
    """Runs WORK(client, number) on COUNT connections at the same time; gives what each returned, or raises."""
    results, errors, barrier = [None] * count, [], threading.Barrier(count)

    def run(number):
        try:
            with Client(edge.address, 30) as client:
                barrier.wait(30)
                results[number] = work(client, number)
        except Exception as error:  # pylint: disable=broad-except
            errors.append(error)
            barrier.abort()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


class TestTokens(harness.TestCase):
    def left(self, edge, key):
        """What `fairvisor explain` says is left of each limit of KEY, in tokens."""
        done = edge.cli("explain", "-c", edge.config_file, "--json", "POST", "/v1/chat", "-H", f"X-Key: {key}")
        self.assertEqual(done.returncode, 0, done)
        document = json.loads(done.stdout)
        self.assertEqual(document["counters"], "live", document)
        return [int(step["remaining"]) for step in document["steps"] if "remaining" in step]

    def test_five_at_once(self):
        """Five concurrent requests against a limit of 100 tokens: what is admitted never reserves more than 100."""
        config = {"tokens_per_minute": 1, "burst_tokens": 100}
        edge = self.start_edge(bundle("token_bucket_llm", config), workers=WORKERS)
        for cost in (20, 21, 33, 50, 51, 99, 100, 101):
            for repetition in range(5):
                key = f"{cost}-{repetition}"
                answers = at_once(edge, 5, lambda client, _, key=key, cost=cost: client.reserve(key, cost))
                allowed = [answer for answer in answers if answer.status == 200]
                self.assertEqual(len(allowed), min(5, 100 // cost), answers)
                for answer in answers:
                    if answer.status != 200:
                        self.assertEqual((answer.status, answer.header("x-fairvisor-reason")), (429, "tpm_exceeded"))
                        self.assertEqual(answer.json()["error"]["code"], "rate_limit_exceeded")
                    if cost == 101:
                        self.assertEqual(answer.header("x-should-retry"), "false")
                left = self.left(edge, key)[0] - (100 - cost * len(allowed))
                self.assertIn(left, (0, 1), "a token a minute may have come back")

    def run_sequences(self, client, number, seed, keys):
        """One thread's share: reserve, then settle (once or twice), or abandon. Gives what it spent of each key."""
        rng = random.Random(seed * 1000 + number)
        spent, counts, waiting = dict.fromkeys(keys, 0), {"reserved": 0, "refused": 0, "settled": 0, "repeated": 0}, []

        def settle_one():
            key, cost, name = waiting.pop(rng.randrange(len(waiting)))
            prompt = rng.choice((0, rng.randrange(100), cost))
            completion = rng.choice((0, rng.randrange(300), cost))
            for repeated in range(rng.choice((1, 1, 1, 2))):
                answer = client.settle(name, prompt, completion)
                self.assertEqual(answer.status, 409 if repeated else 200, answer)
                counts["repeated" if repeated else "settled"] += 1
            spent[key] += prompt + completion - cost

        for _ in range(SEQUENCES // THREADS):
            key, most, size = rng.choice(keys), rng.randrange(1, 200), rng.randrange(0, 400)
            answer, cost = client.reserve(key, most, "x" * size), most + (size + 3) // 4
            if answer.status == 200:
                counts["reserved"] += 1
                spent[key] += cost
                if rng.random() < 0.7:
                    waiting.append((key, cost, answer.header("x-fairvisor-reservation")))
            else:
                self.assertEqual(answer.header("x-fairvisor-reason"), "tpd_exceeded")
                counts["refused"] += 1
            while waiting and (len(waiting) > 20 or rng.random() < 0.5):
                settle_one()
        while waiting:
            settle_one()
        return spent, counts

    def test_random_sequences(self):
        """Random reservations, settled once, twice or never, from several connections: the balance is what a model of
        integers says, for every identity."""
        size, keys = SEQUENCES * 6, [f"key-{i}" for i in range(20)]
        while True:  # once, but for a day that ends meanwhile
            day = time.gmtime().tm_yday
            edge = self.start_edge(bundle("token_bucket_llm", {"tokens_per_day": size}), workers=WORKERS)
            seed = random.randrange(1 << 30)
            parts = at_once(edge, THREADS, lambda client, number: self.run_sequences(client, number, seed, keys))
            left = {key: self.left(edge, key) for key in keys}
            if time.gmtime().tm_yday == day:
                break
        counts = {name: sum(part[1][name] for part in parts) for name in parts[0][1]}
        for key in keys:
            self.assertEqual(left[key], [size - sum(part[0][key] for part in parts)], (seed, key, counts))
        self.assertGreater(min(counts.values()), 0, f"seed {seed}: {counts} leaves something out")
        metrics = edge.metrics()
        self.assertEqual(metrics['fairvisor_settlements_total{result="settled"}'], counts["settled"])
        self.assertEqual(metrics['fairvisor_settlements_total{result="repeated"}'], counts["repeated"])
        self.assertEqual(metrics["fairvisor_token_estimation_ratio_count"], counts["settled"])

    def test_a_reservation_outlives_a_reload_and_its_worker(self):
        edge = self.start_edge(bundle("token_bucket_llm", {"tokens_per_minute": 1, "burst_tokens": 1000}), workers=2)
        with Client(edge.address) as client:
            name = client.reserve("a", 500).header("x-fairvisor-reservation")
        edge.reload()
        with Client(edge.address) as client:
            self.assertEqual(client.settle(name, 0, 20).status, 200)
            self.assertEqual(client.settle(name, 0, 20).status, 409)
        self.assertIn(self.left(edge, "a")[0], (980, 981))


class TestBodies(harness.TestCase):
    def test_more_than_there_is_room_for(self):
        """All bodies that are gathered have a bound together: who is beyond it is told to come again, and can once others are done."""
        edge = self.start_edge(bundle("token_bucket_llm", {"tokens_per_minute": 1_000_000_000}), workers=1, settings={
            "max_body_bytes": "16m", "body_timeout": "60s"})
        size, piece, waiting = 16 << 20, b" " * (1 << 20), []
        head = harness.format_request("POST", "/v1/decision/", {"X-Key": "k", "Content-Length": str(size)})
        for _ in range(24):
            client = harness.Connection(edge.address, 60)
            self.addCleanup(client.close)
            waiting.append(client)
            self.send_quietly(client, head + piece * (size // len(piece) - 1))
        answers = []
        for client in waiting:
            self.send_quietly(client, piece)
            answers.append(client.answer())
        told = {(answer.status, answer.header("Retry-After"), answer.header("Connection")) for answer in answers}
        self.assertEqual(told, {(200, None, None), (503, "1", "close")})
        self.assertGreaterEqual(sum(answer.status == 200 for answer in answers), 256 // 16 // 2)  # room doubles as it grows
        self.assertEqual(harness.request(edge.address, "POST", "/v1/decision/", {"X-Key": "k"}, chat(1)).status, 200)

    @staticmethod
    def send_quietly(client, data):
        try:
            client.send(data)
        except ConnectionError:
            pass  # it was answered before all was sent


class TestBudgets(harness.TestCase):
    def test_stages(self):
        """A budget of 100 over 4 workers: 49 answers without a warning, 30 with one, 21 that are held back too."""
        harness.avoid_midnight()
        stages = [{"threshold_percent": 50, "action": "warn"},
                  {"threshold_percent": 80, "action": "throttle", "delay_ms": 30},
                  {"threshold_percent": 100, "action": "reject"}]
        config = {"budget": 100, "period": "30d", "fixed_cost": 1, "staged_actions": stages}
        edge = self.start_edge(bundle("cost_based", config, keys=()), workers=WORKERS)

        def work(client, _):
            return [client.ask("GET", "/v1/decision/") for _ in range(25)]

        answers = [answer for part in at_once(edge, THREADS, work) for answer in part]
        seen = {}
        for answer in answers:
            kind = (answer.status, answer.header("x-fairvisor-warning"))
            seen[kind] = seen.get(kind, 0) + 1
        self.assertEqual(seen, {(200, None): 49, (200, "budget_warn"): 30, (200, "budget_warn, budget_throttle"): 21,
                                (429, None): len(answers) - 100})
        refused = next(answer for answer in answers if answer.status == 429)
        self.assertEqual(refused.header("x-fairvisor-reason"), "budget_exhausted")
        self.assertEqual(refused.header("x-should-retry"), "false")
        self.assertIn("allows 100 in 2592000 s; left: 0. Retrying does not help before", refused.json()["detail"])

    def test_a_day_of_a_time_zone(self):
        """The child that vets a bundle, master and workers all read the system's file of the zone."""
        def left(now, hours):
            """Seconds until midnight, so many hours ahead of UTC."""
            return 86400 - (now + hours * 3600) % 86400

        def daily(zone):
            config = {"budget": 1, "period": "1d", "fixed_cost": 1, "timezone": zone,
                      "staged_actions": [{"threshold_percent": 100, "action": "reject"}]}
            return bundle("cost_based", config, keys=())

        edge = self.start_edge(daily("Pacific/Kiritimati"), workers=WORKERS)  # 14 hours ahead, all year
        for zone, hours in (("Pacific/Kiritimati", 14), ("Pacific/Pago_Pago", -11)):
            edge.write_policy(daily(zone))
            tested = edge.run("-t")
            self.assertEqual(tested.returncode, 0, tested.stderr)
            edge.reload()
            before = time.time()
            answers = [edge.decide("GET", "/") for _ in range(2)]
            after = time.time()
            if left(after, hours) > left(before, hours):  # a day has ended meanwhile
                answers[1] = edge.decide("GET", "/")
                before, after = after, time.time()
            self.assertEqual(answers[1].status, 429)
            reset = int(answers[1].header("ratelimit-reset"))
            self.assertTrue(left(after, hours) - 1 <= reset <= left(before, hours) + 1,
                            f"{zone}: {reset} s, {left(after, hours)} s are left")

    def test_a_held_answer_survives_a_reload(self):
        """A client that is held back while its worker drains gets its answer from it."""
        harness.avoid_midnight()
        config = {"budget": 100, "period": "30d", "fixed_cost": 1, "staged_actions": [
            {"threshold_percent": 1, "action": "throttle", "delay_ms": 3000},
            {"threshold_percent": 100, "action": "reject"}]}
        edge = self.start_edge(bundle("cost_based", config, keys=()), workers=2)
        clients = [harness.Connection(edge.address, 30) for _ in range(8)]
        for client in clients:
            client.send(harness.format_request("GET", "/v1/decision/"))
        decided = 'fairvisor_decisions_total{action="allow",reason="",policy="p"}'
        harness.wait_until(lambda: edge.metrics().get(decided) == len(clients), "all decisions to be made")
        edge.reload()
        for client in clients:
            answer = client.answer()
            self.assertEqual((answer.status, answer.header("x-fairvisor-warning")), (200, "budget_throttle"))
            client.close()


class TestExplain(harness.TestCase):
    def test_it_says_what_the_answer_says(self):
        """The tightest of several limits, what remains of it behind the request, and how long to wait."""
        harness.avoid_midnight()
        stages = [{"threshold_percent": 100, "action": "reject"}]
        edge = self.start_edge({"bundle_version": 1, "policies": [
            {"id": "money", "spec": {"selector": {"pathPrefix": "/"}, "rules": [
                {"name": "day", "limit_keys": ["header:x-key"], "algorithm": "cost_based", "algorithm_config": {
                    "budget": 1000, "period": "month", "cost_key": "header:x-cost", "default_cost": 1, "staged_actions": stages}}]}},
            {"id": "slots", "spec": {"selector": {"pathPrefix": "/"}, "rules": [
                {"name": "week", "limit_keys": ["header:x-key"], "algorithm": "cost_based", "algorithm_config": {
                    "budget": 20, "period": "month", "fixed_cost": 3, "staged_actions": stages}}]}}]}, workers=2)
        told = set()
        for number, cost in enumerate([1, 900, 50, 1, 1, 40, 1, 1, 1, 1]):
            headers = [("X-Key", "a"), ("X-Cost", str(cost))]
            explained = json.loads(edge.cli("explain", "-c", edge.config_file, "--json", "GET", "/x",
                                            *(word for name, value in headers for word in ("-H", f"{name}: {value}"))).stdout)["verdict"]
            answer = edge.decide("GET", "/x", headers=headers)
            with self.subTest(number=number, cost=cost):
                self.assertEqual(explained["allowed"], answer.status == 200, answer)
                self.assertEqual(answer.header("RateLimit").partition(";")[0], f'"{explained["policy"]}"')
                self.assertEqual(answer.header("RateLimit-Limit"), str(explained["limit"]))
                self.assertEqual(answer.header("RateLimit-Remaining"), str(explained["remaining"]))
                told.add((explained["policy"], explained["allowed"]))
        self.assertEqual(told, {("money", True), ("slots", True), ("slots", False)})

    def test_loops(self):
        """The so many-th of its kind, whether it is refused for it, warned of, or merely counted; of no kind in shadow mode."""
        for action, mode, last in (("reject", "enforce", (429, None)), ("warn", "enforce", (200, "loop_warn")),
                                   ("warn", "shadow", (200, None))):
            edge = self.start_edge({"bundle_version": 1, "policies": [{"id": "p", "spec": {
                "selector": {"pathPrefix": "/"}, "mode": mode, "rules": [harness.token_bucket("r", 100, 100, ("header:x-key",))],
                "loop_detection": {"enabled": True, "window_seconds": 3600, "threshold_identical_requests": 3,
                                   "action": action}}}]}, workers=1)
            words = ("explain", "-c", edge.config_file, "GET", "/x", "-H", "X-Key: a")
            for number in range(1, 6):
                with self.subTest(action=action, mode=mode, number=number):
                    text, verdict = edge.cli(*words).stdout, json.loads(edge.cli(*words, "--json").stdout)["verdict"]
                    answer = edge.decide("GET", "/x", headers=[("X-Key", "a")])
                    count = answer.header("X-Fairvisor-Loop-Count")
                    self.assertEqual(count is None, mode == "shadow")
                    self.assertEqual(str(verdict.get("loop_count")), str(count))
                    self.assertEqual("  the answer carries X-Fairvisor-Loop-Count: " in text, count is not None)
                    self.assertIn(f"X-Fairvisor-Loop-Count: {count}\n" if count else "verdict: ", text)
            self.assertEqual((answer.status, answer.header("X-Fairvisor-Warning")), last)


class TestConcurrency(harness.TestCase):
    MOST = 5

    def test_in_flight(self):
        """Never more than 5 in flight, as seen by clients that count before they settle; all 5 are free at the end."""
        config = {"max_in_flight": self.MOST, "ttl_seconds": 600}
        edge = self.start_edge(bundle("concurrency", config, keys=()), workers=WORKERS)
        lock, in_flight, highest = threading.Lock(), [0], [0]

        def work(client, number):
            rng, counts = random.Random(number), [0, 0]
            for _ in range(300):
                answer = client.ask("GET", "/v1/decision/")
                counts[answer.status == 200] += 1
                if answer.status != 200:
                    self.assertEqual(answer.header("x-fairvisor-reason"), "concurrency_exceeded")
                    continue
                with lock:
                    in_flight[0] += 1
                    highest[0] = max(highest[0], in_flight[0])
                if rng.random() < 0.5:
                    self.assertEqual(client.ask("GET", "/livez").status, 200)
                with lock:
                    in_flight[0] -= 1
                self.assertEqual(client.settle(answer.header("x-fairvisor-reservation")).status, 200)
            return counts

        parts = at_once(edge, 16, work)
        self.assertLessEqual(highest[0], self.MOST)
        self.assertGreater(sum(part[0] for part in parts), 0, "nothing was ever refused: too little was in flight")
        with Client(edge.address) as client:
            statuses = [client.ask("GET", "/v1/decision/").status for _ in range(self.MOST + 1)]
        self.assertEqual(statuses, [200] * self.MOST + [429])
