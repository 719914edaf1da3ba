# SPDX-License-Identifier: MPL-2.0
"""An upstream closes an idle connection just when a request comes on it: the request goes out again, once, where that can do
no harm, and is charged once.
"""

import json
import threading

import harness
import test_proxy
import upstream

OK = upstream.counted()
KEY = ("Idempotency-Key", "a1")


def closing(end=lambda peer: None, said=b""):
    """Answers the first request of each connection; hears the second one, says SAID and makes an END."""
    def serve(peer):
        peer.request()
        peer.send(OK)
        peer.request()
        peer.send(said)
        end(peer)
    return serve


class TestRepeat(test_proxy.ProxyCase):
    def retries(self, edge):
        return {sent: int(edge.metrics()[f'fairvisor_upstream_retries_total{{sent="{sent}"}}']) for sent in ("no", "yes")}

    def ask(self, edge, target="/", method="GET", headers=(), body=b""):
        return harness.request(edge.address, method, target, headers, body)

    def test_what_may_be_done_twice(self):
        def serve(peer):
            served = 0
            while True:
                request = peer.request()
                if served > 0 and request.target == "/again":
                    end(peer)
                    return
                served += 1
                peer.send(OK if request.method != "HEAD" else OK[:-2])
        asked = [("GET", (), b""), ("HEAD", (), b""), ("OPTIONS", (), b""), ("TRACE", (), b""), ("DELETE", (), b""), ("PUT", (), b""),
                 ("PUT", (), b"body"), ("QUERY", (), b"body"), ("POST", (KEY,), b"body"), ("POST", (KEY,), b""),
                 ("PATCH", (("X-Idempotency-Key", "b"),), b"body"),
                 ("PUT", (("Transfer-Encoding", "chunked"),), b"2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n")]
        for end in (lambda peer: None, upstream.Peer.reset):
            server, edge = self.scripted(serve)
            for method, headers, body in asked:
                server.requests.clear()
                self.assertEqual([self.ask(edge).status, self.ask(edge, "/again", method, headers, body).status], [200, 200], method)
                told = [(request.method, request.target, request.body) for request in server.requests]
                self.assertEqual(told, [("GET", "/", b"")] + [(method, "/again", b"body" if body else b"")] * 2)
            self.assertEqual((self.failures(edge), self.retries(edge)), ({}, {"no": 0, "yes": len(asked)}))
            edge.wait_log("the upstream http.* closed a connection, idle for [0-9]+ ms, when a request came, which was sent again: ")

    def test_what_must_not(self):
        twice, gone = "it may have been seen and must not be done twice", "not all of its body is at hand to be sent again"
        hides = harness.one_rule(1000000, 1000000, ["header:idempotency_key"])  # which nobody may spell otherwise
        cases = [("POST", (), b"", twice), ("PATCH", (), b"", twice), ("LOCK", (), b"", twice),
                 ("POST", (("Idempotency-Key", ""),), b"", twice), ("POST", (KEY, ("Connection", "Idempotency-Key")), b"", twice),
                 ("PUT", (), b"a body in several pieces" * 10000, gone), ("POST", (KEY,), b"hidden", twice)]
        for method, headers, body, cause in cases:
            with self.subTest(method=method, headers=headers):
                server, edge = self.scripted(closing(), hides if body == b"hidden" else None)
                self.assertEqual(self.ask(edge).status, 200)
                answer = self.ask(edge, "/2", method, headers, body)
                self.assertEqual((answer.status, answer.json()["error"]["code"]), (502, "closed"))
                self.assertEqual([request.target for request in server.requests], ["/", "/2"])
                self.assertEqual((self.failures(edge), self.retries(edge)), ({"closed": 1}, {"no": 0, "yes": 0}))
                edge.wait_log(f"when a request came, which is answered 502, for {cause}: ")
                edge.stop()

    def test_what_fails_is_told_behind_what_does_not(self):
        """Also to who wants no notices: the line about one that was sent again takes no other one's place."""
        _, edge = self.scripted(closing(), log_level="warning")
        asked = [("GET", 200), ("GET", 200), ("POST", 502)]  # the second is sent again, on the connection that the third one finds
        for method, status in asked:
            self.assertEqual(self.ask(edge, method=method).status, status)
        edge.wait_log("when a request came, which is answered 502")
        self.assertNotIn("sent again", edge.log())

    def test_an_answer_that_was_begun(self):
        for said in (b"H", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"):
            server, edge = self.scripted(closing(said=said))
            self.assertEqual([self.ask(edge).status for _ in range(2)], [200, 502], said)
            self.assertEqual((len(server.requests), self.failures(edge)), (2, {"closed": 1}))
            edge.stop()

    def test_a_new_connection(self):
        server, edge = self.scripted(lambda peer: peer.request())
        self.assertEqual([self.ask(edge).status for _ in range(2)], [502, 502])
        self.assertEqual((len(server.requests), self.retries(edge)), (2, {"no": 0, "yes": 0}))

    def test_only_once(self):
        """The new connection ends, too: that is not chance any more."""
        def serve(peer):
            peer.request()
            if server.connections == 1:
                peer.send(OK)
                peer.request()
        server, edge = self.scripted(lambda peer: serve(peer))
        self.assertEqual([self.ask(edge).status for _ in range(2)], [200, 502])
        self.assertEqual((server.connections, len(server.requests)), (2, 3))
        self.assertEqual((self.failures(edge), self.retries(edge)), ({"closed": 1}, {"no": 0, "yes": 1}))

    def test_the_clients_connection_goes_on(self):
        """Also when nobody is there any more."""
        server = upstream.Scripted(closing(lambda peer: (server.remove(), peer.reset())), port=harness.free_port())
        edge = self.proxy(server.url)
        with harness.Connection(edge.address) as client:
            for status in (200, 502, 502):
                client.send(harness.format_request())
                self.assertEqual(client.answer().status, status)
        self.assertEqual(self.failures(edge), {"refused": 2})

    def test_a_client_that_left(self):
        """Nobody waits for it: it is not asked for again."""
        heard, go_on = threading.Event(), threading.Event()

        def end(_):
            heard.set()
            go_on.wait(10)
        server, edge = self.scripted(closing(end))
        self.assertEqual(self.ask(edge).status, 200)
        with harness.Connection(edge.address) as client:
            client.send(harness.format_request())
            self.assertTrue(heard.wait(10))
        harness.wait_until(lambda: edge.metric("fairvisor_upstream_connections") == 0, "the upstream's connection to be closed")
        go_on.set()
        self.assertEqual((len(server.requests), self.retries(edge)), (2, {"no": 0, "yes": 0}))

    def test_a_timeout_of_ours(self):
        """The operator says how long they may be idle; the upstream's own word counts where it is shorter."""
        for setting, fields in (("50ms", ""), ("50ms", "Keep-Alive: timeout=100\r\n"), ("1h", "Keep-Alive: timeout=0\r\n")):
            server, edge = self.scripted(upstream.answering(upstream.counted(fields=fields)), backend_keepalive_timeout=setting)
            self.assertEqual(self.ask(edge).status, 200)
            harness.wait_until(lambda: edge.metric("fairvisor_upstream_connections") == 0, "the idle connection to be closed")
            self.assertEqual(self.ask(edge).status, 200)
            self.assertEqual(server.connections, 2)
            edge.stop()


class TestAccounts(test_proxy.ProxyCase):
    def bundle(self):
        """What a request of a model's is charged: one of each."""
        policy = harness.one_rule(0.000001, 100, [])
        policy["policies"][0]["spec"]["rules"] += [
            {"name": "flight", "limit_keys": [], "algorithm": "concurrency", "algorithm_config": {"max_in_flight": 1, "ttl_seconds": 3600}},
            {"name": "tokens", "limit_keys": [], "algorithm": "token_bucket_llm", "algorithm_config": {"tokens_per_day": 100000}}]
        return policy

    def ask(self, edge):
        body = json.dumps({"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "x" * 4000}]}).encode()
        return harness.request(edge.address, "POST", "/v1/chat/completions", (KEY, ("X-Key", "k")), body)

    def consumed(self, edge):
        return sum(int(value) for name, value in edge.metrics().items() if name.startswith("fairvisor_tokens_consumed_total"))

    def test_one_charge(self):
        """Three requests, one of them sent twice: three times the tokens, three requests, and nothing left in flight."""
        harness.avoid_midnight()
        used = json.dumps({"object": "chat.completion", "model": "m", "usage": {
            "prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}}).encode()
        answer = upstream.counted(used, fields="Content-Type: application/json\r\n")

        def serve(peer):
            peer.request()
            peer.send(answer)
            peer.request()
            if server.connections > 1:
                peer.send(answer)
        server, edge = self.scripted(lambda peer: serve(peer), self.bundle())
        for left in (99, 98, 97):
            got = self.ask(edge)
            self.assertEqual((got.status, got.body), (200, used))
        self.assertEqual((len(server.requests), {request.body for request in server.requests}), (4, {server.requests[0].body}))
        self.assertEqual(edge.metrics()['fairvisor_upstream_retries_total{sent="yes"}'], 1)
        self.assertEqual(self.consumed(edge), 3 * 12)

    def test_a_request_that_was_seen_and_not_answered(self):
        """The first time it was sent, the second time nobody was there: that is no request that was never sent."""
        server = upstream.Scripted(closing(lambda peer: (server.remove(), peer.reset())), port=harness.free_port())
        edge = self.proxy(server.url, self.bundle())
        self.assertEqual(self.ask(edge).status, 200)
        before = self.consumed(edge)
        self.assertEqual([self.ask(edge).status, self.consumed(edge) - before], [502, 1000])
        self.assertEqual([self.ask(edge).status, self.consumed(edge) - before], [502, 1000])
