# SPDX-License-Identifier: MPL-2.0
"""LiteLLM's proxy asks fairvisord about each request before it calls a model, and tells it afterwards what was used.

Put this file beside LiteLLM's config.yaml, which names it (see config.yaml here). It needs nothing that LiteLLM does not bring
along.

A verdict is obeyed whatever FAIL_OPEN says, and the client gets it as fairvisord wrote it. FAIL_OPEN is for a fairvisord that
gives none: dead, hung, or out of order.
"""

import asyncio
import contextvars
import json
import logging
import os
import urllib.parse

import aiohttp
from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy._types import ProxyException
from litellm.proxy.proxy_server import app

ADDRESS = "http://127.0.0.1:8080"  # or "unix:/run/fairvisor/edge.sock": `listen` of fairvisor.conf
OPS_ADDRESS = ADDRESS  # `ops_listen` of fairvisor.conf, if it is set: settlements go there
FAIL_OPEN = False  # True: while fairvisord gives no verdict, requests pass unlimited
TIMEOUT = 2.0  # seconds for a verdict, and for each attempt to settle; longer than the longest delay_ms of your policies
SLICE = 0.05  # seconds, of which TIMEOUT is made
MAX_BODY = 1 << 20  # bytes, `max_body_bytes` of fairvisor.conf: a JSON body beyond it gets 413
SETTLE_AGAIN_AFTER = (0.2, 1.0, 3.0)  # seconds between attempts to settle; then the request stays charged as it was reserved

# What no client may tell fairvisord. The X-LiteLLM ones are told by LiteLLM, about the key that it has checked; the end user
# and the model are what the request's body names.
IDENTITY = {"X-LiteLLM-Key": "api_key", "X-LiteLLM-User": "user_id", "X-LiteLLM-Team": "team_id",
            "X-LiteLLM-Org": "org_id", "X-LiteLLM-End-User": "end_user_id"}
MODEL = "X-LiteLLM-Model"
DROPPED = {"host", "connection", "content-length", "transfer-encoding", "expect", "keep-alive", "te", "trailer", "upgrade",
           "proxy-connection", "x-original-method", "x-original-uri", "x-original-host", "x-forwarded-for",
           "x-forwarded-method", "x-forwarded-uri", "x-forwarded-host", "x-country-code", "x-asn", "x-asn-type", "x-tor-exit",
           "x-fairvisor-reject-status", MODEL.lower()} | {name.lower() for name in IDENTITY}
SHOWN = ("RateLimit", "RateLimit-Policy", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset",
         "X-Fairvisor-Warning")
NOT_PASSED_ON = {"connection", "content-length", "date", "keep-alive", "transfer-encoding"}

log = logging.getLogger("fairvisor")


class Exchange:
    """One request of a client, from its first byte to its settlement."""

    def __init__(self, scope):
        self.scope = scope
        self.body, self.is_too_large = bytearray(), False
        self.is_judged = False
        self.refusal = None  # (status, [(name, value)], body) that the client gets instead of what LiteLLM says
        self.shown = []  # fields that an allowed answer carries
        self.reservation = self.call_id = None
        self.is_generated = False  # a model has answered, or begun to


async def within_timeout(question):
    """The result of QUESTION; TimeoutError if it takes TIMEOUT seconds of a loop that runs.

    Where LiteLLM keeps the loop busy, for its imports or under load, time passes while fairvisord's answer lies there unread. That
    is no silence, and must not open a gate that fails open: so each slice of the time ends with a look at what has come.
    """
    task = asyncio.ensure_future(question)
    try:
        for _ in range(max(1, round(TIMEOUT / SLICE))):
            if (await asyncio.wait({task}, timeout=SLICE))[0]:
                return task.result()
        raise asyncio.TimeoutError(f"nothing within {TIMEOUT} s")
    finally:
        task.cancel()


class Edge:
    """The way to fairvisord. Connections belong to the loop that opened them; LiteLLM's last log entries run in another."""

    def __init__(self):
        self.sessions, self.is_silent = {}, False

    def session(self, address):
        loop = asyncio.get_running_loop()
        for other in [key for key in self.sessions if key[0].is_closed()]:
            del self.sessions[other]
        if (loop, address) not in self.sessions:
            # Shorter than the 75 s after which fairvisord closes an idle connection.
            more = {"limit": 0, "keepalive_timeout": 30}
            if address.startswith("unix:"):
                connector = aiohttp.UnixConnector(address[5:], **more)
            else:
                connector = aiohttp.TCPConnector(**more)
            self.sessions[loop, address] = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False,
                timeout=aiohttp.ClientTimeout(None),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"))
        return self.sessions[loop, address]

    async def post(self, address, path, fields, body):
        """(status, fields, body) of fairvisord's answer; OSError, TimeoutError or aiohttp.ClientError if it gives none."""
        url = ("http://fairvisor" if address.startswith("unix:") else address) + path

        async def once():
            async with self.session(address).post(url, headers=fields, data=bytes(body), allow_redirects=False) as answer:
                return answer.status, answer.headers, await answer.read()

        async def twice():
            try:
                return await once()
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                return await once()  # a connection that was kept may have been closed meanwhile: a restart, a reload

        return await within_timeout(twice())

    def heard(self, trouble=None):
        """Logs that fairvisord fell silent, and that it is back, once each."""
        if trouble is not None and not self.is_silent:
            consequence = "requests pass unlimited" if FAIL_OPEN else "requests get 503"
            log.error("fairvisord at %s gives no verdict (%s): %s until it does", ADDRESS, trouble, consequence)
        elif trouble is None and self.is_silent:
            log.warning("fairvisord at %s gives verdicts again", ADDRESS)
        self.is_silent = trouble is not None


