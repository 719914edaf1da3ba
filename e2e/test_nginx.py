# SPDX-License-Identifier: MPL-2.0
"""fairvisord behind a real nginx, with the shipped recipes: the configurations come from the examples in
README.md and packaging/gateways/nginx/README.md, the included files are the shipped ones, only addresses are put in.

Guards above all against the bypass: with fail-open configured, a limited request must still be refused.
"""

import os
import re
import signal
import subprocess
import time

import harness

RECIPES = os.path.join(harness.SOURCE, "packaging", "gateways", "nginx")
BURST = 3
READ_TIMEOUT = 2  # seconds that the recipes wait for an answer of fairvisord


def example(name):
    """The nginx block behind <!-- test: NAME --> in one of the READMEs."""
    for folder in (harness.SOURCE, RECIPES):
        with open(os.path.join(folder, "README.md"), encoding="utf-8") as file:
            found = re.search(rf"<!-- test: {name} -->\n```nginx\n(.*?)```", file.read(), re.DOTALL)
        if found:
            return found.group(1)
    raise KeyError(f"no README has the example {name}")


def replace(text, old, new):
    """Replaces OLD, which must be there: an example that says something else must not pass unnoticed."""
    if old not in text:
        raise ValueError(f"{old!r} is not in:\n{text}")
    return text.replace(old, new)


