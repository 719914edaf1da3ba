# SPDX-License-Identifier: MPL-2.0
"""What SDKs beside those of test_sdks.py send and get, as it was recorded from them: through the reverse proxy it passes byte by byte,
and is charged as the provider told it.
"""

import json

import test_meter
import upstream

JSON, EVENTS, LINES = "application/json", "text/event-stream", "application/x-ndjson"
ASK = [{"role": "user", "content": "Say something."}]
COHERE_USAGE = {"billed_units": {"input_tokens": 9, "output_tokens": 7}, "tokens": {"input_tokens": 60, "output_tokens": 8}}
GEMINI = {"contents": [{"parts": [{"text": "Say something."}], "role": "user"}]}
GEMINI_ANSWER = {"candidates": [{"content": {"parts": [{"text": "Hello"}], "role": "model"}, "finishReason": "STOP", "index": 0}],
                 "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 7, "thoughtsTokenCount": 3, "totalTokenCount": 19},
                 "modelVersion": "gemini-2.5-flash", "responseId": "r"}
GROQ_END = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "llama", "choices": [
    {"index": 0, "delta": {}, "finish_reason": "stop"}], "x_groq": {"id": "req_1", "usage": {
        "queue_time": 0.1, "prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16, "total_time": 0.4}}}
BATCH = {"id": "batch_1", "object": "batch", "endpoint": "/v1/chat/completions", "input_file_id": "file-1", "status": "completed",
         "usage": {"input_tokens": 9000, "output_tokens": 7000, "total_tokens": 16000}}
CLAUDE_BATCH = {"id": "msgbatch_1", "type": "message_batch", "processing_status": "in_progress", "results_url": None}
SOUND_USAGE = {"type": "tokens", "input_tokens": 14, "input_token_details": {"text_tokens": 10, "audio_tokens": 4},
               "output_tokens": 101, "total_tokens": 115}
PICTURE_USAGE = {"total_tokens": 100, "input_tokens": 50, "output_tokens": 50, "input_tokens_details": {"image_tokens": 40}}


def plain(document):
    return document if isinstance(document, bytes) else json.dumps(document).encode()


def named(*documents):
    return b"".join(b"event: %s\ndata: %s\n\n" % (document["type"].encode(), plain(document)) for document in documents)


def crlf(*documents):
    return b"".join(b"data: %s\r\n\r\n" % plain(document) for document in documents)


def lines(*documents):
    return b"".join(plain(document) + b"\n" for document in documents)


def form(file, **fields):
    """As httpx writes it: ((type, boundary), body)."""
    body = b"".join(b'--b0undary\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value.encode())
                    for name, value in fields.items())
    body += b'--b0undary\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
    return "multipart/form-data; boundary=b0undary", body + file + b"\r\n--b0undary--\r\n"


def cohere_words(*words):
    yield {"id": "c", "type": "message-start", "delta": {"message": {"role": "assistant", "content": [], "tool_calls": []}}}
    yield {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}}
    for word in words:
        yield {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": word}}}}


def cohere_stream():
    return [*cohere_words("Hello", " there"), {"type": "content-end", "index": 0},
            {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": COHERE_USAGE}}]


def ollama(text, **more):
    return {"model": "llama3.2", "created_at": "2026-01-01T00:00:00Z", "message": {"role": "assistant", "content": text}, **more}


# What it is, the request's target and body (or type and body; None: a GET), the answer's type and body, what it costs.
SHAPES = [
    ("Cohere, whole", "/v2/chat", {"model": "command-a", "messages": ASK, "max_tokens": 50}, JSON,
     {"id": "c", "finish_reason": "COMPLETE", "message": {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]},
      "usage": COHERE_USAGE}, 16),
    ("Cohere, streamed", "/v2/chat", {"model": "command-a", "messages": ASK, "stream": True}, EVENTS, named(*cohere_stream()), 16),
    ("Cohere, embeddings", "/v2/embed", {"model": "embed-v4.0", "texts": ["Hello"], "input_type": "search_query"}, JSON,
     {"id": "e", "embeddings": {"float": [[1, 2]]}, "texts": ["Hello"], "meta": {"billed_units": {"input_tokens": 8}}}, 8),
    ("Cohere before, streamed", "/v1/chat", {"model": "command-r", "message": "Say something.", "stream": True}, "application/stream+json",
     lines({"is_finished": False, "event_type": "text-generation", "text": "Hello"},
           {"is_finished": True, "event_type": "stream-end", "response": {"text": "Hello", "meta": {"billed_units": {
               "input_tokens": 9.0, "output_tokens": 7.0}}}}), 16),
    ("Anthropic's batch, its results", "/v1/messages/batches/msgbatch_1/results", None, "application/x-jsonl",
     lines({"custom_id": "a", "result": {"type": "succeeded", "message": {"content": [], "usage": {"output_tokens": 7}}}}), 0),
    ("Ollama", "/api/chat", {"model": "llama3.2", "messages": ASK, "options": {"num_predict": 50}}, LINES,
     lines(ollama("Hello", done=False), ollama("", done=True, done_reason="stop", prompt_eval_count=9, eval_count=7)), 16),
    ("Groq, streamed", "/openai/v1/chat/completions", {"model": "llama", "messages": ASK, "stream": True}, EVENTS,
     b"data: %s\n\ndata: [DONE]\n\n" % plain(GROQ_END), 16),
    ("Gemini, whole", "/v1beta/models/gemini-2.5-flash:generateContent", GEMINI, JSON, GEMINI_ANSWER, 19),
    ("Gemini, streamed", "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", GEMINI, EVENTS, crlf(GEMINI_ANSWER), 19),
    ("Gemini, an array", "/v1beta/models/gemini-2.5-flash:streamGenerateContent", GEMINI, JSON, [GEMINI_ANSWER], 19),
    ("Gemini counts a prompt", "/v1beta/models/gemini-2.5-flash:countTokens", GEMINI, JSON, {"totalTokens": 31}, 0),
    ("Anthropic counts a prompt", "/v1/messages/count_tokens", {"model": "claude", "messages": ASK}, JSON, {"input_tokens": 42}, 0),
    ("Anthropic's batch", "/v1/messages/batches", {"requests": [{"custom_id": "a", "params": {"model": "claude", "messages": ASK}}]},
     JSON, CLAUDE_BATCH, 0),
    ("OpenAI, sound", "/v1/audio/transcriptions", form(b"RIFF" + bytes(400000), model="gpt-4o-transcribe"), JSON,
     {"text": "Hello", "usage": SOUND_USAGE}, 115),
    ("OpenAI, sound by the minute", "/v1/audio/transcriptions", form(b"RIFF" + bytes(400000), model="whisper-1", prompt="Anna"), JSON,
     {"text": "Hello", "usage": {"type": "duration", "seconds": 3}}, 1001),
    ("OpenAI, sound streamed", "/v1/audio/transcriptions", form(b"RIFF" + bytes(400000), model="gpt-4o-transcribe", stream="true"), EVENTS,
     crlf({"type": "transcript.text.delta", "delta": "Hello"}, {"type": "transcript.text.done", "text": "Hello", "usage": SOUND_USAGE}), 115),
    ("OpenAI, a picture", "/v1/images/edits", form(b"\x89PNG\r\n" + bytes(400000), model="gpt-image-1", prompt="Blue", n="2"), JSON,
     {"created": 1, "data": [{"b64_json": "AAAA" * 9000}], "usage": PICTURE_USAGE}, 100),
    ("OpenAI, a file", "/v1/files", form(b'{"a":1}\n' * 40000, purpose="batch"), JSON, {"id": "file-1", "object": "file", "bytes": 9}, 0),
    ("OpenAI's batch", "/v1/batches/batch_1", None, JSON, BATCH, 0),
]


class TestProviders(test_meter.MeterCase):
    def rule(self, limit=test_meter.LIMIT, **streaming):
        return test_meter.tokens(streaming, limit)

    def start(self, rule):
        """Serves each shape as the request's X-Shape says. Every path has the one limit."""
        def answer(request):
            _, _, _, kind, body, _ = SHAPES[int(request.header("x-shape"))]
            return upstream.counted(plain(body), fields=f"Content-Type: {kind}\r\n")
        return self.proxy(upstream.answering(answer), {"id": "all", "spec": {"selector": {"pathPrefix": "/"}, "rules": [rule]}})

    def ask_shape(self, edge, number):
        _, target, body, _, _, _ = SHAPES[number]
        kind, data = body if isinstance(body, tuple) else (JSON, plain(body) if body else b"")
        headers = [("X-Shape", str(number)), ("Content-Type", kind)]
        if body is None:
            return data, edge.get(target, [("X-Key", f"k{number}"), ("X-Shape", str(number))])
        return data, self.ask(edge, target, data, f"k{number}", headers)

    def test_each_passes_and_is_charged_as_told(self):
        server, edge = self.start(self.rule())
        for number, (what, _, _, kind, body, cost) in enumerate(SHAPES):
            with self.subTest(what):
                asked, answer = self.ask_shape(edge, number)
                self.assertEqual((answer.status, answer.header("content-type"), answer.body), (200, kind, plain(body)))
                self.assertEqual(server.requests[-1].body, asked)
                self.assertEqual(self.balance(edge, "/v1", f"k{number}"), cost)

    def test_a_file_is_not_a_prompt(self):
        """400 kB of sound fit into a limit of 4000 tokens."""
        _, edge = self.start(self.rule(4000))
        for number, shape in enumerate(SHAPES):
            if isinstance(shape[2], tuple):
                self.assertEqual(self.ask_shape(edge, number)[1].status, 200, shape[0])

    def test_a_form_that_lies_is_a_prompt(self):
        """A boundary that its readers do not see hides no text."""
        _, edge = self.start(self.rule(3000))
        kind, data = form(b"", prompt="x\n--b0undary\r\nContent-Disposition: form-data; filename=a\r\n\r\n" + "x" * 20000)
        answer = self.ask(edge, "/v1/images/edits", data, headers=[("Content-Type", kind), ("X-Shape", "0")])
        self.assertEqual((answer.status, answer.header("x-should-retry")), (429, "false"))

    def test_a_stream_of_cohere_is_cut(self):
        ends = {"graceful_close": [{"type": "content-end", "index": 0}, {"type": "message-end", "delta": {
                    "finish_reason": "MAX_TOKENS", "usage": {"billed_units": {"input_tokens": 4, "output_tokens": 21}}}}],
                "error_chunk": [{"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "The token limit of this policy is "
                                                                  "reached; the answer ends here."}}]}
        for end, last in ends.items():
            _, edge = self.proxy(upstream.answering(test_meter.events(named(*cohere_words(*["word"] * 60)))), test_meter.policy(
                "/v2", self.rule(24, buffer_tokens=1, on_limit_exceeded=end)))
            answer = self.ask(edge, "/v2/chat", json.dumps({"model": "c", "messages": ASK, "stream": True, "max_tokens": 1}).encode())
            got = [json.loads(line[6:]) for line in answer.body.decode().splitlines() if line.startswith("data: ")]
            self.assertEqual(got, [*cohere_words(*["word"] * 20), *last])
