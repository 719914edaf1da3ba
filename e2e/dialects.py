# SPDX-License-Identifier: MPL-2.0
"""Answers of LLM APIs as bytes, with what a plain reader knows of every prefix of them: how much text it holds and which
figures of usage. The model against which the proxy's accounts are held.
"""

import json
import re
import string


class Reply:
    """A body in the making. text() and figure() remember where they stand."""

    def __init__(self, content_type, model):
        self.content_type, self.model = content_type, model
        self.data, self.marks = b"", []

    def add(self, data):
        self.data += data.encode() if isinstance(data, str) else data

    def text(self, words):
        """Text of the answer: each byte counts from the moment it is there."""
        self.marks.append((len(self.data), "text", len(words)))
        self.add(words)

    def figure(self, name, value):
        """A figure is there once the byte behind it is."""
        self.add(f'"{name}":{value}')
        self.marks.append((len(self.data) + 1, name, value))

    def seen(self, size):
        """({figure: value}, tokens of text) of the first SIZE bytes."""
        figures, text = {}, 0
        for at, name, value in self.marks:
            if name == "text":
                text += max(0, min(value, size - at))
            elif at <= size:
                figures[name] = value
        return figures, -(-text // 4)


def words(dice, most):
    return "".join(dice.choice(string.ascii_letters + "  .") for _ in range(dice.randint(1, most)))


def event(reply, head, fill, tail, name=None):
    if name:
        reply.add(f"event: {name}\n")
    reply.add("data: " + head)
    fill()
    reply.add(tail + "\n\n")


def chat_usage(reply, usage):
    reply.add('"usage":{')
    reply.figure("prompt_tokens", usage["in"])
    reply.add(',"prompt_tokens_details":{')
    reply.figure("cached_tokens", usage["cached"])
    reply.add("},")
    reply.figure("completion_tokens", usage["out"])
    reply.add(f',"total_tokens":{usage["in"] + usage["out"]}}}')


def chat_stream(dice, usage):
    reply = Reply("text/event-stream", "gpt-x")
    head = '{"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-x","choices":['
    for _ in range(dice.randint(1, 6)):
        event(reply, head + '{"index":0,"delta":{"content":"', lambda: reply.text(words(dice, 60)), '"},"finish_reason":null}]}')
    event(reply, head + '{"index":0,"delta":{},"finish_reason":"stop"}]}', lambda: None, "")
    if usage:
        event(reply, head + "],", lambda: chat_usage(reply, usage), "}")
    reply.add("data: [DONE]\n\n")
    return reply


def chat_whole(dice, usage):
    reply = Reply("application/json", "gpt-x")
    reply.add('{"id":"c","object":"chat.completion","created":1,"model":"gpt-x","choices":[{"index":0,"message":'
              '{"role":"assistant","content":"')
    reply.text(words(dice, 400))
    reply.add('"},"finish_reason":"stop"}]')
    if usage:
        reply.add(",")
        chat_usage(reply, usage)
    reply.add("}\n")
    return reply


def responses_stream(dice, usage):
    reply = Reply("text/event-stream", "gpt-x")
    event(reply, '{"type":"response.created","sequence_number":0,"response":{"id":"r","model":"gpt-x","usage":null}}',
          lambda: None, "", "response.created")
    for number in range(1, dice.randint(2, 6)):
        event(reply, f'{{"type":"response.output_text.delta","sequence_number":{number},"delta":"',
              lambda: reply.text(words(dice, 60)), '"}', "response.output_text.delta")

    def fill():
        reply.figure("input_tokens", usage["in"])
        reply.add(',"input_tokens_details":{')
        reply.figure("cached_tokens", usage["cached"])
        reply.add("},")
        reply.figure("output_tokens", usage["out"])
    if usage:
        event(reply, '{"type":"response.completed","sequence_number":9,"response":{"id":"r","model":"gpt-x","usage":{', fill,
              "}}}", "response.completed")
    return reply


def anthropic_stream(dice, usage):
    reply = Reply("text/event-stream", "claude-x")

    def start():
        if not usage:
            return
        reply.add(',"usage":{')
        reply.figure("input_tokens", usage["in"] - usage["cached"])
        reply.add(",")
        reply.figure("cache_read_input_tokens", usage["cached"])
        reply.add(',"output_tokens":1}')

    def end():
        if usage:
            reply.add(',"usage":{')
            reply.figure("output_tokens", usage["out"])
            reply.add("}")
    event(reply, '{"type":"message_start","message":{"id":"m","type":"message","model":"claude-x","content":[]', start, "}}",
          "message_start")
    for _ in range(dice.randint(1, 6)):
        event(reply, '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"',
              lambda: reply.text(words(dice, 60)), '"}}', "content_block_delta")
    event(reply, '{"type":"message_delta","delta":{"stop_reason":"end_turn"}', end, "}", "message_delta")
    event(reply, '{"type":"message_stop"}', lambda: None, "", "message_stop")
    return reply


SHAPES = {
    "/v1/chat/completions": [chat_stream, chat_whole],
    "/v1/responses": [responses_stream],
    "/v1/messages": [anthropic_stream],
}


def used(reply, size, prompt):
    """(in, cached, out) of the first SIZE bytes of REPLY, for a prompt that was estimated at PROMPT."""
    figures, counted = reply.seen(size)
    cached = figures.get("cached_tokens", 0) + figures.get("cache_read_input_tokens", 0)
    given = [figures[name] for name in ("prompt_tokens", "input_tokens") if name in figures]
    whole = prompt
    if given:
        whole = given[0] + figures.get("cache_read_input_tokens", 0)
    elif cached:
        whole = cached
    out = figures.get("completion_tokens", figures.get("output_tokens"))
    if out is None:
        out = counted
        if re.search(rb'"output_tokens":1[},]', reply.data[:size]):
            out = max(out, 1)
    return whole, min(cached, whole), out


def request_body(shape, prompt_bytes, most, number):
    length = "max_output_tokens" if shape is responses_stream else "max_tokens"
    body = {"model": "m", length: most, "messages": [{"role": "user", "content": "x" * prompt_bytes}],
            "stream": "stream" in shape.__name__, "user": str(number)}
    return json.dumps(body).encode()
