#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The demo's HTTPS.

Usage: https.py PROGRAM
"""

import os
import pathlib
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import time
import unittest

from client import STATE, Server, ended, receive, receive_all

GET = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
KEPT = pathlib.Path(STATE.name) / "tornado_asio/localhost.pem"


class Case(unittest.TestCase):
    def setUp(self):
        self.log = tempfile.TemporaryFile()
        self.addCleanup(self.log.close)

    def start(self, *options):
        server = Server(self.log, *options)
        self.addCleanup(lambda: self.assertEqual(server.stop(), 0))
        return server

    def new_certificate(self):
        """A folder with a certificate that the demo made."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        with tempfile.TemporaryFile() as log:
            self.assertEqual(Server(log, "--state", folder.name).stop(), 0)
        return pathlib.Path(folder.name) / "localhost.pem"

    def connect(self, server, certificate=KEPT, name="localhost", protocols=(), version=None):
        context = ssl.create_default_context(cafile=str(certificate))
        if protocols:
            context.set_alpn_protocols(protocols)
        if version:
            context.maximum_version = version
        plain = socket.create_connection(("127.0.0.1", server.tls_port), 10)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            connection = context.wrap_socket(plain, server_hostname=name)
        except BaseException:
            plain.close()
            raise
        self.addCleanup(connection.close)
        return connection

    def lines(self):
        return os.pread(self.log.fileno(), 1 << 24, 0).decode().splitlines()

    def wait_for_line(self, text):
        deadline = time.monotonic() + 10
        while not any(text in line for line in self.lines()):
            self.assertLess(time.monotonic(), deadline, f"no {text!r} in {self.lines()}")
            time.sleep(0.01)

    def healthy(self, connection):
        connection.sendall(GET)
        return receive(connection).body == b"ok\n"


class Service(Case):
    def test_keep_alive_and_batches(self):
        server = self.start()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            connection = self.connect(server, version=version)
            for _ in range(3):
                self.assertTrue(self.healthy(connection))
            connection.sendall(GET * 500)
            self.assertEqual([answer.status for answer in receive_all(connection, 500)], [200] * 500)
            body = bytes(range(256)) * 4096
            connection.sendall(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"
                               % len(body) + body)
            self.assertEqual(receive(connection).body, body)
            connection.sendall(GET.replace(b"Host", b"Connection: close\r\nHost"))
            self.assertEqual(receive(connection).fields["connection"], "close")
            self.assertEqual(connection.recv(1), b"")  # close_notify: no error

    def test_the_certificate_is_for_this_machine(self):
        server = self.start()
        for name in ("localhost", "127.0.0.1", "::1"):
            self.assertTrue(self.healthy(self.connect(server, name=name)))
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.connect(server, name="other.test")
        self.assertTrue(self.healthy(self.connect(server)))

    def test_protocols(self):
        server = self.start()
        connection = self.connect(server, protocols=["h2", "http/1.1"])
        self.assertEqual(connection.selected_alpn_protocol(), "http/1.1")
        self.assertTrue(self.healthy(connection))
        self.assertIsNone(self.connect(server).selected_alpn_protocol())
        with self.assertRaisesRegex(ssl.SSLError, "(?i)no.application.protocol"):
            self.connect(server, protocols=["h2"])

    def test_both_servers_are_one_site(self):
        server = self.start()
        watching = self.connect(server)
        watching.sendall(b"GET /events HTTP/1.1\r\nHost: h\r\n\r\n")
        text = receive(watching).rest
        with server.connect() as plain:
            self.assertTrue(self.healthy(plain))
            while text.count(b"\n\n") < 20 and b'"connections":2,"accepted":2,' not in text:
                text += watching.recv(65536)
        self.assertIn(b'"connections":2,"accepted":2,', text)

    def test_clear_text_on_the_port_of_https(self):
        server = self.start()
        live = self.connect(server)
        with socket.create_connection(("127.0.0.1", server.tls_port), 10) as plain:
            plain.sendall(GET)
            self.assertTrue(ended(plain))
        with socket.create_connection(("127.0.0.1", server.tls_port), 10) as plain:
            plain.close()  # a port scan
        self.assertTrue(self.healthy(live))
        self.assertTrue(self.healthy(self.connect(server)))

    def test_T205_a_handshake_that_does_not_end(self):
        server = self.start("--first-byte-time", "0.5")
        with socket.create_connection(("127.0.0.1", server.tls_port), 10) as silent:
            self.assertTrue(ended(silent))

    def test_T207_what_is_under_way_is_finished(self):
        server = Server(self.log)
        idle, busy = self.connect(server), self.connect(server)
        self.assertTrue(self.healthy(idle))
        self.assertTrue(self.healthy(busy))
        busy.sendall(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\na")
        time.sleep(0.2)  # it has arrived
        server.process.send_signal(signal.SIGTERM)
        self.assertTrue(ended(idle))
        busy.sendall(b"b")
        self.assertEqual(receive(busy).body, b"ab")
        self.assertEqual(busy.recv(1), b"")
        busy.close()
        self.assertEqual(server.stop(0), 0)

    def test_no_tls(self):
        self.assertIsNone(self.start("--no-tls").tls_port)

    @unittest.skipUnless(shutil.which("curl"), "curl is not installed")
    def test_curl(self):
        server = self.start()
        url = f"https://localhost:{server.tls_port}/healthz"
        for options in (("-k",), ("--cacert", str(KEPT)), ("--cacert", str(KEPT), "--tls-max", "1.2")):
            done = subprocess.run(["curl", "-sS", "--noproxy", "*", "-m", "10", *options, url, url],
                                  capture_output=True, text=True, timeout=30)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "ok\nok\n", ""))
        done = subprocess.run(["curl", "-s", "--noproxy", "*", "-m", "10", url], timeout=30)
        self.assertEqual(done.returncode, 60)  # an authority that curl does not know


