# SPDX-License-Identifier: MPL-2.0
"""One call fails: memory, mappings, descriptors, disks. Over a fixed script (start, three requests, reload, snapshot, quit) the
process goes on or exits with a sentence: it is never killed by a signal of its own, never hangs, never lets one too many through.

Short: some numbers of each function, others in each run; with --full every one."""

import os
import random
import re
import signal
import subprocess
import unittest

import faults
import harness

BURST = 2
SECONDS = 60
FUNCTIONS = ("malloc", "calloc", "realloc", "mmap", "accept4", "read", "write", "writev", "send", "recv", "sendmsg",
             "fsync", "openat")
PROGRAMS = ("fairvisord", "fairvisor-worker")
SHORT_RUNS = 14
CRASHES = re.compile(r"signal (4|6|7|8|11) \(|fairvisor: bug at |with signal|ended with status (6|11|134|139)\b")
SENTENCE = re.compile(r"(?m)^fairvisord: \S.*\w")
OUR_BUG = 70


class Script:
    """Runs the script once on EDGE. Everything that waits, waits for an event, and not for ever."""

    def __init__(self, test, program, function, fails):
        self.test = test
        self.edge = test.new_edge(harness.one_rule(rate=0.000001, burst=BURST), workers=1, settings={
            "snapshot_interval": "100ms", "drain_timeout": "1s", "shared_dict_size": "8m"})
        self.faults = test.own(faults.Faults(self.edge, program, function, fails))
        self.allowed = 0

    def has_ended(self):
        return self.edge.process.poll() is not None

    def is_up(self):
        return self.edge.written_pid() == self.edge.process.pid and self.edge.ready().get("ready")

    def ask(self):
        """One request that is answered in the end, whatever happens to connections on the way. False: there is nobody."""
        def answer():
            if self.has_ended():
                return -1
            try:
                return self.edge.decide(client="10.0.0.1").status
            except (OSError, harness.Incomplete):
                return 0
        status = harness.wait_until(answer, "an answer", SECONDS)
        self.allowed += status == 200
        self.test.assertIn(status, (-1, 200, 429, 500, 503))
        return status != -1

    def serve(self):
        if not all(self.ask() for _ in range(BURST + 1)):
            return
        written, before = len(self.edge.log()), self.edge.ready().get("generation", 0)
        self.edge.write_policy(harness.with_version(harness.one_rule(rate=0.000001, burst=BURST), 2))
        self.edge.send_signal(signal.SIGHUP)
        harness.wait_until(lambda: self.has_ended() or self.edge.ready().get("generation", 0) > before or
                           "the reload was refused" in self.edge.log()[written:], "the reload to end either way", SECONDS)
        self.ask()
        snapshot = os.path.join(self.edge.settings["state_dir"], f"{self.edge.name}.snapshot")
        harness.wait_until(lambda: self.has_ended() or os.path.exists(snapshot), "a snapshot", SECONDS)

    def run(self):
        self.edge.spawn()
        harness.wait_until(lambda: self.has_ended() or self.is_up(), "the start to end one way or the other", SECONDS)
        if not self.has_ended():
            self.serve()
        was_quit = not self.has_ended()
        if was_quit:
            self.edge.send_signal(signal.SIGQUIT)
        code = self.edge.process.wait(SECONDS)
        self.judge(code, was_quit)

    def judge(self, code, was_quit):
        log = self.edge.log()
        self.test.assertGreaterEqual(code, 0, f"killed by signal {-code}\n{log}")
        self.test.assertLessEqual(self.allowed, BURST, f"over-admission\n{log}")
        self.test.assertIsNone(CRASHES.search(log), log)
        if was_quit:
            self.test.assertEqual(code, 0, log)
        else:
            self.test.assertRegex(log, SENTENCE)


