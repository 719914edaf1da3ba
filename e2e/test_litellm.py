# SPDX-License-Identifier: MPL-2.0
"""fairvisord behind a real LiteLLM with the files of packaging/gateways/litellm/: two of its processes, one failing closed and
one failing open, in front of one scripted model; the clients are raw sockets and the official OpenAI SDK.

LiteLLM takes many seconds of CPU to start, so both are started once and all rows run against them. LiteLLM comes from
packaging/install-wheels litellm; where it is missing the test fails.
"""

import concurrent.futures
import json
import os
import signal
import time

import gateways
import harness
import litellm_model
import test_gateways
import upstream

BURST = 3
LIMIT = 9_000_000_000
USED = 9 + 7  # what the model says of each answer
PARALLEL, FITTING = 40, 10
RESERVED = 51  # for each of these: 50 that they may be answered with, and the prompt
DEADLINE_SECONDS = 3  # more than TIMEOUT of fairvisor_callback.py
SLOWEST_SECONDS = 30  # LiteLLM's own share may be long where the machine is busy; a hung fairvisord would take for ever
CHAT, FREE, EMBED, KEYED, TEAM = ("/v1/chat/completions", "/chat/completions", "/v1/embeddings",
                                  "/openai/deployments/gpt-4o/chat/completions", "/engines/gpt-4o/chat/completions")


def tokens(name, limit, **more):
    return {"name": name, "limit_keys": ["header:x-key"], "algorithm": "token_bucket_llm",
            "algorithm_config": {"tokens_per_day": limit}, **more}


def bundle():
    """/chat/completions is not limited, but closed to Tor exits; chats count tokens by X-Key; the other ways count requests."""
    whole = harness.one_rule(0.001, BURST, ("ip:address",), EMBED, "by-address")
    whole["policies"] += harness.one_rule(0.001, BURST, ("header:x-key",), "/openai", "by-key")["policies"]
    whole["policies"] += harness.one_rule(0.001, BURST, ("header:x-litellm-key",), "/engines", "by-litellm-key")["policies"]
    whole["policies"][-1]["spec"]["rules"][0]["on_missing"] = "reject"
    for name, prefix in (("chat", CHAT), ("claude", "/v1/messages"), ("responses", "/v1/responses")):
        rules = [tokens("large", LIMIT), tokens("small", 40, match={"header:x-plan": "small"}),
                 tokens("crowd", RESERVED * FITTING, match={"header:x-plan": "crowd"})]
        whole["policies"].append({"id": name, "spec": {"selector": {"pathPrefix": prefix}, "rules": rules}})
    whole["kill_switches"] = [{"scope_key": "ip:tor", "scope_value": "true", "route": FREE},
                              {"scope_key": "header:x-litellm-team", "scope_value": "team of sk-stopped", "route": FREE},
                              {"scope_key": "header:x-litellm-user", "scope_value": "user of sk-gone", "route": FREE},
                              {"scope_key": "header:x-litellm-model", "scope_value": "claude", "route": FREE},
                              {"scope_key": "header:x-litellm-end-user", "scope_value": "a customer", "route": FREE}]
    return whole


TO_EMBED = b'{"model":"gpt-4o","input":"x"}'
# Each tells 5 + 4 from the cache, or 9, and 7.
OTHER_DIALECTS = {
    "/v1/messages": {"model": "claude", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]},
    "/v1/responses": {"model": "gpt-4o", "max_output_tokens": 50, "input": "hi"},
}


def chat(text, **more):
    return json.dumps({"model": "gpt-4o", "max_tokens": 50, "messages": [{"role": "user", "content": text}], **more}).encode()


