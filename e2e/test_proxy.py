# SPDX-License-Identifier: MPL-2.0
"""The reverse proxy, in the ordinary: what goes to the upstream, what comes back, and what is answered when there is
none. A real nginx is the upstream where an upstream behaves; a scripted socket where it must not.
"""

import contextlib
import email.utils
import os
import signal
import socket
import threading
import time
import urllib.parse

import harness
import upstream

OK = upstream.counted()
NGINX = """
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 100m;
        root {root};
        location /status/ {{ return 404 "not here\\n"; }}
        location /empty {{ return 204; }}
        location /say {{ return 200 "$request_method $request_uri $http_host\\n"; }}
    }}
"""


def give_hosts(edge, text):
    """Has EDGE start with TEXT for its /etc/hosts."""
    hosts, command = os.path.join(edge.directory, "hosts"), edge.command
    with open(hosts, "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(hosts, 0o644)
    rights = [] if harness.IS_ROOT else ["--map-current-user", "--keep-caps"]
    edge.command = lambda *arguments: ["unshare", "--mount", *rights, "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"',
                                       hosts, *command(*arguments)]


@contextlib.contextmanager
def stopped(pid):
    """What happens meanwhile is all there when the process looks again."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


class ProxyCase(harness.TestCase):
    def proxy(self, backend, policy=None, unix=False, hosts=None, **settings):
        settings = {"mode": "reverse_proxy", "backend_url": backend, "idle_timeout": "20s", **settings}
        edge = self.new_edge(policy or harness.one_rule(1000000, 1000000, []), workers=1, unix=unix, settings=settings)
        if hosts:
            give_hosts(edge, hosts)
        return edge.start()

    def scripted(self, serve, policy=None, **settings):
        """A scripted upstream and a proxy in front of it."""
        server = self.own(upstream.Scripted(serve))
        return server, self.proxy(server.url, policy, **settings)

    def failures(self, edge):
        """{cause: count} of the failures that happened."""
        return {name.split('"')[1]: int(value) for name, value in edge.metrics().items()
                if name.startswith("fairvisor_upstream_failures_total") and value}


class TestProxy(ProxyCase):
    def test_a_real_upstream(self):
        folder, port = self.temporary_folder(), harness.free_port()
        data = os.urandom(1_000_000)
        with open(os.path.join(folder, "file"), "wb") as file:
            file.write(data)
        self.start_nginx(NGINX.format(port=port, root=folder), port)
        edge = self.proxy(f"http://127.0.0.1:{port}")
        self.assertEqual(edge.get("/file").body, data)
        head = harness.request(edge.address, "HEAD", "/file")
        self.assertEqual((head.status, head.header("content-length"), head.body), (200, "1000000", b""))
        part = edge.get("/file", {"Range": "bytes=10-19"})
        self.assertEqual((part.status, part.body), (206, data[10:20]))
        tag = head.header("etag")
        fresh = edge.get("/file", {"If-None-Match": tag})
        self.assertEqual((fresh.status, fresh.body), (304, b""))
        self.assertEqual(edge.get("/empty").status, 204)
        self.assertEqual(edge.get("/status/404").body, b"not here\n")
        said = harness.request(edge.address, "POST", "/say?a=%20b", body=b"x" * 5000).body
        self.assertEqual(said, f"POST /say?a=%20b 127.0.0.1:{port}\n".encode())
        self.assertEqual(edge.metric("fairvisor_upstream_connections"), 1)
        self.assertGreaterEqual(edge.metric("fairvisor_upstream_connections_reused_total"), 6)

    def test_what_the_upstream_is_told(self):
        server, edge = self.scripted(upstream.answering(OK), trusted_proxies="10.9.9.9")
        edge.get("/a//b/../c/%7eu?q=%2F", [
            ("Host", "shop.example:81"), ("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "evil"), ("Forwarded", "for=1.2.3.4"), ("Connection", "close, X-Hop"), ("X-Hop", "1"),
            ("Keep-Alive", "1"), ("TE", "trailers"), ("Proxy-Authorization", "x"), ("X-Fairvisor-Reject-Status", "403"),
            ("Via", "1.0 before"), ("Cookie", "a=b"), ("Upgrade", "h2c"), ("Accept", "*/*"), ("X_Forwarded_For", "1.2.3.4"),
            ("x-forwarded_host", "evil"), ("X_Fairvisor_Status", "200"), ("Transfer_Encoding", "chunked"), ("my_own", "1")])
        asked = server.requests[0]
        self.assertEqual((asked.method, asked.target), ("GET", "/a/c/~u?q=%2F"))
        self.assertEqual(asked.fields, [
            ("Host", f"127.0.0.1:{server.port}"), ("Via", "1.0 before"), ("Cookie", "a=b"), ("Accept", "*/*"),
            ("my_own", "1"), ("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Proto", "http"), ("X-Forwarded-Host", "shop.example:81"),
            ("Via", "1.1 fairvisor")])

    def test_what_a_trusted_proxy_says_stays(self):
        server, edge = self.scripted(upstream.answering(OK))
        edge.get("/", [("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-Proto", "https"),
                       ("X-Forwarded-Host", "shop.example"), ("Forwarded", "for=1.2.3.4")])
        asked = server.requests[0]
        self.assertEqual(asked.header("X-Forwarded-For"), "1.2.3.4, 10.0.0.1, 127.0.0.1")
        self.assertEqual((asked.header("X-Forwarded-Proto"), asked.header("X-Forwarded-Host"),
                          asked.header("Forwarded")), ("https", "shop.example", "for=1.2.3.4"))

    def test_what_the_client_is_told(self):
        fields = ("Connection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-Fairvisor-Reason: lie\r\n"
                  "Trailer: X\r\nX-Kept: yes\r\nRateLimit-Remaining: 999999999\r\n")
        _, edge = self.scripted(upstream.answering(upstream.counted(b"ok", "404 Nope", fields)))
        answer = edge.get("/")
        self.assertEqual((answer.status, answer.body), (404, b"ok"))
        self.assertTrue(answer.raw.startswith(b"HTTP/1.1 404 Nope\r\n"))
        for name in ("x-hop", "keep-alive", "x-fairvisor-reason", "trailer", "connection"):
            self.assertIsNone(answer.header(name), name)
        self.assertEqual((answer.header("x-kept"), answer.header("via")), ("yes", "1.1 fairvisor"))
        self.assertEqual((answer.headers("ratelimit-remaining"), answer.header("x-fairvisor-status")),
                         (["999999"], "200"))

    def test_every_answer_has_a_date(self):
        for fields in ("", "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"):
            _, edge = self.scripted(upstream.answering(upstream.counted(fields=fields)))
            before = int(time.time())
            dates = edge.get("/").headers("date")
            self.assertEqual((len(dates), "Date: %s\r\n" % dates[0] == fields), (1, bool(fields)), dates)
            told = email.utils.parsedate_to_datetime(dates[0]).timestamp()
            self.assertTrue(told == 1767225600 if fields else before - 5 <= told <= time.time(), (before, dates))

    def test_no_key_is_hidden(self):
        """An upstream that makes one name of X_Api_Key and X-Api-Key must not see who is nobody here."""
        server, edge = self.scripted(upstream.answering(OK), harness.one_rule(0.000001, 1, ["header:x-api-key"]))
        for name, status, told in (("X_Api_Key", 200, []), ("x-api_key", 200, []), ("X-Api-Key", 200, ["a"]),
                                   ("X-Api-Key", 429, None), ("X_Other", 200, [])):
            server.requests.clear()
            answer = edge.get("/", {name: "a", "X_Kept": "b"})
            self.assertEqual(answer.status, status, name)
            for request in server.requests:
                self.assertEqual(([value for key, value in request.fields if "api" in key.lower()],
                                  request.header("x_kept")), (told, "b"), name)

    def test_key_of_a_kill_switch_is_not_hidden(self):
        """Whom a switch stops that was set by hand does not come through with the other spelling."""
        server, edge = self.scripted(upstream.answering(OK))
        self.assertEqual(edge.cli("kill", "header:x-tenant", "t1", "-c", edge.config_file).returncode, 0)
        self.assertEqual([edge.get("/", {name: "t1"}).status for name in ("X-Tenant", "X_Tenant")], [429, 200])
        self.assertEqual([[value for name, value in request.fields if "tenant" in name.lower()] for request in server.requests], [[]])

    def test_hops_are_counted(self):
        server, edge = self.scripted(upstream.answering(OK), harness.one_rule(0.000001, 2, []))
        for method, hops, status, told in (("OPTIONS", "0", 200, None), ("TRACE", "0", 501, None), ("OPTIONS", "2", 200, "1"),
                                           ("GET", "0", 200, "0")):
            answer = harness.request(edge.address, method, "/", {"Max-Forwards": hops})
            seen = [request.header("max-forwards") for request in server.requests]
            server.requests.clear()
            self.assertEqual((answer.status, seen), (status, [told] if told else []), (method, hops))

    def test_options_of_the_server(self):
        """They ask for no path, are limited like the root's, and reach the upstream as what they are."""
        server, edge = self.scripted(upstream.answering(OK), harness.one_rule(0.000001, 2, []))
        for status in (200, 200, 429):
            self.assertEqual(harness.request(edge.address, "OPTIONS", "*").status, status)
        self.assertEqual([request.target for request in server.requests], ["*", "*"])

    def test_tabs_are_white_space(self):
        heads = b"Content-Length:\t2\t\r\n\r\nok", b"Transfer-Encoding:\tchunked\t\r\n\r\n2\r\nok\r\n0\r\n\r\n"
        for head in heads:
            _, edge = self.scripted(upstream.answering(b"HTTP/1.1 200 OK\r\n" + head))
            self.assertEqual([edge.get("/").body for _ in range(2)], [b"ok", b"ok"], head)

    def test_a_stricter_limit_of_the_upstream_is_passed_on(self):
        fields = "RateLimit-Limit: 10\r\nRateLimit-Remaining: 3\r\nRateLimit-Reset: 60\r\n"
        _, edge = self.scripted(upstream.answering(upstream.counted(b"ok", fields=fields)))
        answer = edge.get("/")
        self.assertEqual([answer.headers(name) for name in ("ratelimit-limit", "ratelimit-remaining",
                                                            "ratelimit-reset", "ratelimit", "ratelimit-policy")],
                         [["10"], ["3"], ["60"], [], []])

    def test_limits_hold(self):
        server, edge = self.scripted(upstream.answering(OK), harness.one_rule(0.000001, 2, []))
        with harness.Connection(edge.address) as client:
            client.send(harness.format_request() * 3)
            answers = [client.answer() for _ in range(3)]
        self.assertEqual([answer.status for answer in answers], [200, 200, 429])
        self.assertEqual(answers[2].header("x-fairvisor-reason"), "rate_limit_exceeded")
        self.assertEqual(len(server.requests), 2)
        with harness.Connection(edge.address) as client:
            client.send(harness.format_request("POST", body=b"x" * 10))
            self.assertEqual(client.answer().status, 429)
            self.assertTrue(client.is_closed(), "the body of a refused request was not read: nothing may follow it")

    def test_a_path_with_two_meanings_is_not_passed_on(self):
        server, edge = self.scripted(upstream.answering(OK))
        for path in ("/v1%2fchat", "/v1%2Fchat", "/v1%5cchat", "/v1\\chat", "/a%00b", "/a/..;/v1", "/a/%2e.;x=y/v1",
                     "/.;/v1"):
            self.assertEqual(edge.get(path).status, 400, path)
        self.assertEqual(server.requests, [])

    def test_a_path_is_decoded_once(self):
        """What goes on is read by the upstream as it was judged: decoding makes no new escape."""
        server, edge = self.scripted(upstream.answering(OK), policy=harness.one_rule(0.000001, 1, [], prefix="/v1/chat"))
        self.assertEqual([edge.get("/v1/ch%61t").status for _ in range(2)], [200, 429])
        for path in ("/v1/ch%%36%31t", "/v1/ch%6%31t", "/v1/ch%%36%%31t"):
            self.assertEqual(edge.get(path).status, 200, path)
            self.assertNotEqual(urllib.parse.unquote(server.requests[-1].target), "/v1/chat", path)

    def test_bodies_in_both_framings(self):
        server, edge = self.scripted(upstream.answering(lambda request: upstream.counted(request.body)))
        for body in (b"", b"a", os.urandom(200_000)):
            counted = harness.request(edge.address, "POST", body=body)
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[at:at + 7001]), body[at:at + 7001])
                              for at in range(0, len(body), 7001)) + b"0\r\nX-Trailer: 1\r\n\r\n"
            chunked = harness.request(edge.address, "POST", headers={"Transfer-Encoding": "chunked"}, body=chunks)
            self.assertEqual((counted.body == body, chunked.body == body), (True, True))
        self.assertEqual([request.headers("transfer-encoding") for request in server.requests], [[], ["chunked"]] * 3)
        self.assertEqual(edge.metric("fairvisor_upstream_connections_opened_total"), 1)

    def test_an_old_client_gets_no_chunks(self):
        _, edge = self.scripted(upstream.answering(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"))
        answer = edge.get("/", version="HTTP/1.0")
        self.assertEqual((answer.body, answer.headers("transfer-encoding"), answer.header("connection")),
                         (b"abcde", [], "close"))
        self.assertEqual(edge.get("/").header("transfer-encoding"), "chunked")

    def test_a_body_that_ends_with_the_connection(self):
        def serve(peer):
            peer.request()
            peer.send(b"HTTP/1.0 200 OK\r\n\r\nabc")
        _, edge = self.scripted(serve)
        with harness.Connection(edge.address) as client:
            for _ in range(2):
                client.send(harness.format_request())
                answer = client.answer()
                self.assertEqual((answer.header("transfer-encoding"), answer.body), ("chunked", b"abc"))

    def test_expect(self):
        server, edge = self.scripted(upstream.answering(OK))
        with harness.Connection(edge.address) as client:
            client.send(harness.format_request("POST", headers={"Expect": "100-continue", "Content-Length": "3"}))
            self.assertEqual(client.answer().status, 100)
            client.send(b"abc")
            self.assertEqual(client.answer().status, 200)
        self.assertEqual((server.requests[0].body, server.requests[0].headers("expect")), (b"abc", []))

    def test_interim_responses(self):
        _, edge = self.scripted(upstream.answering(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK))
        with harness.Connection(edge.address) as client:
            client.send(harness.format_request())
            hint = client.answer()
            self.assertEqual((hint.status, hint.fields), (103, [("Link", "</a>")]))
            self.assertEqual(client.answer().status, 200)
        self.assertEqual(edge.get("/", version="HTTP/1.0").status, 200)

    def test_interim_responses_one_by_one(self):
        """Each in a read of its own: the client has seen one before the upstream says the next."""
        seen = threading.Semaphore(0)

        def serve(peer):
            peer.request()
            for _ in range(4):
                peer.send(b"HTTP/1.1 102 Processing\r\n\r\n")
                seen.acquire(timeout=10)  # pylint: disable=consider-using-with
            peer.send(OK)

        _, edge = self.scripted(serve)
        workers = edge.workers()
        with harness.Connection(edge.address) as client:
            client.send(harness.format_request())
            for _ in range(4):
                self.assertEqual(client.answer().status, 102)
                seen.release()
            self.assertEqual(client.answer().status, 200)
        self.assertEqual(edge.workers(), workers)

    def test_operators_endpoints(self):
        """Health is everybody's; the rest is for who is trusted himself, be it through a trusted proxy."""
        server, edge = self.scripted(upstream.answering(OK))
        public = {"X-Forwarded-For": "203.0.113.9"}
        for path in ("/metrics", "/v1/decision", "/v1/decision/x", "/v1/forward-auth", "/v1/accel/x"):
            before = len(server.requests)
            self.assertEqual((edge.get(path, public).body, len(server.requests)), (b"ok", before + 1), path)
        self.assertIn(b"fairvisor_connections", edge.get("/metrics").body)
        self.assertEqual(edge.decide("GET", "/").header("x-fairvisor-status"), "200")
        self.assertEqual((edge.get("/livez", public).body, edge.get("/readyz", public).json()["ready"]), (b"ok\n", True))

    def test_operators_endpoints_of_others(self):
        """A peer that is not trusted is nobody, whatever it says of itself; one of a unix socket has no address to be trusted by."""
        server, edge = self.scripted(upstream.answering(OK), trusted_proxies="10.9.9.9, 203.0.113.9", unix=True)
        for address, fields in ((edge.address, {}), (edge.address, {"X-Forwarded-For": "203.0.113.9"}), (edge.unix_path, {})):
            before = len(server.requests)
            self.assertEqual(harness.request(address, target="/metrics", headers=fields).body, b"ok", fields)
            self.assertEqual(len(server.requests), before + 1)
        edge.write_settings(trusted_proxies="unix, 203.0.113.9")
        edge.reload()
        for fields, is_trusted in (({}, True), ({"X-Forwarded-For": "203.0.113.9"}, True), ({"X-Forwarded-For": "203.0.113.8"}, False)):
            said = harness.request(edge.unix_path, target="/metrics", headers=fields).body
            self.assertEqual(b"fairvisor_connections" in said, is_trusted, fields)
        self.assertEqual(harness.request(edge.address, target="/metrics").body, b"ok")

    def test_bodies_that_come_early(self):
        """A body that has begun to come is not asked for; one of a path that goes nowhere is not read."""
        _, edge = self.scripted(upstream.answering(lambda request: upstream.counted(request.body)))
        with harness.Connection(edge.address) as client:
            client.send(harness.format_request("POST", headers={"Expect": "100-continue", "Content-Length": "5"}) + b"hel")
            client.send(b"lo")
            answer = client.answer()
            self.assertEqual((answer.status, answer.body), (200, b"hello"))
        for path in ("/a%2Fb", "/..;x/b", "/a%00"):
            self.assertEqual(harness.request(edge.address, "POST", path, body=b"x" * 1000).status, 400, path)

    def test_operators_listener(self):
        port = harness.free_port()
        server, edge = self.scripted(upstream.answering(OK), ops_listen=f"127.0.0.1:{port}")
        self.assertEqual((edge.get("/metrics").body, edge.decide("GET", "/").body), (b"ok", b"ok"))
        before = len(server.requests)
        self.assertIn(b"fairvisor_connections", harness.request(("127.0.0.1", port), target="/metrics").body)
        self.assertEqual(harness.request(("127.0.0.1", port), target="/anything").status, 404)
        self.assertEqual(len(server.requests), before)


class TestFailures(ProxyCase):
    def check(self, answer, status, cause):
        self.assertEqual(answer.status, status)
        self.assertEqual(answer.header("content-type"), "application/json")
        self.assertEqual(answer.header("x-fairvisor-status"), "200")  # of the verdict, which let the request pass
        self.assertEqual((answer.json()["error"]["type"], answer.json()["error"]["code"]), ("upstream_error", cause))

    def test_nobody_there(self):
        edge = self.proxy(f"http://127.0.0.1:{harness.free_port()}")
        with harness.Connection(edge.address) as client:
            for _ in range(2):  # the connection goes on
                client.send(harness.format_request())
                self.check(client.answer(), 502, "refused")
        self.assertEqual(self.failures(edge), {"refused": 2})

    def test_one_failure_is_told(self):
        """By the log, with address and cause, and by status, as long as no request was answered."""
        url = f"http://127.0.0.1:{harness.free_port()}"
        edge = self.proxy(url)
        self.assertEqual(edge.get("/").status, 502)
        edge.wait_log(f"the upstream {url} fails: 1 of the last 1 requests had no complete answer, for no connection can be made "
                      r"\(backend_url names it\)")
        status = harness.wait_until(lambda: (done := edge.cli("status", "-c", edge.config_file)).returncode == 1 and done,
                                    "the status to tell of it")
        self.assertRegex(status.stdout, "WARNING.*the upstream of instance .* fails since 20")

    def test_it_is_told_once(self):
        """However many workers and requests notice it: one line when it begins, one when it is over; and status."""
        is_broken = True
        well = upstream.answering(OK)
        _, edge = self.scripted(lambda peer: None if is_broken else well(peer), worker_processes=2)
        for _ in range(8):
            self.assertEqual(edge.get("/").status, 502)
        edge.wait_log("the upstream http://127.0.0.1:[0-9]+ fails: [1-8] of the last [1-8] requests had no complete answer")
        status = harness.wait_until(lambda: (done := edge.cli("status", "-c", edge.config_file)).returncode == 1 and done,
                                    "the status to tell of it")
        self.assertRegex(status.stdout, "WARNING.*the upstream of instance .* fails since 20")
        for _ in range(4):
            self.assertEqual(edge.get("/").status, 502)
        is_broken = False
        self.assertEqual(edge.get("/").status, 200)
        harness.wait_until(lambda: edge.get("/").status == 200 and "answers again" in edge.log(), "the line that it is over")
        harness.wait_until(lambda: edge.cli("status", "-c", edge.config_file).returncode == 0, "the status to be well")
        self.assertEqual([edge.log().count(text) for text in ("the upstream http", "had no complete answer",
                                                              ": 12 requests failed in")], [2, 1, 1])

    def test_a_name_that_is_not_found(self):
        edge = self.proxy("http://no-such-host.invalid")
        began = time.monotonic()
        for _ in range(5):
            self.check(edge.get("/", timeout=60), 502, "unresolved")  # who finds no server of names asks on for a while
        edge.wait_log("the upstream's name no-such-host.invalid was not found: ")
        self.assertLessEqual(edge.log().count("was not found: "), time.monotonic() - began + 1, "a line a second")

    @harness.needs_ipv6
    @harness.needs_mounts
    def test_a_name_with_an_address_that_does_not_answer(self):
        """The first one of two: new connections try the other one, too, and begin with it afterwards."""
        server = self.own(upstream.Scripted(upstream.answering(OK), port=harness.free_port(socket.AF_INET6)))
        edge = self.proxy(f"http://many.test:{server.port}", hosts="::1 many.test\n127.0.0.1 many.test\n", backend_keepalive=0)
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.socket(socket.AF_INET6))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("::1", server.port))
            listener.listen(0)
            for _ in range(4):  # who comes after these is not answered at all
                waiting = stack.enter_context(socket.socket(socket.AF_INET6))
                waiting.setblocking(False)
                waiting.connect_ex(("::1", server.port))
            for _ in range(3):
                self.assertEqual(edge.get("/").status, 200)
        self.assertEqual((server.connections, self.failures(edge)), (3, {}))
        self.assertLessEqual(edge.metric("fairvisor_upstream_connections_opened_total"), 4)

    def test_a_silent_upstream(self):
        def serve(peer):
            peer.request()
            peer.rest()
        _, edge = self.scripted(serve, backend_timeout="300ms")
        self.check(edge.get("/"), 504, "silent")
        self.assertEqual(self.failures(edge), {"silent": 1})

    def test_an_upstream_that_falls_silent(self):
        def serve(peer):
            peer.request()
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            peer.rest()
        server, edge = self.scripted(serve, backend_timeout="300ms")

        def is_cut_off():
            """Or 504, from a machine that had no time for this upstream to say anything."""
            try:
                self.check(edge.get("/"), 504, "silent")
                return False
            except harness.Incomplete as trouble:
                return self.assertRegex(str(trouble), "^closed") or True
        harness.wait_until(is_cut_off, "an answer that begins")
        self.assertEqual(self.failures(edge), {"silent": server.connections})

    def test_an_answer_that_is_cut_off(self):
        """Chunked: without the last chunk. Ended by the connection, of HTTP/1.1 or to a client of 1.0: a reset."""
        def serve(peer):
            peer.request()
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        _, edge = self.scripted(serve)
        with self.assertRaisesRegex(harness.Incomplete, "closed"):
            edge.get("/")
        with self.assertRaisesRegex(harness.Incomplete, "reset"):
            edge.get("/", version="HTTP/1.0")
        self.assertEqual(self.failures(edge), {"closed": 2})

    def test_an_upstream_that_closes_or_resets(self):
        _, edge = self.scripted(lambda peer: peer.request())
        self.check(edge.get("/"), 502, "closed")

        def serve(peer):
            peer.request()
            peer.reset()
        _, edge = self.scripted(serve)
        self.check(edge.get("/"), 502, "reset")

    def test_an_answer_before_a_reset(self):
        """Both are there when the worker looks: what was said is heard."""
        def serve(peer):
            peer.request()
            with stopped(worker):
                peer.send(OK)
                peer.reset()
        _, edge = self.scripted(serve)
        worker, = edge.workers()
        answer = edge.get("/")
        self.assertEqual((answer.status, answer.body), (200, b"ok"))
        self.assertEqual(self.failures(edge), {})

    def test_an_early_answer_before_a_reset(self):
        """More of the body, a refusal of it and a reset are there when the worker looks: the client gets the refusal."""
        refusal = upstream.counted(b"no", "413 Too Large")

        def serve(peer):
            peer.need(lambda: b"\r\n\r\nx" in peer.buffer)
            with stopped(worker):
                client.send(b"x" * 1000)
                peer.send(refusal if whole else refusal[:-2])
                peer.reset()
        _, edge = self.scripted(serve)
        worker, = edge.workers()
        for whole in (True, False):
            with harness.Connection(edge.address) as client:
                client.send(harness.format_request("POST", headers={"Content-Length": "100000"}, body=b"x"))
                if whole:
                    self.assertEqual(client.answer().status, 413)
                else:
                    self.assertIn(b" 413 Too Large\r\n", client.rest())
        self.assertEqual(self.failures(edge), {"reset": 1})

    def test_an_early_answer_without_length(self):
        """It ends with the connection: in good order, or by a reset, which completes nothing."""
        def serve(peer):
            peer.need(lambda: b"\r\n\r\nx" in peer.buffer)
            with stopped(worker):
                client.send(b"x" * 1000)
                peer.send(b"HTTP/1.0 413 Too Large\r\n\r\nno")
                if is_orderly:
                    peer.socket.shutdown(socket.SHUT_WR)
                else:
                    peer.reset()
        _, edge = self.scripted(serve)
        worker, = edge.workers()
        for is_orderly in (True, False):
            with harness.Connection(edge.address) as client:
                client.send(harness.format_request("POST", headers={"Content-Length": "100000"}, body=b"x"))
                self.assertEqual(client.rest().endswith(b"0\r\n\r\n"), is_orderly)
        self.assertEqual(self.failures(edge), {"reset": 1})

    def test_only_what_was_not_sent_is_sent_again(self):
        """The upstream closes an idle connection: the next request finds a new one. It closes one after a request was
        sent: that request is not repeated, if it is none that may be."""
        def serve(peer):
            if server.connections == 1:
                peer.request()
                peer.send(OK)
                return
            peer.request()
            peer.send(OK)
            peer.request()
        server, edge = self.scripted(lambda peer: serve(peer))
        self.assertEqual(edge.get("/1").status, 200)
        harness.wait_until(lambda: edge.metric("fairvisor_upstream_connections") == 0, "the idle connection to close")
        self.assertEqual(edge.get("/2").status, 200)
        self.check(harness.request(edge.address, "POST", "/3"), 502, "closed")
        self.assertEqual([request.target for request in server.requests], ["/1", "/2", "/3"])

    def test_an_upstream_that_tells_when_it_closes(self):
        """Half a second before it would, its idle connection is not used any more: it might close just when a request comes. The
        target is what the answer says of the next request."""
        server, edge = self.scripted(upstream.answering(lambda request: upstream.counted(
            fields=f"Keep-Alive: timeout={request.target[1:]}, max=9\r\n")))
        for pause, target, connections in ((0, "/600", 1), (0, "/1", 1), (0.6, "/1", 2), (0.6, "/600", 3), (0.6, "/600", 3)):
            time.sleep(pause)
            self.assertEqual(edge.get(target).status, 200)
            self.assertEqual(server.connections, connections)

    def test_unasked_bytes_close_an_idle_connection(self):
        def serve(peer):
            peer.request()
            peer.send(OK)
            if server.connections == 1:
                peer.send(OK)  # an answer to nothing
            peer.rest()
        server, edge = self.scripted(lambda peer: serve(peer))
        self.assertEqual(edge.get("/").body, b"ok")
        harness.wait_until(lambda: edge.metric("fairvisor_upstream_connections") == 0, "the idle connection to close")
        self.assertEqual(edge.get("/").body, b"ok")
        self.assertEqual(server.connections, 2)

    def test_an_early_answer(self):
        def serve(peer):
            peer.need(lambda: b"\r\n\r\n" in peer.buffer)
            peer.send(upstream.counted(b"no", "401 Unauthorized"))
            peer.rest()
        _, edge = self.scripted(serve)
        with harness.Connection(edge.address) as client:
            client.send(harness.format_request("POST", headers={"Content-Length": "1000"}, body=b"x"))
            answer = client.answer()
            self.assertEqual((answer.status, answer.body, answer.header("connection")), (401, b"no", "close"))
            self.assertTrue(client.is_closed())

    def test_a_body_too_large(self):
        server, edge = self.scripted(upstream.answering(OK), max_body_bytes="1k")
        self.assertEqual(harness.request(edge.address, "POST", body=b"x" * 1024).status, 200)
        self.assertEqual(harness.request(edge.address, "POST", body=b"x" * 1025).status, 413)
        chunks = b"400\r\n" + b"x" * 1024 + b"\r\n1\r\nx\r\n0\r\n\r\n"
        self.assertEqual(harness.request(edge.address, "POST", headers={"Transfer-Encoding": "chunked"},
                                         body=chunks).status, 413)
        self.assertEqual([len(request.body) for request in server.requests], [1024])