# LiteLLM may load this file again when its configuration changes; there is one layer and one variable for all of them.
EXCHANGE = getattr(app.state, "fairvisor_exchange", None) or contextvars.ContextVar("fairvisor_exchange", default=None)


class Layer:
    """Stands around LiteLLM's application: it sees a request as it came, and has the last word about a refusal."""

    def __init__(self, application):
        self.application = application

    async def __call__(self, scope, receive, send):
        if scope["type"] not in ("http", "websocket"):
            return await self.application(scope, receive, send)
        exchange = Exchange(scope)
        EXCHANGE.set(exchange)
        is_begun = is_refused = False

        async def receive_and_keep():
            message = await receive()
            if message["type"] == "http.request" and not exchange.is_judged:
                exchange.is_too_large |= len(exchange.body) + len(message.get("body", b"")) > MAX_BODY
                if not exchange.is_too_large:
                    exchange.body += message.get("body", b"")
            return message

        async def send_or_refuse(message):
            nonlocal is_begun, is_refused
            if is_refused:
                return
            if message["type"] != "http.response.start" or is_begun:
                return await send(message)
            is_begun = True
            if exchange.refusal:
                is_refused = True
                status, fields, body = exchange.refusal
                kept = [(name, value) for name, value in message.get("headers", ()) if name.startswith(b"access-control-")]
                await send({"type": "http.response.start", "status": status, "headers": kept + encode(fields)
                            + encode([("Content-Length", str(len(body)))])})
                return await send({"type": "http.response.body", "body": body})
            exchange.is_generated |= message["status"] < 300
            await send({**message, "headers": list(message.get("headers", ())) + encode(exchange.shown)})

        await self.application(scope, receive_and_keep, send_or_refuse)


def encode(fields):
    return [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in fields]


def install():
    if getattr(app.state, "fairvisor_exchange", None) is None:
        app.state.fairvisor_exchange = EXCHANGE
        if app.middleware_stack is None:
            app.add_middleware(Layer)
        else:
            app.middleware_stack = Layer(app.middleware_stack)  # it is built before LiteLLM loads its configuration
    if "FORWARDED_ALLOW_IPS" not in os.environ:
        log.warning("FORWARDED_ALLOW_IPS is not set: clients on this machine can choose their address by X-Forwarded-For. "
                    "Set it to the address of the proxy in front, or to nothing")


def question(exchange, key, model):
    """The fields and the body with which fairvisord is asked about EXCHANGE; KEY is what LiteLLM knows of the client."""
    scope = exchange.scope
    given = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    fields = [(name, value) for name, value in given if name.lower() not in DROPPED]
    uri = scope.get("raw_path") or urllib.parse.quote(scope["path"]).encode()
    if scope.get("query_string"):
        uri += b"?" + scope["query_string"]
    fields += [("X-Original-Method", scope.get("method", "GET")), ("X-Original-URI", uri.decode("latin-1"))]
    fields += [("X-Original-Host", value) for name, value in given if name.lower() == "host"][:1]
    if scope.get("client"):
        fields.append(("X-Forwarded-For", scope["client"][0]))
    known = {name: getattr(key, attribute, None) for name, attribute in IDENTITY.items()}
    for name, value in {**known, MODEL: model}.items():
        if value:
            fields.append((name, urllib.parse.quote(str(value), safe=" @:/+=,;")))
    is_json = "json" in next((value for name, value in given if name.lower() == "content-type"), "json").lower()
    return fields, bytes(exchange.body) if is_json else b"", is_json


def refusal(status, code, message, *fields):
    kind = "server_error" if status >= 500 else "invalid_request_error"
    body = {"error": {"message": message, "type": kind, "code": code, "param": None}}
    return status, [("Content-Type", "application/json"), *fields], json.dumps(body).encode() + b"\n"


SEVERAL_MODELS = refusal(400, "several_models",
                         "Name one model: each model that a request names would be called, and one call be paid for.")
NO_VERDICT = refusal(503, "no_verdict", "The limits of this service cannot be checked at the moment.", ("Retry-After", "5"))


