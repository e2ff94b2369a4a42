# SPDX-License-Identifier: BSL-1.0
"""Plays random scripts on whatever tornado.iostream is, and prints what was seen: a line of JSON for each seed.

The steps of a group are done at once, by the stream and by a plain socket at its other end; then the loop turns until
nothing moves any more, and what has completed is noted.
"""

import asyncio
import json
import logging
import random
import socket
import struct
import sys
import zlib

from tornado.iostream import IOStream, StreamBufferFullError, StreamClosedError

WORDS = [b"a", b"bb", b"\n", b"\r\n", b"end", b"12", b"xyz", b"e", b"\r"]
DELIMITERS = [b"\n", b"\r\n", b"end", b"zz"]
EXPRESSIONS = [rb"\r?\n", rb"[0-9]+", rb"(end|xyz)", rb"a.?b", rb"z{3}"]


ENDS = (StreamClosedError, StreamBufferFullError)


def make_script(seed):
    """(limits, kind of socket, groups); the same for the same seed."""
    rng = random.Random(seed)
    limits = {}
    if rng.random() < 0.2:
        limits["max_buffer_size"] = rng.choice([16, 100, 1000, 5000])
    if rng.random() < 0.2:
        limits["read_chunk_size"] = rng.choice([1, 7, 64, 1000])
    if rng.random() < 0.2:
        limits["max_write_buffer_size"] = rng.choice([1, 100, 10000])
    kind = rng.choice(["tcp", "tcp", "unix"])
    crowded = rng.random() < 0.3  # the peer is slow to take what is written
    groups = [make_group(rng, crowded) for _ in range(rng.randint(3, 14))]
    return limits, kind, groups


def make_group(rng, crowded):
    """One read at most: a second one would find the first one over with Tornado, and under way here (T094).

    The peer takes in a group of its own, for Tornado sends at once what here leaves at the end of the turn (T095).
    """
    group = []
    for _ in range(rng.choice([1, 1, 1, 2, 2, 3])):
        step = make_step(rng, crowded)
        if step[0] == "take":
            return [step]
        if not step[0].startswith("read") or not any(other[0].startswith("read") for other in group):
            group.append(step)
    return group


def make_text(rng):
    text = b"".join(rng.choice(WORDS) for _ in range(rng.choice([1, 2, 5, 20])))
    return text * rng.choice([1, 1, 1, 1, 30, 400])


def make_step(rng, crowded):
    steps = {
        "send": 10,
        "read_until": 4,
        "read_until_regex": 4,
        "read_bytes": 5,
        "read_into": 3,
        "read_until_close": 1,
        "write": 6,
        "take": 3,
        "close_callback": 1,
        "close": 0.5,
        "shutdown": 0.7,
        "peer_close": 0.5,
        "reset": 0.5,
    }
    step = rng.choices(list(steps), list(steps.values()))[0]
    limit = rng.choice([None, None, 3, 50, 2000])
    if step == "send":
        return step, make_text(rng)
    if step == "read_until":
        return step, rng.choice(DELIMITERS), limit
    if step == "read_until_regex":
        return step, rng.choice(EXPRESSIONS), limit
    if step in ("read_bytes", "read_into"):
        return step, rng.choice([0, 1, 2, 5, 30, 1000, 20000]), rng.random() < 0.4
    if step == "write":
        return step, make_text(rng) * (300 if crowded and rng.random() < 0.5 else 1)
    return (step,)


def make_pair(kind):
    if kind == "unix":
        return socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far = listener.accept()[0]
        far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is sent is there
        return near, far


def digest(data):
    return [len(data), zlib.crc32(data), data[:40].decode("latin-1")]


def name_error(error):
    """An error in the words of both: what a closed stream says is its cause."""
    if isinstance(error, StreamClosedError):
        return "closed:" + name_error(error.real_error)
    if isinstance(error, OSError) and error.errno:
        return f"errno {error.errno}"
    return type(error).__name__


