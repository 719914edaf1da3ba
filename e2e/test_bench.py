# SPDX-License-Identifier: MPL-2.0
"""e2e/bench itself, with a few requests and no look at time: each scenario passes its preflight with each of its peers, is
measured, and is in what is written.
"""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree

import bench_engine
import bench_peers
import bench_proof
import bench_proxies
import bench_scenarios
import bench_servers
import harness

BUILD = os.path.dirname(os.path.dirname(harness.LOAD))


class Shadow(bench_scenarios.Decision):
    def policy(self, small=None):
        bundle = super().policy(small)
        bundle["policies"][0]["spec"]["mode"] = "shadow"
        return bundle


class Refused(bench_proxies.FairvisorProxy):
    made = None

    def settings(self):
        Refused.made = self
        return {**super().settings(), "mode": "none"}


class TestBench(harness.TestCase):
    def bench(self, *arguments):
        folder = self.temporary_folder()
        paths = [os.path.join(folder, name) for name in ("figures.json", "figures.svg")]
        done = subprocess.run([sys.executable, os.path.join(harness.HERE, "bench"), "--rounds", "1", *arguments, "--json", paths[0],
                               "--svg", paths[1]], capture_output=True, text=True, timeout=900, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with open(paths[0], encoding="utf-8") as file:
            return done.stdout, json.load(file), xml.etree.ElementTree.parse(paths[1]).getroot()

    def check_scenario(self, scenario):
        out, document, picture = self.bench("--scenario", scenario.name, "--requests", "20")
        names = [make.name for make in bench_peers.of_scenario(scenario)]
        self.assertEqual(list(document["cpu"][scenario.name]["medians"]), names)
        for name in names:
            self.assertIn(f"preflight: {name}: ", out)
        drawn = " ".join(text for text in picture.itertext())
        self.assertIn("fairvisor", drawn)

    def test_each_scenario(self):
        for scenario in bench_scenarios.SCENARIOS:
            with self.subTest(scenario=scenario.name):
                self.check_scenario(scenario)

    def test_latency(self):
        _, document, _ = self.bench("--latency", "--scenario", "decision", "--only", "fairvisor", "--rate", "50", "--seconds", "1")
        for row in document["latency"]["decision"]["medians"].values():
            self.assertGreater(row["p99"]["us"], 0)

    def test_a_limiter_that_does_not_limit_is_not_measured(self):
        """An engine in shadow mode refuses nobody."""
        with self.assertRaisesRegex(RuntimeError, "fairvisor does not limit rate"):
            bench_proof.prove_limit(bench_servers.FairvisorServer, Shadow(), "rate")

    def test_nothing_is_left_of_a_server_that_does_not_start(self):
        """Nor of what was started for it."""
        with self.assertRaisesRegex(RuntimeError, "fairvisord exited with"):
            Refused(next(scenario for scenario in bench_scenarios.SCENARIOS if scenario.name == "proxy"), None)
        nginx, edge = Refused.made.upstream.nginx, Refused.made.edge
        self.assertIsNotNone(nginx.process.poll())
        self.assertEqual([path for path in (nginx.directory, edge.directory) if os.path.exists(path)], [])

    def test_the_engine_is_asked(self):
        with bench_engine.Folder() as folder:
            engine = bench_engine.Engine(BUILD, folder, keys=100, policies=50, rules=2, megabytes=8)
            self.assertGreater(engine.ask_allowed(500), 0)
        with bench_engine.Folder() as folder:  # a full arena has no room for further keys
            allowed, _ = bench_engine.Engine(BUILD, folder, keys=200_000, megabytes=8).ask(200_000)
            self.assertGreater(allowed, 0)
            self.assertLess(allowed, 200_000)
