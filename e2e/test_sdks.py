# SPDX-License-Identifier: MPL-2.0
"""The official SDKs of OpenAI and Anthropic, Python and Node, against a scripted upstream that speaks as the providers do: directly and
through the reverse proxy they see the same; over a limit they raise their RateLimitError at once; a stream that is cut
ends for them as one that reached its length, or raises.

The SDKs come from packaging/install-wheels sdks and packaging/install-node; a test whose SDKs are not there fails.
"""

import json
import os
import subprocess

import harness
import test_meter
import upstream

PYTHON = os.path.join(harness.SOURCE, "build", "wheels", "sdks", "bin", "python")
NODE = os.path.join(harness.SOURCE, "build", "node", "sdks")
LONG = 2000
WORDS = ["Hello", " there", ", how", " are", " you", "?"]
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}


def words_for(asked):
    is_long = "long" in (asked.get("user"), (asked.get("metadata") or {}).get("user_id"))
    return WORDS * (LONG // len(WORDS) if is_long else 1)


def chat_usage(out):
    return {"prompt_tokens": 9, "completion_tokens": out, "total_tokens": 9 + out,
            "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 0}}


def chat_whole(asked):
    message = {"role": "assistant", "content": "".join(WORDS), "refusal": None}
    if "tools" in asked:
        message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-2024-08-06", "choices": [
        {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}], "usage": chat_usage(7)}


def chat_chunk(delta, reason=None):
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-2024-08-06",
            "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]}


def chat_stream(asked):
    yield chat_chunk({"role": "assistant", "content": ""})
    if "tools" in asked:
        yield chat_chunk({"tool_calls": [{"index": 0, **CALL, "function": {"name": "weather", "arguments": ""}}]})
        for part in ('{"city"', ':"Paris"}'):
            yield chat_chunk({"tool_calls": [{"index": 0, "function": {"arguments": part}}]})
    else:
        for word in words_for(asked):
            yield chat_chunk({"content": word})
    yield chat_chunk({}, "stop")
    if (asked.get("stream_options") or {}).get("include_usage"):
        yield {**chat_chunk({}), "choices": [], "usage": chat_usage(7)}
    yield b"[DONE]"


def response_object(**more):
    return {"id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-4.1-2025-04-14", "error": None,
            "incomplete_details": None, "instructions": None, "metadata": {}, "output": [], "parallel_tool_calls": True,
            "status": "in_progress", "tool_choice": "auto", "tools": [], "usage": None, **more}


def response_done():
    text = {"type": "output_text", "text": "".join(WORDS), "annotations": []}
    return response_object(status="completed", output=[
        {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [text]}],
        usage={"input_tokens": 9, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 7,
               "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 16})


def response_stream(asked):
    number = 0
    yield {"type": "response.created", "sequence_number": number, "response": response_object()}
    for word in words_for(asked):
        number += 1
        yield {"type": "response.output_text.delta", "sequence_number": number, "item_id": "msg_1", "output_index": 0,
               "content_index": 0, "delta": word, "logprobs": []}
    yield {"type": "response.completed", "sequence_number": number + 1, "response": response_done()}


def claude_whole(asked):
    content = [{"type": "text", "text": "".join(WORDS)}]
    if "tools" in asked:
        content = [{"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}}]
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-20250514", "content": content,
            "stop_reason": "end_turn", "stop_sequence": None,
            "usage": {"input_tokens": 5, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 0, "output_tokens": 7}}


def claude_stream(asked):
    message = {**claude_whole(asked), "content": [], "stop_reason": None}
    message["usage"] = {**message["usage"], "output_tokens": 1}
    yield {"type": "message_start", "message": message}
    start, deltas = {"type": "text", "text": ""}, [{"type": "text_delta", "text": word} for word in words_for(asked)]
    if "tools" in asked:
        start = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in ('{"city"', ':"Paris"}')]
    yield {"type": "content_block_start", "index": 0, "content_block": start}
    yield {"type": "ping"}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 7}}
    yield {"type": "message_stop"}


def stream(documents, is_named):
    data = b""
    for document in documents:
        if is_named:
            data += f"event: {document['type']}\n".encode()
        data += b"data: " + (document if isinstance(document, bytes) else json.dumps(document).encode()) + b"\n\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(data[at:at + 1000]), data[at:at + 1000])
                           for at in range(0, len(data), 1000)) + b"0\r\n\r\n"


