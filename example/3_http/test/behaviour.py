#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The demo as its clients see it.

Usage: behaviour.py PROGRAM
"""

import email.utils
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

from client import Server, ended, receive, receive_all, send

LARGE = bytes(range(256)) * 4096  # 1 MiB


def get(path, *fields, method="GET", version="1.1"):
    lines = [f"{method} {path} HTTP/{version}", "Host: h", *fields, "", ""]
    return "\r\n".join(lines).encode()


class Case(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        outside = pathlib.Path(cls.folder.name)
        root = outside / "root"
        (root / "sub").mkdir(parents=True)
        (outside / "secret.txt").write_text("secret")
        (outside / "root-sibling").mkdir()
        (outside / "root-sibling/secret.txt").write_text("secret")
        (root / "index.html").write_text("<p>home</p>")
        (root / "sub/index.html").write_text("<p>sub</p>")
        (root / "digits.txt").write_text("0123456789")
        (root / "empty.js").write_text("")
        (root / "large.bin").write_bytes(LARGE)
        (root / ".hidden").write_text("secret")
        (root / "inside.txt").symlink_to("digits.txt")
        (root / "outside.txt").symlink_to("../secret.txt")
        (root / "absolute.txt").symlink_to(outside / "secret.txt")
        (root / "up").symlink_to("..")
        (root / "loop").symlink_to("loop")
        os.mkfifo(root / "fifo")
        cls.root = root
        cls.log = tempfile.TemporaryFile()
        cls.addClassCleanup(cls.log.close)
        cls.server = Server(cls.log, "--root", str(root), *cls.options)
        cls.addClassCleanup(cls.stop)

    @classmethod
    def stop(cls):
        code = cls.server.stop()
        errors = [line for line in cls.lines() if "tornado.application" in line]
        if code or errors:
            raise AssertionError(f"exit code {code}, logged {errors}")

    @classmethod
    def lines(cls):
        return os.pread(cls.log.fileno(), 1 << 24, 0).decode().splitlines()

    def connect(self):
        connection = self.server.connect()
        self.addCleanup(connection.close)
        return connection

    def ask(self, request):
        connection = self.connect()
        send(connection, request)
        return receive(connection, head_only=request.startswith(b"HEAD"))


class Messages(Case):
    def test_keep_alive_and_close(self):
        connection = self.connect()
        for _ in range(3):
            connection.sendall(get("/healthz"))
            answer = receive(connection)
            self.assertEqual((answer.status, answer.body), (200, b"ok\n"))
            self.assertEqual(answer.version, "HTTP/1.1")
            self.assertNotIn("connection", answer.fields)
            self.assertTrue(email.utils.parsedate_to_datetime(answer.fields["date"]))
        connection.sendall(get("/healthz", "Connection: close"))
        self.assertEqual(receive(connection).fields["connection"], "close")
        self.assertTrue(ended(connection))

    def test_version_1_0(self):
        connection = self.connect()
        connection.sendall(get("/healthz", "Connection: keep-alive", version="1.0"))
        answer = receive(connection)
        self.assertEqual((answer.version, answer.fields["connection"]), ("HTTP/1.0", "keep-alive"))
        connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        self.assertEqual(receive(connection).fields["connection"], "close")
        self.assertTrue(ended(connection))

    def test_a_batch_is_answered_in_order(self):
        connection = self.connect()
        batch = b"".join(
            get("/echo", f"Content-Length: {len(str(i))}", method="POST") + str(i).encode()
            for i in range(500))
        connection.sendall(batch + get("/large.bin") + get("/digits.txt") + get("/nothing"))
        answers = receive_all(connection, 503)
        self.assertEqual([a.body for a in answers[:500]], [str(i).encode() for i in range(500)])
        self.assertEqual(answers[500].body, LARGE)
        self.assertEqual(answers[501].body, b"0123456789")
        self.assertEqual(answers[502].status, 404)

    def test_echo(self):
        for body in (b"", b"x", LARGE):
            fields = f"Content-Length: {len(body)}"
            self.assertEqual(self.ask(get("/echo", fields, method="POST") + body).body, body)
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in
                              (body[i:i + 60000] for i in range(0, len(body), 60000)))
            request = get("/echo", "Transfer-Encoding: chunked", method="POST")
            self.assertEqual(self.ask(request + chunks + b"0\r\n\r\n").body, body)

    def test_the_body_is_asked_for(self):
        connection = self.connect()
        connection.sendall(get("/echo", "Content-Length: 2", "Expect: 100-continue", method="POST"))
        self.assertEqual(receive(connection).status, 100)
        connection.sendall(b"ab")
        self.assertEqual(receive(connection).body, b"ab")

    def test_a_body_that_is_not_wanted_is_not_asked_for(self):
        for target, method, status in (("/", "POST", 405), ("/", "BREW", 501)):
            connection = self.connect()
            connection.sendall(get(target, "Content-Length: 2", "Expect: 100-continue", method=method))
            self.assertEqual(receive(connection).status, status)
            self.assertTrue(ended(connection))

    def test_a_refusal_is_read_by_a_client_that_still_sends(self):
        connection = self.connect()
        connection.sendall(get("/echo", "Content-Length: 9000000", method="POST"))
        for _ in range(90):
            send(connection, bytes(100000))
        self.assertEqual(receive(connection).status, 413)

    def test_methods(self):
        for method in ("PUT", "DELETE", "PATCH", "TRACE", "POST"):
            answer = self.ask(get("/", method=method))
            self.assertEqual(answer.status, 405)
            self.assertEqual(answer.fields["allow"], "GET, HEAD, OPTIONS")
        self.assertEqual(self.ask(get("/echo")).fields["allow"], "POST, OPTIONS")
        self.assertEqual(self.ask(get("h:1", method="CONNECT")).status, 405)
        self.assertEqual(self.ask(get("/", method="BREW")).status, 501)
        self.assertEqual(self.ask(get("/echo", method="POST")).status, 411)
        for target in ("*", "/"):
            answer = self.ask(get(target, method="OPTIONS"))
            self.assertEqual((answer.status, "GET" in answer.fields["allow"]), (204, True))

    def test_targets(self):
        for target in ("http://other/healthz", "HTTP://h:80/healthz?q", "/%68ealthz"):
            self.assertEqual(self.ask(get(target)).body, b"ok\n")
        self.assertEqual(self.ask(b"\r\n" + get("/healthz")).status, 200)
        self.assertEqual(self.ask(get("/healthz", version="1.2")).status, 200)

    def test_the_access_log_is_tornados(self):
        self.ask(get("/log-me?a=b"))
        self.ask(b"GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n")
        self.ask(b"junk\r\n\r\n")
        time_of = r"\[%s \d{6} \d\d:\d\d:\d\d tornado\.access\] "
        for letter, text in (("W", r"404 GET /log-me\?a=b"), ("W", "400 GET /%zz"), ("W", "400 - -")):
            line = time_of % letter + text + r" \(127\.0\.0\.1\) \d+\.\d\dms"
            deadline = time.monotonic() + 5  # it is written when the answer has left
            while not any(re.fullmatch(line, each) for each in self.lines()):
                self.assertLess(time.monotonic(), deadline, line)
                time.sleep(0.01)

    def test_events(self):
        connection = self.connect()
        connection.sendall(get("/events"))
        answer = receive(connection)
        self.assertEqual(answer.fields["content-type"], "text/event-stream")
        text = answer.rest
        while text.count(b"\n\n") < 3:
            text += connection.recv(65536)
        self.assertRegex(text.split(b"\n\n")[0], rb'^data: \{"uptime":.*"rate":.*"memory":.*\}$')


class Files(Case):
    def test_types(self):
        for path, kind, body in (("/", "text/html; charset=utf-8", b"<p>home</p>"),
                                 ("/sub/", "text/html; charset=utf-8", b"<p>sub</p>"),
                                 ("/empty.js", "text/javascript; charset=utf-8", b""),
                                 ("/large.bin", "application/octet-stream", LARGE),
                                 ("/inside.txt", "text/plain; charset=utf-8", b"0123456789")):
            answer = self.ask(get(path))
            self.assertEqual((answer.status, answer.fields["content-type"]), (200, kind))
            self.assertEqual(answer.body, body)
            head = self.ask(get(path, method="HEAD"))
            self.assertEqual((head.status, head.rest), (200, b""))
            for name in ("content-length", "content-type", "etag", "last-modified"):
                self.assertEqual(head.fields[name], answer.fields[name])

    def test_nothing_leaves_the_root(self):
        for path in ("/secret.txt", "/../secret.txt", "/..%2fsecret.txt", "/%2e%2e/secret.txt",
                     "/%2e%2e%2fsecret.txt", "/sub/../../secret.txt", "/sub/%2e./%2e./secret.txt",
                     "/outside.txt", "/absolute.txt", "/up/secret.txt", "/up/root/digits.txt",
                     "/../root-sibling/secret.txt", "//etc/passwd", "/%2fetc/passwd", "/.hidden",
                     "/%2ehidden", "/loop", "/fifo", "/sub", "/digits.txt/", "/digits.txt%00.html",
                     "/..\\secret.txt", "/" + "a" * 300, "/" + "a/" * 2000, "/proc/self/environ"):
            answer = self.ask(get(path))
            self.assertEqual(answer.status, 404, path)
            self.assertNotIn(b"secret", answer.body)

    def test_conditions(self):
        first = self.ask(get("/digits.txt"))
        tag, date = first.fields["etag"], first.fields["last-modified"]
        before = email.utils.formatdate(0, usegmt=True)
        for field, status in ((f"If-None-Match: {tag}", 304), (f"If-None-Match: W/{tag}", 304),
                              ('If-None-Match: "other"', 200), (f"If-Modified-Since: {date}", 304),
                              (f"If-Modified-Since: {before}", 200), (f"If-Match: {tag}", 200),
                              ('If-Match: "other"', 412), (f"If-Unmodified-Since: {before}", 412)):
            connection = self.connect()
            connection.sendall(get("/digits.txt", field) + get("/healthz"))
            answer, next_answer = receive_all(connection, 2)
            self.assertEqual(answer.status, status, field)
            self.assertEqual(next_answer.body, b"ok\n")
            if status == 304:
                self.assertEqual(answer.fields["etag"], tag)
        (self.root / "digits.txt").write_text("0123456789")
        changed = self.ask(get("/digits.txt", f"If-None-Match: {tag}"))
        self.assertEqual(changed.status, 200)

    def test_ranges(self):
        for text, status, part in (("bytes=2-4", 206, "2-4"), ("bytes=5-", 206, "5-9"),
                                   ("bytes=-1", 206, "9-9"), ("bytes=8-100", 206, "8-9"),
                                   ("bytes=0-1,3-4", 200, None), ("bytes=x", 200, None),
                                   ("bytes=10-", 416, "*")):
            answer = self.ask(get("/digits.txt", f"Range: {text}"))
            self.assertEqual(answer.status, status, text)
            if part:
                self.assertEqual(answer.fields["content-range"], f"bytes {part}/10")
            if status == 206:
                first, last = map(int, part.split("-"))
                self.assertEqual(answer.body, b"0123456789"[first:last + 1])
        answer = self.ask(get("/large.bin", "Range: bytes=1000-900000"))
        self.assertEqual(answer.body, LARGE[1000:900001])
        self.assertEqual(self.ask(get("/digits.txt", "Range: bytes=0-1", "If-Range: \"x\"")).status, 200)
        self.assertEqual(self.ask(get("/digits.txt", "Range: bytes=0-1", method="HEAD")).status, 200)


class Limits(Case):
    options = ("--first-byte-time", "0.5", "--header-time", "0.5", "--body-time", "0.5",
               "--idle-time", "1", "--max-header", "1000", "--max-request-line", "100",
               "--max-body", "10")

    def trickle(self, connection, data, pause):
        for byte in data:
            send(connection, bytes((byte,)))
            time.sleep(pause)

    def test_T205_silence_gets_silence(self):
        self.assertIsNone(receive(self.connect()))
        connection = self.connect()
        connection.sendall(get("/healthz"))
        self.assertEqual(receive(connection).status, 200)
        self.assertIsNone(receive(connection))

    def test_T206_a_request_that_takes_too_long(self):
        connection = self.connect()
        self.trickle(connection, b"GET / HTTP/1.1\r\n", 0.1)
        self.assertEqual(receive(connection).status, 408)
        connection = self.connect()
        connection.sendall(get("/echo", "Content-Length: 10", method="POST"))
        self.trickle(connection, b"123456789", 0.15)
        self.assertEqual(receive(connection).status, 408)
        self.assertTrue(ended(connection))

    def test_a_reader_that_does_not_read(self):
        connection = self.connect()
        for _ in range(50):
            send(connection, get("/large.bin"))
        other = self.connect()
        other.sendall(get("/healthz"))
        self.assertEqual(receive(other).status, 200)
        time.sleep(2.5)
        received = 0
        try:
            while data := connection.recv(1 << 20):
                received += len(data)
        except ConnectionError:
            pass
        self.assertLess(received, 50 * len(LARGE))

    def test_sizes(self):
        self.assertEqual(self.ask(get("/" + "a" * 100)).status, 414)
        self.assertEqual(self.ask(get("/", "A: " + "b" * 1000)).status, 431)
        self.assertEqual(
            self.ask(get("/echo", "Content-Length: 11", method="POST") + b"12345678901").status, 413)
        chunked = get("/echo", "Transfer-Encoding: chunked", method="POST")
        self.assertEqual(self.ask(chunked + b"a\r\n1234567890\r\n1\r\n").status, 413)


class Stopping(unittest.TestCase):
    def test_T207_what_is_under_way_is_finished(self):
        with tempfile.TemporaryFile() as log:
            server = Server(log)
            idle, used, watching, busy, unsent = (server.connect() for _ in range(5))
            used.sendall(get("/healthz"))
            receive(used)
            watching.sendall(get("/events"))
            receive(watching)
            busy.sendall(get("/echo", "Content-Length: 2", method="POST") + b"a")
            unsent.sendall(b"GET /healthz HTTP/1.1\r\n")
            time.sleep(0.2)  # all of it has arrived
            server.process.send_signal(signal.SIGTERM)
            for connection in (idle, used, watching):
                self.assertTrue(ended(connection))
            with self.assertRaises(ConnectionRefusedError):
                server.connect()
            busy.sendall(b"b")
            answer = receive(busy)
            self.assertEqual((answer.body, answer.fields["connection"]), (b"ab", "close"))
            unsent.sendall(b"Host: h\r\n\r\n")
            self.assertEqual(receive(unsent).body, b"ok\n")
            for connection in (idle, used, watching, busy, unsent):
                connection.close()
            self.assertEqual(server.stop(0), 0)

    def test_the_deadline_ends_what_does_not_end(self):
        with tempfile.TemporaryFile() as log:
            server = Server(log, "--drain-time", "0.3")
            connection = server.connect()
            connection.sendall(b"GET")
            time.sleep(0.2)
            began = time.monotonic()
            self.assertEqual(server.stop(signal.SIGINT), 0)
            self.assertLess(time.monotonic() - began, 3)
            connection.close()


class Starting(unittest.TestCase):
    def start(self, *options):
        return subprocess.run([sys.argv[1], *options], capture_output=True, text=True, timeout=10)

    def test_help(self):
        result = self.start("--help")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        for option in ("--port", "--address", "--unix", "--max-body", "--idle-time"):
            self.assertIn(option, result.stdout)

    def test_what_cannot_start_says_why_in_a_line(self):
        with tempfile.TemporaryFile() as log:
            server = Server(log)
            for options, text in ((("--port", str(server.port)), f"port {server.port}"),
                                  (("--port", "x"), "--port"), (("--prot", "1"), "--prot"),
                                  (("--root", "/nowhere"), "/nowhere"),
                                  (("--unix", "/dev/null"), "/dev/null"), (("--port",), "--port")):
                result = self.start(*options)
                self.assertEqual((result.returncode, result.stdout), (1, ""), options)
                self.assertRegex(result.stderr, r"^http: [^\n]*" + text + r"[^\n]*\n$")
            self.assertEqual(server.stop(), 0)

    def test_T204_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/http.sock"
            process = subprocess.Popen([sys.argv[1], "--unix", path], text=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual(process.stdout.readline(), f"listening on unix:{path}\n")
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(path)
                connection.sendall(get("/healthz"))
                self.assertEqual(receive(connection).body, b"ok\n")
                connection.sendall(b"garbage\r\n\r\n")
                self.assertEqual(receive(connection).status, 400)
                self.assertTrue(ended(connection))
            process.terminate()
            _, log = process.communicate(timeout=10)
            self.assertEqual(process.returncode, 0)
            self.assertIn("200 GET /healthz", log)
            self.assertFalse(os.path.exists(path))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
