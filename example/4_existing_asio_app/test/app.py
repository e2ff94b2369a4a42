# SPDX-License-Identifier: BSL-1.0
"""Talks to the application in each of its languages, a WebSocket client's among them."""

import base64
import hashlib
import os
import pathlib
import struct
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "support"))
import program
from program import Program

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
UPGRADE = ("GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
           "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")


class WebSocket:
    """RFC 6455 from the client's side, frame by frame."""

    def __init__(self, peer, early=b""):
        self.peer = peer
        key = base64.b64encode(os.urandom(16)).decode()
        peer.send(UPGRADE.format(key=key).encode() + early)
        self.status = peer.line().strip()
        self.fields = dict(each.strip().lower().split(": ", 1) for each in iter(peer.line, "\r"))
        digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        assert self.fields["sec-websocket-accept"] == base64.b64encode(digest).decode().lower()

    @staticmethod
    def frame(opcode, data=b"", final=True):
        size = len(data)
        head = bytes([opcode | 0x80 * final])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 65536:
            head += struct.pack("!BH", 0x80 | 126, size)
        else:
            head += struct.pack("!BQ", 0x80 | 127, size)
        mask = os.urandom(4)
        long_mask = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        return head + mask + (int.from_bytes(data, "big") ^ long_mask).to_bytes(size, "big")

    def send(self, *frame):
        self.peer.send(self.frame(*frame))

    def receive(self):
        """Opcode and payload of the next message; fragments are put together."""
        whole = b""
        first = None
        while True:
            head, size = self.peer.read(2)
            if size == 126:
                size, = struct.unpack("!H", self.peer.read(2))
            elif size == 127:
                size, = struct.unpack("!Q", self.peer.read(8))
            assert not head & 0x70, "compressed, or worse"
            first = first or head & 15
            whole += self.peer.read(size)
            if head & 0x80:
                return first, whole


