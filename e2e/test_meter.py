# SPDX-License-Identifier: MPL-2.0
"""LLM traffic through the reverse proxy: accounts that balance to the token whatever becomes of an exchange, streams that
are cut, usage that is asked for and hidden, completions made shorter, provider fields. The upstream is a scripted
socket: it must break off at a chosen byte, which no real server does.
"""

import gzip
import json
import os
import random
import signal
import socket
import threading

import dialects
import harness
import upstream

LIMIT = 9_000_000_000
PRICE = {"input": 2_000_000, "cached_input": 1_000_000, "output": 5_000_000}  # each token 2, 1, 5


def policy(name, rule, **spec):
    return {"id": name.strip("/").replace("/", "-"),
            "spec": {"selector": {"pathPrefix": name}, "rules": [rule], **spec}}


def tokens(streaming=None, limit=LIMIT, **config):
    return {"name": "r", "limit_keys": ["header:x-key"], "algorithm": "token_bucket_llm",
            "algorithm_config": {"tokens_per_day": limit, "streaming": streaming or {}, **config}}


def money(streaming=None, **config):
    return {"name": "r", "limit_keys": ["header:x-key"], "algorithm": "cost_based",
            "algorithm_config": {"budget": LIMIT, "period": "month", "cost_key": "usage", "streaming": streaming or {},
                                 "staged_actions": [{"threshold_percent": 100, "action": "reject"}], **config}}


def bundle(*policies, version=1):
    return {"bundle_version": version, "price_table": {"*": PRICE}, "policies": list(policies)}


def chat(most=1, text="", **more):
    return json.dumps({"model": "m", "max_tokens": most, "messages": [{"role": "user", "content": text}], **more}).encode()


def sse(*documents):
    return b"".join(b"data: %s\n\n" % (document if isinstance(document, bytes) else json.dumps(document).encode())
                    for document in documents)


def events(data):
    body = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return body + b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data)


def word(text, reason=None):
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-x",
            "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]}


def words_without_end(peer):
    """Serves a stream that does not end, one token an event."""
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = sse(word("word"))
    while True:
        peer.send(b"%x\r\n%s\r\n" % (len(piece), piece))


class MeterCase(harness.TestCase):
    def setUp(self):
        super().setUp()
        harness.avoid_midnight()

    def proxy(self, serve, *policies, workers=1, **settings):
        server = self.own(upstream.Scripted(serve))
        edge = self.start_edge(bundle(*policies), workers=workers, settings={
            "mode": "reverse_proxy", "backend_url": server.url, "idle_timeout": "20s", **settings})
        return server, edge

    def ask(self, edge, path, body, key="k", headers=()):
        return harness.request(edge.address, "POST", path, [("X-Key", key), *headers], body, timeout=30)

    def balance(self, edge, path, key="k"):
        """What is spent of the limit at PATH. Asks the decision endpoint and settles that with nothing."""
        answer = edge.decide("POST", path, headers=[("X-Key", key), ("Content-Length", "32")],
                             body=b'{"model":"m","max_tokens":1     }')
        spent = LIMIT - int(answer.header("RateLimit-Remaining")) - (5 if "money" in path else 1)
        settled = harness.request(edge.address, "POST", "/v1/settle", body=json.dumps(
            {"reservation": answer.header("X-Fairvisor-Reservation")}).encode())
        self.assertEqual(settled.status, 200)
        return spent


# ---- accounts --------------------------------------------------------------------------------------------------------

