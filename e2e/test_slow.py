# SPDX-License-Identifier: MPL-2.0
"""slowhttptest with a thousand connections: whoever sends a head or a body, or takes an answer, too slowly is gone at its timeout,
from the kernel too, and everybody else is served meanwhile. What the others wait is printed, not judged: with --full at the
default timeouts, where a machine that does nothing else gives the figure of a release."""

import re
import resource
import shutil
import subprocess
import tempfile

import harness

SLOW = 1000
RATE = harness.full_or_short("200", "1000")  # connections in a second
TIMEOUTS = harness.full_or_short({}, {"header_timeout": "2s", "body_timeout": "2s", "idle_timeout": "2s"})
SECONDS = harness.full_or_short(240, 60)
TIME_WAIT, LISTEN = "06", "0A"
REQUEST = ["--path", "/v1/decision", "--header", "X-Original-Method: GET", "--header", "X-Original-URI: /api"]


def sockets_of(port):
    """States of the TCP sockets in the kernel that have or had to do with PORT, but for those that listen or are only remembered."""
    with open("/proc/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    return [row[3] for row in rows if f"{port:04X}" in (row[1][-4:], row[2][-4:]) and row[3] not in (TIME_WAIT, LISTEN)]


def timed_out(edge):
    return edge.metrics()['fairvisor_http_requests_total{code="408"}']


def p99_ms(result):
    return result["latency_us"]["p99"] / 1000


class Attack:
    """slowhttptest in the background."""

    def __init__(self, edge, target, *arguments):
        self.output = tempfile.TemporaryFile()
        url = f"http://127.0.0.1:{edge.port}{target}"
        # It goes on for as long as it has connections, and adds one now and then to see whether it is answered.
        self.process = subprocess.Popen(["slowhttptest", *arguments, "-c", str(SLOW), "-r", RATE, "-l", str(2 * SECONDS), "-p", "30",
                                         "-u", url], stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output)

    def log(self):
        self.output.seek(0)
        return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", self.output.read().decode(errors="replace"))

    def has_all(self):
        """Whether it has had all its connections open at once."""
        return re.search(rf"connected: *{SLOW}\b", self.log()) is not None

    def remove(self):
        self.process.kill()
        self.process.wait()
        return []


class TestSlow(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.assertTrue(shutil.which("slowhttptest"), "slowhttptest is not installed: apt-get install slowhttptest")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8 * SLOW), hard))

    def others(self, edge, duration_ms):
        return self.load(edge.address, *REQUEST, "--connections", 8, "--rate", 500, "--duration-ms", duration_ms, "--timeout-ms", 30000)

    def attacked(self, have_come, target, *arguments):
        """The edge and the attack, once all the slow ones have come, as HAVE_COME says of both, and are gone."""
        edge = self.start_edge(harness.one_rule(1000000, 1000000, []), workers=1, settings=TIMEOUTS)
        calm = self.others(edge, 2000).result()
        others = self.others(edge, SECONDS * 1000)
        attack = self.own(Attack(edge, target, *arguments))
        harness.wait_until(lambda: have_come(edge, attack), "all of them", SECONDS)
        harness.wait_until(lambda: edge.metric("fairvisor_connections") < 20, "the slow ones to be gone", SECONDS)
        served = others.finish()
        self.assertEqual(served["failed"], 0, served)
        print(f"        {SLOW} slow ones, {served['answered']} answers to others: p99 {p99_ms(served):.1f} ms, {p99_ms(calm):.1f} ms "
              f"without the slow ones")
        return edge, attack

    def refused(self, *arguments):
        edge, attack = self.attacked(lambda edge, _: timed_out(edge) >= SLOW, *arguments)
        harness.wait_until(lambda: attack.process.poll() is not None, "the attacker to give up")
        self.assertIn("No open connections left", attack.log())

    def test_heads(self):
        self.refused("/", "-H", "-i", "1")

    def test_bodies(self):
        self.refused("/v1/decision/a", "-B", "-i", "1", "-s", "100000")

    def test_answers(self):
        """Three metrics pages, more than the client's side of the kernel takes, of which the client takes one byte at a time, so seldom
        that it is not the first to see that it is cut off. What is left of them is not kept in the kernel either."""
        edge, attack = self.attacked(lambda _, attack: attack.has_all(), "/metrics", "-X", "-k", "3", "-n", str(2 * SECONDS), "-z", "1",
                                     "-w", "10", "-y", "20")
        harness.wait_until(lambda: len(sockets_of(edge.port)) < 20, "sockets of nobody to be gone", SECONDS)
        self.assertIsNone(attack.process.poll(), "they are gone because the attacker went")
        self.assertEqual(timed_out(edge), 0)
