# SPDX-License-Identifier: BSL-1.0
"""The one-screen HTTP server as its clients see it: curl, Python's, and some that are no good.

Usage: hello_http.py PROGRAM
"""

import http.client
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "support"))
from program import PATIENCE, Conventions, Program, main


def port_of(program):
    return int(re.search(r":(\d+)/", program.listening).group(1))


class Http(Conventions, unittest.TestCase):
    def test_many_requests_on_one_connection(self):
        with Program() as program:
            client = http.client.HTTPConnection("127.0.0.1", port_of(program), timeout=PATIENCE)
            for n in range(100):
                client.request("GET", f"/{n}")
                answer = client.getresponse()
                self.assertEqual((answer.status, answer.read()), (200, b"hello from /%d\n" % n))
            client.request("POST", "/", body=b"x" * 60_000)
            self.assertEqual(client.getresponse().read(), b"x" * 60_000)
            client.close()

    @unittest.skipUnless(shutil.which("curl"), "there is no curl")
    def test_curl(self):
        with Program() as program:
            url = f"http://127.0.0.1:{port_of(program)}"
            for options, expected in (([], b"hello from /a\nhello from /b\n"),
                                      (["--http1.0"], b"hello from /a\nhello from /b\n"),
                                      (["--data", "sent"], b"sentsent")):
                done = subprocess.run(
                    ["curl", "--silent", "--noproxy", "*", *options, url + "/a", url + "/b"],
                    capture_output=True, timeout=PATIENCE)
                self.assertEqual((done.returncode, done.stdout), (0, expected))

    def test_a_connection_that_is_not_to_be_kept(self):
        with Program() as program, program.peer() as peer:
            peer.send("GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            self.assertEqual(peer.rest()[-1], "hello from /x")

    def test_what_is_no_http_or_too_much_ends_its_connection_alone(self):
        with Program() as program:
            for data in ("no HTTP\r\n\r\n", "GET / HTTP/1.1\r\nX: " + "x" * 20_000 + "\r\n\r\n",
                         "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"):
                with program.peer() as peer:
                    peer.send(data)
                    self.assertEqual(peer.rest(), [])
            with program.peer() as peer:
                peer.send("GET /y HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertIn("hello from /y", peer.until("hello")[-1])


if __name__ == "__main__":
    main()
