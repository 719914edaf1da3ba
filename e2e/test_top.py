# SPDX-License-Identifier: MPL-2.0
"""`fairvisor top` in a real terminal (tmux): what it shows, its keys, other sizes, and that it gives the terminal back."""

import fcntl
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import termios

import harness

BUNDLE = {"bundle_version": 1, "policies": [{"id": "api", "spec": {"selector": {"pathPrefix": "/"}, "rules": [
    harness.token_bucket("few", 0.001, 2, ("header:x-client",)),
    {"name": "money", "limit_keys": ["header:x-tenant"], "algorithm": "cost_based",
     "algorithm_config": {"budget": 100, "period": "1d", "cost_key": "fixed", "fixed_cost": 5,
                          "staged_actions": [{"threshold_percent": 100, "action": "reject"}]}}]}}]}


def line_of(screen, number):
    return "".join(screen.splitlines()[number:number + 1])


class Tmux:
    """A tmux server of its own, with one pane whose every byte is kept."""

    def __init__(self, directory, width=120, height=20):
        binary = shutil.which("tmux")
        if not binary:
            raise FileNotFoundError("tmux is not installed: apt-get install tmux")
        self.command = [binary, "-S", os.path.join(directory, "tmux"), "-f", "/dev/null"]
        self.bytes_file = os.path.join(directory, "bytes")
        environment = harness.clean_environment({"PS1": "ready$ ", "TERM": "xterm", "LC_ALL": "C.UTF-8"})
        subprocess.run([*self.command, "new-session", "-d", "-x", str(width), "-y", str(height),
                        "env PS1='ready$ ' bash --norc"], env=environment, check=True, timeout=30)
        self.run("set-option", "-g", "status", "off")
        self.run("pipe-pane", "-o", f"cat >> {self.bytes_file}")

    def run(self, *words):
        return subprocess.run([*self.command, *words], capture_output=True, text=True, timeout=30, check=True).stdout

    def keys(self, *keys):
        self.run("send-keys", *keys)

    def type(self, line):
        self.run("send-keys", "-l", line)
        self.keys("Enter")

    def screen(self):
        return self.run("capture-pane", "-p").rstrip("\n")

    def wait(self, pattern):
        return self.wait_for(lambda screen: re.search(pattern, screen, re.MULTILINE), f"{pattern!r} on the screen")

    def wait_for(self, is_whole, what):
        """The screen, once IS_WHOLE finds it so: it may be seen when half of a frame is drawn over the one before."""
        screens = []

        def look():
            screens[:] = [self.screen()]
            return is_whole(screens[0])
        try:
            harness.wait_until(look, what)
        except TimeoutError as late:
            raise TimeoutError(f"{late}; the screen is:\n{screens[0]}") from None
        return screens[0]

    def has_alternate_screen(self):
        return self.run("display-message", "-p", "#{alternate_on} #{cursor_flag} #{wrap_flag}").strip()

    def bytes(self):
        with open(self.bytes_file, "rb") as file:
            return file.read()

    def remove(self):
        subprocess.run([*self.command, "kill-server"], capture_output=True, timeout=30, check=False)
        return []


class OnTerminal:
    """`fairvisor top` as the leader of a session on a terminal of its own, which nothing reads but this test."""

    def __init__(self, edge, *words):
        self.master, self.slave = pty.openpty()
        self.process = subprocess.Popen([harness.program("fairvisor"), "top", "-c", edge.config_file, *words],
                                        stdin=self.slave, stdout=self.slave, stderr=self.slave, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
                                        env=harness.clean_environment({"TERM": "xterm"}))
        self.pid = self.process.pid

    def read_until(self, part):
        got = b""
        while part not in got:
            got += os.read(self.master, 65536)

    def hang_up(self):
        os.close(self.slave)
        os.close(self.master)
        self.master = None

    def wait(self):
        return self.process.wait(harness.STOP_SECONDS)

    def remove(self):
        if self.master is not None:
            self.hang_up()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        return []


