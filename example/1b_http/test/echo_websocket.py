# SPDX-License-Identifier: BSL-1.0
"""The one-screen WebSocket echo, and a client of RFC 6455 that says exactly what it is told to.

Usage: echo_websocket.py PROGRAM
"""

import base64
import hashlib
import os
import pathlib
import struct
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "support"))
from program import Conventions, Program, main

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


def open_websocket(peer):
    key = base64.b64encode(os.urandom(16)).decode()
    peer.send("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n")
    head = [line.rstrip("\r") for line in iter(peer.line, "\r")]
    expected = base64.b64encode(hashlib.sha1((key + MAGIC).encode()).digest()).decode()
    return head[0].split()[1] == "101" and f"Sec-WebSocket-Accept: {expected}" in head


def send(peer, kind, data):
    mask = os.urandom(4)
    size = bytes([128 | len(data)]) if len(data) < 126 else bytes([254]) + struct.pack(">H", len(data))
    masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
    peer.send(bytes([128 | kind]) + size + mask + masked)


def receive(peer):
    """Kind and data of the next message, which may come in several frames."""
    kind, data, is_last = 0, b"", False
    while not is_last:
        first, size = peer.read(2)
        if size == 126:
            size, = struct.unpack(">H", peer.read(2))
        kind, is_last = kind or first & 15, first & 128
        data += peer.read(size)
    return kind, data


class WebSocket(Conventions, unittest.TestCase):
    def test_messages_come_back_as_they_are(self):
        with Program() as program, program.peer() as peer:
            self.assertTrue(open_websocket(peer))
            for kind, data in ((TEXT, b"hello"), (TEXT, b""), (BINARY, bytes(range(256)) * 200)):
                send(peer, kind, data)
                self.assertEqual(receive(peer), (kind, data))
            send(peer, PING, b"there?")
            self.assertEqual(receive(peer), (PONG, b"there?"))

    def test_a_close_is_answered_and_ends_the_connection(self):
        with Program() as program, program.peer() as peer:
            open_websocket(peer)
            send(peer, CLOSE, struct.pack(">H", 1000))
            self.assertEqual(receive(peer), (CLOSE, struct.pack(">H", 1000)))
            self.assertEqual(peer.rest(), [])

    def test_what_is_no_websocket_ends_its_connection_alone(self):
        with Program() as program:
            with program.peer() as peer:
                peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertNotIn(" 101 ", "\n".join(peer.rest()))
            with program.peer() as peer:
                self.assertTrue(open_websocket(peer))
                send(peer, TEXT, b"x")
                self.assertEqual(receive(peer), (TEXT, b"x"))


if __name__ == "__main__":
    main()