class Recipe:
    """The tests; classes below say which example, which transport and what a dead edge means."""

    example = accel = unix = opens = None

    def setUp(self):
        super().setUp()
        self.backend = self.own(harness.Backend())
        self.edge = self.start_edge(harness.one_rule(rate=0.001, burst=BURST), unix=self.unix, workers=2)
        port = harness.free_port()
        self.nginx = self.start_nginx(self.configuration(port), port)
        self.ask = self.nginx.get

    def configuration(self, port):
        name, old, new = "upstream-tcp.conf", "server 127.0.0.1:8080;", f"server 127.0.0.1:{self.edge.port};"
        text = example(self.example)
        if self.unix:
            text = replace(text, "upstream-tcp.conf", "upstream-unix.conf")
            name, old, new = "upstream-unix.conf", "unix:/run/fairvisor/edge.sock;", f"unix:{self.edge.unix_path};"
        if self.opens and self.accel:
            text = replace(text, "accel.conf", "accel-fail-open.conf")
        with open(os.path.join(RECIPES, name), encoding="utf-8") as file:
            upstream = replace(file.read(), old, new)
        path = os.path.join(self.temporary_folder(), name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(upstream)
        text = replace(text, f"/etc/nginx/fairvisor/{name}", path)
        text = replace(text, "/etc/nginx/fairvisor/", RECIPES + "/")
        text = replace(text, "listen 80;", f"listen 127.0.0.1:{port}; client_max_body_size 0;")
        return replace(text, "127.0.0.1:8000", f"127.0.0.1:{self.backend.port}")

    def spend(self):
        for _ in range(BURST):
            self.assertEqual(self.ask("/api/data").status, 200)
        self.backend.requests.clear()

    def assert_refused(self, answer):
        self.assertEqual(answer.status, 429, answer)
        self.assertGreaterEqual(int(answer.header("Retry-After")), 1)
        self.assertRegex(answer.header("RateLimit"), r'^"demo-rate-limit";r=0;t=\d+$')
        self.assertRegex(answer.header("RateLimit-Policy"), r'^"demo-rate-limit";q=3;w=\d+$')
        self.assertEqual(answer.header("RateLimit-Limit"), str(BURST))
        self.assertEqual(answer.header("RateLimit-Remaining"), "0")
        self.assertGreaterEqual(int(answer.header("RateLimit-Reset")), 1)
        self.assertEqual(answer.header("X-Fairvisor-Reason"), "rate_limit_exceeded")
        self.assertEqual(answer.header("Content-Type"), "application/problem+json")
        self.assertEqual(answer.json()["status"], 429)
        for name in ("Retry-After", "RateLimit", "X-Fairvisor-Reason"):
            self.assertEqual(len(answer.headers(name)), 1, answer)
        self.assertEqual(self.backend.requests, [])

    def test_burst_then_429(self):
        for left in range(BURST - 1, -1, -1):
            answer = self.ask("/api/data?q=1")
            self.assertEqual((answer.status, answer.header("X-Backend")), (200, "yes"), answer)
            self.assertEqual(answer.header("RateLimit-Remaining"), str(left), answer)
            self.assertEqual(len(answer.headers("RateLimit")), 1)
        self.backend.requests.clear()
        self.assert_refused(self.ask("/api/data"))
        self.assert_refused(self.ask("/other", method="POST", body=b"x" * 100))

    def test_client_cannot_choose_its_bucket(self):
        self.spend()
        for fields in ([("X-Forwarded-For", "203.0.113.9")], [("X_Forwarded_For", "203.0.113.9")],
                       [("X-Original-URI", "/free"), ("X-Original-Method", "PUT")],
                       [("X-Original-Host", "other"), ("X-Real-IP", "203.0.113.9")],
                       [("Forwarded", "for=203.0.113.9")], [("X-Fairvisor-Reject-Status", "200")],
                       [("X-Forwarded-URI", "/x"), ("X-Forwarded-Method", "PUT")],
                       [("Connection", "X-Forwarded-For, X-Original-URI")],
                       [("X-Fairvisor-Status", "200")], [("X-Accel-Redirect", "@backend")]):
            with self.subTest(fields=fields):
                self.assert_refused(self.ask("/api/data", fields))
        self.assertEqual(self.ask("/_fairvisor/decision").status, 429 if self.accel else 404)

    def test_clients_are_told_apart(self):
        for source, status in (("127.0.1.1", 200), ("127.0.1.2", 200), ("127.0.1.1", 429)):
            for _ in range(BURST if status == 200 else 1):
                with harness.Connection(self.nginx.address, source=source) as connection:
                    connection.send(harness.format_request("GET", "/apart", {"X-Forwarded-For": "203.0.113.9"}))
                    self.assertEqual(connection.answer().status, status, source)

    def test_client_cannot_tell_where_it_is_from(self):
        """fairvisord believes nginx about the client; nginx must not pass on what the client says."""
        exits = os.path.join(self.temporary_folder(), "exits")
        with open(exits, "w", encoding="ascii") as file:
            file.write("192.0.2.0/24\n")
        bundle = harness.one_rule(rate=1000, burst=1000, version=2)
        bundle["kill_switches"] = [{"scope_key": "ip:tor", "scope_value": "true"}]
        self.edge.write_settings(tor_exit_list=exits)
        self.edge.write_policy(bundle)
        self.edge.reload()
        harness.wait_until(lambda: self.edge.decide(headers={"X-Tor-Exit": "true"}).status == 429, "the new workers alone to answer")
        for name in ("X-Tor-Exit", "x-tor-exit", "X_Tor_Exit"):
            self.assertEqual(self.ask("/api/data", {name: "true"}).status, 200)
        self.assertEqual(self.ask("/api/data", {"X-Country-Code": "?", "X-ASN": "?", "X-ASN-Type": "?"}).status, 200)

    def test_body_and_target_reach_the_backend(self):
        body = os.urandom(3 << 20)
        answer = self.ask("/a%2Fb/c%20d?x=%26&y", [("X-Mine", "1")], "POST", body, timeout=30)
        self.assertEqual(answer.status, 200, answer)
        method, uri, fields, received = self.backend.requests[-1]
        self.assertEqual((method, uri, fields["x-mine"]), ("POST", "/a%2Fb/c%20d?x=%26&y", "1"))
        self.assertTrue(received == body, f"{len(received)} bytes arrived of {len(body)}, or others")
        self.assertEqual(self.ask("/", method="HEAD").status, 200)
        self.assertEqual(self.backend.requests[-1][0], "HEAD")
        answer = self.ask("/", method="DELETE")
        self.assertEqual((answer.status, self.backend.requests[-1][0]), (200, "DELETE"))

    def test_targets_that_name_the_host(self):
        """nginx tells an empty path as it is: of http://h?q, $request_uri is ?q."""
        for target in ("http://localhost/a?q", "http://localhost", "http://localhost?q"):
            with self.subTest(target):
                self.assertEqual(self.ask(target).status, 200)
        self.backend.requests.clear()
        self.assert_refused(self.ask("http://localhost?q"))

    def test_statuses_of_the_backend_stay(self):
        edge = self.edge
        edge.write_policy(harness.one_rule(rate=1000, burst=1000, version=2))
        edge.reload_wholly()
        for status in (401, 403, 404, 429, 500, 502, 503, 504):
            with self.subTest(status=status):
                answer = self.ask(f"/status/{status}")
                self.assertEqual((answer.status, answer.header("X-Backend")), (status, "yes"), answer)
                self.assertIn(b"/status/", answer.body)

    def ask_held(self):
        """Status, what is left, how many requests the backend saw, and how many seconds it took."""
        self.backend.requests.clear()
        began = time.monotonic()
        answer = self.ask("/api/data")
        return answer.status, answer.header("RateLimit-Remaining"), len(self.backend.requests), time.monotonic() - began

    def test_held_answers_pass_once(self):
        """Late, charged once, and not as what passes a dead fairvisord; which it is on a machine so slow that nginx waits no longer."""
        harness.avoid_midnight()
        for number in range(5):
            bundle = harness.one_rule(version=number + 2)
            bundle["policies"] = [harness.held_budget(1000, 100, "/", f"held-{number}")]
            self.edge.write_policy(bundle)
            self.edge.reload_wholly()
            asked = [self.ask_held() for _ in range(2)]
            if max(seconds for *_, seconds in asked) < READ_TIMEOUT:
                break
        self.assertEqual([what for *what, _ in asked], [[200, "99", 1], [200, "98", 1]])
        self.assertGreaterEqual(min(seconds for *_, seconds in asked), 1)

    def assert_dead(self, statuses):
        body = os.urandom(200_000)
        for method in ("GET", "POST"):
            answer = self.ask("/api/data", method=method, body=body if method == "POST" else b"", timeout=30)
            if self.opens:
                self.assertEqual((answer.status, answer.header("X-Backend")), (200, "yes"), answer)
                self.assertEqual(self.backend.requests[-1][0], method)
                self.assertTrue(method == "GET" or self.backend.requests[-1][3] == body)
            else:
                self.assertIn(answer.status, statuses)
                self.assertEqual(self.backend.requests, [])

    def test_dead_edge(self):
        self.spend()
        self.edge.stop()
        self.assert_dead((502,) if self.accel else (503,))

    def test_hung_edge(self):
        self.spend()
        pids = [self.edge.pid, *self.edge.workers()]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            self.assert_dead((504,) if self.accel else (503,))
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        self.assert_refused_again()

    def assert_refused_again(self):
        self.backend.requests.clear()
        harness.wait_until(lambda: self.ask("/api/data").status == 429, "the edge to answer again")
        self.backend.requests.clear()
        self.assert_refused(self.ask("/api/data"))

    def test_limited_stays_refused(self):
        """Whatever a limited client sends, with fail-open configured or not, the backend never sees it."""
        self.spend()
        oversize = [("X-Large", "x" * 7000), ("X-Larger", "y" * 7000), ("X-Largest", "z" * 7000)]
        for _ in range(harness.full_or_short(500, 50)):
            self.assertEqual(self.ask("/api/data").status, 429)
            answer = self.ask("/api/data", oversize)
            self.assertIn(answer.status, (400, 431), answer)
            self.assertEqual(self.ask("/" + "p" * 6000).status, 429)
            self.assertEqual(self.ask("/api/data", [(f"X-{i}", "v") for i in range(150)]).status // 100, 4)
        self.assertEqual(self.backend.requests, [])

    def test_reloads_are_not_noticed(self):
        """nginx keeps idle connections to fairvisord; a reload must not break one in its hands, POST or not."""
        self.edge.write_policy(harness.one_rule(1_000_000, 1_000_000))
        self.edge.reload()
        load = self.load(self.nginx.address, "--method", "POST", "--body", "x=1", "--duration-ms", 600_000,
                         "--connections", 16)
        for number in range(harness.full_or_short(100, 10)):
            self.edge.write_policy(harness.one_rule(1_000_000, 1_000_000, version=number + 2))
            self.edge.reload()
        harness.wait_until(lambda: self.edge.metric("fairvisor_decisions_total") > 200, "requests to have come between the reloads")
        result = load.finish()
        self.assertEqual(result["failed"], 0, result)
        self.assertGreater(result["answered"], 100)

    def test_many_at_once(self):
        load = self.load(self.nginx.address, "--requests", 2000, "--connections", 32, "--expect", "200,429",
                         "--count-header", "X-Fairvisor-Reason")
        result = load.result()
        self.assertEqual(result["failed"], 0, result)
        self.assertEqual(harness.statuses(result), {200: BURST, 429: 2000 - BURST})
        self.assertEqual(result["values"], {"": BURST, "rate_limit_exceeded": 2000 - BURST})
        self.assertEqual(len(self.backend.requests), BURST)


def make_classes():
    for accel in (False, True):
        for unix in (False, True):
            for opens in (False, True):
                name = f"TestNginx{'Accel' if accel else 'AuthRequest'}{'Unix' if unix else 'Tcp'}"
                name += "FailOpen" if opens else "FailClosed"
                source = "accel" if accel else "auth-request-fail-open" if opens else "auth-request"
                members = {"example": source, "accel": accel, "unix": unix, "opens": opens, "__module__": __name__}
                globals()[name] = type(name, (Recipe, harness.TestCase), members)


make_classes()


class TestNginxFirstExample(Recipe, harness.TestCase):
    """The lines in the project's README."""

    example, accel, unix, opens = "first", False, False, False


class TestNginxSettles(harness.TestCase):
    """settle.conf gives the slots of `concurrency` rules back when requests end; without it, they come back after ttl_seconds."""

    SLOTS = 5
    MODULES = "/usr/lib/nginx/modules"
    MAIN = f"load_module {MODULES}/ndk_http_module.so;\nload_module {MODULES}/ngx_http_lua_module.so;"

    def start_behind(self, recipe, settles, unix=False):
        bundle = harness.one_rule()
        bundle["policies"][0]["spec"]["rules"] = [
            {"name": "few", "limit_keys": ["ip:address"], "algorithm": "concurrency",
             "algorithm_config": {"max_in_flight": self.SLOTS, "ttl_seconds": 600}}]
        self.backend = self.own(harness.Backend())
        self.edge, port = self.start_edge(bundle, unix=unix, workers=1), harness.free_port()
        text = replace(example(recipe), "include /etc/nginx/fairvisor/upstream-tcp.conf;",
                       f"upstream fairvisor {{ server 127.0.0.1:{self.edge.port}; }}" if not unix else
                       f"upstream fairvisor {{ server unix:{self.edge.unix_path}; }}")
        text = replace(text, "/etc/nginx/fairvisor/", RECIPES + "/")
        text = replace(text, "127.0.0.1:8000", f"127.0.0.1:{self.backend.port}")
        listen = f"listen 127.0.0.1:{port};"
        if settles:
            with open(os.path.join(RECIPES, "settle.conf"), encoding="utf-8") as file:
                place = f'"unix:{self.edge.unix_path}", nil' if unix else f'"127.0.0.1", {self.edge.port}'
                settle = replace(file.read(), '"127.0.0.1", 8080', place)
            path = os.path.join(self.temporary_folder(), "settle.conf")
            with open(path, "w", encoding="utf-8") as file:
                file.write(settle)
            listen += f" include {path};"
        self.nginx = self.own(harness.Nginx(replace(text, "listen 80;", listen), port, main=self.MAIN)).start()

    def statuses(self, count, target="/api/data"):
        return [self.nginx.get(target).status for _ in range(count)]

    def test_slots_come_back(self):
        for recipe, unix in (("auth-request", False), ("auth-request-fail-open", True), ("accel", False)):
            with self.subTest(recipe=recipe):
                self.start_behind(recipe, settles=True, unix=unix)
                for target, status in (("/api/data", 200), ("/status/500", 500), ("/status/403", 403)):
                    for _ in range(4 * self.SLOTS):
                        answer = harness.wait_until(lambda: self.unless_refused(target), "a slot to be free")
                        self.assertEqual(answer.status, status, answer)
                self.assertNotIn("fairvisor:", self.nginx.log())

    def unless_refused(self, target):
        answer = self.nginx.get(target)
        return None if answer.status == 429 else answer

    def test_without_it_they_do_not(self):
        self.start_behind("auth-request", settles=False)
        self.assertEqual(self.statuses(self.SLOTS + 2), [200] * self.SLOTS + [429, 429])

    def test_what_is_not_settled_is_logged(self):
        self.start_behind("auth-request", settles=True)
        self.edge.write_settings(ops_listen=f"127.0.0.1:{harness.free_port()}")
        self.edge.stop()
        self.edge.start()
        self.assertEqual(self.statuses(1), [200])
        harness.wait_until(lambda: "was not settled (404)" in self.nginx.log(), "the line in the error log")


class TestNginxForgottenServerPart(harness.TestCase):
    """auth-request-protect.conf in a server without auth-request.conf must not ask the application for the verdict."""

    PROTECTS = ("auth-request-protect.conf", "auth-request-protect-fail-open.conf")

    def server(self, port, protect, part=""):
        return (f"server {{ listen 127.0.0.1:{port}; {part}\n"
                f"    location / {{ include {RECIPES}/{protect}; proxy_pass http://app; }}\n"
                f"    location @backend {{ proxy_pass http://app; }} }}\n")

    def setUp(self):
        super().setUp()
        self.backend = self.own(harness.Backend())  # answers 200 to whatever it is asked, as many applications do
        self.edge = self.start_edge(harness.one_rule())
        self.http = (f"upstream app {{ server 127.0.0.1:{self.backend.port}; }}\n"
                     f"upstream fairvisor {{ server 127.0.0.1:{self.edge.port}; }}\n")

    def test_configuration_is_refused(self):
        for protect in self.PROTECTS:
            port = harness.free_port()
            nginx = self.own(harness.Nginx(self.http + self.server(port, protect), port))
            result = subprocess.run([nginx.binary(), "-t", "-p", nginx.directory, "-c", nginx.config_file],
                                    capture_output=True, text=True, timeout=30)
            self.assertNotEqual(result.returncode, 0)
            self.assertIn('unknown "fairvisor_server_part" variable', result.stderr)

    def test_requests_are_refused(self):
        """Another server of the same nginx has the include: the variable is known."""
        for protect in self.PROTECTS:
            whole, port = harness.free_port(), harness.free_port()
            nginx = self.start_nginx(self.http + self.server(port, protect) +
                                     self.server(whole, protect, f"include {RECIPES}/auth-request.conf;"), port)
            self.assertEqual(nginx.get("/api/data").status, 503)
            self.assertEqual(nginx.get("/_fairvisor/decision", {"X-Fairvisor-Server-Part": "present"}).status, 503)
            self.assertEqual(self.backend.requests, [])
            answer = harness.request(("127.0.0.1", whole), target="/api/data")
            self.assertEqual((answer.status, answer.header("X-Backend")), (200, "yes"), answer)
            self.backend.requests.clear()


class LimitReq(harness.TestCase):
    """What packaging/gateways/README.md says of nginx' own limiter, for those who come from it."""

    def test_its_burst_is_one_less_than_ours(self):
        backend = self.own(harness.Backend())
        port = harness.free_port()
        nginx = self.start_nginx(f"""
            limit_req_zone $http_x_api_key zone=one:1m rate=1r/m;
            server {{
                listen 127.0.0.1:{port};
                location / {{
                    limit_req zone=one burst=20 nodelay;
                    limit_req_status 429;
                    proxy_pass http://127.0.0.1:{backend.port};
                }}
            }}""", port)
        edge = self.start_edge(harness.one_rule(rate=1 / 64, burst=21, keys=["header:x-api-key"]))
        theirs = [nginx.get("/", [("X-Api-Key", "a")]).status for _ in range(25)]
        ours = [edge.decide(headers={"X-Api-Key": "a"}).status for _ in range(25)]
        self.assertEqual(theirs, [200] * 21 + [429] * 4)
        self.assertEqual(ours, theirs)
        # Without a key neither limits.
        self.assertEqual([nginx.get("/").status for _ in range(25)], [200] * 25)
        self.assertEqual([edge.decide().status for _ in range(25)], [200] * 25)