class TestEnds(ProxyCase):
    def flight(self):
        bundle = harness.one_rule(policy="p")
        bundle["policies"][0]["spec"]["rules"] = [{"name": "flight", "limit_keys": [], "algorithm": "concurrency",
                                                   "algorithm_config": {"max_in_flight": 1, "ttl_seconds": 3600}}]
        return bundle

    def test_what_is_in_flight_lands_however_it_ends(self):
        def serve(peer):
            request = peer.request()
            if request.target == "/closes":
                return
            if request.target == "/hangs":
                peer.rest()
            peer.send(OK)
        _, edge = self.scripted(serve, self.flight())
        self.assertEqual([edge.get(path).status for path in ("/", "/closes", "/")], [200, 502, 200])
        with harness.Connection(edge.address) as client:
            client.send(harness.format_request(target="/hangs"))
            harness.wait_until(lambda: edge.get("/").status == 429, "the request to be in flight")
        harness.wait_until(lambda: edge.get("/").status == 200, "it to land when its client left")
        _, edge = self.scripted(serve, self.flight(), backend_timeout="300ms")
        self.assertEqual([edge.get("/hangs").status for _ in range(2)], [504, 504])

    def test_a_client_that_leaves_ends_the_upstreams_work(self):
        ended = []

        def serve(peer):
            peer.request()
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
            peer.rest()
            ended.append(True)
        _, edge = self.scripted(serve)
        with harness.Connection(edge.address) as client:
            client.send(harness.format_request())
            client.need(lambda: b"1\r\na\r\n" in client.buffer)
        harness.wait_until(lambda: ended, "the upstream's connection to be closed")
        harness.wait_until(lambda: edge.metric("fairvisor_upstream_connections") == 0, "its count to fall")

    def test_draining_waits_for_streams(self):
        def serve(peer):
            peer.request()
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
            go_on.wait()
            peer.send(b"1\r\nb\r\n0\r\n\r\n")
            peer.rest()
        go_on = threading.Event()
        _, edge = self.scripted(serve, drain_timeout="1h", idle_timeout="3s")
        stream = self.own(Stream(edge))
        edge.reload()
        go_on.set()
        self.assertEqual(stream.connection.answer().body, b"ab")
        self.assertTrue(stream.connection.is_closed())

    def test_draining_waits_no_longer_than_it_may(self):
        def serve(peer):
            peer.request()
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
            peer.rest()
        _, edge = self.scripted(serve, drain_timeout="3s")
        stream = self.own(Stream(edge))
        began = time.monotonic()
        edge.reload()
        with self.assertRaisesRegex(harness.Incomplete, "closed|reset"):
            stream.connection.answer()
        self.assertGreater(time.monotonic() - began, 2.9)

    def test_settings(self):
        edge = self.new_edge(harness.one_rule(), settings={"mode": "reverse_proxy"})
        self.assertIn("backend_url", edge.run("-t").stderr)
        edge.write_settings(backend_url="http://[::1]:8080")
        self.assertEqual(edge.run("-t").returncode, 0)
        self.assertIn("backend_url = http://[::1]:8080\n", edge.run("-T").stdout)
        edge.write_settings(mode="decision_service")
        self.assertIn("backend_url has no effect", edge.run("-t").stderr)


class Stream:
    """A client in the middle of a response."""

    def __init__(self, edge):
        self.connection = harness.Connection(edge.address, harness.START_SECONDS)
        self.connection.send(harness.format_request())
        self.connection.need(lambda: b"1\r\na\r\n" in self.connection.buffer)

    def remove(self):
        self.connection.close()
        return []
