# SPDX-License-Identifier: BSL-1.0
"""Many clients at a program that answers lines, and everything that it can do wrong.

Usage: front.py PROGRAM
"""

import os
import pathlib
import socket
import sys
import time
import unittest

folder = pathlib.Path(__file__).parent
sys.path.insert(0, str(folder.parents[1] / "support"))
import program
from program import Conventions, Program, start_failing


class Front(Conventions, unittest.TestCase):
    def ask(self, peer, question):
        peer.send(question + "\n")
        return peer.line()

    def test_lines_are_answered(self):
        with Program() as front, front.peer() as peer:
            for text in ("one", "", "three words here"):
                self.assertEqual(self.ask(peer, "say " + text), text)
            self.assertEqual(self.ask(peer, "complain"), "what?")

    def test_pipelined_questions_are_answered_in_order(self):
        with Program() as front, front.peer() as peer:
            peer.send("".join(f"say {n}\n" for n in range(500)))
            self.assertEqual([peer.line() for _ in range(500)], [str(n) for n in range(500)])

    def test_a_client_that_has_asked_everything_gets_its_answers(self):
        with Program() as front, front.peer() as peer:
            peer.send("say 1\nsay 2\nsay 3\n")
            peer.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(peer.rest(), ["1", "2", "3"])

    def test_many_clients_share_a_few_children(self):
        with Program("--children", "3") as front:
            peers = [front.peer() for _ in range(50)]
            for turn in range(5):
                for number, peer in enumerate(peers):
                    peer.send(f"say {turn} {number}\n")
                for number, peer in enumerate(peers):
                    self.assertEqual(peer.line(), f"{turn} {number}")
            for peer in peers:
                peer.send("pid\n")
            pids = {peer.line() for peer in peers}
            self.assertIn(len(pids), (1, 2, 3))
            self.assertLessEqual(pids, set(children(front)))
            for peer in peers:
                peer.socket.close()

    def test_a_late_answer_is_an_error_and_its_child_is_replaced(self):
        with Program("--children", "1", "--answer-time", "4") as front, front.peer() as peer:
            first = self.ask(peer, "pid")
            self.assertEqual(self.ask(peer, "late"), "error: no answer in 4000 ms")
            second = self.ask(peer, "pid")
            self.assertNotEqual(first, second)
            until(lambda: children(front) == [second])

    def test_a_late_child_holds_up_only_its_own_client(self):
        with Program("--children", "2", "--answer-time", "600") as front:
            with front.peer() as late, front.peer() as other:
                late.send("late\n")
                for n in range(10):
                    self.assertEqual(self.ask(other, f"say {n}"), str(n))

    def test_an_answer_that_is_too_long_is_an_error(self):
        with Program("--max-answer", "100000") as front, front.peer() as peer:
            self.assertEqual(self.ask(peer, "flood"), "error: the answer is longer than 100000 bytes")
            self.assertEqual(self.ask(peer, "say " + "x" * 900), "x" * 900)
            self.assertLess(front.memory(), 64 * 1024)

    def test_a_child_that_dies_is_replaced(self):
        with Program("--children", "1") as front, front.peer() as peer:
            for _ in range(3):
                self.assertRegex(self.ask(peer, "die"), "^error: .* ended without an answer$")
                self.assertEqual(self.ask(peer, "say x"), "x")

    def test_a_child_that_dies_between_questions_is_replaced(self):
        with Program("--children", "1") as front, front.peer() as peer:
            pid = self.ask(peer, "pid")
            os.kill(int(pid), 9)
            until(lambda: self.ask(peer, "say x") == "x")  # it may be asked before that is seen

    def test_a_child_that_leaves_its_pipe_to_another_process_is_replaced(self):
        with Program("--children", "1", "--answer-time", "4") as front, front.peer() as peer:
            self.assertEqual(self.ask(peer, "daemon"), "error: no answer in 4000 ms")
            self.assertEqual(self.ask(peer, "say x"), "x")

    def test_what_nobody_asked_for_is_nobodys_answer(self):
        with Program("--children", "1") as front, front.peer() as one, front.peer() as other:
            for _ in range(20):
                self.assertEqual(self.ask(one, "twice"), "one")
                answer = self.ask(other, "say x")
                self.assertTrue(answer == "x" or answer.endswith("said more than it was asked"), answer)

    def test_at_most_so_many_wait(self):
        with Program("--children", "1", "--max-waiting", "2", "--answer-time", "4") as front:
            peers = [front.peer() for _ in range(4)]
            peers[0].send("late\n")
            for peer in peers[1:]:
                time.sleep(0.05)
                peer.send("say x\n")
            self.assertEqual(peers[3].line(), "error: too many questions are waiting")
            self.assertEqual([peer.line() for peer in peers[:3]], ["error: no answer in 4000 ms", "x", "x"])
            for peer in peers:
                peer.socket.close()

    def test_a_question_that_is_too_long_ends_its_connection(self):
        with Program("--max-question", "100") as front, front.peer() as long, front.peer() as other:
            long.send("x" * 200)
            self.assertEqual(long.rest(), [])
            self.assertEqual(self.ask(other, "say x"), "x")

    def test_the_children_end_with_it(self):
        with Program() as front, front.peer() as peer:
            pid = self.ask(peer, "pid")
            peer.socket.close()
            self.assertEqual(front.stop(), 0)
            until(lambda: not os.path.exists(f"/proc/{pid}"))

    def test_a_program_that_does_not_exist_is_one_line_and_exit_code_1(self):
        command = program.COMMAND[:]
        program.COMMAND[1:] = ["no-such-program"]
        try:
            code, out, err = start_failing(*program.PLACE)
        finally:
            program.COMMAND[:] = command
        self.assertEqual((code, out, err.count("\n")), (1, "", 1))
        self.assertIn("no-such-program", err)


def children(front):
    """Those that live. One that was killed may wait as a zombie until the next one is started."""
    pid = front.process.pid
    return [child for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            if not is_zombie(child)]


def is_zombie(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True  # gone meanwhile


def until(condition):
    deadline = time.monotonic() + program.PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.01)


program.COMMAND[:] = [sys.argv.pop(1), sys.executable, str(folder / "child.py")]
unittest.main(verbosity=2)
