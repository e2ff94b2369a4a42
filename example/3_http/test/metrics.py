#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""/metrics as Prometheus sees it: what curl gets, judged by promtool.

Usage: metrics.py PROGRAM
"""

import re
import shutil
import signal
import subprocess
import tempfile
import unittest

from client import Server, receive, send

REQUEST = b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n"


def samples(text):
    """{name with labels: value}"""
    return {name: float(value) for name, value in re.findall(r"(?m)^(?!#)(\S+) (\S+)$", text)}


class Metrics(unittest.TestCase):
    def start(self, *options):
        log = tempfile.TemporaryFile()
        self.addCleanup(log.close)
        server = Server(log, "--quiet", *options)
        self.addCleanup(lambda: self.assertEqual(server.stop(), 0))
        return server

    def ask(self, server, before=b"", request=REQUEST):
        with server.connect() as connection:
            send(connection, before + request)
            return receive(connection)

    @unittest.skipUnless(shutil.which("curl"), "curl is not installed")
    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed")
    def test_promtool_finds_nothing_to_say(self):
        server = self.start()
        got = subprocess.run(["curl", "-sSf", "--noproxy", "*", "-m", "10",
                              f"http://127.0.0.1:{server.port}/metrics"],
                             capture_output=True, timeout=30, check=True).stdout
        self.assertIn(b"# TYPE tornado_server_active_connections gauge\n", got)
        self.assertIn(b"tornado_loop_longest_block_seconds", got)
        judged = subprocess.run(["promtool", "check", "metrics"], input=got, capture_output=True,
                                timeout=30)
        self.assertEqual((judged.returncode, judged.stdout, judged.stderr), (0, b"", b""))

    def test_it_counts_what_happens(self):
        server = self.start()
        first = samples(self.ask(server).body.decode())
        for _ in range(3):
            self.ask(server, request=b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        answer = self.ask(server)
        self.assertEqual(answer.fields["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        second = samples(answer.body.decode())
        name = 'tornado_server_accepted_connections_total{server="http"}'
        self.assertEqual(second[name] - first[name], 4)
        self.assertEqual(second["http_requests_total"] - first["http_requests_total"], 4)
        for name in ('tornado_server_received_bytes_total{server="http"}',
                     'tornado_server_sent_bytes_total{server="http"}',
                     "tornado_loop_iterations_total"):
            self.assertGreater(second[name], first[name])
        self.assertEqual(second['tornado_loop_pending{kind="signal"}'], 4)  # TERM, INT, HUP, USR1

    def test_head_and_post(self):
        server = self.start("--no-tls")
        with server.connect() as connection:
            send(connection, REQUEST.replace(b"GET", b"HEAD"))
            answer = receive(connection, head_only=True)
            self.assertEqual(answer.status, 200)
            self.assertGreater(int(answer.fields["content-length"]), 1000)
        answer = self.ask(server, request=b"POST /metrics HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(answer.status, 405)

    def test_what_a_balancer_passes_on_is_not_of_this_machine(self):
        for header in (b"PROXY TCP4 127.0.0.1 127.0.0.1 5 80\r\n", b"PROXY TCP4 192.0.2.1 192.0.2.2 5 80\r\n",
                       b"PROXY UNKNOWN\r\n"):
            server = self.start("--no-tls", "--proxies", "127.0.0.1")
            self.assertEqual(self.ask(server, header).status, 404)
        server = self.start("--no-tls", "--proxies", "127.0.0.1", "--public-metrics")
        answer = self.ask(server, b"PROXY TCP4 192.0.2.1 192.0.2.2 5 80\r\n")
        self.assertEqual(answer.status, 200)
        self.assertIn(b"tornado_server_active_connections", answer.body)


unittest.main(argv=[__file__], verbosity=2)
