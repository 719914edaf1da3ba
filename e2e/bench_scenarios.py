# SPDX-License-Identifier: MPL-2.0
"""What the benchmark asks: requests, and the policies they are judged by, for fairvisord and for its peers.

A policy has five kinds of limit at most, each of which can be made small, so that the preflight can prove one after the
other that the very policy that is measured refuses.
"""

import json
import time

import jose

KEY = jose.Secret("bench")
LARGE, SMALL = 900_000_000, 5
LOOPS_MOST = 1_000_000  # of the bundle format; nobody here answers so many within five seconds
TOKEN = KEY.token({"sub": "user-4711", "org_id": "org-42", "plan": "pro", "exp": int(time.time()) + 86400})
BAD_TOKEN = TOKEN[:-6] + "AAAAAA"


class Request:
    def __init__(self, target="/v1/decision", method="GET", headers=(), body=b""):
        self.target, self.method, self.headers, self.body = target, method, list(headers), body

    def with_headers(self, *headers):
        names = {name for name, _ in headers}
        return Request(self.target, self.method, [pair for pair in self.headers if pair[0] not in names] + list(headers),
                       self.body)


def chat_body(size):
    """A chat of several messages, SIZE bytes in all, with the escapes that real prompts have."""
    turns, text = [], 'Please look at "this" function:\n\tfor (i = 0; i < n; i++) { sum += a[i]; } // caf\u00e9 '
    while True:
        role = "assistant" if len(turns) % 2 else "user"
        turns.append({"role": role, "content": text * 4})
        body = {"model": "gpt-4o-mini", "messages": turns, "temperature": 0.2, "stream": False, "max_tokens": 256}
        missing = size - len(json.dumps(body, ensure_ascii=False).encode())
        if missing < 0:
            turns.pop()
            last = turns[-1]
            missing = size - len(json.dumps({**body, "messages": turns}, ensure_ascii=False).encode())
            last["content"] += "x" * missing
            return json.dumps({**body, "messages": turns}, ensure_ascii=False).encode()


def bundle(*policies):
    return {"bundle_version": 1, "issued_at": "2026-01-01T00:00:00Z", "policies": list(policies), "kill_switches": []}


def bucket(name, key, limit):
    return {"name": name, "limit_keys": [key], "algorithm": "token_bucket",
            "algorithm_config": {"tokens_per_second": limit, "burst": max(limit, 10)}}


def tokens_policy(path, few, small):
    """Limits of tokens: FEW a minute or a day when that is SMALL, otherwise enough for any number of requests in a round."""
    minute, day = (few if limit == small else 9_000_000_000 for limit in ("minute", "day"))
    return bundle({"id": "bench", "spec": {"selector": {"pathPrefix": path}, "mode": "enforce", "rules": [
        {"name": "tokens", "limit_keys": ["header:x-api-key"], "algorithm": "token_bucket_llm",
         "algorithm_config": {"tokens_per_minute": minute, "tokens_per_day": day, "burst_tokens": minute,
                              "default_max_completion": 800}}]}})


class Scenario:
    """One kind of request under one policy. LIMITS names what can be made small, with the reason of the refusal."""

    name, title, unit = "", "", "request"
    request = Request()
    limits = {}
    is_proxied = False
    events = 0  # within each answer, when it is a stream
    connections, workers = 64, 1

    @property
    def probe(self):
        """What the preflight asks."""
        return self.request

    def policy(self, small=None):
        raise NotImplementedError

    def size_of(self, limit, small):
        return SMALL if limit == small else LARGE


class Decision(Scenario):
    name, title = "decision", "one rule: requests of each client address"
    request = Request(headers=[("X-Original-Method", "GET"), ("X-Original-URI", "/api/data"),
                               ("X-Forwarded-For", "10.0.0.1")])
    limits = {"rate": "rate_limit_exceeded"}

    def policy(self, small=None):
        return bundle({"id": "bench", "spec": {"selector": {"pathPrefix": "/"}, "mode": "enforce", "rules": [
            bucket("rate", "ip:address", self.size_of("rate", small))]}})


