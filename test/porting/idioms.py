#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The Python side of doc/porting.md, run on Tornado: each of its pieces stands there letter by letter.

A test here has its counterpart of the same name in idioms.cpp. What Tornado has dropped since version 3 runs on Stream3,
which makes 3's callbacks of today's futures.
"""

import logging
import os
import socket
import ssl
import struct
import subprocess
import sys
import unittest
from datetime import timedelta

os.environ.setdefault("ASYNC_TEST_TIMEOUT", "30")

try:
    import tornado.test
    from tornado import gen, process
    from tornado.ioloop import IOLoop, PeriodicCallback
    from tornado.iostream import IOStream, StreamClosedError, UnsatisfiableReadError
    from tornado.locks import Event, Lock
    from tornado.process import Subprocess
    from tornado.queues import Queue
    from tornado.tcpclient import TCPClient
    from tornado.tcpserver import TCPServer
    from tornado.testing import AsyncTestCase, ExpectLog, bind_unused_port, gen_test
except ImportError as missing:
    print(f"skipped: {missing}; on Debian, apt-get install python3-tornado")
    sys.exit(77)


class Stream3:
    """An IOStream with the callbacks that Tornado 3 had; like there, none is called after a close."""

    def __init__(self, stream):
        self.stream = stream
        self.write_callbacks = []

    @staticmethod
    def tell(future, callback):
        def done(future):
            if not future.exception() and callback:
                callback(*[future.result()] if future.result() is not None else [])

        IOLoop.current().add_future(future, done)

    def read_until(self, delimiter, callback):
        self.tell(self.stream.read_until(delimiter), callback)

    def read_bytes(self, count, callback, streaming_callback):
        async def read(left):
            while left > 0:
                chunk = await self.stream.read_bytes(left, partial=True)
                streaming_callback(chunk)
                left -= len(chunk)
            return b""

        self.tell(gen.convert_yielded(read(count)), callback)

    def write(self, data, callback=None):
        self.tell(self.stream.write(data), callback)

    def set_close_callback(self, callback):
        self.stream.set_close_callback(callback)


# ---- The pieces


class EchoServer(TCPServer):
    async def handle_stream(self, stream, address):
        try:
            while True:
                await stream.write(await stream.read_until(b"\n"))
        except StreamClosedError:
            pass


connections = set()


class EchoConnection:
    def __init__(self, stream):
        connections.add(self)
        self.stream = stream
        self.stream.set_close_callback(self.on_close)
        self.stream.read_until(b"\n", self.on_line)

    def on_line(self, line):
        self.stream.write(line, self.on_written)

    def on_written(self):
        self.stream.read_until(b"\n", self.on_line)

    def on_close(self):
        connections.remove(self)


class Greeter(TCPServer):
    async def handle_stream(self, stream, address):
        greeting = f"hello {address[0]}, port {address[1]}\n"
        await stream.write(greeting.encode())


async def read_head(stream):
    return await stream.read_until_regex(rb"\r?\n\r?\n", max_bytes=16384)


def receive3(stream, size, on_chunk, on_done):
    stream.read_bytes(size, on_done, streaming_callback=on_chunk)


async def receive(stream, size, on_chunk):
    while size > 0:
        chunk = await stream.read_bytes(min(size, 65536), partial=True)
        on_chunk(chunk)
        size -= len(chunk)


async def read_line(stream, limit):
    try:
        return await gen.with_timeout(limit, stream.read_until(b"\n"), StreamClosedError)
    except gen.TimeoutError:
        stream.close()  # or the read goes on, and the next one is refused
        raise


async def read_message(stream):
    (size,) = struct.unpack(">I", await stream.read_bytes(4))
    return await stream.read_bytes(size)


async def ask(host, port, question):
    stream = await TCPClient().connect(host, port, timeout=5)
    try:
        await stream.write(question + b"\n")
        return await stream.read_until(b"\n")
    finally:
        stream.close()


async def connect_by_hand(host, port):
    stream = IOStream(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    return await stream.connect((host, port))


class StartTlsServer(TCPServer):
    context = None

    async def handle_stream(self, stream, address):
        await stream.read_until(b"STARTTLS\n")
        await stream.write(b"go ahead\n")
        stream = await stream.start_tls(True, self.context)
        await stream.write(b"this is secret\n")


async def ask_for_secret(stream, context, name):
    await stream.write(b"STARTTLS\n")
    await stream.read_until(b"\n")
    stream = await stream.start_tls(False, context, server_hostname=name)
    return await stream.read_until(b"\n")


class WorkerServer(TCPServer):
    async def handle_stream(self, stream, address):
        self.stop()
        await stream.write(b"worker %d\n" % process.task_id())
        IOLoop.current().stop()


def serve_in_processes(port):
    server = WorkerServer()
    server.bind(port, "127.0.0.1")
    server.start(2)  # returns in the two children
    IOLoop.current().start()


async def upper(text):
    tr = Subprocess(["tr", "a-z", "A-Z"], stdin=Subprocess.STREAM, stdout=Subprocess.STREAM)
    await tr.stdin.write(text)
    tr.stdin.close()
    answer = await tr.stdout.read_until_close()
    await tr.wait_for_exit()
    return answer


async def check(password):
    return await IOLoop.current().run_in_executor(None, slow_hash, password)


def slow_hash(password):
    return sum(password)


async def both(host, port):
    one, two = await gen.multi([ask(host, port, b"one"), ask(host, port, b"two")])
    return one + two


async def squares(numbers):
    jobs = Queue(maxsize=2)
    lock = Lock()
    results = []

    async def worker():
        async for job in jobs:
            async with lock:
                results.append(job * job)
            jobs.task_done()

    for _ in range(3):
        IOLoop.current().spawn_callback(worker)
    for number in numbers:
        await jobs.put(number)
    await jobs.join()
    return results


members = set()


def enter(stream):
    members.add(stream)
    stream.set_close_callback(lambda: members.remove(stream))


# ---- The tests


class Server3(TCPServer):
    def __init__(self):
        super().__init__()
        self.ended = Queue()

    def handle_stream(self, stream, address):
        ended = self.ended

        class Connection(EchoConnection):
            def on_close(self):
                super().on_close()
                ended.put_nowait(self)

        Connection(Stream3(stream))


class Idioms(AsyncTestCase):
    def listen(self, server):
        sock, port = bind_unused_port()
        server.add_socket(sock)
        return port

    async def pair(self):
        """A client's stream and the server's."""
        accepted = Queue()

        class Accepting(TCPServer):
            def handle_stream(self, stream, address):
                accepted.put_nowait(stream)

        near = await TCPClient().connect("127.0.0.1", self.listen(Accepting()))
        return near, await accepted.get()

    @gen_test
    async def test_echo(self):
        port = self.listen(EchoServer())
        self.assertEqual(await ask("127.0.0.1", port, b"one"), b"one\n")

    @gen_test
    async def test_callback_class(self):
        server = Server3()
        stream = await TCPClient().connect("127.0.0.1", self.listen(server))
        for line in (b"one\n", b"two\n"):
            stream.write(line)
            self.assertEqual(await stream.read_until(b"\n"), line)
        self.assertEqual(len(connections), 1)
        stream.close()
        await server.ended.get()
        self.assertEqual(connections, set())

    @gen_test
    async def test_address(self):
        port = self.listen(Greeter())
        stream = await TCPClient().connect("127.0.0.1", port)
        own = stream.socket.getsockname()[1]
        self.assertEqual(await stream.read_until(b"\n"), b"hello 127.0.0.1, port %d\n" % own)

    @gen_test
    async def test_read_until_regex(self):
        near, far = await self.pair()
        near.write(b"one: 1\r\n\r\nbody")
        self.assertEqual(await read_head(far), b"one: 1\r\n\r\n")
        near.write(b"x" * 16384)
        with self.assertRaises(StreamClosedError) as closed, ExpectLog("tornado.general", "Unsatis"):
            await read_head(far)
        self.assertIsInstance(closed.exception.real_error, UnsatisfiableReadError)

    @gen_test
    async def test_streaming(self):
        near, far = await self.pair()
        near.write(b"x" * 200000 + b"y" * 200000 + b"z")
        chunks, done = [], Queue()
        receive3(Stream3(far), 200000, chunks.append, done.put)
        await done.get()
        self.assertEqual(b"".join(chunks), b"x" * 200000)
        chunks.clear()
        await receive(far, 200000, chunks.append)
        self.assertEqual(b"".join(chunks), b"y" * 200000)
        self.assertEqual(await far.read_bytes(1), b"z")

    @gen_test
    async def test_read_timeout(self):
        near, far = await self.pair()
        near.write(b"one\nhalf ")
        self.assertEqual(await read_line(far, timedelta(seconds=20)), b"one\n")
        with self.assertRaises(gen.TimeoutError):
            await read_line(far, timedelta(milliseconds=20))
        self.assertTrue(far.closed())

    @gen_test
    async def test_message_timeout(self):
        near, far = await self.pair()
        near.write(b"\0\0\0\7one")
        reading = gen.convert_yielded(read_message(far))
        with self.assertRaises(gen.TimeoutError):
            await gen.with_timeout(timedelta(milliseconds=20), reading)
        near.write(b" two")
        self.assertEqual(await reading, b"one two")  # it has been going on all the time

    @gen_test
    async def test_periodic(self):
        beats = Queue()

        def heartbeat():
            beats.put_nowait("beat")

        beat = PeriodicCallback(heartbeat, 20, jitter=0.1)
        beat.start()

        for _ in range(2):
            await beats.get()
        beat.stop()

    @gen_test
    async def test_client(self):
        port = self.listen(EchoServer())
        self.assertEqual(await ask("localhost", port, b"one"), b"one\n")

    @gen_test
    async def test_client_by_hand(self):
        port = self.listen(EchoServer())
        stream = await connect_by_hand("127.0.0.1", port)
        stream.write(b"one\n")
        self.assertEqual(await stream.read_until(b"\n"), b"one\n")

    @gen_test
    async def test_start_tls(self):
        folder = os.path.dirname(tornado.test.__file__)
        server = StartTlsServer()
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.context.load_cert_chain(f"{folder}/test.crt", f"{folder}/test.key")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # Tornado's certificate has no name that counts
        context.verify_mode = ssl.CERT_NONE
        stream = await TCPClient().connect("127.0.0.1", self.listen(server))
        secret = await ask_for_secret(stream, context, "localhost")
        self.assertEqual(secret, b"this is secret\n")

    def test_processes(self):
        sock, port = bind_unused_port()
        sock.close()
        command = [sys.executable, __file__, "--serve-in-processes", str(port)]
        answers = set()
        with subprocess.Popen(command, stderr=subprocess.PIPE) as parent:
            while len(answers) < 2 and parent.poll() is None:
                try:
                    with socket.create_connection(("127.0.0.1", port), 30) as client:
                        answers.add(client.makefile().readline())
                except ConnectionRefusedError:
                    self.io_loop.run_sync(lambda: gen.sleep(0.01))  # it has not begun
            log = parent.communicate(timeout=30)[1]
        self.assertEqual(answers, {"worker 0\n", "worker 1\n"}, log)
        self.assertEqual(parent.returncode, 0, log)

    @gen_test
    async def test_subprocess(self):
        self.assertEqual(await upper(b"one two\n"), b"ONE TWO\n")

    @gen_test
    async def test_run_in_executor(self):
        self.assertEqual(await check(b"abc"), 294)

    @gen_test
    async def test_gather(self):
        self.assertEqual(await both("localhost", self.listen(EchoServer())), b"one\ntwo\n")

    @gen_test
    async def test_locks_and_queues(self):
        self.assertEqual(sorted(await squares([1, 2, 3, 4, 5])), [1, 4, 9, 16, 25])

    @gen_test
    async def test_close_callback(self):
        near, far = await self.pair()
        enter(far)
        self.assertEqual(members, {far})
        near.close()
        with self.assertRaises(StreamClosedError):
            await far.read_until(b"\n")
        await gen.sleep(0)  # the close callback comes behind what it has ended
        self.assertEqual(members, set())

    @gen_test
    async def test_exception_in_handle_stream(self):
        class Failing(TCPServer):
            async def handle_stream(self, stream, address):
                held.append(stream)
                raise ValueError("a mistake")

        held = []
        logged = Event()
        log = logging.getLogger("tornado.application")
        tell = lambda record: logged.set() or True
        log.addFilter(tell)
        with ExpectLog(log, "Exception in callback"):
            stream = await TCPClient().connect("127.0.0.1", self.listen(Failing()))
            await logged.wait()
        log.removeFilter(tell)
        held[0].write(b"it is still open\n")  # a connection that nobody closes
        self.assertEqual(await stream.read_until(b"\n"), b"it is still open\n")
        held[0].close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve-in-processes"]:
        serve_in_processes(int(sys.argv[2]))
    else:
        unittest.main(warnings="ignore")  # streams are left to the garbage collector, as programs do
