#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Holds one dialogue with a program in Python and with its port, and compares every byte that they said.

usage: dialogue.py ORIGINAL.py PORT
"""

import importlib.util
import pathlib
import random
import socket
import struct
import subprocess
import sys

SECONDS = 30
SEED = 14


class Client:
    """Says what it has to say in pieces, the same ones in each run."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        self.random = random.Random(SEED)

    def say(self, data):
        while data:
            end = self.random.randint(1, max(1, len(data) // 3))
            try:
                self.socket.sendall(data[:end])
            except (BrokenPipeError, ConnectionResetError):  # it was too much, and rest() will be empty
                return
            data = data[end:]

    def read(self, count):
        return self.file.read(count)

    def line(self):
        return self.file.readline()

    def rest(self):
        try:
            return self.file.read()
        except ConnectionResetError:  # it has not read all that was said
            return b""

    def close(self):
        self.file.close()
        self.socket.close()


def enter(connect, name):
    client = connect()
    assert client.read(11) == b"your name? "
    client.say(name + b"\n")
    return client


def chat(connect):
    ann = enter(connect, b"ann")
    yield ann.line()
    bob = enter(connect, b" bob\r")
    yield ann.line(), bob.line()
    for unwelcome in (b"bob", b"", b"x" * 100):
        yield enter(connect, unwelcome).rest()
    ann.say(b"good morning\nis anybody here?\n")
    yield bob.line(), bob.line()
    bob.say(b"x" * 1000 + b"\n")
    yield ann.line()
    bob.say(b"this is cut sho")
    bob.close()
    yield ann.line()
    bob = enter(connect, b"bob")
    yield ann.line(), bob.line()
    ann.say(b"y" * 1025)
    yield ann.rest(), bob.line()
    bob.close()


def said(client):
    """An answer of the key-value store, with the value if it has one."""
    line = client.line()
    return line + client.read(int(line.split()[1]) + 2) if line.startswith(b"value") else line


def keyvalue(connect):
    one, two = connect(), connect()
    commands = (b"get a", b"set a 3\r\none", b"get a", b"", b"set a", b"set a x", b"set a -1", b"GET a", b"delete a", b"get a")
    for command in commands:
        one.say(command + b"\r\n")
        yield said(one)
    value = bytes(one.random.randrange(256) for _ in range(100000))
    one.say(b"set long 100000\r\n" + value + b"\r\nset  short  0 \r\n\r\nget short\r\nget long\r\n")  # all at once
    yield [said(one) for _ in range(4)]
    two.say(b"delete short\r\ndelete short\r\nquit\r\n")
    yield two.rest()
    one.say(b"set huge 99999999999999999999\r\n")
    yield one.rest()
    long = connect()
    long.say(b"x" * 600)
    yield long.rest()


def frame(number, body):
    return struct.pack(">II", 4 + len(body), number) + body


def answer(client):
    (size,) = struct.unpack(">I", client.read(4))
    return client.read(size)


def rpc(connect):
    client = connect()
    calls = (b"upper\0one two", b"add\0 1 22 -3", b"add\0", b"add\0one", b"wait\0soon", b"nothing\0of it", b"upper", b"")
    for number, call in enumerate(calls):
        client.say(frame(number, call))
        yield answer(client)
    client.say(frame(100, b"wait\0" + b"300") + frame(101, b"upper\0the second is first"))
    yield answer(client), answer(client)
    client.say(frame(7, b"upper\0" + b"a" * 65000) + frame(2**32 - 1, b"add\0" + b"1 " * 30000))
    yield sorted((answer(client), answer(client)))
    for size in (0, 3, 65537, 2**32 - 1):
        client = connect()
        client.say(struct.pack(">I", size))
        yield client.rest()


def held_with(command, dialogue):
    """All that a program says in a dialogue."""
    clients = []
    with subprocess.Popen([*command, "0"], stdout=subprocess.PIPE) as program:
        try:
            port = int(program.stdout.readline())

            def connect():
                clients.append(Client(port))
                return clients[-1]

            return list(dialogue(connect))
        finally:
            for client in clients:
                client.close()
            program.kill()


def main():
    original, port = sys.argv[1:]
    if not importlib.util.find_spec("tornado"):
        print("skipped: there is no Tornado; on Debian, apt-get install python3-tornado")
        sys.exit(77)
    name = pathlib.Path(original).stem
    dialogue = {"chat": chat, "keyvalue": keyvalue, "rpc": rpc}[name]
    expected = held_with([sys.executable, original], dialogue)
    found = held_with([port], dialogue)
    differences = [
        f"step {step}:\n  the original: {one!r:.300}\n  the port:     {other!r:.300}"
        for step, (one, other) in enumerate(zip(expected, found, strict=True), 1)
        if one != other
    ]
    print("\n".join(differences) or f"{name}: {len(found)} steps, all alike")
    sys.exit(bool(differences))


if __name__ == "__main__":
    main()
