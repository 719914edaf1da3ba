# SPDX-License-Identifier: MPL-2.0
"""Debug sessions: who gets one, what it tells, and that its secret is nowhere to be seen."""

import contextlib
import glob
import os
import re

import harness

SECRET = "correct-horse-battery-staple"
WRONG = [("X-Fairvisor-Debug-Secret", "correct-horse-battery-stapler")]
RIGHT = [("X-Fairvisor-Debug-Secret", SECRET)]


class DebugTest(harness.TestCase):
    def start(self, **settings):
        return self.start_edge(harness.one_rule(rate=0.001, burst=2), settings={"debug_session_secret": SECRET, **settings})

    def post(self, edge, target, headers=()):
        return harness.request(edge.address, "POST", target, headers)

    def open(self, edge, headers=()):
        answer = self.post(edge, "/v1/debug/session", RIGHT + list(headers))
        self.assertEqual(answer.status, 204, answer)
        return answer.header("set-cookie")

    def told(self, answer):
        return {name.lower() for name, _ in answer.fields if name.lower().startswith("x-fairvisor-debug-")}

    def decide(self, edge, cookie):
        return edge.decide(client="10.0.0.1", headers=[("Cookie", cookie)])

    def test_without_a_secret_there_is_nothing(self):
        edge = self.start_edge(harness.one_rule())
        for target in ("/v1/debug/session", "/v1/debug/logout"):
            for method in ("POST", "GET"):
                self.assertEqual(harness.request(edge.address, method, target, RIGHT).status, 404)

    def test_session(self):
        edge = self.start(expose_reason="off")
        self.assertEqual(self.post(edge, "/v1/debug/session").status, 403)
        self.assertEqual(self.post(edge, "/v1/debug/session", WRONG).status, 403)
        self.assertEqual(edge.metric("fairvisor_debug_sessions_refused_total"), 2)
        self.assertEqual(edge.get("/v1/debug/session", RIGHT).status, 405)
        cookie = self.open(edge)
        self.assertRegex(cookie, r"^fv_dbg=\d+\.[0-9a-f]{16}\.[0-9a-f]{64}; Path=/; Max-Age=900; HttpOnly; SameSite=Strict$")
        pair = cookie.split(";")[0]
        for _ in range(4):  # on whichever worker
            self.assertIn("x-fairvisor-debug-decision", self.told(self.decide(edge, "a=b; " + pair + "; c=d")))
        answer = self.decide(edge, pair)
        self.assertEqual(answer.status, 429)
        self.assertEqual(answer.header("x-fairvisor-reason"), "rate_limit_exceeded")
        self.assertEqual(answer.header("x-fairvisor-debug-policy"), '"demo-rate-limit"')
        self.assertEqual(answer.header("x-fairvisor-debug-rule"), '"global-rps"')
        self.assertEqual(answer.header("x-fairvisor-debug-limit"), "2")
        silent = edge.decide(client="10.0.0.1")
        self.assertEqual(self.told(silent), set())
        self.assertIsNone(silent.header("x-fairvisor-reason"))
        # The next generation of workers knows the session; a new secret ends it.
        edge.reload()
        self.assertTrue(self.told(self.decide(edge, pair)))
        edge.write_settings(debug_session_secret=SECRET + "-2")
        edge.reload()
        self.assertEqual(self.told(self.decide(edge, pair)), set())

    def test_forged_cookies(self):
        edge = self.start()
        pair = self.open(edge).split(";")[0]
        ends, nonce, mac = pair[len("fv_dbg="):].split(".")
        for value in (f"{int(ends) + 1}.{nonce}.{mac}", f"{ends}.{nonce[::-1]}.{mac}", f"{ends}.{nonce}.{mac[:-1]}",
                      f"{ends}.{nonce}.{'0' * 64}", f"{ends}{nonce}.{mac}", "", ".", "..", f".{mac}", "x" * 8000,
                      f"{ends}.{nonce}.{mac}0", f"{ends}.{nonce}..{mac}"):
            self.assertEqual(self.told(self.decide(edge, "fv_dbg=" + value)), set(), value)
        self.assertTrue(self.told(self.decide(edge, "fv_dbg=x; " + pair)))

    def test_logout_and_secure(self):
        edge = self.start()
        self.assertEqual(self.post(edge, "/v1/debug/logout").header("set-cookie"),
                         "fv_dbg=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict")
        self.assertTrue(self.open(edge, [("X-Forwarded-Proto", "https")]).endswith("; SameSite=Strict; Secure"))
        edge.write_settings(trusted_proxies="none")
        edge.reload()
        self.assertFalse(self.open(edge, [("X-Forwarded-Proto", "https")]).endswith("Secure"))

    def test_only_where_operators_are(self):
        port = harness.free_port()
        edge = self.start(ops_listen=f"127.0.0.1:{port}")
        self.assertEqual(self.post(edge, "/v1/debug/session", RIGHT).status, 404)
        self.assertEqual(harness.request(("127.0.0.1", port), "POST", "/v1/debug/session", RIGHT).status, 204)

    def test_the_secret_is_nowhere(self):
        edge = self.new_edge(harness.one_rule())
        path = os.path.join(edge.directory, "secret")
        with open(path, "w", encoding="ascii") as file:
            file.write(SECRET + "\n")
        edge.write_settings(debug_session_secret_file=path)
        shown = edge.run("-T")
        self.assertEqual(shown.returncode, 0, shown)
        self.assertIn("debug_session_secret is set, and not shown", shown.stdout)
        self.assertNotIn(SECRET, shown.stdout + shown.stderr)
        edge.start()
        self.open(edge)
        self.post(edge, "/v1/debug/session", WRONG)
        edge.wait_log("somebody asked for a debug session with a wrong secret")
        self.assertNotIn("staple", edge.log())
        for pid in [edge.pid, *harness.children_of(edge.pid)]:
            for name in ("cmdline", "environ") if harness.IS_ROOT else ("cmdline",):  # nobody else may look into a worker
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a child that was there for a moment
                    with open(f"/proc/{pid}/{name}", "rb") as file:
                        self.assertNotIn(SECRET.encode(), file.read())
        for file_name in glob.glob(os.path.join(edge.directory, "run", "*")):
            if os.path.isfile(file_name):
                with open(file_name, "rb") as file:
                    self.assertNotIn(SECRET.encode(), file.read())

    def test_bad_secrets(self):
        edge = self.new_edge(harness.one_rule())
        folder = edge.directory
        with open(os.path.join(folder, "two"), "w", encoding="ascii") as file:
            file.write(SECRET + "\n" + SECRET + "\n")
        for settings, sentence, *code in (
                ({"debug_session_secret": "too-short-secret"[:15]}, "allowed is a secret of 16 to 255 bytes"),
                ({"debug_session_secret": "with a space and more"}, "allowed is a secret of 16 to 255 bytes"),
                ({"debug_session_secret": None, "debug_session_secret_file": "nowhere"}, "an absolute path"),
                ({"debug_session_secret_file": "/nowhere/at/all"}, "No such file", 66),
                ({"debug_session_secret_file": folder}, "it is no regular file"),
                ({"debug_session_secret_file": os.path.join(folder, "two")}, "the file must hold a secret of 16 to 255")):
            edge.write_settings(**settings)
            done = edge.run("-t")
            self.assertEqual([done.returncode], code or [78], done)
            self.assertIn(sentence, done.stderr)
            self.assertIsNone(re.search("too-short|with a space", done.stderr), done.stderr)
