#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Malformed requests by the hundred, whole and split at each byte: the right status, and the end.

Usage: malformed.py PROGRAM
"""

import itertools
import selectors
import sys
import tempfile
import time

from client import Server

HOST = b"Host: h\r\n"
POST = b"POST /echo HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def requests():
    """(request, the statuses that are right for it)."""
    get = lambda *fields: b"GET / HTTP/1.1\r\n" + b"".join(f + b"\r\n" for f in fields) + b"\r\n"

    # The request line
    for line in (b"GET /", b"GET", b"", b" GET / HTTP/1.1", b"GET  / HTTP/1.1", b"GET / HTTP/1.1 ",
                 b"GET\t/\tHTTP/1.1", b"GET / HTTP/1", b"GET / HTTP/1.1.1", b"GET / HTTP/1.x",
                 b"GET / http/1.1", b"GET / HTTPS/1.1", b"GET / FTP/1.1", b"GET / HTTP 1.1",
                 b"G\x00ET / HTTP/1.1", b"G(T / HTTP/1.1", b"\"GET\" / HTTP/1.1", b"G\xc3T / HTTP/1.1",
                 b"GET /a b HTTP/1.1", b"GET /\x01 HTTP/1.1", b"GET /\x7f HTTP/1.1",
                 b"GET /\xff HTTP/1.1", b"GET a HTTP/1.1", b"GET h:80 HTTP/1.1", b"GET * HTTP/1.1",
                 b"GET /% HTTP/1.1", b"GET /%0 HTTP/1.1", b"GET /%gg HTTP/1.1", b"GET /#a HTTP/1.1",
                 b"GET http:// HTTP/1.1", b"GET http://a@b/ HTTP/1.1", b"GET ftp://h/ HTTP/1.1",
                 b"CONNECT / HTTP/1.1", b"CONNECT h HTTP/1.1"):
        if line:
            yield line + b"\r\n" + HOST + b"\r\n", {400}
    for version in (b"0.9", b"2.0", b"2.1", b"3.0", b"9.9"):
        yield b"GET / HTTP/" + version + b"\r\n" + HOST + b"\r\n", {505}
    for method in (b"BREW", b"get", b"Get", b"GETS", b"X-Y", b"!"):
        yield method + b" / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", {501}
    for method in (b"PUT", b"DELETE", b"PATCH", b"TRACE", b"POST"):
        yield method + b" / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", {405}
    yield b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", {414}
    yield b"A" * 9000, {414}

    # Lines and their ends
    good = get(b"Host: h", b"A: b", b"C: d")
    for i, byte in enumerate(good):
        if byte == 10:
            yield good[:i] + b"x" + good[i + 1:], {400}
        if byte == 13:
            yield good[:i] + good[i + 1:], {400}
    for byte in itertools.chain(range(0, 9), range(11, 13), range(14, 32), (127,)):
        for place in (b"A%cb: c", b"A: b%cc", b"A: %c"):
            yield get(b"Host: h", place.replace(b"%c", bytes((byte,)))), {400}
    for fold in (b" c", b"\tc", b" ", b" : c"):
        yield get(b"Host: h", b"A: b", fold), {400}
        yield get(fold, b"Host: h"), {400}
    for field in (b"A", b": a", b"A : b", b"A\t: b", b"A b: c", b"A(: b", b"\"A\": b", b"A\xff: b",
                  b"A,b: c", b"=", b"A@: b"):
        yield get(b"Host: h", field), {400}
    yield get(b"Host: h", b"A: " + b"b" * 20000), {431}
    yield get(b"Host: h", *[b"A%d: b" % i for i in range(4000)]), {431}

    # Host
    yield get(), {400}
    yield get(b"Host: a", b"Host: a"), {400}
    yield get(b"Host: a", b"host: b"), {400}
    yield b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", {400}
    for host in (b"a b", b"a,b", b"a/b", b"u@h", b"h:x", b"h:1:2", b"[::1", b"[]", b"::1", b"h?", b"\\"):
        yield get(b"Host: " + host), {400}

    # The body's length
    for value in (b"-1", b"+1", b"1x", b"0x1", b"1 1", b"1,1", b"1, 2", b"", b"1.0", b"one", b"9" * 30):
        yield POST + b"Content-Length: " + value + b"\r\n\r\na", {400}
    for a, b in ((b"1", b"1"), (b"1", b"2"), (b"0", b"1")):
        yield POST + b"Content-Length: %s\r\nContent-Length: %s\r\n\r\na" % (a, b), {400}
    for coding in (b"chunked", b"gzip", b"identity", b"xchunked"):
        for length in (b"0", b"5", b"99999999999"):
            fields = [b"Transfer-Encoding: " + coding, b"Content-Length: " + length]
            for order in (fields, fields[::-1]):
                yield POST + b"\r\n".join(order) + b"\r\n\r\n0\r\n\r\n", {400, 413}
    for coding in (b"xchunked", b"gzip, chunked", b"chunked, gzip", b"gzip", b"identity", b"chunke",
                   b"chunked, identity", b"identity, chunked"):
        yield POST + b"Transfer-Encoding: " + coding + b"\r\n\r\n0\r\n\r\n", {400, 501}
    for coding in (b"", b"chunked, chunked", b"chunked,", b",chunked", b"chunked;q=1", b"\"chunked\"",
                   b"chunked chunked", b"'chunked'"):
        yield POST + b"Transfer-Encoding: " + coding + b"\r\n\r\n0\r\n\r\n", {400, 501}
    yield POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n", {400}
    yield POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}
    yield POST + b"Connection: close\r\n\r\n", {411}
    for length in (b"1048577", b"99999999999", b"18446744073709551615"):
        yield POST + b"Content-Length: " + length + b"\r\n\r\n", {413}
    for expected in (b"tea", b"100-continue, tea", b"200-ok"):
        yield POST + b"Content-Length: 1\r\nExpect: " + expected + b"\r\n\r\na", {417}

    # Chunks
    for body in (b"g\r\n", b"\r\n", b"-1\r\na\r\n", b"+1\r\na\r\n", b"0x1\r\na\r\n", b"1\r\nab\r\n",
                 b"1\r\na0\r\n\r\n", b"2\r\na\r\n0\r\n\r\n", b"1\na\n0\n\n", b"1\r\na\n0\r\n\r\n",
                 b"1\ra\r\n", b"1;\x00\r\na\r\n", b"1;a\nb\r\na\r\n", b"1 \r\na\r\n",
                 b"1;" + b"a" * 20000, b"0\r\nA b\r\n\r\n", b"0\r\n: a\r\n\r\n", b"0\n\n",
                 b"0\r\n" + b"A: b\r\n" * 4000):
        yield CHUNKED + body, {400, 431}
    for size in (b"100001", b"fffffffff", b"7fffffffffffffff", b"f" * 16, b"f" * 40):
        yield CHUNKED + size + b"\r\n", {413}

    # What is no HTTP at all
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), {400}
    yield b"SSH-2.0-OpenSSH_9.2\r\n\r\n", {400}
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {505}
    yield bytes(range(256)), {400}
    yield b"\n" * 100, {400}


def cases():
    """(pieces, statuses, request): each request whole, and the short ones split at each byte."""
    for request, statuses in requests():
        yield [request], statuses, request
        if len(request) <= 60:
            for at in range(1, len(request)):
                yield [request[:at], request[at:]], statuses, request
        elif len(request) <= 400:
            for at in range(1, len(request), 7):
                yield [request[:at], request[at:]], statuses, request
        if len(request) <= 400:
            yield [bytes((byte,)) for byte in request], statuses, request


class Dialogue:
    """Sends its pieces one at a time, and reads until the end."""

    def __init__(self, server, pieces, statuses, request):
        self.pieces, self.statuses, self.request = list(pieces), statuses, request
        self.answer = b""
        self.connection = server.connect()
        self.connection.setblocking(False)

    def write(self):
        """False when there is nothing more to send."""
        try:
            sent = self.connection.send(self.pieces[0])
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        self.pieces[0] = self.pieces[0][sent:]
        if not self.pieces[0]:
            self.pieces.pop(0)
        return bool(self.pieces)

    def read(self):
        """False at the end."""
        try:
            data = self.connection.recv(65536)
        except ConnectionError:
            return False
        self.answer += data
        return bool(data)

    def problem(self):
        lines = self.answer.split(b"\r\n")
        status = lines[0].split(b" ")[1:2]
        if not status or int(status[0]) not in self.statuses:
            return f"{lines[0]!r}, not {self.statuses}"
        if b"Connection: close" not in lines:
            return "no Connection: close"
        return None


def main():
    problems, done, begun = [], 0, time.monotonic()
    with tempfile.TemporaryFile() as log:
        server = Server(log, "--quiet")
        waiting = cases()
        live = {}
        with selectors.DefaultSelector() as selector:
            both = selectors.EVENT_READ | selectors.EVENT_WRITE
            while True:
                for case in itertools.islice(waiting, 32 - len(live)):
                    dialogue = Dialogue(server, *case)
                    live[dialogue] = time.monotonic()
                    selector.register(dialogue.connection, both, dialogue)
                if not live:
                    break
                over = []
                for key, events in selector.select(1):
                    dialogue = key.data
                    if events & selectors.EVENT_READ and not dialogue.read():
                        over.append((dialogue, dialogue.problem()))
                    elif events & selectors.EVENT_WRITE and not dialogue.write():
                        selector.modify(dialogue.connection, selectors.EVENT_READ, dialogue)
                limit = time.monotonic() - 5
                over += [(d, "it hangs") for d, since in live.items()
                         if since < limit and d not in [o[0] for o in over]]
                for dialogue, problem in over:
                    selector.unregister(dialogue.connection)
                    dialogue.connection.close()
                    del live[dialogue]
                    done += 1
                    if problem:
                        problems.append(f"{dialogue.request[:120]!r}: {problem}")
        if server.stop() != 0:
            problems.append("the server did not stop with exit code 0")
        log.seek(0)
        errors = [line for line in log.read().decode().splitlines() if "tornado.application" in line]
        problems += [f"logged: {line}" for line in errors]

    for problem in sorted(set(problems))[:30]:
        print(problem)
    print(f"{done} dialogues in {time.monotonic() - begun:.1f} s, {len(problems)} problems")
    return bool(problems) or done < 1000


sys.exit(main())