class Complex(Scenario):
    name, title = "complex", "five rules, verified token, loop detection, circuit breaker"
    request = Request(headers=[("X-Original-Method", "POST"), ("X-Original-URI", "/v1/orders?item=7&currency=eur"),
                               ("X-Forwarded-For", "10.0.0.1"), ("X-Api-Key", "k-0123456789abcdef"),
                               ("Authorization", f"Bearer {TOKEN}")])
    limits = {"org": "rate_limit_exceeded", "user": "rate_limit_exceeded", "address": "rate_limit_exceeded",
              "key": "rate_limit_exceeded", "budget": "budget_exhausted", "loop": "loop_detected",
              "breaker": "circuit_breaker_open"}
    settings = {"jwt_keys_file": jose.key_set(KEY)}

    def policy(self, small=None):
        size = {limit: self.size_of(limit, small) for limit in self.limits}
        return bundle({"id": "bench", "spec": {
            "selector": {"pathPrefix": "/v1", "methods": ["GET", "POST"]}, "mode": "enforce",
            "rules": [
                bucket("org", "jwt:org_id", size["org"]), bucket("user", "jwt:sub", size["user"]),
                bucket("address", "ip:address", size["address"]), bucket("key", "header:x-api-key", size["key"]),
                {"name": "budget", "limit_keys": ["jwt:org_id"], "algorithm": "cost_based", "algorithm_config": {
                    "budget": size["budget"], "period": "1d", "cost_key": "fixed", "fixed_cost": 1,
                    "staged_actions": [{"threshold_percent": 80, "action": "warn"},
                                       {"threshold_percent": 100, "action": "reject"}]}},
            ],
            "loop_detection": {"enabled": True, "window_seconds": 5, "action": "reject",
                               "threshold_identical_requests": min(size["loop"], LOOPS_MOST)},
            "circuit_breaker": {"enabled": True, "spend_rate_threshold_per_minute": size["breaker"],
                                "action": "reject", "auto_reset_after_minutes": 5}}})


class Model(Scenario):
    """A chat whose tokens are estimated from its body."""

    limits = {"minute": "tpm_exceeded", "day": "tpd_exceeded"}

    def __init__(self, kilobytes):
        self.name, self.title = f"llm-{kilobytes}k", f"token budget, estimated from a chat of {kilobytes} KB"
        self.request = Request("/v1/decision/v1/chat/completions", "POST",
                               [("X-Forwarded-For", "10.0.0.1"), ("X-Api-Key", "k-0123456789abcdef"),
                                ("Content-Type", "application/json")], chat_body(kilobytes * 1024))

    def policy(self, small=None):
        return tokens_policy("/v1/chat", 3 * (len(self.request.body) // 4 + 256), small)


class Proxy(Decision):
    """The same rule, and the request goes on to an upstream over connections that are kept."""

    name, title, is_proxied = "proxy", "passed on to an upstream that answers 204, one rule", True
    request = Request("/api/data", headers=[("X-Forwarded-For", "10.0.0.1")])


class Stream(Decision):
    """Chats whose answers are streamed, event by event."""

    name, title = "sse", "200 streams of events passed on as they come, one rule for requests"
    unit, is_proxied, events, connections = "event", True, 60, 200
    request = Request("/v1/chat/completions", "POST",
                      [("X-Forwarded-For", "10.0.0.1"), ("X-Api-Key", "k-0123456789abcdef"),
                       ("Content-Type", "application/json"), ("X-Events", str(events))],
                      b'{"model":"gpt-4o-mini","stream":true,"max_tokens":256,"messages":[{"role":"user","content":"hello"}]}')

    @property
    def probe(self):
        return self.request.with_headers(("X-Events", "1"))


class MeteredStream(Stream):
    """Nobody else here does it: the base passes the same streams on and counts nothing."""

    name, title = "sse-metered", "the same streams, their tokens reserved, counted and settled"
    limits = {"minute": "tpm_exceeded", "day": "tpd_exceeded"}

    def policy(self, small=None):
        return tokens_policy("/v1/chat", 300, small)  # enough for a few, each settled before the next


SCENARIOS = [Decision(), Complex(), Model(4), Model(64), Proxy(), Stream(), MeteredStream()]