def answer(request):
    asked = json.loads(request.body)
    path = request.target.split("?")[0]
    if path == "/v1/chat/completions":
        whole, events, is_named = chat_whole(asked), chat_stream(asked), False
    elif path == "/v1/responses":
        whole, events, is_named = response_done(), response_stream(asked), True
    else:
        whole, events, is_named = claude_whole(asked), claude_stream(asked), True
    if asked.get("stream"):
        return stream(events, is_named)
    return upstream.counted(json.dumps(whole).encode(), fields="Content-Type: application/json\r\n")


def run_python(base, key):
    if not os.access(PYTHON, os.X_OK):
        raise FileNotFoundError(f"{PYTHON} is not there: packaging/install-wheels sdks")
    return run([PYTHON, os.path.join(harness.HERE, "sdk_client.py"), base, key], harness.HERE)


def run_node(base, key):
    if not os.path.isdir(os.path.join(NODE, "node_modules", "openai")):
        raise FileNotFoundError(f"{NODE} has no SDKs: packaging/install-node sdks")
    return run(["node", os.path.join(harness.HERE, "sdk_client.mjs"), base, key], NODE)


def run(command, folder):
    done = subprocess.run(command, cwd=folder, env=harness.clean_environment(), capture_output=True, text=True, timeout=240,
                          check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command} failed:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


class TestSdks(test_meter.MeterCase):
    def setUp(self):
        super().setUp()
        harness.avoid_midnight(300)  # their programs take long where the machine is busy

    def rule(self, limit, **streaming):
        return test_meter.tokens(streaming, limit, token_source={"request_usage": True})

    def start(self, rule):
        return self.proxy(upstream.answering(answer), test_meter.policy("/v1", rule, provider_rate_headers=True))

    def base(self, edge):
        return f"http://{edge.address[0]}:{edge.address[1]}"

    def check_same(self, run_client):
        server, edge = self.start(self.rule(test_meter.LIMIT))
        direct = run_client(server.url, "rich")
        through = run_client(self.base(edge), "rich")
        self.assertFalse([name for name, result in direct.items() if "raised" in result])
        self.assertEqual(set(direct), set(through))
        for name, result in direct.items():
            self.assertEqual(through[name], result, name)
        self.assertGreater(len(direct["chat long stream"]), LONG - len(WORDS))
        # Every answer told 9 tokens in and 7 out.
        self.assertEqual(edge.metric("fairvisor_exchanges_metered_total"), len(direct))
        self.assertEqual(self.balance(edge, "/v1", "rich"), 16 * len(direct))
        print(f"sdks: {len(direct)} scenarios of {run_client.__name__} are the same directly and through the proxy")

    def check_refused(self, run_client):
        server, edge = self.start(self.rule(10))
        results = run_client(self.base(edge), "poor")
        for name, result in results.items():
            self.assertEqual((result["raised"], result["status"]), ("RateLimitError", 429), name)
        self.assertEqual(server.requests, [])
        # Each asked once: nobody slept and came back.
        self.assertEqual(edge.metrics()['fairvisor_http_requests_total{code="429"}'], len(results))

    def test_python_sees_the_same(self):
        self.check_same(run_python)

    def test_node_sees_the_same(self):
        self.check_same(run_node)

    def test_python_is_refused_at_once(self):
        self.check_refused(run_python)

    def test_node_is_refused_at_once(self):
        self.check_refused(run_node)

    def check_cut(self, run_client):
        """Completions of more than a hundred tokens are cut."""
        ends = {"chat long stream": lambda events: events[-1]["choices"][0]["finish_reason"] == "length",
                "responses long stream": lambda events: events[-1]["response"]["status"] == "incomplete",
                "claude long stream": lambda events: events[-2]["delta"]["stop_reason"] == "max_tokens"}
        for end in ("graceful_close", "error_chunk"):
            rule = self.rule(test_meter.LIMIT, on_limit_exceeded=end, include_partial_usage=False)
            rule["algorithm_config"]["max_completion_tokens"] = 100
            _, edge = self.start(rule)
            results = run_client(self.base(edge), "long")
            for name, is_ended in ends.items():
                if end == "error_chunk" and name.startswith("responses"):
                    # That API has an event for errors, which the SDKs hand on.
                    self.assertEqual((results[name][-1]["type"], results[name][-1]["code"]), ("error", "rate_limit_exceeded"))
                elif end == "error_chunk":
                    self.assertIn("raised", results[name], name)
                else:
                    self.assertNotIn("raised", results[name], f"{name}: {results[name]}")
                    self.assertTrue(is_ended(results[name]), results[name][-2:])
                    self.assertLess(len(results[name]), 200)
            self.assertEqual(edge.metric("fairvisor_streams_cut_total"), len(ends))

    def test_python_takes_a_stream_that_is_cut(self):
        self.check_cut(run_python)

    def test_node_takes_a_stream_that_is_cut(self):
        self.check_cut(run_node)
