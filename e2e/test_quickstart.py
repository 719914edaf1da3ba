# SPDX-License-Identifier: MPL-2.0
"""The quick start as a newcomer types it: the policy of the README, settings from the environment, curl."""

import json
import os
import re
import shutil
import signal
import subprocess

import harness

POLICY = os.path.join(harness.SOURCE, "packaging", "examples", "quickstart.json")


class EnvironmentEdge(harness.Edge):
    """Started without a settings file: everything from FAIRVISOR_* variables."""

    def __init__(self, policy, **more):
        super().__init__(policy, **more)
        self.pid_file = os.path.join(self.settings["runtime_dir"], f"{self.name}.pid")

    def environment(self):
        return harness.clean_environment({f"FAIRVISOR_{name.upper()}": str(value)
                                          for name, value in self.settings.items() if value is not None})

    def command(self, *arguments):
        return [os.path.join(self.prefix, "sbin", "fairvisord"), *arguments]


class TestQuickstart(harness.TestCase):
    def setUp(self):
        super().setUp()
        with open(POLICY, encoding="utf-8") as file:
            self.policy = file.read()
        self.edge = self.own(EnvironmentEdge(self.policy, settings={"mode": "decision_service"})).start()

    def curl(self, *arguments):
        return subprocess.run(["curl", *arguments], capture_output=True, text=True, timeout=30, check=False)

    def decide(self, client, times=1):
        """The curl line of the quick start, with headers shown; the answer, or a list of them where it is to ask several TIMES."""
        shown = self.curl("-s", "-i", "-w", "\nHTTP %{http_code}\n", "-H", "X-Original-Method: GET",
                          "-H", "X-Original-URI: /api/data", "-H", f"X-Forwarded-For: {client}",
                          *[f"http://localhost:{self.edge.port}/v1/decision"] * times).stdout
        answers = re.findall(r".*?^HTTP \d+\n", shown, re.DOTALL | re.MULTILINE)
        self.assertEqual(len(answers), times, shown)
        return answers if times > 1 else answers[0]

    def test_readme_shows_the_shipped_policy(self):
        with open(os.path.join(harness.SOURCE, "README.md"), encoding="utf-8") as file:
            shown = re.search(r"```json\n(.*?)```", file.read(), re.DOTALL).group(1)
        self.assertEqual(json.loads(shown), json.loads(self.policy))

    def test_readyz(self):
        ready = self.curl("-sf", f"http://localhost:{self.edge.port}/readyz")
        self.assertEqual(ready.returncode, 0, ready)
        document = json.loads(ready.stdout)
        self.assertEqual((document["status"], document["ready"]), ("ok", True))
        self.assertEqual(document["policy_version"], 1)
        self.assertRegex(document["policy_hash"], r"^[0-9a-f]{64}$")
        self.assertGreaterEqual(document["generation"], 1)
        self.assertIn("last_config_update", document)
        self.assertEqual(self.curl("-s", f"http://localhost:{self.edge.port}/livez").stdout.strip(), "ok")

    def test_burst_then_429(self):
        answers = [self.decide("10.0.0.1") for _ in range(10)]
        for answer in answers:
            self.assertIn("HTTP 200", answer)
            self.assertIn('RateLimit: "demo-rate-limit";r=', answer)
        # By one process: five in a second come back, which is as fast as a busy machine begins new ones.
        more = self.decide("10.0.0.1", 200)
        refused = next((answer for answer in more if "HTTP 429" in answer), None)
        self.assertIsNotNone(refused, "200 more requests were all allowed")
        self.assertRegex(refused, r"^HTTP/1\.1 429 Too Many Requests\r?\n")
        for pattern in (r"X-Fairvisor-Reason: rate_limit_exceeded", r"Retry-After: [1-9]\d*",
                        r'RateLimit: "demo-rate-limit";r=0;t=[1-9]\d*', r"RateLimit-Limit: 10",
                        r"RateLimit-Remaining: 0", r"RateLimit-Reset: [1-9]\d*",
                        r'RateLimit-Policy: "demo-rate-limit";q=10;w=2'):
            self.assertRegex(refused, rf"(?m)^{pattern}\r?$")
        other = self.decide("10.0.0.2")
        self.assertIn("HTTP 200", other)
        self.assertRegex(other, r"(?m)^RateLimit-Remaining: 9\r?$")

    def quickstart(self, *arguments):
        """packaging/quickstart of a checkout whose prefix has the programs under test, told of this instance by the environment."""
        checkout = os.path.join(self.edge.directory, "checkout")
        prefix = os.path.join(checkout, "build", "prefix")
        if not os.path.isdir(checkout):
            os.makedirs(os.path.join(prefix, "etc", "fairvisor"))
            os.makedirs(os.path.join(checkout, "packaging"))
            shutil.copy(os.path.join(harness.SOURCE, "packaging", "quickstart"), os.path.join(checkout, "packaging"))
            for folder in ("bin", "sbin"):
                os.symlink(os.path.join(self.edge.prefix, folder), os.path.join(prefix, folder))
            with open(os.path.join(prefix, "etc", "fairvisor", "fairvisor.conf"), "w", encoding="utf-8") as file:
                file.write(f"instance = {self.edge.name}\n")
        return subprocess.run([os.path.join(checkout, "packaging", "quickstart"), *arguments], capture_output=True, text=True,
                              env=self.edge.environment(), timeout=60, check=False)

    def test_stop_after_the_master_was_killed(self):
        """Its workers serve on without it: whoever says stop means them, too."""
        harness.kill(self.edge.pid, signal.SIGKILL)
        self.edge.process.wait()
        self.assertEqual(self.edge.decide("GET", "/api/data", "10.0.0.4").status, 200)
        stopped = self.quickstart("--stop")
        self.assertEqual(stopped.returncode, 0, stopped)
        self.assertRegex(stopped.stdout, r"its master is dead; stopping the workers that serve on without it: \d+ ")
        self.assertEqual(harness.processes_with_arena(self.edge.name), [])
        again = self.quickstart("--stop")
        self.assertEqual((again.returncode, again.stderr), (1, "quickstart: it is not running\n"))

    def test_methods_outside_the_selector_are_not_limited(self):
        for _ in range(30):
            self.assertEqual(self.edge.decide("DELETE", "/api/data", "10.0.0.3").status, 200)
