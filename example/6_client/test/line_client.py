# SPDX-License-Identifier: BSL-1.0
"""The line client, with the echo server of lesson 1 and with peers of Python.

Usage: line_client.py PROGRAM CERTIFICATES ECHO
"""

import os
import select
import subprocess
import sys
import tempfile
import threading
import unittest

import peers
from peers import program, run, server

ECHO = sys.argv.pop(3)
LIMIT = 64 * 1024 * 1024  # bytes, more than all buffers on the way together


def echo(connection):
    """Sends everything back, and ends after the client."""
    while data := connection.recv(65536):
        connection.sendall(data)
    if hasattr(connection, "unwrap"):
        connection.unwrap()


class LineClient(peers.Client, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ca = peers.CERTIFICATES["ca"][0]
        cls.echo = subprocess.Popen([ECHO, "--port", "0"],
                                    stdout=subprocess.PIPE, text=True)
        cls.port = cls.echo.stdout.readline().strip().strip("/").rsplit(":", 1)[1]

    @classmethod
    def tearDownClass(cls):
        cls.echo.kill()
        cls.echo.wait()
        cls.echo.stdout.close()

    def test_lines_come_back(self):
        for host in ("127.0.0.1", "localhost"):
            self.assertEqual(run(host, self.port, data="one\n\nthree words here\n"),
                             (0, b"one\n\nthree words here\n", []))
        self.assertEqual(run("127.0.0.1", self.port, data=""), (0, b"", []))

    def test_each_line_when_it_is_there(self):
        with subprocess.Popen([*program.COMMAND, "127.0.0.1", self.port], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as client:
            for line in ("one\n", "two\n"):
                client.stdin.write(line)
                client.stdin.flush()
                self.assertEqual(client.stdout.readline(), line)
            client.stdin.close()
            self.assertEqual((client.wait(program.PATIENCE), client.stdout.read()), (0, ""))

    def test_many_lines_from_a_pipe_and_from_a_file(self):
        data = b"".join(b"line %d\n" % n for n in range(50_000))
        self.assertEqual(run("127.0.0.1", self.port, data=data), (0, data, []))
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.seek(0)
            self.assertEqual(run("127.0.0.1", self.port, stdin=file), (0, data, []))

    def test_standard_input_that_cannot_be_read(self):
        folder = os.open("/", os.O_RDONLY)
        self.addCleanup(os.close, folder)
        self.fails(["standard input", "directory"], "127.0.0.1", self.port, stdin=folder)

    def test_standard_output_that_cannot_be_written(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([*program.COMMAND, "127.0.0.1", self.port], input=b"x\n", stdout=full,
                                  stderr=subprocess.PIPE, timeout=program.PATIENCE)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"standard output", done.stderr)

    def test_a_server_that_reads_late_is_not_written_to(self):
        free = threading.Event()

        def serve(connection):
            free.wait(program.PATIENCE)
            echo(connection)

        with server(serve) as port, subprocess.Popen(
                [*program.COMMAND, "127.0.0.1", str(port)], stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL) as client:
            written = 0
            while written < LIMIT and select.select([], [client.stdin], [], 0.5)[1]:
                written += os.write(client.stdin.fileno(), b"x" * 999 + b"\n")
            self.assertLess(written, LIMIT)
            free.set()
            client.stdin.close()
            self.assertEqual(client.wait(program.PATIENCE), 0)

    def test_the_server_ends_first(self):
        def serve(connection):
            connection.sendall(b"one\nno end")

        with server(serve) as port:
            reader, writer = os.pipe()  # standard input stays open
            self.assertEqual(run("127.0.0.1", str(port), stdin=reader), (0, b"one\nno end", []))
            os.close(reader)
            os.close(writer)

    def test_the_server_resets(self):
        with server(peers.reset) as port:
            self.fails([f"127.0.0.1:{port}", "reset"], "127.0.0.1", str(port))

    def test_a_line_that_is_too_long(self):
        self.fails([f"127.0.0.1:{self.port}", "max_bytes"], "127.0.0.1", self.port, "--max-line", "10",
                   data="x" * 100 + "\n")

    def test_tls(self):
        data = b"".join(b"line %d\n" % n for n in range(5_000))
        with server(echo, "localhost") as port:
            self.assertEqual(run("localhost", str(port), "--tls", "--ca", self.ca, data=data),
                             (0, data, []))

    def test_tls_that_is_cut(self):
        def serve(connection):
            connection.recv(1)  # the client's end
            connection.sendall(b"one\n")

        with server(serve, "localhost") as port:
            out = self.fails([f"localhost:{port}", "truncated"],
                             "localhost", str(port), "--tls", "--ca", self.ca)
        self.assertEqual(out, b"one\n")

    def test_certificates_that_are_refused(self):
        for identity, cause in (("other", "mismatch"), ("expired", "expired"), ("self_signed", "self"),
                                ("foreign", "issuer")):
            with self.subTest(identity), server(echo, identity) as port:
                self.fails([f"localhost:{port}", cause], "localhost", str(port), "--tls", "--ca", self.ca,
                           data="secret\n")

    def test_nobody_there(self):
        port = str(peers.free_port())
        self.fails([f"127.0.0.1:{port}", "refused"], "127.0.0.1", port)
        self.fails(["no..name:80", "not found"], "no..name", "80")

    def test_a_handshake_that_does_not_end(self):
        with server(lambda connection: connection.recv(65536) and connection.recv(1)) as port:
            self.fails([f"localhost:{port}", "timed out"],
                       "localhost", str(port), "--tls", "--ca", self.ca, "--timeout", "0.2")

    def test_bad_operands(self):
        for port in ("0", "65536", "80x", ""):
            self.fails([f"'{port}'", "port"], "localhost", port)
        self.fails(["--ca", "--tls"], "localhost", "80", "--ca", self.ca)
        self.fails(["/none.pem"], "localhost", "80", "--tls", "--ca", "/none.pem")


peers.main()
