# SPDX-License-Identifier: MPL-2.0
"""Every bad policy under tests/policy/bad is refused with its line, column and sentence wherever a policy is read: at
start, with -t, by `fairvisor validate`, and on reload, where the old generation goes on. Shipped examples are taken.

A file NAME.expect has one line for each complaint: LINE:COLUMN: code: sentence.
"""

import glob
import json
import os
import re

import harness

FOLDER = os.path.join(harness.SOURCE, "tests", "policy", "bad")
EXPECTED = re.compile(r"^(\d+):(\d+): ([a-z0-9_]+): (.*)$")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def cases():
    """(name, bytes, [(line, column, code, sentence)])"""
    found = []
    for path in sorted(glob.glob(os.path.join(FOLDER, "*.json"))):
        lines = read(path[:-5] + ".expect").decode().splitlines()
        expected = [EXPECTED.match(line).groups() for line in lines if line]
        found.append((os.path.basename(path), read(path), expected))
    return found


class TestBundles(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.cases = cases()

    def test_there_are_enough(self):
        self.assertGreaterEqual(len(self.cases), 80)
        self.assertTrue(all(expected for _, _, expected in self.cases), "an .expect file is empty")

    def test_validate(self):
        edge = self.new_edge(harness.one_rule())
        for name, text, expected in self.cases:
            with self.subTest(name):
                edge.write_policy(text)
                done = edge.cli("validate", edge.policy_file)
                self.assertEqual(done.returncode, 1, done)
                done = edge.cli("validate", "--format", "json", edge.policy_file)
                self.assertEqual(done.returncode, 1, done)
                document = json.loads(done.stdout)
                self.assertIs(document["valid"], False)
                shown = {(str(one["line"]), str(one["column"]), one["code"], one["sentence"])
                         for one in document["complaints"]}
                self.assertLessEqual(set(expected), shown)

    def assert_words(self, text, edge, expected):
        for line, column, _, sentence in expected:
            place = re.escape(f"{edge.policy_file}:{line}:{column}: ")
            self.assertRegex(text, place + "(error|warning): " + re.escape(sentence))

    def test_start_and_test_flag(self):
        edge = self.new_edge(harness.one_rule())
        for name, text, expected in self.cases:
            edge.write_policy(text)
            for arguments in ((), ("-t",)):
                with self.subTest(f"{name} {arguments}"):
                    done = edge.run(*arguments)
                    self.assertEqual(done.returncode, 65, done)
                    self.assert_words(done.stderr, edge, expected)
        self.assertEqual(harness.processes_with_arena(edge.name), [])

    def test_reload(self):
        """One instance lives through all of them, with the workers and the counters it had."""
        edge = self.start_edge(harness.one_rule(rate=0.000001, burst=len(self.cases) + 1), workers=2)
        generation, workers = edge.ready()["generation"], edge.workers()
        for name, text, expected in self.cases:
            with self.subTest(name):
                edge.write_policy(text)
                self.assert_words(edge.reload_refused(), edge, expected)
                self.assertEqual(edge.decide("GET", "/", "10.0.0.1").status, 200)
        self.assertEqual((edge.ready()["generation"], edge.workers()), (generation, workers))
        self.assertEqual(edge.decide("GET", "/", "10.0.0.1").status, 200)
        self.assertEqual(edge.decide("GET", "/", "10.0.0.1").status, 429)

    def test_examples(self):
        paths = sorted(glob.glob(os.path.join(harness.SOURCE, "packaging", "examples", "*.json")))
        self.assertGreaterEqual(len(paths), 5)
        edge = self.new_edge(harness.one_rule())
        for path in paths:
            with self.subTest(path):
                done = edge.cli("validate", path)
                self.assertEqual(done.returncode, 0, done)
                edge.write_policy(read(path))
                self.assertEqual(edge.run("-t").returncode, 0)
