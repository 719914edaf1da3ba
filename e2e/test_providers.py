# SPDX-License-Identifier: MPL-2.0
"""What SDKs beside those of test_sdks.py send and get, as it was recorded from them: through the reverse proxy it passes byte by byte,
and is charged as the provider told it.
"""

import base64
import json
import struct
import zlib

import harness
import test_meter
import upstream

JSON, EVENTS, LINES = "application/json", "text/event-stream", "application/x-ndjson"
FRAMES = "application/vnd.amazon.eventstream"
ASK = [{"role": "user", "content": "Say something."}]
COHERE_USAGE = {"billed_units": {"input_tokens": 9, "output_tokens": 7}, "tokens": {"input_tokens": 60, "output_tokens": 8}}
GEMINI = {"contents": [{"parts": [{"text": "Say something."}], "role": "user"}]}
CONVERSE = {"messages": [{"role": "user", "content": [{"text": "Say something."}]}], "inferenceConfig": {"maxTokens": 50}}
GEMINI_ANSWER = {"candidates": [{"content": {"parts": [{"text": "Hello"}], "role": "model"}, "finishReason": "STOP", "index": 0}],
                 "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 7, "thoughtsTokenCount": 3, "totalTokenCount": 19},
                 "modelVersion": "gemini-2.5-flash", "responseId": "r"}
