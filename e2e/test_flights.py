# SPDX-License-Identifier: MPL-2.0
"""What a proxied exchange holds in flight when its worker is killed: given back at once, and exactly that."""

import os
import re
import select

import harness
import upstream

MOST = 8


def bundle():
    policy = harness.one_rule(policy="p")
    policy["policies"][0]["spec"]["rules"] = [{"name": "flight", "limit_keys": [], "algorithm": "concurrency",
                                               "algorithm_config": {"max_in_flight": MOST, "ttl_seconds": 3600}}]
    return policy


def serve(peer):
    """Begins to answer, and never ends."""
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    peer.rest()


class TestFlights(harness.TestCase):
    def edge(self, workers):
        server = self.own(upstream.Scripted(serve))
        return self.start_edge(bundle(), workers=workers, settings={
            "mode": "reverse_proxy", "backend_url": server.url, "drain_timeout": "1s", "snapshot_interval": "0"})

    def begin(self, edge):
        """A client in the middle of its response, or None when the limit refuses it."""
        client = self.own(Client(edge.address, 30))
        client.send(harness.format_request())
        client.need(lambda: b"1\r\na\r\n" in client.buffer or b"HTTP/1.1 429" in client.buffer)
        return client if client.take(12) == b"HTTP/1.1 200" else None

    def fill(self, edge):
        clients = []
        while client := self.begin(edge):
            clients.append(client)
        return clients

    def wait_landed(self, edge, count, after):
        """Given back and left behind, by the master's child and by the next worker: either may be the first."""
        def told():
            lines = re.findall(r"had (\d+) in flight when it ended, which were given back; (\d+) more", edge.log()[after:])
            return tuple(sum(map(int, numbers)) for numbers in zip(*lines))

        harness.wait_until(lambda: sum(told()) >= count, f"{count} in flight to be accounted for")
        return told()

    def assert_given_back(self, edge, count, after):
        self.assertEqual(self.wait_landed(edge, count, after), (count, 0))
        self.assertEqual(len(self.fill(edge)), count)

    def test_a_worker_is_killed(self):
        edge = self.edge(1)
        for _ in range(2):
            clients = self.fill(edge)
            self.assertEqual(len(clients), MOST)
            written = len(edge.log())
            harness.kill(edge.workers()[0])
            self.assert_given_back(edge, MOST, written)
            written = len(edge.log())
            harness.kill(edge.workers()[0])
            self.wait_landed(edge, MOST, written)

    @harness.looks_into_workers
    def test_what_others_have_in_flight_stays(self):
        edge = self.edge(2)
        clients = self.fill(edge)
        self.assertEqual(len(clients), MOST)
        written = len(edge.log())
        harness.kill(max(edge.workers(), key=lambda pid: len(os.listdir(f"/proc/{pid}/fd"))))  # the one with most of them
        edge.wait_log("in flight when it ended", after=written)
        lost, _, _ = select.select([client.socket for client in clients], [], [], 0)
        self.assertGreater(len(lost), 0)
        self.assert_given_back(edge, len(lost), written)

    def test_the_master_is_killed_too(self):
        edge = self.edge(1)
        self.assertEqual(len(self.fill(edge)), MOST)
        written = len(edge.log())
        edge.kill_everything()
        edge.start()
        self.assert_given_back(edge, MOST, written)

    def test_a_worker_that_drains_keeps_its_own(self):
        edge = self.edge(1)
        clients = self.fill(edge)
        clients.pop().close()
        harness.wait_until(lambda: self.begin(edge), "one to land by itself")
        edge.reload()
        edge.wait_log("of generation 1 left")
        self.assertNotIn("in flight when it ended", edge.log())
        self.assertEqual(len(self.fill(edge)), MOST)


class Client(harness.Connection):
    def remove(self):
        self.close()
        return []