class App(program.Conventions, unittest.TestCase):
    def test_lines_on_the_stream(self):
        with Program("--tick-time", "1000") as app, app.peer() as peer:
            peer.send("one\ntwo\nthr")
            self.assertEqual([peer.line(), peer.line()], ["tick 0: one", "tick 0: two"])
            peer.send("ee\n")
            self.assertEqual(peer.line(), "tick 0: three")

    def test_the_applications_timer_goes_on(self):
        with Program("--tick-time", "0.05") as app, app.peer() as peer:
            answer = ""
            deadline = time.monotonic() + program.PATIENCE
            while not answer.startswith("tick 3"):
                self.assertLess(time.monotonic(), deadline)
                peer.send("?\n")
                answer = peer.line()

    def test_socket_given_back_with_what_was_unread(self):
        with Program("--tick-time", "1000") as app, app.peer() as peer:
            lines = [f"{i} {'x' * 50}" for i in range(100)]
            peer.send("plain\n" + "\n".join(lines) + "\n")
            for line in lines:
                self.assertEqual(peer.line(), f"tick 0: {line}")
            peer.send("later\n")
            self.assertEqual(peer.line(), "tick 0: later")

    def test_status_server(self):
        with Program("--tick-time", "1000") as app, app.peer() as one, app.peer(1) as status:
            one.send("here\n")
            one.line()
            status.send("\n\n")
            self.assertEqual([status.line()] * 2, [status.line()] * 2)
            with app.peer(1) as other:
                other.send("\n")
                self.assertEqual(other.line(), "ticks 0, connections 1")

    def test_status_server_on_a_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/status"
            place = ("--port", "0", "--unix", path, "--tick-time", "1000")
            with Program(place=place) as app, app.peer(1) as status:
                status.send("\n")
                self.assertEqual(status.line(), "ticks 0, connections 0")
                status.socket.close()
                self.assertEqual(app.stop(), 0)
            self.assertFalse(os.path.exists(path))

    def test_line_too_long(self):
        with Program("--max-line", "50") as app, app.peer() as peer, app.peer() as other:
            peer.send("x" * 51)
            self.assertEqual(peer.rest(), [])
            other.send("?\n")
            self.assertIn("?", other.line())

    def test_silence(self):
        with Program("--first-line-time", "0.1") as app, app.peer() as peer:
            self.assertEqual(peer.rest(), [])

    def test_full(self):
        with Program("--max-connections", "1") as app, app.peer() as peer:
            peer.send("?\n")
            peer.line()
            with app.peer() as other:
                self.assertEqual(other.rest(), [])

    def test_websocket(self):
        with Program() as app, app.peer() as peer:
            early = WebSocket.frame(TEXT, b"early")
            ws = WebSocket(peer, early)
            self.assertIn("101", ws.status)
            self.assertNotIn("sec-websocket-extensions", ws.fields)
            self.assertEqual(ws.receive(), (TEXT, b"early"))
            for size in (0, 1, 125, 126, 65535, 65536, 500000):
                data = os.urandom(size)
                ws.send(BINARY, data)
                self.assertEqual(ws.receive(), (BINARY, data))
            ws.send(TEXT, b"in two ", False)
            ws.send(PING, b"between")
            self.assertEqual(ws.receive(), (PONG, b"between"))
            ws.send(0, b"parts")
            self.assertEqual(ws.receive(), (TEXT, b"in two parts"))
            ws.send(CLOSE, struct.pack("!H", 1000))
            self.assertEqual(ws.receive(), (CLOSE, struct.pack("!H", 1000)))
            self.assertEqual(peer.rest(), [])

    def test_websocket_byte_by_byte(self):
        with Program() as app, app.peer() as peer:
            key = base64.b64encode(os.urandom(16)).decode()
            for byte in UPGRADE.format(key=key).encode() + WebSocket.frame(TEXT, b"slow"):
                peer.send(bytes([byte]))
            peer.until("\r")
            while peer.line() != "\r":
                pass
            self.assertEqual(WebSocket.receive(type("Client", (), {"peer": peer})), (TEXT, b"slow"))

    def test_websocket_message_too_large(self):
        with Program("--max-message", "1000") as app, app.peer() as peer:
            ws = WebSocket(peer)
            ws.send(BINARY, bytes(1001))
            opcode, data = ws.receive()
            self.assertEqual((opcode, data[:2]), (CLOSE, struct.pack("!H", 1009)))

    def test_websocket_without_its_fields(self):
        with Program() as app, app.peer() as peer:
            peer.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertIn(" 400 ", peer.line())

    def test_silent_websocket_is_pinged_then_closed(self):
        with Program("--idle-time", "0.4") as app, app.peer() as peer:
            ws = WebSocket(peer)
            self.assertEqual(ws.receive()[0], PING)
            with self.assertRaises(EOFError):
                ws.receive()

    def test_stop_says_good_bye_in_each_language(self):
        with Program() as app, app.peer() as ws_peer, app.peer() as lines, app.peer() as plain, \
                app.peer() as silent:
            ws = WebSocket(ws_peer)
            lines.send("?\n")
            plain.send("plain\n?\n")
            lines.line(), plain.line()
            app.process.terminate()
            opcode, data = ws.receive()
            self.assertEqual((opcode, data[:2]), (CLOSE, struct.pack("!H", 1001)))
            ws.send(CLOSE, struct.pack("!H", 1001))
            for peer in (ws_peer, lines, plain, silent):
                self.assertEqual(peer.rest(), [])
                peer.socket.close()
            self.assertEqual(app.process.wait(program.PATIENCE), 0)

    def test_stop_has_a_deadline(self):
        with Program("--drain-time", "0.3") as app, app.peer() as ws_peer, app.peer() as lines:
            WebSocket(ws_peer)
            lines.send("?\n")
            lines.line()
            self.assertEqual(app.stop(), 0)


if __name__ == "__main__":
    program.PLACE += ["--status-port", "0"]
    program.main()
