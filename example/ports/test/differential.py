#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Plays random scripts with a program in Python and with its port, and compares what each client has heard.

A script is played in groups: the steps of a group are done at once, then the program has time until it sleeps and has
no more to say. So what is said at once and what is said later is the same on both sides.
"""

import importlib.util
import pathlib
import random
import socket
import struct
import subprocess
import sys
import time
import zlib

sys.path.append(str(pathlib.Path(__file__).resolve().parents[3] / "test" / "support"))

from two_sides import DIFFERENT, drive, make_parser

SECONDS = 30
CLIENTS = range(3)


# ---- Scripts: groups of (client, step, arguments...)


class Script:
    """What clients do by themselves; `say` is what the program is asked."""

    def __init__(self, rng):
        self.rng = rng
        self.groups = []

    def do(self, client, step, *arguments):
        self.groups.append([(client, step, *arguments)])

    def say(self, client, data, pauses=0.3):
        """In pieces, with a pause behind so many of them."""
        self.groups.append([])
        while data:
            size = self.rng.choice([1, 3, len(data) // 3 + 1, len(data)])
            self.groups[-1].append((client, "say", data[:size]))
            data = data[size:]
            if data and self.rng.random() < pauses:
                self.groups.append([])

    def at_once(self, saying):
        """Two or more clients say something whole."""
        self.groups.append([(client, "say", data) for client, data in saying])

    def turns(self, most, ended=lambda client: None):
        """Clients by chance, each with a number from 0.1 to 1 that says what it does; in its place some end."""
        for _ in range(self.rng.randint(4, most)):
            client = self.rng.choice(CLIENTS)
            what = self.rng.random()
            if what < 0.1:
                self.end(client)
                ended(client)
            else:
                yield client, what

    def end(self, client):
        """One of three ends, and a new beginning."""
        self.do(client, self.rng.choice(["close", "half_close", "reset"]))
        self.do(client, "connect")


def chat(script):
    rng, entered = script.rng, set()
    for client, what in script.turns(16, entered.discard):
        if client not in entered:
            name = rng.choice([b"ann", b" bob\r", b"cat", b"%d" % client, b"%d" % client, b"", b"x" * 100])
            script.say(client, name + b"\n")
            entered.add(client)
        elif what < 0.3 and len(entered) > 1:
            script.at_once([(client, b"at once, %d\n" % client) for client in sorted(entered)])
        elif what < 0.35:
            script.say(client, b"this is cut sho")
            script.end(client)
            entered.discard(client)
        else:
            lines = [b"good morning", b"", b"x" * 1000, b"y" * 1023, b"z" * rng.choice([10, 1024, 3000])]
            script.say(client, b"".join(rng.choice(lines) + b"\n" for _ in range(rng.choice([1, 1, 2, 5]))))


def keyvalue(script):
    rng = script.rng

    def command(keys):
        key = rng.choice(keys)
        size = rng.choice([0, 1, 3, 70, 3000, 70000])
        value = rng.randbytes(size)
        return rng.choice([
            *[b"set %b %d\r\n%b\r\n" % (key, size, value)] * 4,
            *[b"get %b\r\n" % key] * 6,
            *[b"delete %b\r\n" % key] * 2,
            rng.choice([b"", b"set a", b"set a x", b"set a -1", b"GET a", b"get  a ", b"get", b"get a b"]) + b"\r\n",
        ])

    def last():
        return rng.choice([b"quit\r\nget a", b"set a 99999999999999999999", b"set a 1048577", b"x" * 600]) + b"\r\n"

    for client, what in script.turns(12):
        if what < 0.15:
            script.say(client, last())
            script.do(client, "connect")
        elif what < 0.3:
            script.at_once([(client, command([b"%d" % client])) for client in CLIENTS])
        elif what < 0.35:
            script.say(client, b"set a 100\r\nnot as much")
            script.end(client)
        else:
            script.say(client, b"".join(command([b"a", b"b", b"%d" % client]) for _ in range(rng.choice([1, 1, 3]))))
    script.do(0, "connect")
    script.say(0, b"".join(b"delete %b\r\n" % key for key in (b"a", b"b", b"0", b"1", b"2")))


def rpc(script):
    rng = script.rng

    def frame(body):
        return struct.pack(">II", 4 + len(body), rng.getrandbits(32)) + body

    def call():
        words = b" ".join(rng.choice([b"1", b"-3", b"22", b"one"]) for _ in range(rng.choice([0, 2, 5000])))
        return frame(rng.choice([b"upper\0" + words, b"add\0" + words, b"nothing\0of it", b"upper", b"", b"wait\0soon"]))

    for client, what in script.turns(12):
        if what < 0.15:
            script.say(client, struct.pack(">I", rng.choice([0, 3, 65537, 2**32 - 1])) + b"more")
            script.do(client, "connect")
        elif what < 0.3:
            script.at_once([(client, call()) for client in CLIENTS])
        elif what < 0.4:
            script.say(client, frame(b"wait\0" + b"100") + call() + call(), pauses=0)
            script.do(client, "hear", 8 + 1 + len(b"waited"))
        else:
            script.say(client, b"".join(call() for _ in range(rng.choice([1, 1, 3]))))


def make_script(kind, seed):
    script = Script(random.Random(seed))
    for client in CLIENTS:
        script.do(client, "connect")
    kind(script)
    for client in CLIENTS:
        script.do(client, "close")
    return script.groups


# ---- Playing


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.heard = b""
        self.ended = False

    def listen(self):
        """Whether there was something to hear."""
        before = len(self.heard), self.ended
        while not self.ended:
            self.socket.settimeout(0)
            try:
                data = self.socket.recv(1 << 20)
                # What a program says next may wait for this to be acknowledged: Tornado's streams leave Nagle's rule on.
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                self.heard += data
                self.ended = not data
            except BlockingIOError:
                break
            except ConnectionResetError:  # a program that has not read all resets the connection, if it is in a hurry
                self.ended = True
        return before != (len(self.heard), self.ended)

    def do_say(self, data):
        self.socket.settimeout(SECONDS)
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # which is heard

    def do_hear(self, count):
        """At least so much more."""
        deadline = time.monotonic() + SECONDS
        count += len(self.heard)
        while len(self.heard) < count and not self.ended and time.monotonic() < deadline:
            self.listen()
            time.sleep(0.001)

    def do_half_close(self):
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has been reset

    def do_reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.do_close()

    def do_close(self):
        self.socket.close()
        self.ended = True


class Program:
    def __init__(self, command, in_any_order):
        self.in_any_order = in_any_order  # of several who speak at once either may be heard first
        self.process = subprocess.Popen([*command, "0"], stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())

    def activity(self):
        """Whether it sleeps, and how often it has begun to."""
        with open(f"/proc/{self.process.pid}/status") as file:
            status = dict(line.strip().partition(":\t")[::2] for line in file)
        if status["State"][0] in "ZX":
            sys.exit(f"{self.process.args[-2]} has ended")
        return status["State"][0] == "S", status["voluntary_ctxt_switches"]

    def settle(self, clients):
        before = None
        while True:
            heard = [client.listen() for client in clients]
            now = self.activity()
            if now[0] and now == before and not any(heard):
                return
            before = now
            time.sleep(0.0005)

    def play(self, groups):
        clients, trace = {}, []
        for group in groups:
            for number, step, *arguments in group:
                if step == "connect":
                    if number in clients:
                        clients[number].do_close()
                    clients[number] = Client(self.port)
                elif not clients[number].ended:
                    getattr(clients[number], "do_" + step)(*arguments)
            self.settle(clients.values())
            several = len({number for number, *_ in group}) > 1
            trace.append([self.told(client, several) for _, client in sorted(clients.items())])
        return trace

    def told(self, client, several):
        """What a client has heard since the last time."""
        heard, client.heard = client.heard, b""
        if several and self.in_any_order:
            heard = b"".join(sorted(heard.splitlines(keepends=True)))
        return len(heard), zlib.crc32(heard), heard[:60], "ended" if client.ended else "open"


def main():
    parser = make_parser(__doc__, seeds=100)
    parser.add_argument("original", help="the program in Python")
    parser.add_argument("port", help="the program in C++")
    options = parser.parse_args()
    if not importlib.util.find_spec("tornado"):
        print("skipped: there is no Tornado; on Debian, apt-get install python3-tornado")
        sys.exit(77)
    kind = {"chat": chat, "keyvalue": keyvalue, "rpc": rpc}[pathlib.Path(options.original).stem]
    sides = [Program(command, kind is chat) for command in ([sys.executable, options.original], [options.port])]
    try:
        return drive(
            options,
            lambda seed: make_script(kind, seed),
            lambda _, script: [side.play(script) for side in sides],
            lambda _, theirs, ours: ("equal" if theirs == ours else DIFFERENT, theirs, ours),
            lambda script: (kind.__name__, script),
        )
    finally:
        for side in sides:
            side.process.kill()
            side.process.wait()


if __name__ == "__main__":
    sys.exit(main())