class Fairvisor(CustomLogger):
    def __init__(self):
        super().__init__()
        self.edge, self.tasks = Edge(), set()

    # ---- before ----

    async def async_pre_call_hook(self, user_api_key_dict, cache, data, call_type):
        """Asks once for each request of a client, however many calls LiteLLM makes of it."""
        exchange = EXCHANGE.get()
        if exchange is None or exchange.is_judged:  # None: LiteLLM's own calls, such as health checks
            if exchange is not None and exchange.refusal:
                raise self.refused(exchange)
            return
        exchange.is_judged = True
        exchange.call_id = data.get("litellm_call_id")
        if call_type in ("completion", "acompletion") and "," in str(data.get("model")):
            exchange.refusal = SEVERAL_MODELS  # LiteLLM splits it, and lists of lists of messages with it
        else:
            exchange.refusal = await self.judge(exchange, user_api_key_dict, data.get("model"))
        exchange.body = None
        if exchange.refusal:
            raise self.refused(exchange)

    async def judge(self, exchange, key, model):
        fields, body, is_json = question(exchange, key, model)
        if is_json and exchange.is_too_large:
            return refusal(413, "request_too_large", f"The request is larger than the {MAX_BODY} bytes that are looked at.")
        try:
            status, said, text = await self.edge.post(ADDRESS, "/v1/decision", fields, body)
        except (OSError, asyncio.TimeoutError, aiohttp.ClientError) as trouble:
            return self.no_verdict(f"{type(trouble).__name__} {trouble}".strip())
        if status // 100 != 2 and status // 100 != 4 and "X-Fairvisor-Status" not in said:
            return self.no_verdict(f"status {status}")
        self.edge.heard()
        if status // 100 == 2:
            exchange.reservation = said.get("X-Fairvisor-Reservation")
            exchange.shown = [(name, said[name]) for name in SHOWN if name in said]
            return None
        # A refusal, or fairvisord would not read this request: never taken for a dead fairvisord.
        true_status = said.get("X-Fairvisor-Status", "")
        passed_on = [(name, value) for name, value in said.items() if name.lower() not in NOT_PASSED_ON]
        return int(true_status) if true_status.isdigit() else status, passed_on, text

    def no_verdict(self, trouble):
        self.edge.heard(trouble)
        return None if FAIL_OPEN else NO_VERDICT

    @staticmethod
    def refused(exchange):
        """What ends the request within LiteLLM; its client gets exchange.refusal."""
        status, _, text = exchange.refusal
        kind = "rate_limit_error" if status == 429 else "fairvisor"
        return ProxyException(text.decode("utf-8", "replace"), kind, None, status)

    # ---- after ----

    async def async_post_call_success_deployment_hook(self, request_data, response, call_type):
        exchange = EXCHANGE.get()
        if exchange is not None:
            exchange.is_generated = True

    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        """A model has answered; or a client left a stream, and LiteLLM counted what had come of it."""
        exchange, told = EXCHANGE.get(), kwargs.get("standard_logging_object") or {}
        if exchange is None or kwargs.get("litellm_call_id") != exchange.call_id:
            return  # a call that LiteLLM made by itself, for this request or for none
        if told.get("cache_hit"):
            await self.settle(exchange, 0, 0)
        elif (told.get("metadata") or {}).get("usage_object") or told.get("total_tokens"):
            details = ((told.get("metadata") or {}).get("usage_object") or {}).get("prompt_tokens_details") or {}
            await self.settle(exchange, told.get("prompt_tokens"), told.get("completion_tokens"), details.get("cached_tokens"),
                              told.get("model_group"))

    async def async_post_call_failure_hook(self, request_data, original_exception, user_api_key_dict, traceback_str=None):
        """No model answered, or one broke off. LiteLLM's combined_usage_object counts what had come, or the prompt alone."""
        exchange = EXCHANGE.get()
        if exchange is None or exchange.reservation is None:
            return
        tokens = 0, 0
        if exchange.is_generated or getattr(original_exception, "status_code", None) in (408, 499):
            usage = request_data.get("combined_usage_object")
            tokens = getattr(usage, "prompt_tokens", 0), getattr(usage, "completion_tokens", 0)
            if not tokens[1]:
                return  # nobody knows what a model did before a deadline, or before its client left: charged as it was reserved
        task = asyncio.create_task(self.settle(exchange, *tokens))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def settle(self, exchange, prompt, completion, cached=0, model=None):
        reservation, exchange.reservation = exchange.reservation, None
        if reservation is None:
            return
        document = {"reservation": reservation, "prompt_tokens": int(prompt or 0), "completion_tokens": int(completion or 0),
                    "cached_tokens": int(cached or 0)}
        if model:
            document["model"] = model
        trouble = None
        for pause in (0, *SETTLE_AGAIN_AFTER):
            await asyncio.sleep(pause)
            try:
                status, _, text = await self.edge.post(OPS_ADDRESS, "/v1/settle", [("Content-Type", "application/json")],
                                                       json.dumps(document).encode())
            except (OSError, asyncio.TimeoutError, aiohttp.ClientError) as error:
                trouble = f"{type(error).__name__} {error}".strip()
                continue
            if status in (200, 409):
                return  # 409: an attempt whose answer was lost had arrived
            trouble = text.decode("utf-8", "replace").strip()
            if status < 500:
                break
        log.error("a request stays charged as it was reserved, not by its %s + %s tokens: %s", document["prompt_tokens"],
                  document["completion_tokens"], trouble)


install()
fairvisor = Fairvisor()