class Certificates(Case):
    def test_it_is_made_once_and_kept(self):
        self.start()
        first = KEPT.read_bytes()
        self.assertEqual(stat.S_IMODE(KEPT.stat().st_mode), 0o600)
        self.start()
        self.assertEqual(KEPT.read_bytes(), first)

    def test_reload(self):
        first, second = self.new_certificate(), self.new_certificate()
        with tempfile.TemporaryDirectory() as folder:
            used = pathlib.Path(folder) / "used.pem"
            used.write_bytes(first.read_bytes())
            server = self.start("--certfile", str(used))
            live = self.connect(server, first)
            self.assertTrue(self.healthy(live))

            used.write_bytes(second.read_bytes())
            with self.assertRaises(ssl.SSLCertVerificationError):
                self.connect(server, second)  # not read yet
            server.process.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + 10
            while True:
                try:
                    fresh = self.connect(server, second)
                    break
                except ssl.SSLCertVerificationError:
                    self.assertLess(time.monotonic(), deadline)
            self.assertTrue(self.healthy(fresh))
            self.assertTrue(self.healthy(live))

            used.write_text("nonsense")
            server.process.send_signal(signal.SIGHUP)
            self.wait_for_line(str(used))
            self.assertTrue(self.healthy(live))
            self.assertTrue(self.healthy(self.connect(server, second)))

    def test_bad_options_are_one_line_and_exit_code_1(self):
        certificate = str(self.new_certificate())
        other = str(self.new_certificate())
        for options, texts in ((("--certfile", "/none.pem"), ("/none.pem", "No such file")),
                               (("--keyfile", certificate), ("--certfile",)),
                               (("--certfile", certificate, "--keyfile", other),
                                (certificate, other, "does not belong")),
                               (("--state", certificate + "/x"), (certificate, "--state"))):
            done = subprocess.run([sys.argv[1], "--port", "0", *options],
                                  capture_output=True, text=True, timeout=10)
            self.assertEqual((done.returncode, done.stdout), (1, ""), options)
            self.assertRegex(done.stderr, r"\Ahttp: [^\n]*\n\Z")
            for text in texts:
                self.assertIn(text, done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