class Plan:
    """One exchange: what the upstream will do, and what it must cost."""

    def __init__(self, number, dice):
        self.number, self.sent, self.left = number, threading.Event(), threading.Event()
        self.unit, self.mode = dice.choice(["tokens", "money"]), dice.choice(["drain", "abort"])
        self.endpoint = dice.choice(sorted(dialects.SHAPES))
        shape = dice.choice(dialects.SHAPES[self.endpoint])
        usage = None
        if dice.random() < 0.7:
            whole = dice.randint(0, 300)
            usage = {"in": whole, "cached": dice.randint(0, whole), "out": dice.randint(0, 300)}
        self.reply = shape(dice, usage)
        self.kind = dice.choice(["complete"] * 4 + ["broken", "broken", "gone", "gone", "gone-before", "silent", "refused"])
        prompt, self.most = dice.randint(0, 400), dice.randint(1, 200)
        self.prompt = -(-prompt // 4)
        self.body = dialects.request_body(shape, prompt, self.most, number)
        self.size = dice.randint(0, len(self.reply.data))
        self.seed = dice.random()

    @property
    def path(self):
        return f"/{self.unit}/{self.mode}{self.endpoint}"

    def used(self):
        whole = len(self.reply.data)
        if self.kind == "refused":
            return 0, 0, 0
        if self.kind == "silent":
            return self.prompt, 0, 0
        if self.kind == "gone-before" and self.mode == "abort":
            return self.prompt, 0, self.most
        if self.kind == "broken" or (self.kind == "gone" and self.mode == "abort"):
            whole = self.size
        if self.kind == "gone" and self.mode == "abort" and self.is_untold_whole():
            return self.prompt, 0, self.most
        return dialects.used(self.reply, whole, self.prompt)

    def is_untold_whole(self):
        """It was ready before it was sent, and what was seen of it says nothing of what it cost."""
        return self.reply.content_type == "application/json" and not self.reply.seen(self.size)[0]

    def cost(self):
        prompt, cached, out = self.used()
        return prompt + out if self.unit == "tokens" else (prompt - cached) * 2 + cached + out * 5


def send_chunks(peer, data, dice, is_last=True):
    at = 0
    while at < len(data):
        size = dice.randint(1, 200)
        piece = data[at:at + size]
        peer.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        at += size
    if is_last:
        peer.send(b"0\r\n\r\n")


def play(plan, peer):
    """The upstream's part."""
    dice = random.Random(plan.seed)
    data = plan.reply.data
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {plan.reply.content_type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    if plan.kind == "silent":
        return False
    if plan.kind == "refused":
        peer.send(upstream.counted(b'{"error":{"message":"no"}}', "500 No", "Content-Type: application/json\r\n"))
        return True
    if plan.kind == "gone-before":
        plan.sent.set()
        plan.left.wait(30)
    if plan.kind == "broken":
        peer.send(head)
        send_chunks(peer, data[:plan.size], dice, False)
        peer.send(b"fff\r\n")
        return False
    if plan.kind == "gone":
        peer.send(head)
        send_chunks(peer, data[:plan.size], dice, False)
        plan.sent.set()
        plan.left.wait(30)
        if plan.mode == "drain":
            send_chunks(peer, data[plan.size:], dice)
            return True
        peer.rest()
        return False
    if plan.kind == "gone-before" and plan.mode == "abort":
        peer.rest()
        return False
    peer.send(head)
    send_chunks(peer, data, dice)
    return True


class TestAccounts(MeterCase):
    def client(self, edge, plan):
        with harness.Connection(edge.address, 40) as connection:
            connection.send(harness.format_request("POST", plan.path, [("X-Key", "k"), ("X-Plan", str(plan.number))],
                                                   plan.body))
            if plan.kind in ("gone", "gone-before"):
                self.leave(connection, plan)
                return
            try:
                answer = connection.answer("POST")
                if plan.kind == "complete":
                    self.assertEqual((answer.status, answer.body), (200, plan.reply.data))
            except harness.Incomplete:
                self.assertEqual(plan.kind, "broken")

    def leave(self, connection, plan):
        """Goes when the upstream has said what it says before; in abort everything of that has come through."""
        self.assertTrue(plan.sent.wait(30))
        if plan.kind == "gone" and plan.mode == "abort":
            connection.need(lambda: b"\r\n\r\n" in connection.buffer)
            connection.take(connection.buffer.index(b"\r\n\r\n") + 4)
            got = 0
            while got < plan.size:
                size = int(connection.line(), 16)
                connection.exactly(size + 2)
                got += size
        connection.close()
        plan.left.set()

    def run_plans(self, edge, plans, count):
        trouble, waiting, guard = [], list(plans), threading.Lock()

        def work():
            while True:
                with guard:
                    if not waiting or trouble:
                        return
                    plan = waiting.pop()
                try:
                    self.client(edge, plan)
                except Exception as error:  # pylint: disable=broad-except
                    trouble.append(f"{plan.kind} {plan.path}: {error!r}"[:500])
        threads = [threading.Thread(target=work) for _ in range(count)]
        for thread in threads:
            thread.start()
        return threads, trouble

    def test_every_token_is_accounted_for(self):
        count, seed = harness.full_or_short(10000, 400), random.randrange(1 << 32)
        dice = random.Random(seed)
        print(f"accounts: {count} exchanges, seed {seed}")
        plans = [Plan(number, dice) for number in range(count)]
        harness.avoid_midnight(harness.full_or_short(1800, 180))

        def serve(peer):
            while True:
                if not play(plans[int(peer.request().header("x-plan"))], peer):
                    return
        read_on = {"on_client_gone": "drain"}
        give_up = {"on_client_gone": "abort", "enforce_mid_stream": False}
        policies = [policy("/tokens/drain", tokens(read_on)), policy("/tokens/abort", tokens(give_up)),
                    policy("/money/drain", money(read_on)), policy("/money/abort", money(give_up))]
        server, edge = self.proxy(serve, *policies, workers=2)
        threads, trouble = self.run_plans(edge, plans, 16)
        version = 1
        while any(thread.is_alive() for thread in threads):
            version += 1
            edge.write_policy(bundle(*policies, version=version))
            edge.reload()
            for thread in threads:
                thread.join(0.1)
        self.assertEqual(trouble, [])
        self.assertEqual(server.trouble, [])
        harness.wait_until(lambda: edge.metric("fairvisor_exchanges_metered_total") >= count, "all to be settled", 60)
        for path in ("/tokens/drain", "/tokens/abort", "/money/drain", "/money/abort"):
            expected = sum(plan.cost() for plan in plans if plan.path.startswith(path + "/"))
            self.assertEqual(self.balance(edge, path), expected, f"{path}, seed {seed}")
        self.assertEqual(edge.metric("fairvisor_exchanges_metered_total"), count)
        print(f"accounts: {count} exchanges, {version - 1} reloads, difference 0")


# ---- what is changed on the way --------------------------------------------------------------------------------------

class TestOnTheWay(MeterCase):
    def test_usage_is_asked_for_and_hidden(self):
        usage = {**word(""), "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}
        both = sse(word("Hello"), word("", "stop"))
        server, edge = self.proxy(upstream.answering(events(both + sse(usage, b"[DONE]"))),
                                  policy("/v1", tokens(token_source={"request_usage": True})))
        path = "/v1/chat/completions"
        plain = self.ask(edge, path, chat(stream=True), headers=[("Accept-Encoding", "gzip")])
        self.assertEqual(plain.body, both + sse(b"[DONE]"))
        asked = self.ask(edge, path, chat(stream=True, stream_options={"include_usage": True}))
        self.assertEqual(asked.body, both + sse(usage, b"[DONE]"))
        for request in server.requests:
            self.assertEqual(json.loads(request.body)["stream_options"], {"include_usage": True})
            self.assertEqual(request.header("accept-encoding"), "identity")
            self.assertEqual(int(request.header("content-length")), len(request.body))
        self.assertEqual(self.balance(edge, "/v1"), 14)

    def test_a_stream_that_ends_with_its_connection(self):
        """Nothing follows the last event, not even the end of a chunk."""
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
        for number, end in enumerate((b"", sse(word("Hello")), sse(word("Hello"))[:-2])):
            def serve(peer, end=end):
                peer.request()
                peer.send(head + end)
            _, edge = self.proxy(serve, policy("/v1", tokens({"buffer_tokens": 1})))
            answer = self.ask(edge, "/v1/chat/completions", chat(1, stream=True))
            self.assertEqual((answer.status, answer.body), (200, end))
            harness.wait_until(lambda edge=edge: edge.metric("fairvisor_exchanges_metered_total") == 1, "it to be settled")
            self.assertEqual(self.balance(edge, "/v1"), 2 if number else 0)
            self.assertEqual(edge.metric("fairvisor_worker_restarts_total"), 0)

    def test_a_completion_is_made_shorter(self):
        answer = upstream.counted(b'{"usage":{"prompt_tokens":0,"completion_tokens":60}}', fields="Content-Type: application/json\r\n")
        server, edge = self.proxy(upstream.answering(answer), policy("/v1", tokens(limit=100, clamp_completion=True)))
        for most, expected in ((60, 60), (900, 40)):
            self.assertEqual(self.ask(edge, "/v1/chat/completions", chat(most)).status, 200)
            self.assertEqual(json.loads(server.requests[-1].body)["max_tokens"], expected)
        # 120 of 100 are used now; and what is no JSON cannot be made shorter.
        self.assertEqual(self.ask(edge, "/v1/chat/completions", chat(900)).status, 429)
        self.assertEqual(self.ask(edge, "/v1/chat/completions", b"[900" * 1000, key="other").status, 429)
        self.assertEqual(edge.metric("fairvisor_completions_clamped_total"), 1)
        # The decision endpoint changes no body, so it refuses.
        decided = edge.decide("POST", "/v1/chat/completions", headers=[("X-Key", "third"), ("Content-Length", "18")],
                              body=b'{"max_tokens":900}')
        self.assertEqual(decided.status, 429)

    def test_a_stream_is_cut_when_its_limit_is_spent(self):
        """Forty tokens are left, one was asked for, and the upstream does not end."""
        for end, last in (("graceful_close", b"data: [DONE]\n\n"), ("error_chunk", b"rate_limit_exceeded\"}}\n\n")):
            _, edge = self.proxy(words_without_end, policy("/v1", tokens({"buffer_tokens": 1, "on_limit_exceeded": end}, 40)))
            answer = self.ask(edge, "/v1/chat/completions", chat(1, stream=True))
            self.assertEqual(answer.status, 200)
            self.assertTrue(answer.body.endswith(last), answer.body[-300:])
            self.assertEqual(answer.body.count(b'"word"'), 40)
            # The answer is charged with the token that was too much, below zero.
            self.assertEqual(self.ask(edge, "/v1/chat/completions", chat(1)).header("RateLimit-Remaining"), "0")
            self.assertEqual(edge.metric("fairvisor_streams_cut_total"), 1)

    def test_streams_that_share_a_limit_pass_what_it_has(self):
        """A dozen streams that do not end, over two workers: together they pass the limit to the token."""
        limit = 3000
        _, edge = self.proxy(words_without_end, policy("/v1", tokens({"buffer_tokens": 70}, limit)), workers=2)
        answers, guard = [], threading.Lock()

        def read():
            answer = self.ask(edge, "/v1/chat/completions", chat(1, stream=True))
            with guard:
                answers.append(answer)
        threads = [threading.Thread(target=read) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        streamed = [answer for answer in answers if answer.status == 200]
        self.assertEqual(len(answers), 12)
        self.assertTrue(all(answer.body.endswith(b"data: [DONE]\n\n") for answer in streamed))
        self.assertEqual(sum(answer.body.count(b'"word"') for answer in streamed), limit)
        print(f"streams: {len(streamed)} over one limit passed {limit} of {limit} tokens")

    def test_an_array_stream_is_cut(self):
        """Gemini without alt=sse, through to the last bracket."""
        def serve(peer):
            peer.request()
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            mark = b"["
            while True:
                piece = mark + json.dumps({"candidates": [{"content": {"parts": [{"text": "word"}]}}]}).encode()
                peer.send(b"%x\r\n%s\r\n" % (len(piece), piece))
                mark = b",\r\n"
        for end in ("graceful_close", "error_chunk"):
            _, edge = self.proxy(serve, policy("/v1beta", tokens({"buffer_tokens": 8, "on_limit_exceeded": end}, 40)))
            answer = self.ask(edge, "/v1beta/models/gemini-x:streamGenerateContent",
                              b'{"contents":[],"generationConfig":{"maxOutputTokens":1}}')
            elements = json.loads(answer.body)
            self.assertEqual(len(elements), 41)
            self.assertEqual(elements[-1].get("error", {}).get("code", 0), 429 if end == "error_chunk" else 0)

    def test_our_limits_in_the_fields_of_providers(self):
        fields = ("Content-Type: application/json\r\nx-ratelimit-limit-tokens: 7\r\nX-RateLimit-Remaining-Requests: 7\r\n"
                  "anthropic-ratelimit-tokens-limit: 7\r\n")
        answer = upstream.counted(b'{"usage":{"prompt_tokens":1,"completion_tokens":1}}', fields=fields)
        _, edge = self.proxy(upstream.answering(answer), policy("/v1", tokens(limit=1000), provider_rate_headers=True),
                             policy("/anthropic", tokens(limit=1000), provider_rate_headers=True),
                             policy("/plain", tokens(limit=1000)))
        told = self.ask(edge, "/v1/chat/completions", chat(100))
        self.assertEqual([told.headers(f"x-ratelimit-{name}-tokens") for name in ("limit", "remaining")], [["1000"], ["900"]])
        self.assertRegex(told.header("x-ratelimit-reset-tokens"), r"^(\d+h)?(\d+m)?[0-9.]+m?s$")
        self.assertEqual((told.headers("x-ratelimit-remaining-requests"), told.headers("anthropic-ratelimit-tokens-limit")), ([], []))
        claude = self.ask(edge, "/v1/messages", chat(100))
        self.assertEqual(claude.headers("anthropic-ratelimit-tokens-limit"), ["1000"])
        self.assertEqual(claude.headers("anthropic-ratelimit-tokens-remaining"), ["898"])
        self.assertRegex(claude.header("anthropic-ratelimit-tokens-reset"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(claude.headers("x-ratelimit-limit-tokens"), [])
        mounted = self.ask(edge, "/anthropic/v1/messages", chat(100))
        self.assertEqual((mounted.headers("anthropic-ratelimit-tokens-limit"), mounted.headers("x-ratelimit-limit-tokens")), (["1000"], []))
        thread = self.ask(edge, "/v1/threads/thread_1/messages", chat(100))
        self.assertEqual((thread.headers("anthropic-ratelimit-tokens-limit"), thread.headers("x-ratelimit-limit-tokens")), ([], ["1000"]))
        self.assertEqual(self.ask(edge, "/plain", chat(100)).headers("x-ratelimit-limit-tokens"), ["7"])

    def test_what_cannot_be_read_costs_what_was_reserved(self):
        compressed = upstream.counted(b"\x1f\x8b\x08\x00", fields="Content-Type: application/json\r\nContent-Encoding: gzip\r\n")
        _, edge = self.proxy(upstream.answering(compressed), policy("/v1", tokens()))
        self.assertEqual(self.ask(edge, "/v1/chat/completions", chat(100)).body, b"\x1f\x8b\x08\x00")
        self.assertEqual(self.balance(edge, "/v1"), 100)

    def test_an_answer_of_the_background_is_charged_once(self):
        """What was reserved, when it is asked for; nothing, however often somebody looks whether it is ready."""
        def serve(peer):
            looks = 0
            while True:
                request = peer.request()
                looks += request.method == "GET"
                usage = {"input_tokens": 5, "output_tokens": 70, "total_tokens": 75} if looks > 2 else None
                peer.send(upstream.counted(json.dumps({"id": "resp_1", "object": "response", "usage": usage, "background": True,
                                                       "status": "completed" if usage else "queued"}).encode(),
                                           fields="Content-Type: application/json\r\n"))
        _, edge = self.proxy(serve, policy("/v1", tokens()))
        body = json.dumps({"model": "m", "background": True, "input": "1234", "max_output_tokens": 70}).encode()
        self.assertEqual(self.ask(edge, "/v1/responses", body).status, 200)
        for status in ("queued", "queued", "completed", "completed"):
            answer = harness.request(edge.address, "GET", "/v1/responses/resp_1", [("X-Key", "k")], timeout=30)
            self.assertEqual(json.loads(answer.body)["status"], status)
        self.assertEqual(self.balance(edge, "/v1"), 71)

    def test_a_request_that_cannot_be_read_is_refused(self):
        server, edge = self.proxy(upstream.answering(upstream.counted()), policy("/v1", tokens()), policy("/free", {
            "name": "r", "limit_keys": [], "algorithm": "token_bucket", "algorithm_config": {"tokens_per_second": 9, "burst": 9}}))
        body = gzip.compress(chat(1))
        for refused in (self.ask(edge, "/v1/chat/completions", body, headers=[("Content-Encoding", "gzip")]),
                        self.ask(edge, "/v1/chat/completions", chat(1).decode().encode("utf-16"))):
            self.assertEqual((refused.status, refused.header("X-Fairvisor-Reason"), refused.header("x-should-retry")),
                             (415, "body_encoded", "false"))
            self.assertEqual(json.loads(refused.body)["error"]["type"], "invalid_request_error")
        self.assertEqual(edge.metrics()['fairvisor_http_requests_total{code="415"}'], 2)
        self.assertEqual(server.requests, [])
        self.assertEqual(self.ask(edge, "/free", body, headers=[("Content-Encoding", "gzip")]).status, 200)
        self.assertEqual(self.balance(edge, "/v1"), 0)

    def test_a_request_that_is_not_sent_costs_nothing(self):
        edge = self.start_edge(bundle(policy("/v1", tokens())), workers=1, settings={
            "mode": "reverse_proxy", "backend_url": f"http://127.0.0.1:{harness.free_port()}"})
        self.assertEqual(self.ask(edge, "/v1/chat/completions", chat(100)).status, 502)
        self.assertEqual(self.balance(edge, "/v1"), 0)

    def assert_model_is_named(self, edge, model, shown):
        """In the answer and in the event, and nothing in it speaks to who reads them; a longer name is none."""
        refused = self.ask(edge, "/v1/chat/completions", json.dumps({"model": model}, ensure_ascii=False).encode())
        sentence = json.loads(refused.body)["error"]["message"]
        self.assertIn(f'The model "{shown}" has no price' if shown else "No model with a price is named", sentence)
        done = edge.cli("logs", "-c", edge.config_file, "--no-follow", "--lines", "1", "--json", "--reason", "model_unpriced")
        self.assertEqual(json.loads(done.stdout)["note"], f"model {model}" if shown else "no model is named")

    def test_an_unpriced_model_is_refused(self):
        server, edge = self.proxy(upstream.answering(upstream.counted()), policy("/v1", money()))
        edge.write_policy({**bundle(policy("/v1", money()), version=2), "price_table": {"known*": PRICE}})
        edge.reload()
        refused = self.ask(edge, "/v1/chat/completions", chat(1))
        self.assertEqual((refused.status, refused.header("X-Fairvisor-Reason"), refused.header("x-should-retry")),
                         (429, "model_unpriced", "false"))
        self.assert_model_is_named(edge, "brass\u202e2" + "x" * 100, "brass???2" + "x" * 100)
        self.assert_model_is_named(edge, "y" * 129, None)
        self.assertEqual(server.requests, [])
        self.assertEqual(self.ask(edge, "/v1/chat/completions", json.dumps({"model": "known-1"}).encode()).status, 200)

    def test_a_client_that_is_found_gone_by_an_interim_response(self):
        """The answer is in the same read as the response that nobody takes any more, and is read for its usage."""
        asked, go_on = threading.Event(), threading.Event()
        used = upstream.counted(json.dumps({"object": "chat.completion", "model": "m", "choices": [], "usage": {
            "prompt_tokens": 5, "completion_tokens": 6}}).encode(), fields="Content-Type: application/json\r\n")

        def serve(peer):
            peer.request()
            asked.set()
            go_on.wait(30)
            peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + used)
            asked.set()
            peer.rest()
        _, edge = self.proxy(serve, policy("/v1", tokens({"on_client_gone": "drain"})))
        worker = edge.workers()[0]
        connection = harness.Connection(edge.address, 30)
        connection.send(harness.format_request("POST", "/v1/chat/completions", [("X-Key", "k")], chat(50)))
        self.assertTrue(asked.wait(30))
        asked.clear()
        os.kill(worker, signal.SIGSTOP)  # so that both have come when it next looks, the upstream's bytes first
        try:
            go_on.set()
            self.assertTrue(asked.wait(30))
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.socket.close()
        finally:
            os.kill(worker, signal.SIGCONT)
        harness.wait_until(lambda: edge.metric("fairvisor_exchanges_metered_total") == 1, "the answer to be settled")
        self.assertEqual(self.balance(edge, "/v1"), 11)

    def test_a_reload_waits_for_a_stream_and_settles_it(self):
        sent, go_on = threading.Event(), threading.Event()

        def serve(peer):
            peer.request()
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            send_chunks(peer, sse(word("one")), random.Random(1), False)
            sent.set()
            go_on.wait(30)
            send_chunks(peer, sse({**word("two", "stop"), "usage": {"prompt_tokens": 5, "completion_tokens": 6}}), random.Random(1))
        _, edge = self.proxy(serve, policy("/v1", tokens()))
        with harness.Connection(edge.address, 30) as connection:
            connection.send(harness.format_request("POST", "/v1/chat/completions", [("X-Key", "k")], chat(50, stream=True)))
            self.assertTrue(sent.wait(30))
            edge.write_policy(bundle(policy("/v1", tokens()), version=2))
            edge.reload()
            go_on.set()
            self.assertIn(b"two", connection.answer("POST").body)
        harness.wait_until(lambda: edge.metric("fairvisor_exchanges_metered_total") == 1, "the stream to be settled")
        self.assertEqual(self.balance(edge, "/v1"), 11)
