# SPDX-License-Identifier: MPL-2.0
"""What stands on either side of LiteLLM in test_litellm.py: a model that does what the prompt says, and programs with OpenAI's SDK."""

import json
import os
import subprocess
import threading
import time

import gateways
import harness
import test_sdks
import upstream

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
VECTOR = {"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
          "usage": {"prompt_tokens": 3, "total_tokens": 3}}


def document(value, status="200 OK"):
    return upstream.counted(json.dumps(value).encode(), status, "Content-Type: application/json\r\n")


def word():
    piece = b"data: " + json.dumps(test_sdks.chat_chunk({"content": " word"})).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(piece), piece)


class Model:
    """Its serve is a Scripted upstream's. Prompts: fail with STATUS, break off, talk on, stay silent, hold; others are answered.
    Of two models one, bad, always fails; the other, flaky, two times of three."""

    def __init__(self):
        self.guard, self.release = threading.Lock(), threading.Event()
        self.forget()

    def forget(self):
        """Before the next row."""
        self.release.clear()
        self.held = self.left = self.tries = 0

    def serve(self, peer):
        while True:
            request = peer.request()
            if not request.body:
                peer.send(document({}, "404 Not Found"))  # LiteLLM looks what models there are
                continue
            asked = json.loads(request.body)
            text = str(asked.get("messages", ""))
            self.tries += asked.get("model") == "flaky"
            if asked.get("model") == "bad" or (asked.get("model") == "flaky" and self.tries % 3):
                peer.send(document({"error": {"message": "no", "type": "server_error"}}, "500 No"))
            elif request.target.endswith("/embeddings"):
                peer.send(document(VECTOR))
            elif "fail with " in text:
                trouble = {"error": {"message": "no", "type": "server_error"}}
                peer.send(document(trouble, text.split("fail with ")[1][:3] + " No"))
            elif "break off" in text:
                peer.send(HEAD + word() * 3)
                return
            elif "talk on" in text:
                peer.send(HEAD + word() * 3)
                while not self.release.wait(0.02):
                    peer.send(word())
                return
            elif "stay silent" in text:
                self.stay_silent(peer)
                return
            else:
                if "hold" in text:
                    self.count(1, 0)
                    self.release.wait(60)
                peer.send(test_sdks.answer(request))

    def stay_silent(self, peer):
        """Until the row lets it speak; then it speaks until LiteLLM hangs up."""
        peer.send(HEAD)
        self.count(1, 0)
        self.release.wait(60)
        try:
            for _ in range(1000):
                peer.send(word())
                time.sleep(0.02)
        except OSError:
            self.count(0, 1)

    def count(self, held, left):
        with self.guard:
            self.held += held
            self.left += left


class Programs:
    """litellm_client.py, kept running: its imports take seconds."""

    def __init__(self):
        python = os.path.join(gateways.Litellm.folder_of_programs(), "python")
        command = [python, os.path.join(harness.HERE, "litellm_client.py")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=harness.clean_environment({"NO_PROXY": "*"}))

    def run(self, *orders):
        """Makes the requests all at once and gives their results."""
        self.process.stdin.write(json.dumps(orders) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def remove(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return [] if self.process.wait(60) == 0 else ["the SDK's programs failed"]
