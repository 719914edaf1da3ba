# SPDX-License-Identifier: MPL-2.0
"""An upstream that says exactly what a test tells it to: a raw socket and a script. It stands for upstreams that
misbehave, which no real server does on demand; what is ordinary is tested with a real nginx.

    upstream = self.own(Scripted(lambda peer: peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")))
"""

import socket
import threading

import harness


class Peer(harness.Connection):
    """The upstream's end of one connection."""

    def __init__(self, accepted, upstream):  # pylint: disable=super-init-not-called
        self.socket, self.buffer, self.upstream = accepted, b"", upstream
        self.socket.settimeout(60)

    def request(self):
        """Reads one request by its framing: (method, target, fields, body, head)."""
        self.need(lambda: b"\r\n\r\n" in self.buffer)
        head = self.take(self.buffer.index(b"\r\n\r\n") + 4)
        lines = head[:-4].decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        fields = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
        names = {name.lower(): value for name, value in fields}
        body = b""
        if names.get("transfer-encoding") == "chunked":
            body = self.chunks()
        elif "content-length" in names:
            body = self.exactly(int(names["content-length"]))
        request = Request(method, target, fields, body, head)
        self.upstream.requests.append(request)
        return request

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()


class Request:
    def __init__(self, method, target, fields, body, head):
        self.method, self.target, self.fields, self.body, self.head = method, target, fields, body, head

    def headers(self, name):
        return [value for field, value in self.fields if field.lower() == name.lower()]

    def header(self, name):
        return (self.headers(name) or [None])[0]


class Scripted:
    """SERVE(peer) is called for each connection, in a thread of its own; the connection is closed behind it. PORT is one of
    harness.free_port's where it must stay free of others without this listener."""

    def __init__(self, serve, backlog=1024, port=0):
        self.serve, self.requests, self.connections, self.trouble = serve, [], 0, []
        self.listener = socket.create_server(("127.0.0.1", port), backlog=backlog)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.acceptor = threading.Thread(target=self.run, daemon=True)
        self.acceptor.start()

    def run(self):
        while True:
            try:
                accepted, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.one, args=(accepted,), daemon=True).start()

    def one(self, accepted):
        try:
            with Peer(accepted, self) as peer:
                self.serve(peer)
        except (OSError, harness.Incomplete):
            pass  # the proxy closed: what the test looks at is what the client saw
        except Exception as error:  # pylint: disable=broad-except
            self.trouble.append(repr(error))

    def remove(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.acceptor.join()  # or it would accept of the next listener that gets the number of this one
        self.listener.close()
        return self.trouble


def answering(answer):
    """Answers every request of a connection with the bytes ANSWER, or with what ANSWER(request) gives."""
    def serve(peer):
        while True:
            request = peer.request()
            peer.send(answer(request) if callable(answer) else answer)
    return serve


def counted(body=b"ok", status="200 OK", fields=""):
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (status.encode(), len(body), fields.encode(), body)