if not harness.ASAN:  # its allocator is not to be stood in front of

    class TestFaults(harness.TestCase):
        def run_one(self, program, function, fails):
            script = Script(self, program, function, fails)
            try:
                with self.subTest(program=program, function=function, fails=fails):
                    script.run()
            finally:
                for thing in (script.edge, script.faults):
                    counted = script.faults.get("counted") if thing is script.edge else counted
                    self.assertEqual(thing.remove(), [])
                    self.owned.remove(thing)
            return counted

        def test_without_a_fault(self):
            """The library changes nothing by itself, and sees both programs."""
            for program, function in (("fairvisord", "read"), ("fairvisor-worker", "recv")):
                self.assertGreater(self.run_one(program, function, 0), 2)

        def test_the_nth_call_fails(self):
            seed = int.from_bytes(os.urandom(4), "big")
            dice = random.Random(seed)
            cases = [(program, function) for program in PROGRAMS for function in FUNCTIONS]
            runs = 0
            if harness.FULL:
                for program, function in cases:
                    most = self.run_one(program, function, 0)
                    for number in range(1, most + 3):
                        self.run_one(program, function, number)
                    runs += most
            else:
                for program, function in dice.sample(cases, SHORT_RUNS):
                    self.run_one(program, function, dice.choice((1, 2, 3, dice.randint(4, 40), dice.randint(4, 400))))
                    runs += 1
            print(f"        seed {seed}, {runs} runs")

    # What fairvisor(1) is asked: files that it reads, and an instance that serves.
    COMMANDS = {
        "validate": ["validate", "{policy}"],
        "diff": ["diff", "{policy}", "{policy}", "--json"],
        "replay": ["test", "{policy}", "--requests", "{log}", "--json"],
        "init": ["init", "--template=llm", "-"],
        "status": ["status", "-c", "{config}"],
        "explain": ["explain", "-c", "{config}", "GET", "/api", "--client", "10.0.0.1"],
        "kill": ["kill", "-c", "{config}", "header:x-key", "v", "--reason", "test", "--for", "1h"],
        "reset": ["keys", "reset", "-c", "{config}", "--reason", "test", "ip:address=10.0.0.1"],
        "push": ["connect", "-c", "{config}", "--push", "{policy}", "--yes"],
    }
    COMMAND_FUNCTIONS = ("malloc", "calloc", "realloc", "mmap", "read", "write", "sendmsg", "openat")
    SHORT_COMMANDS = 12
    CODES = {0, 1, 64, 65, 66, 69, 71, 73, 77, 78}
    CODES_OF_STATUS = {0, 1, 2, 3}  # those of a monitoring plugin

    class TestCommandFaults(harness.TestCase):
        """Each command ends by itself, with a code that is documented and, where it is not 0, a sentence; the service goes on."""

        def setUp(self):
            super().setUp()
            self.edge = self.start_edge(harness.one_rule(), workers=1, settings={"shared_dict_size": "8m"})
            log = os.path.join(self.temporary_folder(), "access.log")
            with open(log, "w", encoding="ascii") as file:
                file.write('10.0.0.1 - - [30/Nov/2026:12:00:00 +0000] "GET /api HTTP/1.1" 200 1 "-" "-"\n' * 20)
            self.names = {"policy": self.edge.policy_file, "config": self.edge.config_file, "log": log}

        def run_one(self, name, function, fails):
            plan = self.own(faults.Faults(None, "fairvisor", function, fails))
            done = subprocess.run([harness.program("fairvisor"), *(word.format(**self.names) for word in COMMANDS[name])],
                                  env=harness.clean_environment(plan.variables), capture_output=True, text=True, timeout=SECONDS,
                                  stdin=subprocess.DEVNULL)
            with self.subTest(command=name, function=function, fails=fails):
                self.assertIn(done.returncode, CODES_OF_STATUS if name == "status" else CODES, done)
                if done.returncode != 0:
                    self.assertRegex(done.stdout + done.stderr, r"(?m)^\S.*\w", done)
                if fails == 0:
                    self.assertEqual(done.returncode, 0, done)
                if plan.get("fired") and function == "write":
                    self.assertNotEqual(done.returncode, 0, f"output is lost: {done}")
            counted = plan.get("counted")
            plan.remove()
            self.owned.remove(plan)
            return counted

        def test_the_nth_call_fails(self):
            seed = int.from_bytes(os.urandom(4), "big")
            dice = random.Random(seed)
            cases = [(name, function) for name in COMMANDS for function in COMMAND_FUNCTIONS]
            runs = 0
            for name, function in cases if harness.FULL else dice.sample(cases, SHORT_COMMANDS):
                most = self.run_one(name, function, 0)
                numbers = range(1, most + 1) if harness.FULL else dice.sample(range(1, most + 1), min(most, 3))
                for number in numbers:
                    self.run_one(name, function, number)
                    runs += 1
            print(f"        seed {seed}, {runs} runs")
            self.edge.reload()
            self.assertEqual(self.edge.stop(), 0)


if __name__ == "__main__":
    unittest.main()
