#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The chat of example/9_scale_out once more, on Python's Tornado: one process, its rooms in its memory."""

import asyncio
import collections
import json
import time

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketClosedError, WebSocketHandler

HISTORY = 100  # messages of a room
MAX_BACKLOG = 1 << 20  # bytes that may wait for a slow reader


class Room:
    def __init__(self):
        self.members = set()
        self.history = collections.deque(maxlen=HISTORY)
        self.last = (0, 0)

    def next_id(self):
        now = time.time_ns() // 1_000_000
        self.last = (now, 0) if now > self.last[0] else (self.last[0], self.last[1] + 1)
        return f"{self.last[0]}-{self.last[1]}"


ROOMS = collections.defaultdict(Room)


def encode(**words):
    return json.dumps(words, separators=(",", ":"))


class Chat(WebSocketHandler):
    room = None

    def open(self):
        self.set_nodelay(True)

    def on_message(self, text):
        words = json.loads(text)
        if words["type"] == "join":
            self.name = words["name"]
            self.room = ROOMS[words["room"]]
            self.room.members.add(self)
            self.tell(encode(type="welcome", worker="tornado.py", host="localhost", room=words["room"], redis=True))
            for frame in self.room.history:
                self.tell(frame)
        elif words["type"] == "say" and self.room:
            number = self.room.next_id()
            frame = encode(type="message", id=number, name=self.name, text=words["text"])
            self.room.history.append(frame)
            for member in self.room.members:
                member.tell(frame)
            self.tell(encode(type="sent", tag=words["tag"], id=number))
        else:
            self.close(1008, "neither join nor say")

    def tell(self, frame):
        stream = self.ws_connection.stream if self.ws_connection else None
        if stream is None:
            return
        if stream._write_buffer and len(stream._write_buffer) > MAX_BACKLOG:
            return self.close(1013, "reads too slowly")
        try:
            self.write_message(frame)
        except WebSocketClosedError:
            pass

    def on_close(self):
        if self.room:
            self.room.members.discard(self)


async def main():
    application = Application([("/chat", Chat)], websocket_ping_interval=15, websocket_max_message_size=8192)
    sockets = bind_sockets(0, "127.0.0.1")
    HTTPServer(application).add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
