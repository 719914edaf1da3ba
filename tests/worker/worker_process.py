# SPDX-License-Identifier: MPL-2.0
"""One worker under tests/worker/launch, and a client that speaks raw HTTP to it. Standard library only.

Run from the build folder (as make check does): ./fairvisor-worker and ./tests/worker/launch are what is tested.
"""
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PATIENCE = 20  # seconds after which something that must happen counts as not happening
DAY_SECONDS = 86400

POLICY = {
    "bundle_version": 1,
    "policies": [
        {
            "id": "demo-rate-limit",
            "spec": {
                "selector": {"pathPrefix": "/"},
                "mode": "enforce",
                "rules": [
                    {
                        "name": "global-rps",
                        "limit_keys": [],
                        "algorithm": "token_bucket",
                        "algorithm_config": {"tokens_per_second": 1000000, "burst": 1000000},
                    }
                ],
            },
        }
    ],
}


def is_sanitized():
    """Whether the worker is built with AddressSanitizer, which keeps freed memory back for a while."""
    with open("./fairvisor-worker", "rb") as program:
        return b"__asan_init" in program.read()


def policy(**rule):
    """The policy above with parts of its rule replaced."""
    changed = json.loads(json.dumps(POLICY))
    changed["policies"][0]["spec"]["rules"][0].update(rule)
    return changed


def avoid_midnight():
    """Waits, where the day ends in UTC within a minute, until the next one has begun: budgets of a day are whole again then."""
    left = DAY_SECONDS - time.time() % DAY_SECONDS
    if left < 60:
        time.sleep(left + 1)


def free_port():
    """One that nobody has, nor gets by connecting somewhere: such connections have ports from the first of the range on."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        end = int(file.read().split()[0])
    while True:
        port = random.randrange(end // 2, end)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Worker:
    """Starts a worker; `with Worker(...) as worker` stops it and fails if it did not leave cleanly."""

    def __init__(self, settings="", bundle=None, tcp=False, ops=False):
        avoid_midnight()
        self.folder = tempfile.mkdtemp(prefix="fairvisor-worker-")
        self.path = os.path.join(self.folder, "http")
        self.ops_path = os.path.join(self.folder, "ops")
        self.port = None
        listen = "unix:" + self.path
        if tcp:
            self.port = free_port()
            listen += ", 127.0.0.1:%d" % self.port
        lines = ["listen = " + listen, "instance = " + os.path.basename(self.folder), "shared_dict_size = 8m"]
        if ops:
            lines.append("ops_listen = unix:" + self.ops_path)
        with open(self._file("conf"), "w", encoding="utf-8") as conf:
            conf.write("\n".join(lines) + "\n" + settings + "\n")
        with open(self._file("policy.json"), "w", encoding="utf-8") as file:
            json.dump(bundle or POLICY, file)
        self.log = open(self._file("log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            ["./tests/worker/launch", os.environ.get("FAIRVISOR_WORKER", "./fairvisor-worker"),
             self._file("policy.json"), self._file("conf")],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        words = self.process.stdout.readline().split()
        if len(words) != 2 or words[0] != "ready":
            raise AssertionError("the worker did not start: " + self.log_text())
        self.pid = int(words[1])

    def _file(self, name):
        return os.path.join(self.folder, name)

    def log_text(self):
        self.log.seek(0)
        return self.log.read()

    def send(self, number):
        self.process.send_signal(number)

    def leave(self):
        """Waits until it has left; returns its exit code."""
        return self.process.wait(PATIENCE * 3)

    def connect(self, tcp=False, ops=False):
        if tcp:
            return Client(socket.create_connection(("127.0.0.1", self.port), PATIENCE))
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(PATIENCE)
        try:
            client.connect(self.ops_path if ops else self.path)
        except OSError:
            client.close()
            raise
        return Client(client)

    def is_stopped(self):
        with open("/proc/%d/stat" % self.pid, encoding="latin-1") as file:
            return file.read().rpartition(")")[2].split()[0] == "T"

    def connect_with(self, data):
        """A connection whose first bytes are there when the worker meets it: no timeout runs while we are slow to send them."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            while not self.is_stopped():
                pass
            client = self.connect()
            client.send(data)
        finally:
            os.kill(self.pid, signal.SIGCONT)
        return client

    def wait_deaf(self):
        """Until its listening socket is gone."""
        while True:
            try:
                self.connect().close()
            except BlockingIOError:  # only its backlog is full
                continue
            except OSError:
                break

    def memory(self):
        """Resident bytes of the worker."""
        with open("/proc/%d/statm" % self.pid, encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.send(signal.SIGTERM)
        code = self.leave()
        self.process.stdout.close()
        text = self.log_text()
        self.log.close()
        shutil.rmtree(self.folder)
        if code != 0:
            raise AssertionError("the worker left with code %d: %s" % (code, text))


class Answer:
    def __init__(self, status, fields, body):
        self.status = status
        self.fields = fields  # lower-case name -> value
        self.body = body

    def __repr__(self):
        return "%d %r %r" % (self.status, self.fields, self.body)


class Client:
    """A connection; answers are read by their Content-Length and nothing is forgiven."""

    def __init__(self, connection):
        self.socket = connection
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def send_what_is_taken(self, data):
        """Sends bytes that the server may not want to read to the end."""
        try:
            self.socket.sendall(data)
        except OSError:
            pass

    def _more(self):
        data = self.socket.recv(65536)
        self.buffer += data
        return data

    def _line(self):
        while b"\r\n" not in self.buffer:
            if not self._more():
                raise EOFError("closed inside an answer: %r" % self.buffer)
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("latin-1")

    def answer(self, is_head=False):
        version, status, _ = self._line().split(" ", 2)
        if version != "HTTP/1.1":
            raise AssertionError("version %s" % version)
        fields = {}
        while True:
            line = self._line()
            if not line:
                break
            name, value = line.split(": ", 1)
            if name.lower() in fields:
                raise AssertionError("field %s twice" % name)
            fields[name.lower()] = value
        size = 0 if is_head or int(status) < 200 or int(status) == 204 else int(fields["content-length"])
        while len(self.buffer) < size:
            if not self._more():
                raise EOFError("closed inside a body")
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        return Answer(int(status), fields, body)

    def ask(self, target, method="GET", fields=(), body=b"", version="1.1"):
        lines = ["%s %s HTTP/%s" % (method, target, version), "Host: test"]
        lines += ["%s: %s" % pair for pair in fields]
        if body:
            lines.append("Content-Length: %d" % len(body))
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)
        return self.answer(is_head=method == "HEAD")

    def is_open(self):
        """Whether the server still answers."""
        try:
            return self.ask("/livez").status == 200
        except (OSError, EOFError):
            return False

    def is_closed(self):
        """Whether the server closes, in order and without another byte."""
        try:
            return self.buffer == b"" and self.socket.recv(1) == b""
        except OSError:
            return False

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()
