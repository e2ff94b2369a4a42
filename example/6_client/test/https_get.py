# SPDX-License-Identifier: BSL-1.0
"""The HTTPS client, with the server of lesson 3 and with peers of Python.

Usage: https_get.py PROGRAM CERTIFICATES HTTP
"""

import functools
import http.server
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import peers
from peers import program, run, server

HTTP = sys.argv.pop(3)


def answering(data, clean=True):
    """A server that reads a request, says `data`, and ends the connection, `clean` with close_notify."""
    def serve(connection):
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += connection.recv(65536)
        connection.sendall(data)
        if clean:
            connection.unwrap()

    return server(serve, "localhost")


class HttpsGet(peers.Client, unittest.TestCase):
    def setUp(self):
        self.ca = peers.CERTIFICATES["ca"][0]

    def get(self, port, path="/", host="localhost", *options):
        return run(f"https://{host}:{port}{path}", "--ca", self.ca, *options)

    def get_fails(self, texts, port, *options, host="localhost"):
        return self.fails([f"{host}:{port}", *texts], f"https://{host}:{port}/", "--ca", self.ca, *options)

    def answer(self, data, clean=True):
        with answering(data, clean) as port:
            return self.get(port)

    def truncated(self, data, clean=True):
        """What is printed of an answer that ends too early."""
        with answering(data, clean) as port:
            code, out, err = self.get(port)
        self.assertEqual(code, 1)
        self.assertRegex(err[-1], rf"https_get: localhost:{port}, [a-z ]+: truncated: ")
        return out

    def test_the_server_of_lesson_3(self):
        certfile, keyfile = peers.CERTIFICATES["localhost"]
        served = subprocess.Popen(
            [HTTP, "--port", "0", "--tls-port", "0", "--quiet",
             "--certfile", certfile, "--keyfile", keyfile], stdout=subprocess.PIPE, text=True)
        try:
            port = re.search(r"https://127\.0\.0\.1:(\d+)", served.stdout.readline())[1]
            for host in ("localhost", "127.0.0.1"):
                self.assertEqual(self.get(port, "/healthz", host), (0, b"ok\n", ["HTTP/1.1 200 OK"]))
            page = pathlib.Path(__file__).parents[2] / "3_http/www/index.html"
            self.assertEqual(self.get(port)[:2], (0, page.read_bytes()))
            self.assertEqual(self.get(port, "/none")[2], ["HTTP/1.1 404 Not Found"])
        finally:
            served.terminate()
            self.assertEqual(served.wait(program.PATIENCE), 0)
            served.stdout.close()

    def test_the_server_of_python(self):
        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

        with tempfile.TemporaryDirectory() as folder:
            data = os.urandom(3_000_000)
            (pathlib.Path(folder) / "data").write_bytes(data)
            with http.server.ThreadingHTTPServer(
                    ("127.0.0.1", 0), functools.partial(Handler, directory=folder)) as served:
                served.socket = peers.server_context("localhost").wrap_socket(served.socket,
                                                                              server_side=True)
                thread = threading.Thread(target=served.serve_forever)
                thread.start()
                try:
                    self.assertEqual(self.get(served.server_port, "/data"),
                                     (0, data, ["HTTP/1.0 200 OK"]))
                finally:
                    served.shutdown()
                    thread.join()

    def test_what_is_asked(self):
        requests = []

        def serve(connection):
            requests.append(connection.recv(65536).decode())
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

        for rest, target in (("", "/"), ("/a/b?c=d#e", "/a/b?c=d"), ("?x", "/?x")):
            with server(serve, "localhost") as port:
                self.assertEqual(self.get(port, rest), (0, b"", ["HTTP/1.1 204 No Content"]))
            lines = requests[-1].split("\r\n")
            self.assertEqual(lines[0], f"GET {target} HTTP/1.1")
            self.assertIn(f"Host: localhost:{port}", lines)
            self.assertIn("Connection: close", lines)

    def test_three_kinds_of_body(self):
        for data in (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
                     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n"
                     b"0\r\nTrailer: x\r\n\r\n",
                     b"HTTP/1.1 200 OK\r\n\r\nhello",
                     b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                     b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"):
            self.assertEqual(self.answer(data), (0, b"hello", ["HTTP/1.1 200 OK"]), data)

    def test_a_redirection_is_not_followed(self):
        self.assertEqual(self.answer(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 1\r\n\r\n!"),
                         (0, b"!", ["HTTP/1.1 302 Found"]))

    def test_an_end_of_tls_does_not_matter_after_the_body(self):
        self.assertEqual(self.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", clean=False),
                         (0, b"hello", ["HTTP/1.1 200 OK"]))

    def test_truncation(self):
        length = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello"
        chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
        for data in (length, chunks):
            for clean in (True, False):
                self.assertEqual(self.truncated(data, clean), b"hello")
        self.assertEqual(self.truncated(b"HTTP/1.1 200 OK\r\n\r\nhello", clean=False), b"hello")
        for data in (b"", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nContent-"):
            for clean in (True, False):
                self.assertEqual(self.truncated(data, clean), b"")

    def test_what_is_no_answer(self):
        for data in (b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
                     b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"):
            with answering(data) as port:
                self.get_fails(["waiting for the answer"], port)

    def test_certificates_that_are_refused(self):
        for identity, cause in (("other", "mismatch"), ("expired", "expired"), ("self_signed", "self"),
                                ("foreign", "issuer")):
            with self.subTest(identity), server(lambda _: None, identity) as port:
                self.get_fails(["connecting", cause], port)

    def test_the_systems_store(self):
        data = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!"
        for store, end in ((self.ca, 0), (peers.CERTIFICATES["foreign"][0], 1)):
            with answering(data) as port:
                code, _, err = run(f"https://localhost:{port}/", env={**os.environ, "SSL_CERT_FILE": store})
            self.assertEqual(code, end, err)

    def test_nobody_there(self):
        self.get_fails(["connecting", "refused"], peers.free_port())
        self.get_fails(["connecting"], peers.free_port(), host="[::1]")
        self.get_fails(["connecting", "not found"], 443, host="no..name")

    def test_one_deadline_for_all_of_it(self):
        def after(data):
            def serve(connection):
                connection.sendall(data)
                while connection.recv(65536):
                    pass

            return serve

        for serve, identity, stage in (
                (after(b""), None, "connecting"),
                (after(b""), "localhost", "waiting for the answer"),
                (after(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello"), "localhost",
                 "reading the body")):
            with self.subTest(stage), server(serve, identity) as port:
                begin = time.monotonic()
                code, _, err = self.get(port, "/", "localhost", "--timeout", "0.3")
                self.assertLess(time.monotonic() - begin, 10)
            self.assertEqual((code, err[-1]),
                             (1, f"https_get: localhost:{port}, {stage}: Connection timed out"))

    def test_a_body_that_trickles_does_not_move_the_deadline(self):
        def serve(connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:  # until the client has gone
                connection.sendall(b".")
                time.sleep(0.02)

        with server(serve, "localhost") as port:
            code, out, err = self.get(port, "/", "localhost", "--timeout", "0.3")
        self.assertEqual((code, set(out)), (1, {ord(".")}))
        self.assertIn("timed out", err[-1])

    def test_bad_urls(self):
        for url in ("localhost", "http://localhost/", "https://", "https:///x", "https://h:0/",
                    "https://h:65536/", "https://h:/", "https://[::1/", "https://[::1]x/",
                    "https://user@h/", "https://h/a b", "https://h/\r\nX: y"):
            code, _, err = run(url)
            self.assertEqual(code, 1)
            self.assertTrue("\n".join(err).replace("\n", "").startswith("https_get: '" + url.split("\r")[0]),
                            err)


peers.main()
