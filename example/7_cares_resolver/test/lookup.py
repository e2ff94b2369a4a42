# SPDX-License-Identifier: BSL-1.0
"""Look-ups by c-ares from a name server of our own, on loopback."""

import contextlib
import pathlib
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "support"))
import program

A, AAAA = 1, 28
NXDOMAIN, SERVFAIL = 3, 2
ZONE = {
    "both.test": ["192.0.2.1", "192.0.2.2", "2001:db8::1"],
    "twice.test": ["192.0.2.3", "192.0.2.3"],
    "six.test": ["2001:db8::2"],
    "second.test": ["192.0.2.4"],  # answered at the second try
    "many.test": [f"192.0.2.{n}" for n in range(1, 101)],  # over TCP
    "here.test": ["127.0.0.1", "::1"],
}


def numeric(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.inet_pton(family, address)


class NameServer:
    """Answers on one port over UDP and TCP; `asked` is what it was asked."""

    def __init__(self):
        self.asked = []
        while True:
            self.udp, self.tcp = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
            self.udp.bind(("127.0.0.1", 0))
            self.address = "%s:%d" % self.udp.getsockname()
            with contextlib.suppress(OSError):
                self.tcp.bind(self.udp.getsockname())
                break
            self.close()
        self.tcp.listen()
        self.threads = [threading.Thread(target=f) for f in (self.serve_udp, self.serve_tcp)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        with socket.socket(type=socket.SOCK_DGRAM) as wake:
            wake.sendto(b"", self.udp.getsockname())
        self.tcp.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        self.close()

    def close(self):
        self.udp.close()
        self.tcp.close()

    def serve_udp(self):
        while True:
            query, client = self.udp.recvfrom(65536)
            if not query:
                return
            if answer := self.answer(query, 512):
                self.udp.sendto(answer, client)

    def serve_tcp(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.tcp.accept()
                with connection:
                    connection.settimeout(program.PATIENCE)
                    peer = program.Peer(connection)
                    query = peer.read(struct.unpack("!H", peer.read(2))[0])
                    answer = self.answer(query, 65535)
                    connection.sendall(struct.pack("!H", len(answer)) + answer)
                    connection.recv(1)  # the client's end

    def answer(self, query, limit):
        """The answer to a query (RFC 1035, 4); None is silence."""
        position, labels = 12, []
        while size := query[position]:
            labels.append(query[position + 1:position + 1 + size].decode())
            position += 1 + size
        kind, = struct.unpack("!H", query[position + 1:position + 3])
        name, question = ".".join(labels), query[12:position + 5]
        self.asked.append(name)
        if name == "silent.test" or (name == "second.test" and self.asked.count(name) <= 2):
            return None
        size = {A: 4, AAAA: 16}[kind]
        found = [numeric(address) for address in ZONE.get(name, []) if len(numeric(address)) == size]
        records = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 60, size) + each for each in found)
        flags = 0x8180 | (SERVFAIL if name == "broken.test" else 0 if name in ZONE else NXDOMAIN)
        if 12 + len(question) + len(records) > limit:
            flags, found, records = flags | 0x0200, [], b""  # truncated: ask again over TCP
        return query[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0, 0) + question + records


class Lookup(unittest.TestCase):
    def setUp(self):
        self.server = NameServer()
        self.addCleanup(self.server.stop)

    def run_it(self, *arguments):
        """Exit code, lines of standard output as {name: words}, lines of standard error."""
        done = subprocess.run(
            [*program.COMMAND, *arguments, "--server", self.server.address], capture_output=True,
            text=True, timeout=program.PATIENCE)
        out = dict(line.split(": ", 1) for line in done.stdout.splitlines())
        return done.returncode, {name: words.split(" ") for name, words in out.items()}, \
            done.stderr.splitlines()

    def found(self, *arguments):
        code, out, err = self.run_it(*arguments)
        self.assertEqual((code, err), (0, []))
        return out

    def fails(self, line, *arguments):
        self.assertEqual(self.run_it(*arguments), (1, {}, ["lookup: " + line]))

    def test_both_families(self):
        out = self.found("both.test", "six.test", "twice.test")
        self.assertEqual({name: sorted(words) for name, words in out.items()},
                         {"both.test": ZONE["both.test"], "six.test": ZONE["six.test"],
                          "twice.test": ["192.0.2.3"]})

    def test_one_family(self):
        self.assertEqual(sorted(self.found("both.test", "--ipv4")["both.test"]), ["192.0.2.1", "192.0.2.2"])
        self.assertEqual(self.found("both.test", "--ipv6")["both.test"], ["2001:db8::1"])
        self.fails("six.test: Host not found (authoritative)", "six.test", "--ipv4")

    def test_no_such_name(self):
        self.fails("none.test: Host not found (authoritative)", "none.test")
        self.fails("a..b: Host not found (authoritative)", "a..b")

    def test_what_needs_no_server(self):
        self.assertEqual(self.found("192.0.2.9", "::1"), {"192.0.2.9": ["192.0.2.9"], "::1": ["::1"]})
        self.fails("192.0.2.9: Host not found (authoritative)", "192.0.2.9", "--ipv6")
        self.assertIn("127.0.0.1", self.found("localhost")["localhost"])
        self.assertEqual(self.server.asked, [])

    def test_a_long_answer_comes_over_tcp(self):
        self.assertEqual(sorted(self.found("many.test")["many.test"]), sorted(ZONE["many.test"]))

    def test_the_second_try(self):
        self.assertEqual(self.found("second.test", "--try-time", "0.1"), {"second.test": ["192.0.2.4"]})

    def test_silence(self):
        self.fails("silent.test: Host not found (non-authoritative), try again later",
                   "silent.test", "--try-time", "0.1", "--tries", "2")
        self.assertEqual(self.server.asked, ["silent.test"] * 4)  # both families

    def test_a_server_that_fails_and_one_that_is_not_there(self):
        soon = "--tries", "1", "--try-time", "0.5"
        again = "Host not found (non-authoritative), try again later"
        self.fails("broken.test: " + again, "broken.test", *soon)
        with socket.socket(type=socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            free = "%s:%d" % taken.getsockname()
        self.server.address, there = free, self.server.address
        self.fails("both.test: " + again, "both.test", *soon)
        self.server.address = f"{free},{there}"
        self.assertIn("192.0.2.1", self.found("both.test", *soon)["both.test"])

    def test_cancellation(self):
        begin = time.monotonic()
        code, out, err = self.run_it("silent.test", "both.test", "--timeout", "1", "--try-time", "25")
        self.assertLess(time.monotonic() - begin, 20)
        self.assertEqual((code, list(out), err), (1, ["both.test"], ["lookup: silent.test: Operation canceled"]))

    def test_many_at_a_time(self):
        names = [f"n{n}.test" for n in range(50)]
        ZONE.update({name: ["192.0.2.7"] for name in names})
        self.assertEqual(self.found(*names), {name: ["192.0.2.7"] for name in names})

    def test_connect(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            self.assertEqual(self.found("here.test", "--connect", str(port)),
                             {"here.test": ["connected", "to", f"127.0.0.1:{port}"]})
        self.fails("here.test: Connection refused", "here.test", "--connect", str(port))
        self.fails("silent.test: Operation canceled", "silent.test", "--connect", str(port), "--timeout", "0.3")

    def test_command_line(self):
        for arguments, text in (([], "NAME"), (["a", "--none"], "--none"), (["a", "--server", "x:y"], "'x:y'")):
            code, out, err = program.start_failing(*arguments)
            self.assertEqual((code, out, err.count("\n")), (1, "", 1))
            self.assertIn(text, err)
        code, out, err = program.start_failing("--help")
        self.assertEqual((code, err), (0, ""))
        self.assertIn("--server", out)


program.main()
