# SPDX-License-Identifier: MPL-2.0
"""The load client itself: each way a request can fail its sender is counted as what it is, and nothing else is.

The servers here are a few lines of socket code because they must misbehave on purpose.
"""

import socket
import struct
import threading

import harness

PATIENCE_MS = 30_000  # these servers share their processors with others
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Kind: a\r\n\r\nok"
RESET = struct.pack("ii", 1, 0)


class Server:
    """Calls SERVE(connection, number of the request on it) for each request; False from it ends the connection."""

    def __init__(self, serve, family=socket.AF_INET, path=None):
        self.serve, self.requests, self.connections, self.heads = serve, 0, 0, []
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
            self.listener.listen(128)
            self.address = f"unix:{path}"
        else:
            self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
            self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.acceptor = threading.Thread(target=self.run, daemon=True)
        self.acceptor.start()

    def run(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.talk, args=(peer,), daemon=True).start()

    def talk(self, peer):
        with peer, peer.makefile("rb") as file:
            number = 0
            while True:
                head = b""
                for line in file:
                    head += line
                    if line == b"\r\n":
                        break
                if not head.endswith(b"\r\n\r\n"):
                    return
                self.heads.append(head.decode())
                self.requests += 1
                if not self.serve(peer, number):
                    return
                number += 1

    def remove(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.acceptor.join()  # or it would accept of the next listener that gets the number of this one
        self.listener.close()
        return []


def always(data, goes_on=True):
    def serve(peer, _):
        peer.sendall(data)
        return goes_on
    return serve


def reset(peer, data=b""):
    if data:
        peer.sendall(data)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    return False


class TestLoadClient(harness.TestCase):
    def run_load(self, serve, *arguments, requests=20, **more):
        self.server = self.own(Server(serve, **more))
        result = self.load(self.server.address, "--requests", requests, "--timeout-ms", PATIENCE_MS, *arguments).result(60)
        self.assertEqual(result["requests"], requests)
        answered_well = result["answered"] - result["unexpected_status"]
        self.assertEqual(answered_well + result["failed"], requests, result)
        return result

    def assert_only(self, result, trouble, count):
        self.assertEqual(result["failed"], count, result)
        self.assertEqual(result[trouble], count, result)

    def test_keep_alive(self):
        result = self.run_load(always(FINE), "--connections", 4, "--threads", 2, requests=1000)
        self.assertEqual(harness.statuses(result), {200: 1000})
        self.assertEqual((result["failed"], result["connections_opened"]), (0, 4))

    def test_fresh_connections(self):
        result = self.run_load(always(FINE), "--fresh", "--connections", 3)
        self.assertEqual((result["failed"], self.server.connections), (0, 20))

    def test_unix_socket(self):
        result = self.run_load(always(FINE), path=self.temporary_folder() + "/s")
        self.assertEqual(result["failed"], 0)

    def test_connection_close_is_no_failure(self):
        closing = FINE.replace(b"X-Kind: a", b"Connection: close")
        result = self.run_load(always(closing, False), "--connections", 4)
        self.assertEqual((result["failed"], result["closed_by_server"], self.server.connections), (0, 20, 20))

    def test_body_until_close(self):
        result = self.run_load(always(b"HTTP/1.0 200 OK\r\n\r\nhello", False))
        self.assertEqual((result["failed"], self.server.connections), (0, 20))

    def test_chunks_and_interim_answers(self):
        chunked = (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                   b"5\r\nhello\r\n0\r\n\r\n")
        self.assertEqual(self.run_load(always(chunked))["failed"], 0)

        def in_pieces(peer, _):
            for byte in chunked:
                peer.sendall(bytes([byte]))
            return True
        self.assertEqual(self.run_load(in_pieces)["failed"], 0)

    def test_unexpected_status(self):
        refused = FINE.replace(b"200 OK", b"429 No")
        self.assert_only(self.run_load(always(refused)), "unexpected_status", 20)
        result = self.run_load(always(refused), "--expect", "200,429")
        self.assertEqual((result["failed"], harness.statuses(result)), (0, {429: 20}))

    def test_closed_without_an_answer(self):
        def every_second(peer, number):
            if number % 2 == 0:
                peer.sendall(FINE)
                return True
            return False
        self.assert_only(self.run_load(every_second), "closed_unanswered", 10)

    def test_truncated(self):
        self.assert_only(self.run_load(always(FINE[:-1], False)), "truncated", 20)
        self.assert_only(self.run_load(always(FINE[:10], False)), "truncated", 20)
        self.assert_only(self.run_load(always(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", False)),
                         "truncated", 20)

    def test_reset(self):
        self.assert_only(self.run_load(lambda peer, _: reset(peer)), "resets", 20)

    def test_bad_answers(self):
        for bad in (FINE + b"x", b"nonsense\r\n\r\n", b"HTTP/1.1 2x0 OK\r\n\r\n",
                    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"):
            with self.subTest(bad=bad):
                self.assert_only(self.run_load(always(bad)), "bad_answers", 20)

    def test_timeout(self):
        self.assert_only(self.run_load(lambda *_: True, "--connections", 4, "--timeout-ms", 500, requests=4), "timeouts", 4)

    def test_refused_connection(self):
        port = harness.free_port()
        result = self.load(("127.0.0.1", port), "--requests", 5).result(30)
        self.assert_only(result, "connect_errors", 5)

    def test_idle_close_is_no_failure(self):
        """An open loop has idle connections; the server may close them. Here it does so in the packet of the answer: before any
        next request, be that one late, when a connection that was closed lately is asked for."""
        def answer_and_close(peer, _):
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            peer.sendall(FINE)
            return False
        for rate in (20, 100_000):
            result = self.run_load(answer_and_close, "--rate", rate, "--connections", 2)
            self.assertEqual(result["failed"], 0, result)
            self.assertGreater(result["idle_closes"], 10)

    def test_ranges_and_counted_header(self):
        result = self.run_load(always(FINE), "--header", "X-Forwarded-For: 10.0.{1-2}.{7-9}",
                               "--count-header", "X-Kind")
        self.assertEqual(result["values"], {"a": 20})
        seen = {line for head in self.server.heads for line in head.split("\r\n") if line.startswith("X-F")}
        self.assertEqual(seen, {f"X-Forwarded-For: 10.0.{a}.{b}" for a in (1, 2) for b in (7, 8, 9)})

    def test_a_stall_cannot_hide(self):
        """With a rate, latency counts from the intended time: a stall delays all requests intended in it."""
        stalled = threading.Event()
        release = threading.Event()

        def stall_once(peer, number):
            if number == 20:
                stalled.set()
                release.wait(10)
            peer.sendall(FINE)
            return True

        def end_stall():
            stalled.wait(10)
            threading.Event().wait(0.3)  # the stall itself
            release.set()
        threading.Thread(target=end_stall, daemon=True).start()
        result = self.run_load(stall_once, "--rate", 1000, requests=500)
        self.assertEqual(result["failed"], 0)
        self.assertGreater(result["latency_us"]["p90"], 50_000, result)

    def test_result_when_interrupted(self):
        self.server = self.own(Server(always(FINE)))
        load = self.load(self.server.address, "--duration-ms", 60000, "--connections", 2)
        harness.wait_until(lambda: self.server.requests > 100, "some requests")
        result = load.finish()
        self.assertEqual((result["failed"], result["answered"]), (0, result["requests"]))
