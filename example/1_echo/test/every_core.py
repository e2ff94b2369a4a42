# SPDX-License-Identifier: BSL-1.0
"""An echo server on every core, by threads or by processes, as its clients see it.

Usage: every_core.py PROGRAM --threads|--processes
"""

import contextlib
import os
import pathlib
import signal
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "support"))
import program
from program import Conventions, Program

WORKERS = sys.argv.pop(2)  # the option that says how many


class EveryCore(Conventions, unittest.TestCase):
    watched_options = (WORKERS, "1")

    def watched(self, program):
        pid = program.process.pid
        if WORKERS == "--threads":
            return pid
        return int(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text())

    def test_lines_come_back_on_many_connections(self):
        with Program(WORKERS, "3") as echo:
            peers = [echo.peer() for _ in range(60)]
            for turn in range(3):
                for number, peer in enumerate(peers):
                    peer.send(f"{turn} {number}\n")
                for number, peer in enumerate(peers):
                    self.assertEqual(peer.line(), f"{turn} {number}")
            for peer in peers:
                peer.socket.close()
            self.assertEqual(echo.stop(), 0)

    def test_there_are_as_many_workers_as_were_asked_for(self):
        for count in (1, 4):
            with Program(WORKERS, str(count)) as echo:
                self.assertEqual(workers(echo.process.pid, count), count)

    def test_one_for_each_core_by_default(self):
        with Program() as echo:
            self.assertIn(workers(echo.process.pid, 1), range(1, len(os.sched_getaffinity(0)) + 1))

    def test_a_silent_connection_is_closed_by_whichever_worker_has_it(self):
        with Program(WORKERS, "2", "--idle-time", "0.1") as echo:
            peers = [echo.peer() for _ in range(4)]
            for peer in peers:
                with peer:
                    self.assertEqual(peer.rest(), [])

    def test_a_unix_socket_whose_file_goes_at_the_end(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "echo")
            with Program(WORKERS, "2", place=["--unix", path]) as echo:
                with echo.peer() as first, echo.peer() as second:
                    for peer in (first, second):
                        peer.send("x\n")
                        self.assertEqual(peer.line(), "x")
                self.assertEqual(echo.stop(), 0)
            self.assertFalse(os.path.exists(path))

    def test_a_stop_waits_for_the_live_connections_of_every_worker(self):
        with Program(WORKERS, "2") as echo:
            peers = [echo.peer() for _ in range(8)]
            for peer in peers:
                peer.send("1\n")
                self.assertEqual(peer.line(), "1")
            echo.process.send_signal(signal.SIGTERM)
            for peer in peers:
                peer.send("2\n")
                self.assertEqual(peer.line(), "2")
                peer.socket.close()
            self.assertEqual(echo.process.wait(program.PATIENCE), 0)

    @unittest.skipIf(WORKERS == "--processes", "the supervisor keeps the socket for its workers")
    def test_a_stopping_server_refuses_new_connections(self):
        with Program(WORKERS, "2") as echo, echo.peer() as peer:
            peer.send("1\n")
            self.assertEqual(peer.line(), "1")
            echo.process.send_signal(signal.SIGTERM)
            with self.assertRaises(ConnectionRefusedError):
                while True:
                    with contextlib.suppress(ConnectionResetError):  # in the queue that was closed
                        echo.peer().socket.close()
            peer.socket.close()
            self.assertEqual(echo.process.wait(program.PATIENCE), 0)

    def test_a_second_signal_ends_the_wait(self):
        with Program(WORKERS, "2", "--drain-time", "600") as echo, echo.peer() as peer:
            peer.send("1\n")
            self.assertEqual(peer.line(), "1")
            echo.process.send_signal(signal.SIGTERM)
            self.assertIn(echo.stop(signal.SIGINT), (0, 1))


def workers(pid, expected):
    """How many threads a process has, or processes it has started, once there are so many."""
    deadline = time.monotonic() + program.PATIENCE
    while True:
        if WORKERS == "--threads":
            count = len(os.listdir(f"/proc/{pid}/task"))
        else:
            count = len(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        if count >= expected or time.monotonic() > deadline:
            return count


program.main()
