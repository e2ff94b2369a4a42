# SPDX-License-Identifier: BSL-1.0
"""An example program under test, and a peer that talks to it in lines; nothing waits without an end."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

PATIENCE = 30  # seconds, for anything that is waited for
COMMAND = []  # the program under test, set by main()
PLACE = ["--port", "0"]


class Program:
    """The program, started on a free port; `listening` is its one line on standard output."""

    def __init__(self, *arguments, place=None, stderr=None):
        self.process = subprocess.Popen([*COMMAND, *(place or PLACE), *arguments],
                                        stdout=subprocess.PIPE, stderr=stderr, text=True)
        self.listening = self.process.stdout.readline().strip()
        assert self.listening.startswith("listening on "), self.listening

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def peer(self, which=0, receive_buffer=None):
        """A new connection to the `which`th place where the program listens."""
        place = re.findall(r"(?:unix:|//)([^,/ ]+:\d+|/[^, ]+)", self.listening)[which]
        peer = socket.socket(socket.AF_UNIX if place.startswith("/") else socket.AF_INET)
        peer.settimeout(PATIENCE)
        if receive_buffer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        host, _, port = place.rpartition(":")
        try:
            peer.connect(place if place.startswith("/") else (host, int(port)))
        except OSError:
            peer.close()
            raise
        return Peer(peer)

    def stop(self, number=signal.SIGTERM):
        """Asks the program to end; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def memory(self):
        """KiB that it has used at most."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status).group(1))


class Peer:
    """One connection, read in lines or bytes."""

    def __init__(self, connection):
        self.socket = connection
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def line(self):
        """The next line without its end; None at the end of the stream."""
        while b"\n" not in self.buffer:
            if not self._receive():
                return None
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode()

    def read(self, size):
        while len(self.buffer) < size:
            if not self._receive():
                raise EOFError(f"{len(self.buffer)} of {size} bytes")
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def until(self, text):
        """Reads lines until one contains `text`; returns them all."""
        lines = []
        while not lines or text not in lines[-1]:
            line = self.line()
            if line is None:
                raise EOFError(f"no '{text}' in {lines}")
            lines.append(line)
        return lines

    def rest(self):
        """All lines until the end of the stream."""
        return list(iter(self.line, None))

    def _receive(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return data


def start_failing(*arguments):
    """Runs the program to its end; exit code, standard output and standard error."""
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


class Conventions:
    """What holds of every example server; mixed into a TestCase of each."""

    def test_help(self):
        code, out, err = start_failing("--help")
        self.assertEqual((code, err), (0, ""))
        for option in ("--port", "--address", "--unix", "--drain-time"):
            self.assertIn(option, out)

    def test_unknown_option_is_one_line_and_exit_code_1(self):
        code, out, err = start_failing("--no-such-option")
        self.assertEqual((code, out, err.count("\n")), (1, "", 1))
        self.assertIn("--no-such-option", err)

    def test_port_in_use_is_one_line_and_exit_code_1(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = str(other.getsockname()[1])
            code, out, err = start_failing("--port", port)
        self.assertEqual((code, out, err.count("\n")), (1, "", 1))
        self.assertIn(port, err)

    def test_listens_on_this_machine_alone_unless_told_otherwise(self):
        with Program() as program:
            self.assertEqual(set(re.findall(r"//([^:/]+):", program.listening)), {"127.0.0.1"})
        with Program("--address", "0.0.0.0") as program:
            self.assertEqual(set(re.findall(r"//([^:/]+):", program.listening)), {"0.0.0.0"})

    watched_options = ()

    def watched(self, program):
        """The process whose loop tells what it waits for."""
        return program.process.pid

    def test_SIGUSR1_prints_what_it_waits_for(self):
        with (tempfile.TemporaryFile() as said, Program(*self.watched_options, stderr=said) as program,
              program.peer() as peer):
            mine = re.escape("(%s:%d)" % peer.socket.getsockname())
            expected = [r"^loop: running, ", r"^signals: .*10 \(User defined signal 1\)",
                        r"^listening on 127\.0\.0\.1:", rf"^connection \d+ {mine}: descriptor \d+, "]
            deadline = time.monotonic() + PATIENCE
            text = ""  # of several descriptions, until the connection has been accepted
            while not all(re.search(line, text, re.M) for line in expected):
                self.assertLess(time.monotonic(), deadline, text)
                os.kill(self.watched(program), signal.SIGUSR1)
                time.sleep(0.02)
                text = os.pread(said.fileno(), 1 << 20, 0).decode()
            peer.socket.close()
            self.assertEqual(program.stop(), 0)

    def test_signals_end_it_with_exit_code_0(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with Program("--drain-time", "0.5") as program, program.peer():
                self.assertEqual(program.stop(number), 0)


def main():
    """usage: test.py PROGRAM [unittest's own arguments]"""
    COMMAND[:] = [sys.argv.pop(1)]
    unittest.main(verbosity=2)
