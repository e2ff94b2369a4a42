#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The demo under systemd, and handed over from process to process under load.

Usage: restart.py PROGRAM
"""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

from client import Server, receive, send

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


def ask(address):
    with socket.create_connection(address, 10) as connection:
        send(connection, HEALTH)
        return receive(connection).status


class Clients(threading.Thread):
    """Asks on a new connection each time, until stopped; `failures` has what went wrong."""

    def __init__(self, address):
        super().__init__()
        self.address = address
        self.answered = 0
        self.failures = []
        self.stopped = threading.Event()
        self.start()

    def run(self):
        while not self.stopped.is_set():
            try:
                assert ask(self.address) == 200
                self.answered += 1
            except Exception as failure:  # told by the test
                self.failures.append(repr(failure))

    def stop(self):
        self.stopped.set()
        self.join()


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.log = tempfile.TemporaryFile()
        self.addCleanup(self.log.close)


class Handover(Case):
    def server(self, *options):
        return Server(self.log, "--quiet", "--handover", str(self.folder / "handover"), *options)

    def test_restarts_under_load_lose_no_request(self):
        server = self.server()
        ports = server.port, server.tls_port
        clients = Clients(("127.0.0.1", server.port))
        for _ in range(4):
            before, server = server, self.server()
            self.assertEqual((server.port, server.tls_port), ports)
            self.assertEqual(before.stop(0), 0)
            answered = clients.answered
            while clients.answered == answered and not clients.failures:
                pass
        clients.stop()
        self.assertEqual(clients.failures, [])
        self.assertEqual(server.stop(), 0)
        self.assertFalse((self.folder / "handover").exists())

    def test_a_new_one_that_cannot_start_leaves_the_old_one_serving(self):
        server = self.server("--no-tls")
        failed = subprocess.run(
            [sys.argv[1], "--port", "0", "--handover", str(self.folder / "handover"),
             "--certfile", "/no/such/file"], capture_output=True, text=True, timeout=20)
        self.assertEqual(failed.returncode, 1)
        self.assertIn("/no/such/file", failed.stderr)
        self.assertEqual(ask(("127.0.0.1", server.port)), 200)
        self.assertEqual(server.stop(), 0)

    def test_a_unix_socket_stays_its_successors(self):
        path = str(self.folder / "http")
        command = [sys.argv[1], "--unix", path, "--handover", str(self.folder / "handover")]
        processes = []
        for _ in range(2):
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
            self.addCleanup(process.stdout.close)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            self.assertEqual(process.stdout.readline(), f"listening on unix:{path}\n")
            processes.append(process)
        self.assertEqual(processes[0].wait(20), 0)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(path)
            send(connection, HEALTH)
            self.assertEqual(receive(connection).status, 200)
        processes[1].terminate()
        self.assertEqual(processes[1].wait(20), 0)
        self.assertFalse(pathlib.Path(path).exists())


class Systemd(Case):
    """What systemd does for a unit with a socket, Type=notify and WatchdogSec=."""

    def start(self, listener, manager, name):
        environment = dict(os.environ, LISTEN_FDS="1", LISTEN_FDNAMES=name, WATCHDOG_USEC="200000",
                           NOTIFY_SOCKET="@" + manager.getsockname()[1:].decode())
        # A shell becomes the program: only that knows its process id.
        process = subprocess.Popen(
            ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$0" --no-tls --quiet 3<&0 </dev/null',
             sys.argv[1]],
            env=environment, stdin=listener, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def manager(self):
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind("")  # an abstract name of the kernel's choice
        manager.settimeout(20)
        return manager

    def test_socket_ready_watchdog_stopping(self):
        manager = self.manager()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            process = self.start(listener, manager, "http")
            self.assertEqual(manager.recv(512).decode(), f"READY=1\nMAINPID={process.pid}")
            self.assertEqual(ask(listener.getsockname()), 200)
            self.assertEqual(manager.recv(512), b"WATCHDOG=1")
            process.send_signal(signal.SIGSTOP)
            manager.settimeout(0.5)
            with self.assertRaises(TimeoutError):
                while True:
                    manager.recv(512)
            manager.settimeout(20)
            process.send_signal(signal.SIGCONT)
            process.terminate()
            while (said := manager.recv(512)) == b"WATCHDOG=1":
                pass
            self.assertEqual(said, b"STOPPING=1")
            self.assertEqual(process.wait(20), 0)

    def test_a_socket_of_another_name_is_refused_by_name(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            process = self.start(listener, self.manager(), "ftp")
            self.assertEqual(process.wait(20), 1)
            self.assertIn("FileDescriptorName=", process.stderr.read())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)
