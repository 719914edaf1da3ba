# SPDX-License-Identifier: MPL-2.0
"""HTTP, as raw as it gets."""

import json
import socket


class Answer:
    def __init__(self, status, fields, body, raw, version="HTTP/1.1"):
        self.status, self.fields, self.body, self.raw, self.version = status, fields, body, raw, version

    def header(self, name, default=None):
        for field, value in self.fields:
            if field.lower() == name.lower():
                return value
        return default

    def headers(self, name):
        return [value for field, value in self.fields if field.lower() == name.lower()]

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.fields} {self.body[:200]!r}>"


class Incomplete(Exception):
    """The peer closed, or fell silent, before a whole answer was there."""

    def __init__(self, reason, got):
        super().__init__(f"{reason}; got {got!r}")
        self.got = got


class Connection:
    """One client connection: bytes out, answers in. ADDRESS is (host, port) or the path of a unix socket; SOURCE the local
    address to call from; RECEIVE_ROOM how many bytes the kernel may keep for us."""

    def __init__(self, address, timeout=10, source=None, receive_room=None):
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        else:
            self.socket = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        if receive_room:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_room)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(address)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        try:
            data = self.socket.recv(65536)
        except socket.timeout:
            raise Incomplete("timeout", self.buffer) from None
        except ConnectionResetError:
            raise Incomplete("reset", self.buffer) from None
        self.buffer += data
        return bool(data)

    def need(self, is_there):
        while not is_there():
            if not self.more():
                raise Incomplete("closed", self.buffer)

    def take(self, size):
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def line(self):
        self.need(lambda: b"\r\n" in self.buffer)
        return self.take(self.buffer.index(b"\r\n") + 2)[:-2]

    def exactly(self, size):
        parts = [self.take(size)]  # appending megabytes to the buffer, read by read, would take for ever
        left = size - len(parts[0])
        while left > 0:
            self.need(lambda: self.buffer)
            parts.append(self.take(left))
            left -= len(parts[-1])
        return b"".join(parts)

    def chunks(self):
        parts = []
        while True:
            size = int(self.line().split(b";")[0], 16)
            if size == 0:
                while self.line():
                    pass
                return b"".join(parts)
            parts.append(self.exactly(size))
            self.exactly(2)

    def rest(self):
        while self.more():
            pass
        return self.take(len(self.buffer))

    def answer(self, method="GET"):
        """Reads one whole answer by its framing."""
        self.need(lambda: b"\r\n\r\n" in self.buffer)
        head = self.take(self.buffer.index(b"\r\n\r\n") + 4)
        lines = head[:-4].decode("latin-1").split("\r\n")
        version, status = lines[0].split(" ")[:2]
        fields = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
        answer = Answer(int(status), fields, b"", head, version)
        length = answer.header("content-length")
        if method == "HEAD" or answer.status in (204, 304) or answer.status < 200:
            pass
        elif (answer.header("transfer-encoding") or "").lower() == "chunked":
            answer.body = self.chunks()
        elif length is not None:
            answer.body = self.exactly(int(length))
        else:
            answer.body = self.rest()
        return answer

    def is_closed(self):
        """Whether the peer closes without sending another byte."""
        try:
            return not self.buffer and not self.more()
        except Incomplete as trouble:
            return str(trouble).startswith("reset") and not trouble.got


def format_request(method="GET", target="/", headers=(), body=b"", host="localhost", version="HTTP/1.1"):
    fields = list(headers.items()) if isinstance(headers, dict) else list(headers)
    names = {name.lower() for name, _ in fields}
    if "host" not in names and host is not None:
        fields.insert(0, ("Host", host))
    if (body or method in ("POST", "PUT", "PATCH")) and not names & {"content-length", "transfer-encoding"}:
        fields.append(("Content-Length", str(len(body))))
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"{method} {target} {version}\r\n{head}\r\n".encode("latin-1") + body


def request(address, method="GET", target="/", headers=(), body=b"", timeout=10, **more):
    """One request on a connection of its own."""
    with Connection(address, timeout) as connection:
        connection.send(format_request(method, target, headers, body, **more))
        return connection.answer(method)
