# SPDX-License-Identifier: MPL-2.0
"""Reservations are made, settled twice at once and granted back while workers are killed and bundles replaced: nobody settles
twice, and no token is handed out that was spent."""

import json
import os
import random
import signal
import threading
import unittest

import harness
import test_limits

KEYS = [f"key-{number}" for number in range(6)]
SIZE = 1_000_000
MOST = 300  # tokens of one reservation
THREADS = 6
KILLS = harness.full_or_short(200, 10 if not harness.ASAN else 5)
RELOADS = harness.full_or_short(50, 3)
GRANTS = harness.full_or_short(50, 4)
SECONDS = 60


def bundle(version=1):
    return {**test_limits.bundle("token_bucket_llm", {"tokens_per_day": SIZE}), "bundle_version": version}


class Account:
    """What is known of one key: so much was spent at least, and so much more may have been."""

    def __init__(self):
        self.least = self.unknown = 0


class Storm(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.lock, self.accounts, self.errors = threading.Lock(), {key: Account() for key in KEYS}, []
        self.is_over, self.lost = threading.Event(), 0

    def note(self, key, least, unknown=0):
        with self.lock:
            self.accounts[key].least += least
            self.accounts[key].unknown += unknown

    def settle(self, edge, name, usage, statuses):
        """Asks until somebody answers. None in STATUSES: an answer that never came."""
        while True:
            try:
                with test_limits.Client(edge.address, SECONDS) as client:
                    status = client.settle(name, 0, usage).status
            except (OSError, harness.Incomplete):
                status = None
            statuses.append(status)
            if status not in (None, 503):
                return

    def spend(self, edge, seed):
        """Reserves, and settles for less from two connections at once, or never."""
        dice = random.Random(seed)
        while not self.is_over.is_set():
            key, cost = dice.choice(KEYS), dice.randrange(1, MOST)
            try:
                with test_limits.Client(edge.address, SECONDS) as client:
                    answer = client.reserve(key, cost)
            except (OSError, harness.Incomplete):
                self.note(key, 0, cost)
                continue
            if answer.status == 503:
                continue
            self.assertEqual(answer.status, 200, answer)
            if dice.random() < 0.2:
                self.note(key, cost)
                continue
            usage, statuses = dice.randrange(cost + 1), []
            name = answer.header("x-fairvisor-reservation")
            twins = [threading.Thread(target=self.settle, args=(edge, name, usage, statuses)) for _ in range(2)]
            for twin in twins:
                twin.start()
            for twin in twins:
                twin.join()
            self.assertLessEqual(set(statuses), {200, 409, 503, None})
            self.assertLessEqual(statuses.count(200), 1, statuses)
            if 200 not in statuses:  # who settled it died before it said so
                self.assertIn(None, statuses)
                self.lost += 1
                self.note(key, usage, cost - usage)
            else:
                self.note(key, usage)

    def run_thread(self, edge, seed):
        try:
            self.spend(edge, seed)
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(error)
            self.is_over.set()

    def kill_one(self, edge, dice):
        victim = dice.choice(edge.workers())
        harness.kill(victim, signal.SIGKILL)
        harness.wait_until(lambda: not harness.is_alive(victim) and len(edge.workers()) == 2, "the next worker", SECONDS)

    def reload(self, edge, dice):
        self.version += 1
        edge.write_policy(bundle(self.version))
        edge.reload(SECONDS)

    def grant(self, edge, dice):
        key = dice.choice(KEYS)
        done = edge.cli("keys", "grant", "-c", edge.config_file, "--reason", "storm", "--json", "--amount", "50",
                        f"header:x-key={key}", timeout=SECONDS)
        self.assertEqual(done.returncode, 0, done)
        self.note(key, -int(json.loads(done.stdout)["amount"]))

    def test_storm(self):
        harness.avoid_midnight(harness.full_or_short(1800, 300))
        seed = int.from_bytes(os.urandom(4), "big")
        print(f"        seed {seed}")
        dice, self.version = random.Random(seed), 1
        edge = self.start_edge(bundle(), workers=2, settings={"drain_timeout": "2s"})
        with test_limits.Client(edge.address, SECONDS) as client:  # so that there is something to give back
            for key in KEYS:
                self.assertEqual(client.reserve(key, 10_000).status, 200)
                self.note(key, 10_000)
        threads = [threading.Thread(target=self.run_thread, args=(edge, seed + number)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        events = [self.kill_one] * KILLS + [self.reload] * RELOADS + [self.grant] * GRANTS
        dice.shuffle(events)
        for event in events:
            event(edge, dice)
        self.is_over.set()
        for thread in threads:
            thread.join()
        self.assertEqual(self.errors, [])
        for key, account in self.accounts.items():
            spent = SIZE - test_limits.TestTokens.left(self, edge, key)[0]
            self.assertGreaterEqual(spent, account.least, f"{key}: tokens that were spent were handed out again")
            # A worker that dies may cost each identity that it served one reservation.
            self.assertLessEqual(spent, account.least + account.unknown + KILLS * MOST, f"{key}: more was lost than that")
        print(f"        {sum(account.least for account in self.accounts.values())} tokens spent, "
              f"{sum(account.unknown for account in self.accounts.values())} unknown, {self.lost} settlements without an answer")
        self.assertNotIn("damaged", edge.log())


if __name__ == "__main__":
    unittest.main()
