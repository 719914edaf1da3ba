# SPDX-License-Identifier: MPL-2.0
"""Bodies through the reverse proxy are, byte for byte, those of a direct connection, however they are framed and cut.

Each exchange is drawn at random (the seed is fixed): sizes from nothing to 64 MB both ways, counted, chunked or ended by
the connection, in one piece or many, down to single bytes; several exchanges follow on one connection, some pipelined.
"""

import hashlib
import random
import socket
import threading
import time

import harness
import test_proxy
import upstream

EXCHANGES = harness.full_or_short(10_000, 300 if not harness.ASAN else 100)
LARGEST = 64 << 20
POOL = random.Random(1).randbytes(1 << 20)


def body_of(size, seed):
    """SIZE bytes that differ by SEED, without making them anew."""
    start = seed % 9973
    repeats = (size + start) // len(POOL) + 1
    return (POOL * repeats)[start:start + size]


def draw_size(dice):
    kind = dice.random()
    if kind < 0.1:
        return 0
    if kind < 0.6:
        return dice.randrange(1, 5000)
    if kind < 0.97:
        return dice.randrange(5000, 300_000)
    return dice.randrange(300_000, 4 << 20)


def pieces_of(body, dice):
    """BODY cut up: whole, in pieces, or (short ones) byte by byte."""
    if len(body) <= 300 and dice.random() < 0.3:
        return [body[at:at + 1] for at in range(len(body))]
    if dice.random() < 0.5 or not body:
        return [body]
    most = max(1, len(body) // dice.randrange(1, 12))
    pieces, at = [], 0
    while at < len(body):
        size = dice.randrange(1, most + 1)
        pieces.append(body[at:at + size])
        at += size
    return pieces


def send_body(connection, body, framing, dice):
    dribbles = len(body) <= 300 and dice.random() < 0.2
    for piece in pieces_of(body, dice):
        if not piece:
            continue
        connection.send(b"%x\r\n%s\r\n" % (len(piece), piece) if framing == "chunked" else piece)
        if dribbles:
            time.sleep(0.0005)  # so that a segment is read alone
    if framing == "chunked":
        connection.send(b"0\r\n\r\n")


def serve(peer):
    """Answers what the target asks for: /SIZE/SEED/FRAMING, and the digest of what it was sent."""
    peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while True:
        request = peer.request()
        peer.upstream.requests.clear()
        size, seed, framing = request.target.strip("/").split("/")
        body, dice = body_of(int(size), int(seed)), random.Random(int(seed))
        lines = {"counted": f"Content-Length: {size}", "chunked": "Transfer-Encoding: chunked", "close": "X: y"}
        peer.send(f"HTTP/1.1 200 OK\r\nX-Digest: {hashlib.sha256(request.body).hexdigest()}\r\n"
                  f"{lines[framing]}\r\n\r\n".encode())
        send_body(peer, body, framing, dice)
        if framing == "close":
            return


class Exchange:
    def __init__(self, dice, size=None, answer_size=None):
        self.seed = dice.randrange(1 << 30)
        self.size = draw_size(dice) if size is None else size
        self.answer_size = draw_size(dice) if answer_size is None else answer_size
        self.framing = dice.choice(["counted", "chunked"])
        self.answer_framing = dice.choice(["counted", "counted", "chunked", "chunked", "close"])

    def send(self, connection):
        body = body_of(self.size, self.seed + 1)
        fields = [("Content-Length", str(self.size)) if self.framing == "counted" else ("Transfer-Encoding", "chunked")]
        connection.send(harness.format_request("POST", f"/{self.answer_size}/{self.seed}/{self.answer_framing}", fields))
        send_body(connection, body, self.framing, random.Random(self.seed + 2))

    def receive(self, connection):
        """What came: status, the upstream's word on what it was sent, and the answer's body."""
        answer = connection.answer("POST")
        return answer.status, answer.header("x-digest"), hashlib.sha256(answer.body).hexdigest(), len(answer.body)

    def expected(self):
        return (200, hashlib.sha256(body_of(self.size, self.seed + 1)).hexdigest(),
                hashlib.sha256(body_of(self.answer_size, self.seed)).hexdigest(), self.answer_size)


class TestBodies(test_proxy.ProxyCase):
    def start(self):
        server = self.own(upstream.Scripted(serve))
        return server, self.proxy(server.url, max_body_bytes="100m", body_timeout="60s")

    def run_some(self, address, dice, count, trouble):
        """COUNT exchanges on connections that are used for several each."""
        try:
            while count > 0:
                batch = min(count, dice.randrange(1, 12))
                with harness.Connection(address, 60) as connection:
                    connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.run_batch(connection, [Exchange(dice) for _ in range(batch)], dice.random() < 0.3)
                count -= batch
        except Exception as error:  # pylint: disable=broad-except
            trouble.append(repr(error)[:500])

    def run_batch(self, connection, batch, is_pipelined):
        if is_pipelined:
            for exchange in batch:  # small ones: nobody reads while they are sent
                exchange.size, exchange.answer_size = exchange.size % 2000, exchange.answer_size % 2000
                exchange.send(connection)
            for exchange in batch:
                self.assertEqual(exchange.receive(connection), exchange.expected(), vars(exchange))
            return
        for exchange in batch:
            sender = threading.Thread(target=exchange.send, args=(connection,), daemon=True)
            sender.start()
            got = exchange.receive(connection)
            sender.join()
            self.assertEqual(got, exchange.expected(), vars(exchange))

    def test_random_exchanges(self):
        _, edge = self.start()
        workers, trouble, threads = edge.workers(), [], []
        for number in range(8):
            threads.append(threading.Thread(target=self.run_some, args=(edge.address, random.Random(number),
                                                                        EXCHANGES // 8, trouble), daemon=True))
            threads[-1].start()
        for thread in threads:
            thread.join()
        self.assertEqual(trouble, [])
        self.assertEqual((edge.workers(), self.failures(edge)), (workers, {}))
        print(f"        {EXCHANGES // 8 * 8} exchanges equal, "
              f"{edge.metric('fairvisor_upstream_connections_opened_total'):.0f} upstream connections")

    def test_direct_is_the_same(self):
        """What the upstream says to us directly is what the exchanges are held against."""
        server, edge = self.start()
        dice = random.Random(5)
        for exchange in [Exchange(dice) for _ in range(20)]:
            results = []
            for address in (("127.0.0.1", server.port), edge.address):
                with harness.Connection(address, 60) as connection:
                    sender = threading.Thread(target=exchange.send, args=(connection,), daemon=True)
                    sender.start()
                    results.append(exchange.receive(connection))
                    sender.join()
            self.assertEqual(results[0], results[1])
            self.assertEqual(results[0], exchange.expected())

    def test_the_largest(self):
        _, edge = self.start()
        dice = random.Random(9)
        for sizes in ((LARGEST, 10), (10, LARGEST)):
            exchange = Exchange(dice, *sizes)
            with harness.Connection(edge.address, 120) as connection:
                self.run_batch(connection, [exchange], False)
