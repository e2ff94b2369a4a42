# SPDX-License-Identifier: BSL-1.0
"""The demo as a child process, and a client that says exactly what it is told to."""

import atexit
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile

STATE = tempfile.TemporaryDirectory()  # in place of the user's own
atexit.register(STATE.cleanup)
os.environ["XDG_STATE_HOME"] = STATE.name


class Server:
    """Starts the program on a free port; the log is kept in a file object."""

    def __init__(self, log, *options):
        self.process = subprocess.Popen(
            [sys.argv[1], "--port", "0", *options],
            stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        match = re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+)/"
                             r"(?:, https://127\.0\.0\.1:(\d+)/)?\n", line)
        if not match:
            self.process.kill()
            code = self.process.wait()
            said = ""
            if hasattr(log, "read"):
                log.seek(0)
                said = log.read().decode(errors="replace")
            raise RuntimeError(f"the server said {line!r} and ended with {code}; its log:\n{said}")
        self.port, self.tls_port = (int(port) if port else None for port in match.groups())

    def stop(self, signal_number=signal.SIGTERM):
        """Stops it and returns its exit code."""
        self.process.send_signal(signal_number)
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()

    def connect(self, timeout=10):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


class Answer:
    def __init__(self, head, body, rest):
        lines = head.decode("latin-1").split("\r\n")
        self.version, status, self.reason = lines[0].split(" ", 2)
        self.status = int(status)
        self.fields = {}
        for line in lines[1:]:
            name, value = line.split(": ", 1)
            self.fields[name.lower()] = value
        self.body = body
        self.rest = rest  # bytes behind it


def receive(connection, data=b"", head_only=False):
    """One answer from a connection, or None if it ends without a byte."""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            if data:
                raise AssertionError(f"half an answer: {data!r}")
            return None
        data += more
    head, data = data.split(b"\r\n\r\n", 1)
    answer = Answer(head, b"", b"")
    length = int(answer.fields.get("content-length", 0))
    if head_only or answer.status in (204, 304) or answer.status < 200:
        length = 0
    while len(data) < length:
        more = connection.recv(65536)
        if not more:
            raise AssertionError(f"{len(data)} bytes of a body of {length}")
        data += more
    answer.body, answer.rest = data[:length], data[length:]
    return answer


def receive_all(connection, count):
    """`count` answers, and whatever follows them."""
    answers, data = [], b""
    for _ in range(count):
        answers.append(receive(connection, data))
        data = answers[-1].rest
    return answers


def ended(connection):
    """True if the peer ends the connection, which it may do with a reset."""
    with contextlib.suppress(ConnectionError):
        while connection.recv(65536):
            pass
    return True


def send(connection, data):
    """Sends what the peer still takes."""
    with contextlib.suppress(ConnectionError):
        connection.sendall(data)