class TestTop(harness.TestCase):
    def setUp(self):
        super().setUp()
        harness.avoid_midnight()  # budgets of a day are looked at

    def start(self, width=120, height=20):
        edge = self.start_edge(BUNDLE)
        for client, tenant in (("greedy", "acme"),) * 5 + (("modest", "emca"),):
            edge.decide(headers=[("X-Client", client), ("X-Tenant", tenant)])
        terminal = self.own(Tmux(edge.directory, width, height))
        terminal.wait(r"^ready\$")
        return edge, terminal

    def top(self, edge, *words):
        return " ".join([harness.program("fairvisor"), "top", "-c", edge.config_file, *words])

    def settings(self, terminal, name):
        path = f"{terminal.bytes_file}.{name}"
        terminal.type(f"stty -a > {path}; echo done-{name}")
        terminal.wait(f"^done-{name}")
        with open(path, encoding="ascii") as file:
            return re.sub(r"rows \d+; columns \d+;", "", file.read())

    def process_of(self, edge):
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/cmdline", "rb") as file:
                        words = file.read().split(b"\0")
                except OSError:
                    continue
                if b"top" in words and edge.config_file.encode() in words:
                    return int(entry)
        return None

    def test_once(self):
        edge, _ = self.start()
        done = edge.cli("top", "-c", edge.config_file, "--once", "--json")
        document = json.loads(done.stdout)
        self.assertEqual(document["lost"], 0)
        first = document["rows"][0]
        self.assertEqual((first["policy"], first["rule"], first["keys"], first["rejects"], first["allows"]),
                         ("api", "few", {"header:x-client": "greedy"}, 3, 2))
        rules = json.loads(edge.cli("top", "-c", edge.config_file, "--once", "--json", "--by", "rule", "--sort",
                                    "cost").stdout)["rows"]
        self.assertEqual([(row["rule"], row["cost"]) for row in rules], [("money", 15), ("few", 3)])
        status = json.loads(edge.cli("status", "-c", edge.config_file, "--json").stdout)
        self.assertGreaterEqual(status["limits"][0]["fill_percent"], 90)
        self.assertEqual(status["limits"][0]["rule"], "few")
        self.assertEqual(edge.cli("keys", "reset", "-c", edge.config_file, "--reason", "x", "header:x-client=greedy").returncode, 0)
        status = json.loads(edge.cli("status", "-c", edge.config_file, "--json").stdout)
        self.assertLess(status["limits"][0]["fill_percent"], 90)  # the cell says so; the last event said otherwise
        self.assertIn("api/few, refused lately: 3", edge.cli("status", "-c", edge.config_file).stdout)
        self.assertEqual(edge.cli("top", "-c", edge.config_file, stdin=subprocess.DEVNULL).returncode, 64)
        # A master that is dead: what is left is shown, and said to be that; what needs a master refuses.
        edge.kill_everything()
        once = edge.cli("top", "-c", edge.config_file, "--once", "--json")
        self.assertEqual((once.returncode, json.loads(once.stdout)["running"], json.loads(once.stdout)["rows"][0]["rejects"]),
                         (0, False, 3))
        self.assertIn(f"instance {edge.name} is not running", once.stderr)
        for words, code in ((("keys", "get", "header:x-client=greedy"), 69), (("kill", "--list"), 69), (("status",), 2)):
            done = edge.cli(words[0], "-c", edge.config_file, *words[1:])
            self.assertEqual(done.returncode, code, done)
            self.assertIn("is not running", done.stdout if words[0] == "status" else done.stderr)

    def rows(self, edge, *words):
        return json.loads(edge.cli("top", "-c", edge.config_file, "--once", "--json", "--sort", "cost", *words).stdout)["rows"]

    def test_what_was_settled(self):
        """The cost is what a request used, once it is known; a rule with two limits counts it once; the bar is that of now."""
        edge = self.start_edge({"bundle_version": 1, "policies": [{"id": "llm", "spec": {"selector": {"pathPrefix": "/"}, "rules": [
            {"name": name, "limit_keys": [key], "algorithm": "token_bucket_llm",
             "algorithm_config": {"tokens_per_minute": 1, "burst_tokens": 10_000, "tokens_per_day": 10_000}}
            for name, key in (("by-key", "header:x-api-key"), ("by-team", "header:x-team"))]}}]})
        body = json.dumps({"messages": [], "max_tokens": 3000}).encode()
        reserved = [edge.decide(headers=[("X-Api-Key", "secret"), ("X-Team", "red")], body=body) for _ in range(3)]
        for words in ((), ("--by", "rule")):
            for row in self.rows(edge, *words):
                self.assertEqual((row["allows"], row["cost"] // 9000, row["fill_percent"] // 10), (3, 1, 9), row)
        ids = [answer.header("X-Fairvisor-Reservation") for answer in reserved]
        for name, tokens in zip(ids, (40, 60)):
            answer = harness.request(edge.address, "POST", "/v1/settle", body=json.dumps(
                {"reservation": name, "prompt_tokens": 10, "completion_tokens": tokens - 10}).encode())
            self.assertEqual(answer.status, 200, answer)
        for words in ((), ("--by", "rule")):
            rows = self.rows(edge, *words)
            self.assertEqual(len(rows), 2)
            for row in rows:
                self.assertEqual((row["allows"], row["cost"] // 1000, row["fill_percent"] // 10), (3, 3, 3), row)
                self.assertIn(row["cost"] % 1000 - 100, range(10), row)
        self.assertEqual({tuple(row["keys"]) for row in self.rows(edge)}, {("header:x-api-key",), ("header:x-team",)})
        told = [json.loads(line) for line in edge.cli("logs", "-c", edge.config_file, "--no-follow", "--action", "settle",
                                                      "--format", "json").stdout.splitlines()]
        self.assertEqual(sorted((event["rule"], event["cost"], event["reserved"] // 3000) for event in told),
                         [("by-key", 40, 1), ("by-key", 60, 1), ("by-team", 40, 1), ("by-team", 60, 1)])
        for event in told:  # the names of the decision
            self.assertRegex(json.dumps(event["keys"]), {"by-key": '"header:x-api-key": "#', "by-team": '"header:x-team": "red"'}
                             [event["rule"]])
        self.assertEqual(len(edge.cli("logs", "-c", edge.config_file, "--no-follow", "--action", "settle",
                                      "--key", "header:x-team=red").stdout.splitlines()), 2)
        # What is not settled stays charged; an operator's reset is seen at once, though no event says so.
        self.assertEqual(edge.cli("keys", "reset", "-c", edge.config_file, "--reason", "x", "header:x-team=red").returncode, 0)
        self.assertEqual({row["rule"]: row["fill_percent"] // 10 for row in self.rows(edge, "--by", "rule")},
                         {"by-key": 3, "by-team": 0})
        once = edge.cli("top", "-c", edge.config_file, "--once").stdout
        self.assertRegex(once, r"(?m)^\[\.{10}\] +0 .* llm/by-team header:x-team=red$")
        self.assertRegex(once, r"(?m)^\[###\.{7}\] +3\d .* llm/by-key header:x-api-key=#[0-9a-f]{16}$")

    def test_what_is_not_served_any_more(self):
        """Rows of rules that a reload took away are marked; what is settled of them is told, with the names of before."""
        def serve(*names):
            return {"bundle_version": 1, "policies": [{"id": "llm", "spec": {"selector": {"pathPrefix": "/"}, "rules": [
                {"name": name, "limit_keys": ["header:x-team"], "algorithm": "token_bucket_llm",
                 "algorithm_config": {"tokens_per_minute": 10_000}} for name in names]}}]}
        edge = self.start_edge(serve("stays", "goes"))
        answer = edge.decide(headers=[("X-Team", "red")], body=json.dumps({"messages": [], "max_tokens": 3000}).encode())
        self.assertEqual({row["rule"]: row["served"] for row in self.rows(edge)}, {"stays": True, "goes": True})
        edge.write_policy(serve("stays"))
        edge.reload()
        self.assertEqual({row["rule"]: row["served"] for row in self.rows(edge)}, {"stays": True, "goes": False})
        once = edge.cli("top", "-c", edge.config_file, "--once").stdout
        self.assertRegex(once, r"(?m)llm/stays header:x-team=red$")
        self.assertRegex(once, r"(?m)llm/goes header:x-team=red \(not served any more\)$")
        settled = harness.request(edge.address, "POST", "/v1/settle", body=json.dumps(
            {"reservation": answer.header("X-Fairvisor-Reservation"), "prompt_tokens": 1, "completion_tokens": 1}).encode())
        self.assertEqual(settled.status, 200)
        self.assertIn("does not have all limits", json.loads(settled.body)["message"])
        self.assertEqual({row["rule"]: row["cost"] for row in self.rows(edge, "--by", "rule")}, {"stays": 2, "goes": 2})
        told = edge.cli("logs", "-c", edge.config_file, "--no-follow", "--action", "settle").stdout
        self.assertRegex(told, r"(?m) settle +llm/goes header:x-team=red cost 2 in place of 3\d+ - not in the policy served now$")
        metrics = edge.metrics()
        self.assertEqual(metrics['fairvisor_settlements_total{result="unserved"}'], 1)
        for policy in ("llm", ""):
            self.assertEqual(metrics['fairvisor_tokens_consumed_total{type="prompt",policy="%s"}' % policy], 1)

    def test_the_bar_sinks(self):
        """A bucket that fills again is shown to do so, though nothing happens."""
        edge = self.start_edge({"bundle_version": 1, "policies": [{"id": "p", "spec": {"selector": {"pathPrefix": "/"}, "rules": [
            harness.token_bucket("r", 10, 10, ("header:x-api-key",))]}}]})
        for _ in range(10):
            edge.decide(headers=[("X-Api-Key", "secret")])
        harness.wait_until(lambda: self.rows(edge)[0]["remaining"] == 10, "a full bucket")
        self.assertEqual(self.rows(edge)[0]["fill_percent"], 0)

    def test_keys_and_sizes(self):
        edge, terminal = self.start()
        terminal.type(self.top(edge))
        screen = terminal.wait(r"header:x-client=greedy")
        lines = screen.splitlines()
        self.assertRegex(lines[0], r"^fairvisor top - instance \S+, policy 1, up ")
        self.assertRegex(lines[3], r"^\[#{9,10}\.?\] +\d+ .*api/few +header:x-client=greedy$")
        terminal.keys("c")
        terminal.wait_for(lambda screen: "by cost" in screen and "header:x-tenant=acme" in line_of(screen, 3), "who costs most, first")
        terminal.keys("i")
        terminal.wait_for(lambda screen: "of the rules by cost" in screen and "header:x-tenant" not in screen, "the rules alone")
        terminal.keys("i", "r")  # in one piece, as from somebody who types fast
        terminal.wait(r"of the identities by reject")
        terminal.keys("j")
        harness.wait_until(lambda: "greedy" not in terminal.screen(), "one row to scroll away")
        terminal.keys("Up")
        terminal.wait("greedy")
        # Pause: what happens meanwhile is there afterwards.
        terminal.keys("p")
        terminal.wait("PAUSED")
        edge.decide(headers=[("X-Client", "late"), ("X-Tenant", "acme")])
        terminal.keys("p")
        terminal.wait("header:x-client=late")
        # Sizes: it draws anew, whole, and no line is wider than the window.
        for width, height in ((60, 8), (200, 50), (20, 4), (10, 1), (120, 20)):
            terminal.run("resize-window", "-x", str(width), "-y", str(height))
            if height >= 4:
                terminal.wait(r"^r c f a sort"[:width])
                self.assertLessEqual(len(terminal.screen().splitlines()), height)
                self.assertTrue(all(len(line) <= width for line in terminal.screen().splitlines()))
        terminal.wait("header:x-client=greedy")
        terminal.keys("q")
        terminal.wait(r"^ready\$ $|^ready\$$")
        # No flicker: the screen is cleared when it is taken over and never again; each frame begins at its corner.
        shown = terminal.bytes()
        self.assertEqual(shown.count(b"\x1b[2J"), 1)
        self.assertGreater(shown.count(b"\x1b[H"), 5)  # what was waited for above; changes that come at once may be one frame

    def test_a_narrow_terminal_tells_who(self):
        """The identity has 20 columns, whatever the names of policy and rule; what is left out is the bar and figures."""
        tenant = "t" * 40
        edge = self.start_edge({"bundle_version": 1, "policies": [{"id": "policy-of-a-long-name", "spec": {
            "selector": {"pathPrefix": "/"}, "rules": [harness.token_bucket("rule-of-a-long-name", 0.001, 2,
                                                                            ("header:x-tenant",))]}}]})
        for _ in range(5):
            edge.decide(headers=[("X-Tenant", tenant)])
        terminal = self.own(Tmux(edge.directory, 80))
        terminal.wait(r"^ready\$")
        terminal.type(self.top(edge))
        for width, figures, place in ((80, "would/s allow/s cost/s", 20), (99, "would/s allow/s cost/s", 20), (60, "would/s", 16),
                                      (44, "", 8)):
            terminal.run("resize-window", "-x", str(width), "-y", "20")
            head = f"fill reject/s {figures}".strip() + "  " + "policy/rule"[:place].ljust(place) + " identity"
            begins = head.index(" identity")
            who = (" x-tenant=" + tenant)[:width - begins]
            row = rf" *\d+ +\S+ .* {'policy-of-a-long-name'[:place]}{who}"

            def is_drawn(screen, head=head, row=row, begins=begins, who=who):
                return line_of(screen, 2) == head and re.fullmatch(row, line_of(screen, 3)) and line_of(screen, 3)[begins:] == who

            terminal.wait_for(is_drawn, f"{head!r} over {row!r}")
            self.assertGreaterEqual(width - begins, 20)
        terminal.keys("i")  # a rule has the rest of the line
        terminal.wait(r"(?m) policy-of-a-long-name/rule-")
        terminal.keys("q")

    def test_the_terminal_is_given_back(self):
        edge, terminal = self.start()
        before, modes = self.settings(terminal, "before"), terminal.has_alternate_screen()
        for name, number, end in (("interrupt", signal.SIGINT, lambda: terminal.keys("C-c")),
                                  ("quit", signal.SIGQUIT, lambda: terminal.keys("C-\\")),
                                  ("terminate", signal.SIGTERM, None), ("hangup", signal.SIGHUP, None)):
            terminal.type(self.top(edge) + f"; echo ended-{name} $?")
            terminal.wait("header:x-client=greedy")
            self.assertNotEqual(terminal.has_alternate_screen(), modes)
            if end:
                end()
            else:
                harness.kill(self.process_of(edge), number)
            harness.wait_until(lambda: terminal.has_alternate_screen() == modes, f"the terminal after {name}")
            # It dies by the signal it got. Who interrupts bash's child by Ctrl-C interrupts the whole line.
            if number != signal.SIGINT:
                terminal.wait(f"^ended-{name} {128 + number}$")
            self.assertEqual(self.settings(terminal, name), before)

    def test_a_terminal_that_is_gone(self):
        """Nobody has to kill it: it leaves by itself, wherever it is in its start or its frame."""
        edge = self.start_edge(BUNDLE)
        edge.decide(headers=[("X-Client", "greedy"), ("X-Tenant", "acme")])
        for seen in (b"", b"\x1b[?1049h", b"q quit"):
            top = self.own(OnTerminal(edge))
            top.read_until(seen)
            top.hang_up()
            self.assertNotEqual(top.wait(), 0)

    def test_a_terminal_that_takes_nothing(self):
        """As after Ctrl-S: the screen stands still, but signals are heard."""
        edge = self.start_edge(BUNDLE)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            top = self.own(OnTerminal(edge, "--interval", "100ms"))
            top.read_until(b"q quit")
            termios.tcflow(top.slave, termios.TCOOFF)
            harness.kill(top.pid, number)
            self.assertEqual(top.wait(), -number)

    def test_stopped_and_continued(self):
        edge, terminal = self.start()
        modes = terminal.has_alternate_screen()
        terminal.type(self.top(edge))
        terminal.wait("header:x-client=greedy")
        terminal.keys("C-z")
        terminal.wait(r"Stopped")
        self.assertEqual(terminal.has_alternate_screen(), modes)
        terminal.type("fg")
        terminal.wait("header:x-client=greedy")
        # The service goes away and comes back.
        edge.stop()
        terminal.wait(r"IS NOT RUNNING")
        edge.start()
        edge.decide(headers=[("X-Client", "anew"), ("X-Tenant", "acme")])
        terminal.wait("header:x-client=anew")
        terminal.keys("q")
        harness.wait_until(lambda: terminal.has_alternate_screen() == modes, "the terminal back")