class TestLitellm(harness.TestCase):
    EACH = ("allowed_passes", "limited_is_refused", "refusals_speak_the_dialect", "sdk_is_refused_at_once", "bodies_arrive",
            "spoofs_change_nothing", "origin_cannot_be_told", "statuses_of_the_model_stay", "huge_requests_do_not_pass",
            "identity_is_litellms", "models_and_end_users_are_told", "usage_is_settled", "streams_are_settled", "failures_cost_nothing",
            "broken_streams_are_counted", "left_streams_are_counted", "left_streams_of_other_dialects_are_counted",
            "several_calls_are_paid_once", "several_models_are_refused", "cached_answers_cost_nothing",
            "leaving_early_is_not_free", "busy_loop_is_no_silence", "hung_edge_is_cut", "dead_edge_as_chosen", "back_again")
    TOGETHER = ("clients_are_told_apart", "many_at_once_do_not_overspend", "keys_have_teams_and_users")

    def test_rows(self):
        harness.avoid_midnight(900)
        exits = os.path.join(self.temporary_folder(), "exits")
        with open(exits, "w", encoding="ascii") as file:
            file.write("198.51.100.0/24\n")
        self.model = litellm_model.Model()
        self.server = self.own(upstream.Scripted(self.model.serve))
        self.edge = self.start_edge(bundle(), workers=2, unix=True, settings={"tor_exit_list": exits})
        began = time.monotonic()
        self.closed = self.own(gateways.Litellm(self.edge, self.server, False)).begin()
        self.opened = self.own(gateways.Litellm(self.edge, self.server, True)).begin()
        self.programs = self.own(litellm_model.Programs())
        self.closed.wait()
        self.opened.wait()
        print(f"litellm: two of them started in {time.monotonic() - began:.0f} s")
        for row in self.TOGETHER:
            self.run_row(row, None)
        for row in self.EACH:
            self.run_row(row, self.closed)
            self.run_row(row, self.opened)

    def run_row(self, row, proxy):
        with self.subTest(row=row, fails_open=proxy and proxy.opens):
            self.server.requests.clear()
            self.model.forget()
            try:
                getattr(self, "row_" + row)(proxy)
            finally:
                self.model.release.set()

    # ---- clients ----

    def ask(self, proxy, path=FREE, fields=(), body=None, timeout=60, source=None):
        fields = [("Authorization", "Bearer " + proxy.key), ("Content-Type", "application/json"), *fields]
        with harness.Connection(proxy.address, timeout, source) as connection:
            connection.send(harness.format_request("POST", path, fields, chat("say hello") if body is None else body))
            return connection.answer("POST")

    def order(self, proxy, text, key, **more):
        fields = {"X-Key": key, **more.pop("fields", {})}
        return {"url": f"http://127.0.0.1:{proxy.port}/v1", "key": proxy.key, "text": text, "fields": fields, **more}

    def spend(self, proxy, key):
        for _ in range(BURST):
            self.assertEqual(self.ask(proxy, KEYED, [("X-Key", key)]).status, 200)
        self.server.requests.clear()

    def decide(self, path, fields, body):
        """Asks fairvisord by hand."""
        return self.edge.decide("POST", path, headers=[*fields, ("Content-Length", str(len(body)))], body=body)

    def give_back(self, answer):
        document = {"reservation": answer.header("X-Fairvisor-Reservation"), "prompt_tokens": 0, "completion_tokens": 0}
        settled = harness.request(self.edge.address, "POST", "/v1/settle", body=json.dumps(document).encode())
        self.assertEqual(settled.status, 200)

    def balance(self, key, path=CHAT):
        """What is charged to KEY, of which this question is given back."""
        answer = self.decide(path, [("X-Key", key)], b'{"model":"gpt-4o","max_tokens":1,"max_output_tokens":1}')
        self.give_back(answer)
        return LIMIT - int(answer.header("RateLimit-Remaining")) - 1

    def wait_balance(self, key, amount, path=CHAT):
        """Settlements come after answers."""
        try:
            harness.wait_until(lambda: self.balance(key, path) == amount, "a settlement", 20)
        except TimeoutError:
            self.assertEqual(self.balance(key, path), amount, key)

    def assert_refused(self, answer, policy="by-key"):
        test_gateways.Rows.assert_verdict(self, answer, policy)
        self.assertEqual(self.server.requests, [])

    # ---- the table of gateways ----

    def row_allowed_passes(self, proxy):
        for left in range(BURST - 1, -1, -1):
            answer = self.ask(proxy, KEYED + "?q=1", [("X-Key", f"first-{proxy.opens}")])
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual(answer.json()["choices"][0]["message"]["content"], "Hello there, how are you?")
            self.assertRegex(answer.header("RateLimit"), rf'^"by-key";r={left};')
            self.assertEqual(answer.header("RateLimit-Remaining"), str(left), answer)
            self.assertIsNone(answer.header("X-Fairvisor-Reservation"))
        for _ in range(2 * BURST):
            self.assertEqual(self.ask(proxy).status, 200)

    def row_limited_is_refused(self, proxy):
        self.spend(proxy, f"limited-{proxy.opens}")
        for body in (None, chat("say hello", stream=True)):
            self.assert_refused(self.ask(proxy, KEYED, [("X-Key", f"limited-{proxy.opens}")], body))

    def row_refusals_speak_the_dialect(self, proxy):
        """Byte for byte what fairvisord says, also where LiteLLM has a form of its own for errors."""
        for path in (CHAT, "/v1/messages"):
            for body in (chat("hi"), chat("hi", stream=True)):
                fields = [("X-Key", "dialect"), ("X-Plan", "small")]
                before = self.decide(path, fields, body)
                answer = self.ask(proxy, path, fields, body)
                after = self.decide(path, fields, body)  # it is told until when to wait, and time passes
                self.assertEqual((before.status, answer.status), (429, 429), answer)
                self.assertIn(answer.body, (before.body, after.body))
                self.assertLessEqual(int(after.header("Retry-After")), int(answer.header("Retry-After")))
                self.assertLessEqual(int(answer.header("Retry-After")), int(before.header("Retry-After")))
                for name in ("Content-Type", "X-Should-Retry", "RateLimit-Policy", "X-Fairvisor-Reason"):
                    self.assertEqual(answer.headers(name), before.headers(name), name)
        self.assertEqual(self.server.requests, [])

    def row_sdk_is_refused_at_once(self, proxy):
        """The SDK would come back twice by itself, but for x-should-retry."""
        before = self.edge.metric("fairvisor_decisions_total")
        result, = self.programs.run(self.order(proxy, "hi", "sdk", retries=2, fields={"X-Plan": "small"}))
        self.assertEqual((result["raised"], result["status"]), ("RateLimitError", 429), result)
        self.assertEqual(json.loads(result["body"])["error"]["type"], "insufficient_quota")
        self.assertEqual(self.edge.metric("fairvisor_decisions_total") - before, 1)

    def row_bodies_arrive(self, proxy):
        """At the model, and at fairvisord: it estimates as if it had been asked by hand."""
        text = "ä\u2028\"\\ 😀 " * 20_000
        key = f"bodies-{proxy.opens}"
        body = chat(text)
        mine = self.decide(CHAT, [("X-Key", key + "-by-hand")], body)
        answer = self.ask(proxy, CHAT, [("X-Key", key)], body)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.header("RateLimit-Remaining"), mine.header("RateLimit-Remaining"))
        self.assertEqual(json.loads(self.server.requests[-1].body)["messages"], [{"role": "user", "content": text}])

    def row_clients_are_told_apart(self, _):
        first, second = "127.0.1.1", "127.0.1.2"
        for source, proxy, status in ((first, self.closed, 200), (second, self.opened, 200), (first, self.opened, 429)):
            for _ in range(BURST if status == 200 else 1):
                answer = self.ask(proxy, EMBED, [("X-Forwarded-For", "203.0.113.9")], TO_EMBED, source=source)
                self.assertEqual(answer.status, status, answer)

    def row_spoofs_change_nothing(self, proxy):
        if proxy is self.closed:
            for _ in range(BURST):
                self.assertEqual(self.ask(proxy, EMBED, body=TO_EMBED).status, 200)
            self.server.requests.clear()
        for fields in test_gateways.SPOOFS:
            with self.subTest(fields=fields):
                self.assert_refused(self.ask(proxy, EMBED, fields, TO_EMBED), "by-address")

    def row_origin_cannot_be_told(self, proxy):
        told = [("X-Original-Method", "POST"), ("X-Original-URI", FREE), ("X-Tor-Exit", "true")]
        self.assertEqual(self.edge.get("/v1/decision", told).status, 429)
        for fields in ([("X-Tor-Exit", "true")], [("x-tor-exit", "true")], [("X_Tor_Exit", "true")],
                       [("X-Country-Code", "?"), ("X-ASN", "?"), ("X-ASN-Type", "?")]):
            self.assertEqual(self.ask(proxy, FREE, fields).status, 200, fields)

    def row_statuses_of_the_model_stay(self, proxy):
        """LiteLLM words them, nothing of fairvisord's is in them."""
        for status in (401, 403, 404, 429, 500):
            answer = self.ask(proxy, FREE, body=chat(f"fail with {status}"))
            self.assertEqual(answer.status, status, answer)
            self.assertIsNone(answer.header("X-Fairvisor-Reason"))

    def row_huge_requests_do_not_pass(self, proxy):
        """What fairvisord would not read is not a dead fairvisord."""
        self.spend(proxy, f"huge-{proxy.opens}")
        large = [("X-Key", f"huge-{proxy.opens}")] + [(f"X-Large-{i}", "x" * 7000) for i in range(3)]
        many = [("X-Key", f"huge-{proxy.opens}")] + [(f"X-{i}", "v") for i in range(95)]
        for fields in (large, many):
            self.assertEqual(self.ask(proxy, KEYED, fields).status // 100, 4)
        answer = self.ask(proxy, KEYED, [("X-Key", f"body-{proxy.opens}")], chat("x" * (1 << 20)))
        self.assertEqual((answer.status, answer.json()["error"]["code"]), (413, "request_too_large"))
        self.assertEqual(self.server.requests, [])

    # ---- what was used ----

    def row_usage_is_settled(self, proxy):
        key = f"whole-{proxy.opens}"
        result, = self.programs.run(self.order(proxy, "say hello", key))
        self.assertEqual((result["text"], result["usage"]["total_tokens"]), ("Hello there, how are you?", USED))
        self.wait_balance(key, USED)
        for path, body in OTHER_DIALECTS.items():
            answer = self.ask(proxy, path, [("X-Key", key)], json.dumps(body).encode())
            self.assertEqual((answer.status, answer.json()["usage"]["output_tokens"]), (200, 7), answer)
            self.wait_balance(key, USED, path)

    def row_streams_are_settled(self, proxy):
        key = f"stream-{proxy.opens}"
        result, = self.programs.run(self.order(proxy, "say hello", key, stream=True))
        self.assertEqual((result["text"], result["usage"]["total_tokens"]), ("Hello there, how are you?", USED))
        self.wait_balance(key, USED)
        for path, body in OTHER_DIALECTS.items():
            answer = self.ask(proxy, path, [("X-Key", key)], json.dumps({**body, "stream": True}).encode())
            self.assertEqual(answer.status, 200, answer)
            self.assertRegex(answer.body, rb'"type": ?"(message_stop|response.completed)"')
            self.wait_balance(key, USED, path)

    def row_failures_cost_nothing(self, proxy):
        for text in ("fail with 500", "fail with 400", "fail with 429"):
            for stream in (False, True):
                result, = self.programs.run(self.order(proxy, text, "failed", stream=stream))
                self.assertEqual(result["status"], int(text[-3:]), result)
        self.wait_balance("failed", 0)

    def row_broken_streams_are_counted(self, proxy):
        """LiteLLM counts the prompt and three words by itself: less than the 50 and more that were reserved."""
        key = f"broken-{proxy.opens}"
        result, = self.programs.run(self.order(proxy, "break off", key, stream=True))
        self.assertIn("raised", result)
        harness.wait_until(lambda: 3 < self.balance(key) < 50, "what came of a stream to be charged")

    def row_left_streams_are_counted(self, proxy):
        key = f"left-{proxy.opens}"
        result, = self.programs.run(self.order(proxy, "talk on", key, stream=True, leave_after=3))
        self.assertEqual(result, {"left": 3})
        harness.wait_until(lambda: 3 < self.balance(key) != self.reserved("talk on"), "what came of a stream to be charged")

    def row_left_streams_of_other_dialects_are_counted(self, proxy):
        fields = [("Authorization", "Bearer " + proxy.key), ("Content-Type", "application/json")]
        for path, body in OTHER_DIALECTS.items():
            key, body = f"left-{proxy.opens}", json.dumps({**body, "stream": True, "metadata": {"user_id": "long"}}).encode()
            asked = self.decide(path, [("X-Key", f"reserved {path}")], body)
            self.give_back(asked)
            reserved = LIMIT - int(asked.header("RateLimit-Remaining"))
            with harness.Connection(proxy.address, 60) as connection:
                connection.send(harness.format_request("POST", path, [*fields, ("X-Key", key)], body))
                connection.need(lambda: len(connection.buffer) > 4000)  # pylint: disable=cell-var-from-loop
            harness.wait_until(lambda: 3 < self.balance(key, path) != reserved, f"what came of a stream of {path} to be charged")

    def row_several_calls_are_paid_once(self, proxy):
        """A fallback that config.yaml names, one that the client names, and a model that answers at the third try."""
        ways = ({"model": "bad"}, {"model": "bad", "fallbacks": ["gpt-4o"]}, {"model": "flaky"})
        for number, more in enumerate(ways):
            for stream in (False, True):
                key = f"several-{number}-{stream}-{proxy.opens}"
                self.server.requests.clear()
                answer = self.ask(proxy, CHAT, [("X-Key", key)], chat("say hello", stream=stream, **more))
                self.assertEqual((answer.status, len(self.server.requests)), (200, 3 if more["model"] == "flaky" else 2), answer)
                self.wait_balance(key, USED)
        for path, body in OTHER_DIALECTS.items():
            key = f"several-{path}-{proxy.opens}"
            self.assertEqual(self.ask(proxy, path, [("X-Key", key)], json.dumps({**body, "model": "bad"}).encode()).status, 200)
            self.wait_balance(key, USED, path)

    def row_several_models_are_refused(self, proxy):
        for model in ("gpt-4o,gpt-4o", "gpt-4o,"):
            for more in ({}, {"stream": True}, {"fastest_response": True}):
                answer = self.ask(proxy, CHAT, [("X-Key", "models")], chat("say hello", **{**more, "model": model}))
                self.assertEqual((answer.status, answer.json()["error"]["code"]), (400, "several_models"), answer)
        self.assertEqual(self.server.requests, [])
        self.wait_balance("models", 0)

    def row_cached_answers_cost_nothing(self, proxy):
        for stream in (False, True):
            key = f"cached-{stream}-{proxy.opens}"
            for _ in range(3):
                answer = self.ask(proxy, CHAT, [("X-Key", key)], chat("say hello", stream=stream, user=key, cache={"use-cache": True}))
                self.assertEqual(answer.status, 200, answer)
                self.wait_balance(key, USED)
        self.assertEqual(len(self.server.requests), 2)

    def row_keys_have_teams_and_users(self, _):
        """Whatever a client says of itself."""
        forged = [("X-LiteLLM-Team", "team of sk-stopped"), ("X-LiteLLM-User", "user of sk-gone")]
        for key, status in (("sk-stopped", 429), ("sk-gone", 429), ("sk-other", 200)):
            with harness.Connection(self.opened.address, 60) as connection:
                fields = [("Authorization", "Bearer " + key), ("Content-Type", "application/json"), *forged]
                connection.send(harness.format_request("POST", FREE, fields, chat("say hello")))
                answer = connection.answer()
            self.assertEqual(answer.status, status, answer)
            self.assertEqual(answer.header("X-Fairvisor-Reason"), "kill_switch_active" if status == 429 else None)

    def row_models_and_end_users_are_told(self, proxy):
        """Those that the body names, whatever fields a client sends."""
        forged = [("X-LiteLLM-Model", "claude"), ("X-LiteLLM-End-User", "a customer")]
        for more, is_allowed in (({"model": "claude"}, False), ({"user": "a customer"}, False), ({"user": "another"}, True)):
            answer = self.ask(proxy, FREE, forged, chat("say hello", **more))
            self.assertEqual(answer.status, 200 if is_allowed else 429, answer)
            self.assertEqual(answer.header("X-Fairvisor-Reason"), None if is_allowed else "kill_switch_active")

    def reserved(self, text):
        body = chat(text)
        answer = self.decide(CHAT, [("X-Key", f"reserved {text}")], body)
        self.give_back(answer)
        return LIMIT - int(answer.header("RateLimit-Remaining"))

    def row_leaving_early_is_not_free(self, proxy):
        """LiteLLM notices that a client has left when the model speaks; what it has counted until then is charged, or all."""
        key, fields = f"early-{proxy.opens}", [("Authorization", "Bearer " + proxy.key), ("Content-Type", "application/json")]
        with harness.Connection(proxy.address) as connection:
            connection.send(harness.format_request("POST", CHAT, [*fields, ("X-Key", key)], chat("stay silent", stream=True)))
            harness.wait_until(lambda: self.model.held == 1, "the model to be asked")
        self.assertEqual(self.balance(key), self.reserved("stay silent"))
        self.model.release.set()
        harness.wait_until(lambda: self.model.left == 1, "LiteLLM to hang up")
        self.assertGreater(self.balance(key), 0)

    def row_many_at_once_do_not_overspend(self, _):
        """Two processes of LiteLLM, one budget, all requests in flight together: as many pass as the budget holds."""
        text, key = "hold", "many"
        self.assertEqual(self.reserved(text), RESERVED)
        orders = [self.order(proxy, text, key, fields={"X-Plan": "crowd"})
                  for proxy in (self.closed, self.opened) for _ in range(PARALLEL // 2)]
        before = self.refused_count()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            running = pool.submit(self.programs.run, *orders)
            try:
                harness.wait_until(lambda: self.model.held + self.refused_count() - before >= PARALLEL, "all to be judged", 60)
                self.assertEqual(self.model.held, FITTING)
            finally:
                self.model.release.set()
            results = running.result(60)
        statuses = sorted(result.get("status", 200) for result in results)
        self.assertEqual(statuses, [200] * FITTING + [429] * (PARALLEL - FITTING))
        self.assertEqual(len(self.server.requests), FITTING)
        self.wait_balance(key, USED * FITTING)
        print(f"litellm: {PARALLEL} at once through two processes, {FITTING} fit, {len(self.server.requests)} passed")

    def refused_count(self):
        return sum(value for name, value in self.edge.metrics().items()
                   if name.startswith("fairvisor_decisions_total") and 'action="reject"' in name)

    def row_identity_is_litellms(self, proxy):
        """The key that LiteLLM has checked, not the one that a client claims."""
        if proxy is self.closed:
            for number in range(BURST):
                self.assertEqual(self.ask(proxy, TEAM, [("X-LiteLLM-Key", str(number))]).status, 200)
            self.server.requests.clear()
        self.assert_refused(self.ask(proxy, TEAM, [("X-LiteLLM-Key", "another")]), "by-litellm-key")
        self.assert_refused(self.ask(proxy, TEAM), "by-litellm-key")

    # ---- an edge that says nothing ----

    def assert_silent(self, proxy):
        for body in (chat("say hello"), chat("say hello", stream=True)):
            began = time.monotonic()
            answer = self.ask(proxy, CHAT, [("X-Key", "silent")], body)
            self.assertLess(time.monotonic() - began, SLOWEST_SECONDS)
            if proxy.opens:
                self.assertEqual(answer.status, 200, answer)
                self.assertIsNone(answer.header("RateLimit"))
            else:
                self.assertEqual((answer.status, answer.json()["error"]["code"]), (503, "no_verdict"), answer)
                self.assertEqual(answer.header("Retry-After"), "5")
        self.assertEqual(len(self.server.requests), 2 if proxy.opens else 0)

    def row_busy_loop_is_no_silence(self, proxy):
        """The verdict comes at once, but LiteLLM has no time to read it until long after the deadline."""
        fields = [("Authorization", "Bearer " + proxy.key), ("Content-Type", "application/json"),
                  ("X-Key", f"limited-{proxy.opens}")]
        edge = [self.edge.pid, *self.edge.workers()]
        for pid in edge:
            os.kill(pid, signal.SIGSTOP)
        with harness.Connection(proxy.address, 60) as connection:
            try:
                began = harness.cpu_seconds([proxy.process.pid])
                connection.send(harness.format_request("POST", KEYED, fields, chat("say hello")))
                harness.wait_until(lambda: harness.cpu_seconds([proxy.process.pid]) > began, "LiteLLM to take the request")
                harness.wait_until(lambda: self.is_idle(proxy.process.pid), "LiteLLM to have asked")
                os.kill(proxy.process.pid, signal.SIGSTOP)
            finally:
                for pid in edge:
                    os.kill(pid, signal.SIGCONT)
            try:
                time.sleep(DEADLINE_SECONDS)  # it has to pass: nothing is waited for
            finally:
                os.kill(proxy.process.pid, signal.SIGCONT)
            self.assert_refused(connection.answer())

    @staticmethod
    def is_idle(pid):
        """For a few looks in a row."""
        before = harness.cpu_seconds([pid])
        time.sleep(0.1)
        return harness.cpu_seconds([pid]) == before and harness.process_state(pid)[0] == "S"

    def row_hung_edge_is_cut(self, proxy):
        pids = [self.edge.pid, *self.edge.workers()]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            self.assert_silent(proxy)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def row_dead_edge_as_chosen(self, proxy):
        self.edge.stop()
        self.assert_silent(proxy)
        consequence = "requests pass unlimited" if proxy.opens else "requests get 503"
        self.assertRegex(proxy.log(), rf"fairvisord at .* gives no verdict \(.*\): {consequence}")

    def row_back_again(self, proxy):
        if proxy is self.closed:
            self.edge.start()
        self.assert_refused(self.ask(proxy, KEYED, [("X-Key", f"limited-{proxy.opens}")]))
        self.assertIn("gives verdicts again", proxy.log())
