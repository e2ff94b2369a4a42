# SPDX-License-Identifier: BSL-1.0
"""An echo server as its clients see it.

Usage: dialogue.py PROGRAM
"""

import os
import pathlib
import signal
import socket
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "support"))
from program import Conventions, Program, main


class Echo(Conventions, unittest.TestCase):
    def test_lines_come_back(self):
        with Program() as program, program.peer() as peer:
            for text in (b"one\n", b"\n", b"three words here\n", bytes(range(11, 256)) + b"\n"):
                peer.send(text)
                self.assertEqual(peer.read(len(text)), text)

    def test_pipelined_lines_come_back_in_order(self):
        data = b"".join(b"line %d\n" % n for n in range(100_000))
        with Program() as program, program.peer() as peer:
            sender = threading.Thread(target=peer.send, args=(data,))
            sender.start()
            self.assertEqual(peer.read(len(data)), data)
            sender.join()

    def test_a_client_that_ends_its_side_gets_every_line(self):
        long = "x" * 50_000
        with Program() as program, program.peer() as peer:
            peer.send(f"one\ntwo\n{long}\nunfinished")
            peer.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(peer.rest(), ["one", "two", long])
            self.assertEqual(peer.buffer, b"")

    def test_a_client_that_does_not_read_is_not_read_from(self):
        with Program() as program, program.peer(receive_buffer=4096) as peer:
            peer.socket.settimeout(0.5)
            with self.assertRaises(TimeoutError):
                while True:
                    peer.send(b"x" * 999 + b"\n")
            self.assertLess(program.memory(), 64 * 1024)

    def test_a_line_that_is_too_long_ends_only_its_connection(self):
        with Program("--max-line", "1000") as program:
            with program.peer() as long, program.peer() as other:
                long.send(b"x" * 2000)
                self.assertEqual(long.rest(), [])
                other.send("y" * 900 + "\n")
                self.assertEqual(other.line(), "y" * 900)

    def test_a_silent_connection_is_closed(self):
        with Program("--idle-time", "0.1") as program, program.peer() as peer:
            self.assertEqual(peer.rest(), [])

    def test_one_connection_at_a_time(self):
        with Program("--max-connections", "1") as program:
            with program.peer() as first:
                first.send("1\n")
                self.assertEqual(first.line(), "1")
                second = program.peer()
                second.send("2\n")
            with second:
                self.assertEqual(second.line(), "2")

    def test_a_unix_socket_whose_file_goes_at_the_end(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "echo")
            with Program(place=["--unix", path]) as program:
                with program.peer() as peer:
                    peer.send("x\n")
                    self.assertEqual(peer.line(), "x")
                self.assertEqual(program.stop(), 0)
            self.assertFalse(os.path.exists(path))

    def test_a_stop_waits_for_live_connections(self):
        with Program() as program, program.peer() as peer:
            peer.send("1\n")
            self.assertEqual(peer.line(), "1")
            program.process.send_signal(signal.SIGTERM)
            peer.send("2\n")
            self.assertEqual(peer.line(), "2")
            peer.socket.close()
            self.assertEqual(program.process.wait(5), 0)

    def test_a_second_signal_ends_the_wait(self):
        with Program("--drain-time", "600") as program, program.peer() as peer:
            peer.send("1\n")
            self.assertEqual(peer.line(), "1")
            program.process.send_signal(signal.SIGTERM)
            self.assertEqual(program.stop(signal.SIGINT), 0)


main()