class Player:
    def __init__(self, limits, kind):
        near, self.peer = make_pair(kind)
        self.peer.setblocking(False)
        self.stream = IOStream(near, **limits)
        self.stream.set_nodelay(True)  # as is the rule here: what Nagle holds back, a reset would drop
        self.events = []
        self.count = 0
        self.peer_open = True
        self.written = -1  # the last write that has ended
        self.called_back = 0  # operations that had been started when the close callback ran
        self.failed_closed = False
        self.sent = self.accepted = self.got = self.taken = b""

    async def settle(self):
        for _ in range(15):
            await asyncio.sleep(0)

    def note(self, what, start, value=lambda result: result):
        """Starts an operation and notes its outcome, whether it comes at once or later."""
        number, self.count = self.count, self.count + 1

        def end(outcome, result=None):
            self.got += result if isinstance(result, bytes) else b""
            if number < self.called_back:
                outcome += ", after the close callback"
            if what == "write":
                outcome += "" if number > self.written else ", out of order"
                self.written = number
            self.events.append([what, number, outcome, digest(result) if isinstance(result, bytes) else result])

        def fail(error):
            self.failed_closed = self.failed_closed or what != "write" and isinstance(error, ENDS)
            end(name_error(error))

        def done(future):
            fail(future.exception()) if future.exception() else end("ok", value(future.result()))

        try:
            start().add_done_callback(done)
        except Exception as error:
            fail(error)

    def read(self, what, *args):
        # Tornado keeps a read that fails on a closed stream, and answers further ones by what that one asked for.
        if not self.failed_closed:
            self.note(what, *args)

    def play(self, step, *args):
        getattr(self, "do_" + step)(*args)

    def do_send(self, text):
        if self.peer_open:
            try:
                self.sent += text[: self.peer.send(text)]
            except OSError:
                pass  # the stream is closed, which is noted elsewhere

    def do_read_until(self, delimiter, limit):
        self.read("read", lambda: self.stream.read_until(delimiter, max_bytes=limit))

    def do_read_until_regex(self, expression, limit):
        self.read("read", lambda: self.stream.read_until_regex(expression, max_bytes=limit))

    def do_read_bytes(self, count, partial):
        self.read("partial" if partial else "read", lambda: self.stream.read_bytes(count, partial=partial))

    def do_read_into(self, count, partial):
        buffer = bytearray(count)
        what = "partial" if partial else "read"
        self.read(what, lambda: self.stream.read_into(buffer, partial=partial), lambda size: bytes(buffer[:size]))

    def do_read_until_close(self):
        self.read("read", self.stream.read_until_close)

    def do_write(self, text):
        def start():
            future = self.stream.write(text)
            self.accepted += text
            return future

        self.note("write", start)

    def do_close_callback(self):
        when = ", set on a closed stream" if self.stream.closed() else ""

        def called():
            self.called_back = 0 if when else self.count
            self.events.append(["close callback" + when])

        self.stream.set_close_callback(called)

    def do_close(self):
        self.stream.close()

    def do_shutdown(self):
        if self.peer_open:
            try:
                self.peer.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def do_peer_close(self):
        self.peer.close()
        self.peer_open = False

    def do_reset(self):
        if self.peer_open:
            self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.do_peer_close()

    def do_take(self):
        """The peer takes all that has come; how it ended is not noted, for a reset may come in the place of an end."""
        while self.peer_open:
            try:
                data = self.peer.recv(1 << 20)
            except OSError:
                break
            if not data:
                break
            self.taken += data


async def play(seed):
    limits, kind, groups = make_script(seed)
    player = Player(limits, kind)
    trace = []

    async def finish():
        await player.settle()
        stream, events, player.events = player.stream, player.events, []
        # The order of what came at once and what came later is not one: no operation ends at once here (T094).
        state = [stream.closed(), not stream.closed() and stream.reading(), name_error(stream.error)]
        trace.append([sorted(events, key=str), state])

    for group in groups:
        for step in group:
            player.play(*step)
        await finish()
    for step in ("take", "close", "take"):
        before = None
        while before != len(player.taken):
            before = len(player.taken)
            player.play(step)
            await player.settle()
            await asyncio.sleep(0.001)
        await finish()
    intact = player.sent.startswith(player.got) and player.accepted.startswith(player.taken)
    trace.append([[["taken", digest(player.taken)], ["intact", intact]], [True, False, "NoneType"]])
    player.peer.close()
    return trace


def main():
    logging.disable(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    print(json.dumps(IOStream.__module__), flush=True)
    for line in sys.stdin:
        print(json.dumps(loop.run_until_complete(play(int(line)))), flush=True)


if __name__ == "__main__":
    main()
