# SPDX-License-Identifier: BSL-1.0
"""Two relays on one real redis-server, which goes away and comes back."""

import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "support"))
import program
from program import Program

REDIS_SERVER = sys.argv.pop(2)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Redis:
    """A redis-server of our own, on a Unix socket and a port, that keeps nothing."""

    def __init__(self, folder):
        self.path = f"{folder}/redis"
        self.port = free_port()
        self.process = None

    def start(self):
        self.stop()
        self.process = subprocess.Popen(
            [REDIS_SERVER, "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", self.path,
             "--save", "", "--appendonly", "no", "--dir", str(pathlib.Path(self.path).parent)],
            stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if "accept connections" in line and self.path in line:
                return
        raise RuntimeError("redis-server has not started")

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def send(self, *words):
        """A command, and the first line of the answer."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(program.PATIENCE)
            connection.connect(self.path)
            peer = program.Peer(connection)
            peer.send(" ".join(words) + "\r\n")
            return peer.line().strip()


class Relay(program.Conventions, unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.redis = Redis(folder.name)
        self.addCleanup(self.redis.stop)

    def relay(self, *options, by_port=False):
        server = f"127.0.0.1:{self.redis.port}" if by_port else self.redis.path
        relay = Program("--redis", server, "--retry-time", "0.05", "--max-retry-time", "0.2",
                        "--drain-time", "2", *options)
        self.addCleanup(relay.__exit__)
        return relay

    def client(self, relay):
        peer = relay.peer()
        self.addCleanup(peer.socket.close)
        peer.until("* on channel lobby")
        return peer

    def test_two_relays_share_a_channel(self):
        self.redis.start()
        ann, bob = self.client(self.relay()), self.client(self.relay(by_port=True))
        ann.send("hello\r\n")
        bob.line(), ann.line()
        bob.send("many\n" * 500)
        for peer in (ann, bob):
            self.assertEqual([peer.line() for _ in range(500)], ["many"] * 500)
        self.assertEqual(self.redis.send("PUBLISH", "lobby", "outside"), ":2")
        self.assertEqual([ann.line(), bob.line()], ["outside", "outside"])
        ann.send("/quit\n")
        self.assertEqual(ann.rest(), [])

    def test_the_server_goes_away_and_comes_back(self):
        for by_port in (False, True):
            with self.subTest(by_port=by_port):
                self.redis.start()
                relay = self.relay(by_port=by_port)
                ann = self.client(relay)
                for _ in range(3):
                    self.redis.stop()
                    self.assertEqual(ann.line(), "* redis is away")
                    ann.send("lost\n")
                    self.assertEqual(ann.line(), "* not sent: redis is away")
                    self.redis.start()
                    self.assertEqual(ann.line(), "* on channel lobby")
                    ann.send("kept\n")
                    self.assertEqual(ann.line(), "kept")
                ann.socket.close()
                self.assertEqual(relay.stop(), 0)
                self.redis.stop()

    def test_the_server_comes_late(self):
        relay = self.relay()
        with relay.peer() as ann:
            self.assertEqual(ann.line(), "* redis is away")
            self.redis.start()
            self.assertEqual(ann.line(), "* on channel lobby")

    def test_one_of_the_two_connections_is_lost(self):
        self.redis.start()
        ann = self.client(self.relay())
        for kind in ("pubsub", "normal"):
            self.redis.send("CLIENT", "KILL", "TYPE", kind)
            self.assertEqual(ann.line(), "* redis is away")
            self.assertEqual(ann.line(), "* on channel lobby")
        ann.send("still there\n")
        self.assertEqual(ann.line(), "still there")

    def test_a_connection_that_is_lost_while_it_is_written_to_raises_no_signal(self):
        self.redis.start()
        relay = self.relay()
        ann = self.client(relay)
        relay.process.send_signal(signal.SIGPIPE)  # hiredis' write, which may come just too late
        ann.send("still there\n")
        self.assertEqual(ann.line(), "still there")

    def test_a_server_that_does_not_answer_costs_no_memory(self):
        self.redis.start()
        ann = self.client(self.relay("--max-pending", "100"))
        self.redis.process.send_signal(signal.SIGSTOP)
        ann.send("waits\n" * 101)
        self.assertEqual(ann.line(), "* not sent: redis is too slow")
        self.redis.process.send_signal(signal.SIGCONT)
        self.assertEqual([ann.line() for _ in range(100)], ["waits"] * 100)
        deadline = time.monotonic() + program.PATIENCE
        answer = None
        while answer != "again":  # redis may have answered later than it sent the messages
            self.assertLess(time.monotonic(), deadline)
            ann.send("again\n")
            answer = ann.line()

    def test_a_server_that_never_accepts(self):
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", self.redis.port))
            deaf.listen(0)
            port = deaf.getsockname()
            fill = [socket.socket() for _ in range(4)]  # the kernel's queue is full after these
            for each in fill:
                each.setblocking(False)
                each.connect_ex(port)
            relay = self.relay("--connect-time", "0.1", by_port=True)
            with relay.peer() as ann:
                self.assertEqual(ann.line(), "* redis is away")
            for each in fill:
                each.close()
        self.redis.start()
        self.client(relay)

    def test_no_redis_server_at_all_is_exit_code_1(self):
        for server in ("nowhere", ":6379x", "host:0", "host:65536"):
            code, out, err = program.start_failing("--port", "0", "--redis", server)
            self.assertEqual((code, out, err.count("\n")), (1, "", 1))
            self.assertIn(server, err)

    def test_stop_tells_the_clients(self):
        self.redis.start()
        relay = self.relay()
        ann = self.client(relay)
        relay.process.terminate()
        self.assertEqual(ann.rest(), ["* the relay stops"])
        ann.socket.close()
        self.assertEqual(relay.process.wait(program.PATIENCE), 0)


if __name__ == "__main__":
    program.PLACE += ["--redis", "127.0.0.1:1"]  # nobody there
    program.main()