GROQ_END = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "llama", "choices": [
    {"index": 0, "delta": {}, "finish_reason": "stop"}], "x_groq": {"id": "req_1", "usage": {
        "queue_time": 0.1, "prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16, "total_time": 0.4}}}
BATCH = {"id": "batch_1", "object": "batch", "endpoint": "/v1/chat/completions", "input_file_id": "file-1", "status": "completed",
         "usage": {"input_tokens": 9000, "output_tokens": 7000, "total_tokens": 16000}}
CLAUDE_BATCH = {"id": "msgbatch_1", "type": "message_batch", "processing_status": "in_progress", "results_url": None}
KEPT = {"name": "cachedContents/1", "model": "models/gemini-2.5-flash", "usageMetadata": {"totalTokenCount": 2000}}
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


def frame(document):
    """As Bedrock frames an event: sizes, checksums, a header."""
    headers, payload = b"\x0d:message-type\x07\0\x05event", plain(document)
    data = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    data += struct.pack(">I", zlib.crc32(data)) + headers + payload
    return data + struct.pack(">I", zlib.crc32(data))


def wrapped(document):
    return frame(b'{"bytes":"%s","p":"abc"}' % base64.b64encode(plain(document)))


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
     {"text": "Hello", "usage": {"type": "duration", "seconds": 3}}, 1003),
    ("OpenAI, sound streamed", "/v1/audio/transcriptions", form(b"RIFF" + bytes(400000), model="gpt-4o-transcribe", stream="true"), EVENTS,
     crlf({"type": "transcript.text.delta", "delta": "Hello"},
          {"type": "transcript.text.done", "text": "Hello", "usage": SOUND_USAGE}), 115),
    ("OpenAI, a picture", "/v1/images/edits", form(b"\x89PNG\r\n" + bytes(400000), model="gpt-image-1", prompt="Blue", n="2"), JSON,
     {"created": 1, "data": [{"b64_json": "AAAA" * 9000}], "usage": PICTURE_USAGE}, 100),
    ("OpenAI, a file", "/v1/files", form(b'{"a":1}\n' * 40000, purpose="batch"), JSON, {"id": "file-1", "object": "file", "bytes": 9}, 0),
    ("OpenAI, what is in a file", "/v1/files/file-1/content", None, "application/octet-stream", b'{"a":1}\n' * 4000, 0),
    ("OpenAI, a speech", "/v1/audio/speech", {"model": "tts-1", "voice": "alloy", "input": "Hello"}, "audio/mpeg", bytes(4000), 1002),
    ("OpenAI, a file gets into a store", "/v1/vector_stores/vs_1/files", {"file_id": "file-1"}, JSON,
     {"id": "file-1", "object": "vector_store.file", "status": "in_progress", "usage_bytes": 0}, 0),
    ("OpenAI, a store is searched", "/v1/vector_stores/vs_1/search", {"filters": None}, JSON, {
        "object": "vector_store.search_results.page", "data": [{"content": [{"type": "text", "text": "Hello" * 900}]}]}, 0),
    ("OpenAI's batch", "/v1/batches/batch_1", None, JSON, BATCH, 0),
    ("Bedrock, whole", "/model/anthropic.claude-sonnet-v1:0/converse", CONVERSE, JSON,
     {"output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}}, "stopReason": "end_turn",
      "usage": {"inputTokens": 2, "outputTokens": 7, "totalTokens": 16, "cacheReadInputTokens": 4, "cacheWriteInputTokens": 3}}, 16),
    ("Bedrock, streamed", "/model/anthropic.claude-sonnet-v1:0/converse-stream", CONVERSE, FRAMES,
     frame({"contentBlockIndex": 0, "delta": {"text": "Hello"}, "p": "abc"}) +
     frame({"usage": {"inputTokens": 9, "outputTokens": 7, "totalTokens": 16}, "metrics": {"latencyMs": 1}}), 16),
    ("Bedrock, a model's own stream", "/model/meta.llama-v1:0/invoke-with-response-stream", {"prompt": "Say something.", "max_gen_len": 50},
     FRAMES, wrapped({"generation": "Hello"}) + wrapped({"generation": "", "stop_reason": "stop", "amazon-bedrock-invocationMetrics": {
         "inputTokenCount": 9, "outputTokenCount": 7}}), 16),
    ("Gemini, an interaction", "/v1beta/interactions", {"model": "gemini-3", "input": "Say something."}, JSON,
     {"id": "v1_x", "status": "completed", "steps": [{"type": "model_output", "content": [{"type": "text", "text": "Hello"}]}],
      "usage": {"total_tokens": 21, "total_input_tokens": 9, "total_output_tokens": 7, "total_thought_tokens": 3,
                "total_tool_use_tokens": 2}}, 21),
    ("llama.cpp", "/completion", {"prompt": "Say something.", "n_predict": 50}, JSON,
     {"content": "Hello", "tokens_predicted": 7, "tokens_evaluated": 9, "stop": True}, 16),
    ("TGI, streamed", "/generate_stream", {"inputs": "Say something.", "parameters": {"max_new_tokens": 50}}, EVENTS,
     crlf({"index": 1, "token": {"id": 1, "text": "Hello", "special": False}, "generated_text": "Hello", "details": None}), 6),
    ("a shape that nobody knows", "/v1/ocr", {"model": "m", "document": {"type": "document_url"}}, JSON,
     {"pages": [{"index": 0, "markdown": "Hello and more"}], "usage_info": {"pages_processed": 3}}, 4),
    ("a stored answer gets another name", "/v1/chat/completions/chatcmpl-1", {"metadata": {"about": "Paris"}}, JSON,
     {"id": "chatcmpl-1", "object": "chat.completion", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 7}}, 0),
    ("Gemini keeps a prompt", "/v1beta/cachedContents", {**GEMINI, "model": "models/gemini-2.5-flash"}, JSON, KEPT, 2000),
    ("Gemini tells a prompt that it keeps", "/v1beta/cachedContents/1", None, JSON, KEPT, 0),
    ("Gemini, an interaction again", "/v1beta/interactions/v1_x", None, JSON,
     {"id": "v1_x", "status": "completed", "usage": {"total_tokens": 21, "total_input_tokens": 9, "total_output_tokens": 12}}, 0),
    ("Gemini, an interaction in the background", "/v1beta/interactions/v1_x", None, JSON, {"id": "v1_x", "status": "in_progress"}, 0),
    ("OpenAI, a film that is not ready", "/v1/videos/video_1", None, JSON, {"id": "video_1", "object": "video", "status": "queued"}, 0),
    ("OpenAI, a film that is begun", "/v1/videos", {"model": "sora-2", "prompt": "Paris"}, JSON,
     {"id": "video_1", "object": "video", "status": "queued"}, 1002),
    ("Anthropic, a session", "/v1/sessions/sesn_1", None, JSON, {"id": "sesn_1", "type": "session", "status": "idle", "usage": {
        "input_tokens": 5000, "output_tokens": 3200}}, 0),
    ("a stored answer is cancelled", "/v1/responses/resp_1/cancel", b"", JSON,
     {"id": "resp_1", "object": "response", "status": "cancelled", "usage": {"input_tokens": 9, "output_tokens": 7}}, 0),
]

