# SPDX-License-Identifier: MPL-2.0
"""LLM traffic through the reverse proxy: accounts that balance to the token whatever becomes of an exchange, streams that
are cut, usage that is asked for and hidden, completions made shorter, provider fields. The upstream is a scripted
socket: it must break off at a chosen byte, which no real server does.
"""

import json
import random
import re
import threading
import time

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


class MeterCase(harness.TestCase):
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
        return dialects.used(self.reply, whole, self.prompt)

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
        if time.gmtime().tm_hour == 23 and time.gmtime().tm_min >= harness.full_or_short(30, 57):
            harness.wait_until(lambda: time.gmtime().tm_hour != 23, "the day to end, for its budget ends with it", 1900)

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
