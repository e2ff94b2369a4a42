# SPDX-License-Identifier: BSL-1.0
"""Plays the chat with several clients, one of which never reads."""

import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "support"))
import program
from program import Program


def join(room, name, **how):
    peer = room.peer(**how)
    peer.until("who are you?")
    peer.send(f"{name}\n")
    peer.until(f"welcome, {name}")
    return peer


class Chat(program.Conventions, unittest.TestCase):
    def test_talk(self):
        with Program() as room, join(room, "ann") as ann, join(room, "bob") as bob:
            self.assertEqual(ann.line(), "* bob joined")
            ann.send("hello\r\n\x1b[2Jall\n\n/who\n/what\n")
            self.assertEqual([bob.line(), bob.line()], ["ann: hello", "ann: [2Jall"])
            self.assertEqual(ann.line(), "* here: ann, bob")
            self.assertIn("/quit", ann.line())
            bob.send("/quit\n")
            self.assertEqual(bob.rest(), ["* bye"])
            self.assertEqual(ann.line(), "* bob left")

    def test_names(self):
        with Program() as room, join(room, "ann"), room.peer() as other:
            other.until("who are you?")
            for name in ("", "a b", "x" * 21, "/who", "*"):
                other.send(f"{name}\n")
                self.assertIn("a name has 1 to 20 characters", other.line())
            other.send("ann\n")
            self.assertIn("taken", other.line())
            other.send("bob\n")
            self.assertEqual(other.line(), "* welcome, bob; here: ann, bob")

    def test_no_name_no_seat(self):
        with Program("--name-time", "0.2") as room, room.peer() as silent:
            self.assertEqual(silent.rest(), ["* who are you?", "* no name, no seat"])

    def test_line_too_long(self):
        with Program("--max-line", "50") as room, join(room, "ann") as ann, join(room, "bob") as bob:
            bob.send("x" * 51)
            self.assertEqual(bob.rest(), [])
            self.assertEqual(ann.until("bob left")[-1], "* bob left")

    def test_full_room(self):
        with Program("--max-members", "2") as room, join(room, "ann"), join(room, "bob") as bob:
            with room.peer() as third:
                self.assertEqual(third.rest(), ["* the room is full; come back later"])
            bob.send("/quit\n")
            bob.rest()
            with join(room, "eve"):
                pass

    def test_nc(self):
        with Program() as room, join(room, "ann") as ann:
            port = room.listening.rstrip("/").rsplit(":", 1)[1]
            done = subprocess.run(["nc", "127.0.0.1", port], input="nc\nhello from nc\n/quit\n",
                                  capture_output=True, text=True, timeout=program.PATIENCE)
            self.assertEqual(ann.until("nc left"), ["* nc joined", "nc: hello from nc", "* nc left"])
            self.assertEqual(done.stdout.splitlines()[-1], "* bye")

    def test_unix_socket_is_removed(self):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/chat"
            with Program(place=("--unix", path)) as room, join(room, "ann") as ann:
                room.process.terminate()
                self.assertEqual(ann.rest(), ["* the room closes"])
                ann.socket.close()
                self.assertEqual(room.process.wait(program.PATIENCE), 0)
            self.assertFalse(os.path.exists(path))

    def test_one_who_never_reads_is_dropped_and_holds_up_no_one(self):
        limits = ("--max-backlog", "100000", "--patience", "0.5", "--drain-time", "1")
        with Program(*limits) as room, join(room, "ann") as ann, join(room, "bob") as bob:
            with join(room, "eve", receive_buffer=4096):
                bob.until("eve joined")
                before, heard = room.memory(), []
                deadline = time.monotonic() + program.PATIENCE
                while not heard or heard[-1] != "* eve was too slow and is out":
                    self.assertLess(time.monotonic(), deadline)
                    ann.send(("x" * 900 + "\n") * 20)
                    got = bob.until("ann: ")
                    while sum(each.startswith("ann: ") for each in got) < 20:
                        got.append(bob.line())
                    heard = [each for each in got if not each.startswith("ann: ")]
                self.assertEqual(room.process.poll(), None)
                self.assertLess(room.memory() - before, 2000)
            self.assertEqual(room.stop(), 0)

    def test_a_slow_reader_is_told_what_it_missed(self):
        with tempfile.TemporaryDirectory() as folder:
            place = ("--unix", f"{folder}/chat")  # holds less than TCP, so it is full sooner
            with Program("--max-backlog", "100000", place=place) as room, \
                    join(room, "ann") as ann, join(room, "bob") as bob, join(room, "eve") as eve:
                self.flood(ann, bob, eve)

    def flood(self, ann, bob, eve):
        bob.until("eve joined")
        sent = 0
        while sent < 2000:
            ann.send("".join(f"{sent + i} {'x' * 900}\n" for i in range(20)))
            sent += 20
            for _ in range(20):
                self.assertTrue(bob.line().startswith("ann: "))

        heard = []
        reader = threading.Thread(target=lambda: heard.extend(eve.until(" end")))
        reader.start()
        deadline = time.monotonic() + program.PATIENCE
        while reader.is_alive():  # the first that finds room brings the notice with it
            ann.send(f"{sent} end\n")
            sent += 1
            reader.join(0.02)
            self.assertLess(time.monotonic(), deadline)

        expected, notices = 0, 0
        for line in heard:
            if line.startswith("* you read too slowly and missed "):
                expected += int(line.split()[-2])
                notices += 1
            else:
                self.assertEqual(line.split()[:2], ["ann:", str(expected)])
                expected += 1
        self.assertGreaterEqual(notices, 1)


if __name__ == "__main__":
    program.main()