# What Bedrock tells of a model's answer: the model, the fields of the head, the answer, what it costs.
BESIDE = [
    ("mistral.mistral-large-v1:0", {"Input": 9, "Output": 7}, {"outputs": [{"text": "Hello" * 40, "stop_reason": "stop"}]}, 16),
    ("amazon.titan-text-v1", {"Input": 9, "Output": 7}, {"inputTextTokenCount": 9, "results": [{"tokenCount": 7, "outputText": "Hi"}]}, 16),
    ("amazon.titan-embed-v2:0", {"Input": 9}, {"embedding": [0.1], "inputTextTokenCount": 9}, 9),
    ("cohere.embed-v3", {"Input": 9}, {"embeddings": [[0.1]], "texts": ["Hello" * 40]}, 9),
    ("nobodys.that-caches", {"Input": 2, "Output": 7, "Cache-Read-Input": 4, "Cache-Write-Input": 3}, {"said": "Hello" * 40}, 16),
    ("nobodys.that-tells-more", {"Input": 1, "Output": 1}, {"usage": {"input_tokens": 9, "output_tokens": 7}}, 16),
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

    def test_bedrock_tells_beside_the_answer(self):
        """Models that tell nothing themselves, or not all, are charged as the head of the answer says."""
        def answer(request):
            name, fields, body, _ = BESIDE[int(request.header("x-shape"))]
            self.assertIn(name, request.target)
            return upstream.counted(plain(body), fields="Content-Type: application/json\r\n" + "".join(
                f"X-Amzn-Bedrock-{field}-Token-Count: {count}\r\n" for field, count in fields.items()))
        _, edge = self.proxy(upstream.answering(answer), {"id": "all", "spec": {"selector": {"pathPrefix": "/"}, "rules": [self.rule()]}})
        for number, (model, _, body, cost) in enumerate(BESIDE):
            asked = json.dumps({"prompt": "Say something.", "max_tokens": 50}).encode()
            answer = self.ask(edge, f"/model/{model}/invoke", asked, f"b{number}", [("X-Shape", str(number))])
            self.assertEqual((answer.status, answer.body), (200, plain(body)))
            self.assertEqual(self.balance(edge, "/v1", f"b{number}"), cost, model)
        self.assertEqual(edge.metrics()['fairvisor_exchanges_metered_total{by="usage"}'], len(BESIDE))

    def test_a_new_answer_is_no_stored_one(self):
        """Neither a slash behind the path, nor an estimate that lies, nor another method makes it free."""
        told = upstream.counted(plain({"object": "chat.completion", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 7}}),
                                fields="Content-Type: application/json\r\n")
        _, edge = self.proxy(upstream.answering(told), {"id": "all", "spec": {"selector": {"pathPrefix": "/"}, "rules": [
            test_meter.tokens(token_source={"estimator": "header_hint"})]}})
        asked = json.dumps({"model": "m", "messages": ASK}).encode()
        for number, (method, path, body) in enumerate([("POST", "/", b'{"metadata":{}}'), ("POST", "/chatcmpl-1", asked),
                                                       ("POST", "/", asked), ("PATCH", "", asked), ("POST", "", b"{}")]):
            answer = harness.request(edge.address, method, "/v1/chat/completions" + path, [
                ("X-Key", f"n{number}"), ("X-Token-Estimate", "0"), ("Content-Type", JSON)], body)
            self.assertEqual((answer.status, self.balance(edge, "/v1", f"n{number}")), (200, 16), (method, path))

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

    def test_a_session_in_real_time_costs_what_was_reserved(self):
        def serve(peer):
            peer.request()
            peer.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
            peer.send(b'\x81\x7e\x01\x00{"type":"response.done","response":{"usage":{"input_tokens":90,"output_tokens":70}}}')
        _, edge = self.proxy(serve, {"id": "all", "spec": {"selector": {"pathPrefix": "/"}, "rules": [self.rule()]}})
        with harness.Connection(edge.address) as client:
            client.send(harness.format_request(target="/v1/realtime?model=m", headers=[
                ("X-Key", "k"), ("Connection", "Upgrade"), ("Upgrade", "websocket")]))
            client.rest()
        harness.wait_until(lambda: edge.metrics()['fairvisor_exchanges_metered_total{by="reservation"}'] == 1, "the session's end")
        self.assertEqual(self.balance(edge, "/v1"), 1000)

    def test_a_stream_of_an_interaction_is_cut(self):
        def words(count):
            yield {"event_type": "interaction.created",
                   "interaction": {"id": "i", "object": "interaction", "status": "in_progress", "model": "g"}}
            yield {"event_type": "step.start", "index": 0, "step": {"type": "model_output"}}
            for _ in range(count):
                yield {"event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": "word"}}
        ends = {"graceful_close": [{"event_type": "step.stop", "index": 0}, {"event_type": "interaction.completed", "interaction": {
                    "id": "i", "object": "interaction", "status": "incomplete", "model": "g",
                    "usage": {"total_input_tokens": 4, "total_output_tokens": 21, "total_tokens": 25}}}],
                "error_chunk": [{"event_type": "error", "error": {"code": "rate_limit_exceeded", "message":
                                                                  "The token limit of this policy is reached; the answer ends here."}}]}
        for end, last in ends.items():
            _, edge = self.proxy(upstream.answering(test_meter.events(crlf(*words(60)))), test_meter.policy(
                "/v1beta", self.rule(24, buffer_tokens=1, on_limit_exceeded=end)))
            answer = self.ask(edge, "/v1beta/interactions", json.dumps({"model": "g", "input": "Say something.", "stream": True,
                                                                        "generation_config": {"max_output_tokens": 1}}).encode())
            got = [json.loads(line[6:]) for line in answer.body.decode().splitlines() if line.startswith("data: {")]
            self.assertEqual(got, [*words(20), *last])

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
