# SPDX-License-Identifier: BSL-1.0
"""The whole chat on one machine: each of its parts is killed and started again, and clients misbehave.

Usage: worker.py PROGRAM [unittest's own arguments]
"""

import asyncio
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "support")]
import cluster
import program

try:
    from clients import PATIENCE, Client, Raw, frame
except ImportError:
    print("skipped: install python3-tornado")
    sys.exit(77)
if cluster.missing():
    print(f"skipped: install {' '.join(cluster.missing())}")
    sys.exit(77)


async def until(condition):
    """Waits for what nobody tells: it must be asked for."""
    deadline = time.monotonic() + PATIENCE
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError
        await asyncio.sleep(0.01)
    return result


def stats(worker):
    with Raw(worker) as connection:
        return json.loads(connection.get("/stats")[1])


class Case(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)

    def start(self, *options, workers=2):
        folder = tempfile.TemporaryDirectory(prefix="chat-")
        self.addCleanup(folder.cleanup)
        self.cluster = cluster.Cluster(program.COMMAND, folder.name, workers, options=("--drain-time", 2, *options))
        for part in self.cluster.parts:
            self.addCleanup(part.kill)
        self.addCleanup(self.check_that_none_has_crashed)
        self.cluster.start()

    def check_that_none_has_crashed(self):
        for part in self.cluster.parts:
            if not part.is_alive() and part.process and part.process.returncode not in (0, -signal.SIGKILL):
                self.fail(f"{part.name} has ended with {part.process.returncode}; its log:\n{part.said()[-2000:]}")

    async def client(self, name, room="lobby"):
        client = Client(self.cluster.url, name, room)
        self.addAsyncCleanup(client.close)
        await client.until(lambda self: self.redis)
        return client

    async def pair(self):
        """Two on different workers."""
        haproxy = self.cluster.haproxy
        await until(lambda: all(status == "UP" for status in haproxy.states().values()))
        ann, bob = await self.client("ann"), await self.client("bob")
        self.assertNotEqual(ann.worker, bob.worker)
        return ann, bob

    def worker(self, name):
        return next(each for each in self.cluster.workers if each.name == name)

    async def until_all_heard(self, count, *clients):
        """All of them have heard so many, the same ones in the same order, each once."""
        for client in clients:
            await client.until(lambda self: len(self.heard) >= count)
            self.assertEqual(client.heard, clients[0].heard)
            self.assertEqual(len(set(client.ids)), count)
            self.assertEqual(client.gaps, 0)


class Meeting(Case):
    async def test_people_on_different_workers_meet(self):
        self.start()
        ann, bob = await self.pair()
        await ann.say("hello")
        await bob.until_heard("hello")
        await bob.say("hi")
        await ann.until_heard("hello", "hi")
        self.assertEqual(ann.heard, [("ann", "hello"), ("bob", "hi")])
        await asyncio.gather(*(each.say(str(n)) for each in (ann, bob) for n in range(8)))
        await self.until_all_heard(18, ann, bob)
        other = await self.client("eve", "elsewhere")
        self.assertEqual(other.heard, [])

    async def test_one_who_comes_later_gets_the_history_and_one_who_comes_back_what_was_missed(self):
        self.start("--history", 5, "--rate", 1000, "--burst", 1000)
        ann, bob = await self.pair()
        await bob.close()
        for n in range(5):
            await ann.say(str(n))
        await ann.until_heard("0", "1", "2", "3", "4")
        late = await self.client("late")
        await late.until_heard("0", "1", "2", "3", "4")
        with Raw(self.worker(bob.worker)).join("bob", last=ann.ids[2]) as back:
            self.assertEqual(back.words()["type"], "welcome")
            self.assertEqual([back.words()["text"] for _ in range(2)], ["3", "4"])
        for n in range(5, 9):
            await ann.say(str(n))
        await ann.until_heard("5", "6", "7", "8")
        with Raw(self.worker(bob.worker)).join("bob", last=ann.ids[2]) as back:
            self.assertEqual([back.words()["type"] for _ in range(2)], ["welcome", "gap"])
            self.assertEqual([back.words()["text"] for _ in range(5)], ["4", "5", "6", "7", "8"])


class Failures(Case):
    async def test_a_worker_is_killed_and_comes_back(self):
        self.start()
        ann, bob = await self.pair()
        await ann.say("before")
        await self.until_all_heard(1, ann, bob)
        killed = self.worker(ann.worker)
        killed.kill()
        await ann.until(lambda self: self.ends)
        for n in range(5):
            await bob.say(f"meanwhile {n}")
            await ann.say(f"me too {n}")
        await self.until_all_heard(11, ann, bob)
        self.assertEqual(ann.worker, bob.worker)
        await until(lambda: self.cluster.haproxy.states()[killed.name].startswith("DOWN"))
        killed.start()
        await until(lambda: self.cluster.haproxy.states()[killed.name] == "UP")
        eve = await self.client("eve")  # the one with the fewest
        self.assertEqual(eve.worker, killed.name)
        await eve.say("after")
        await self.until_all_heard(12, ann, bob, eve)
        self.assertEqual(bob.ends, [])

    async def test_redis_is_killed_and_comes_back(self):
        self.start()
        ann, bob = await self.pair()
        await ann.say("before")
        await self.until_all_heard(1, ann, bob)
        for turn in range(2):
            self.cluster.redis.kill()
            for each in (ann, bob):
                await each.until(lambda self: self.redis is False)
            await ann.say(f"meanwhile {turn}")
            await ann.until(lambda self: len(self.failures) > turn)
            self.assertEqual(ann.failures[-1], "Redis is away")
            self.assertEqual(len(ann.unsent), 1)
            self.cluster.redis.start()
            await self.until_all_heard(2 + turn, ann, bob)
            for each in (ann, bob):
                await each.until(lambda self: self.redis and not self.unsent)
        self.assertEqual(ann.ends + bob.ends, [])
        eve = await self.client("eve")
        await self.until_all_heard(3, ann, bob, eve)
        self.assertGreaterEqual(stats(self.worker(ann.worker))["failed"], 2)

    async def test_one_of_the_connections_to_redis_is_lost_while_others_speak(self):
        self.start("--rate", 1000, "--burst", 1000)
        ann, bob = await self.pair()
        said = 0
        for kind in ("pubsub", "normal") * 3:
            for n in range(10):
                await ann.say(f"{kind} {n}")
                await bob.say(f"{kind} {n}")
                said += 2
                if n == 5:
                    self.cluster.redis.ask("CLIENT", "KILL", "TYPE", kind)
            await self.until_all_heard(said, ann, bob)

    async def test_a_connection_to_redis_that_is_lost_while_it_is_written_to_raises_no_signal(self):
        self.start()
        ann, bob = await self.pair()
        for each in self.cluster.workers:
            each.process.send_signal(signal.SIGPIPE)  # hiredis' write, which may come just too late
        await ann.say("still here")
        await self.until_all_heard(1, ann, bob)
        self.assertEqual(ann.ends + bob.ends, [])

    async def test_redis_hangs(self):
        self.start("--answer-time", "0.5")
        ann, bob = await self.pair()
        self.cluster.redis.process.send_signal(signal.SIGSTOP)
        await ann.say("held up")
        await ann.until(lambda self: self.failures)
        self.assertEqual(ann.failures[0], "Redis went away")
        self.assertFalse(ann.redis)
        self.cluster.redis.process.send_signal(signal.SIGCONT)
        await ann.until(lambda self: not self.unsent)  # it may have been in Redis all the time
        await bob.say("end")
        await self.until_all_heard(2, ann, bob)
        self.assertEqual(ann.heard, [("ann", "held up"), ("bob", "end")])

    async def test_redis_answers_nonsense(self):
        answers = [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 100, b"-ERR no\r\n" * 9, b"$-7\r\n"]

        async def serve(reader, writer):
            answers.append(answers.pop(0))
            writer.write(answers[0])
            await reader.read(10)
            await asyncio.sleep(0.01)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.start("--redis", f"127.0.0.1:{port}", "--max-retry-time", "0.1", workers=1)
        worker = self.cluster.workers[0]
        await until(lambda: worker.said().count("next attempt") > 20)
        with await asyncio.to_thread(Raw(worker).join, "ann") as ann:
            self.assertFalse((await asyncio.to_thread(ann.words))["redis"])
            ann.say_json({"type": "say", "tag": "1", "text": "anyone?"})
            while (words := await asyncio.to_thread(ann.words))["type"] == "redis":
                pass
            self.assertEqual(words["type"], "failed")
        self.assertEqual(worker.stop(), 0)
        server.close()

    async def test_haproxy_is_killed_and_comes_back(self):
        self.start()
        ann, bob = await self.pair()
        await ann.say("before")
        await self.until_all_heard(1, ann, bob)
        self.cluster.haproxy.kill()
        for each in (ann, bob):
            await each.until(lambda self: self.ends)
        with Raw(self.cluster.workers[0]).join("direct") as direct:
            direct.say_json({"type": "say", "tag": "1", "text": "meanwhile"})
            while direct.words()["type"] != "sent":
                pass
            await bob.say("held up")
            self.cluster.haproxy.start()
            await self.until_all_heard(3, ann, bob)

    async def test_a_worker_that_hangs_is_left(self):
        self.start()
        ann, bob = await self.pair()
        hanging = self.worker(ann.worker)
        hanging.process.send_signal(signal.SIGSTOP)
        await until(lambda: self.cluster.haproxy.states()[hanging.name].startswith("DOWN"))
        await bob.say("meanwhile")
        await self.until_all_heard(1, ann, bob)
        hanging.process.send_signal(signal.SIGCONT)
        await until(lambda: self.cluster.haproxy.states()[hanging.name] == "UP")

    async def test_a_worker_that_is_stopped_says_so_and_its_clients_go_on_elsewhere(self):
        self.start()
        ann, bob = await self.pair()
        stopped = self.worker(ann.worker)
        self.assertEqual(await asyncio.to_thread(stopped.stop), 0)
        await ann.until(lambda self: len(self.welcomes) == 2)
        self.assertEqual(ann.ends[0], (1001, "the worker stops"))
        await bob.say("hello")
        await self.until_all_heard(1, ann, bob)


class Misbehaviour(Case):
    def begin(self, *options):
        self.start(*options, workers=1)
        self.only = self.cluster.workers[0]

    async def check_the_rest(self):
        """The others notice nothing."""
        if not self.cluster.workers[0].is_alive():
            self.fail(self.only.said()[-2000:])
        ann, bob = await self.client("ann"), await self.client("bob")
        await ann.say("still here")
        for each in (ann, bob):
            await each.until(lambda self: self.heard and self.heard[-1] == ("ann", "still here"))

    async def test_frames_that_are_none(self):
        self.begin("--max-message", 1000)
        for counter, code, data in (
                ("not_utf8", 1007, frame(1, b"\xff\xfe")),
                ("not_utf8", 1007, frame(1, b"ab\xe2\x82", final=False) + frame(0, b"x")),
                ("bad_frames", 1002, frame(3, b"reserved")),
                ("bad_frames", 1002, b"\x81\x02no"),  # not masked
                ("bad_frames", 1002, frame(0, b"a continuation of nothing")),
                ("bad_frames", 1009, frame(1, b"x" * 1001)),
                ("bad_frames", 1009, frame(1, b"x" * 500, final=False) + frame(0, b"x" * 501)),
                ("bad_frames", None, frame(1, b"", length=1 << 62))):
            before = stats(self.only)[counter]
            with Raw(self.only).join("eve") as eve:
                eve.socket.sendall(data)
                end = eve.end()
                if code:
                    self.assertEqual(end[0], code, data[:40])
            await until(lambda: stats(self.only)[counter] == before + 1)
        await self.check_the_rest()

    async def test_words_that_are_none(self):
        self.begin()
        for words, why in (("hello", "not a JSON object"), ('{"type":"say","tag":"t","text":"x"}', "join a room first"),
                           ('{"type":"join","room":"a b","name":"n"}', "a room has")):
            with Raw(self.only) as eve:
                self.assertEqual(eve.upgrade(), 101)
                eve.send(1, words.encode())
                code, reason = eve.end()
                self.assertEqual(code, 1008)
                self.assertIn(why, reason)
        with Raw(self.only).join("eve") as eve:
            eve.send(2, b"binary")
            self.assertEqual(eve.end(), (1003, "text only"))
        self.assertEqual(stats(self.only)["nonsense"], 2)
        await self.check_the_rest()

    async def test_half_a_frame_silence_and_nobody_who_joins(self):
        self.begin("--idle-time", 1, "--join-time", 1)
        with Raw(self.only).join("half") as half, Raw(self.only).join("silent") as silent, Raw(self.only) as nobody:
            half.socket.sendall(frame(1, b"x" * 100)[:50])
            self.assertEqual(nobody.upgrade(), 101)
            self.assertEqual(nobody.end(), (1008, "nobody has joined"))
            while half.receive() is not None:
                pass
            pings = 0
            while (got := silent.receive()) is not None:
                pings += got[0] == 9
            self.assertEqual(pings, 1)
            await until(lambda: stats(self.only)["silent"] == 3)
        with Raw(self.only).join("awake") as awake:
            for _ in range(4):
                while (got := awake.receive())[0] != 9:
                    pass
                awake.send(10, got[1])
        await self.check_the_rest()

    async def test_a_flood(self):
        self.begin()
        with Raw(self.only).join("eve") as eve:
            said = frame(1, json.dumps({"type": "say", "tag": "t", "text": "x"}).encode())
            eve.socket.sendall(said * 200)
            kinds = []
            while (got := eve.receive()) and got[0] != 8:
                kinds.append(json.loads(got[1])["type"])
            self.assertEqual(got[1][2:], b"too fast")
        self.assertGreaterEqual(kinds.count("failed"), 50)
        self.assertEqual(stats(self.only)["floods"], 1)
        self.assertGreaterEqual(stats(self.only)["refused"], kinds.count("failed"))
        await self.check_the_rest()

    async def flood_past_one_who_does_not_read(self, slow):
        """Others talk, until the worker gives the slow one up."""
        ann, bob = await self.client("ann"), await self.client("bob")
        said = 0
        while stats(self.only)["slow"] == 0:
            self.assertLess(said, 20000)
            for _ in range(50):
                await ann.say("x" * 1900)
            said += 50
            await bob.until(lambda self: len(self.heard) >= said)
        await self.until_all_heard(said, ann, bob)
        self.assertEqual(ann.ends + bob.ends, [])

    async def test_one_that_reads_too_slowly_is_told_why_it_goes(self):
        self.begin("--rate", 100000, "--burst", 1000, "--max-backlog", 150, "--patience", 60)
        with Raw(self.only, receive_buffer=4096).join("slow") as slow:
            await self.flood_past_one_who_does_not_read(slow)
            self.assertEqual(await asyncio.to_thread(slow.end), (1013, "reads too slowly"))

    async def test_one_that_never_reads_is_cut_off(self):
        self.begin("--rate", 100000, "--burst", 1000, "--max-backlog", 150, "--patience", "0.2")
        with Raw(self.only, receive_buffer=4096).join("deaf"):
            await self.flood_past_one_who_does_not_read("deaf")
            await until(lambda: stats(self.only)["members"] == 2)
        await self.check_the_rest()

    async def test_there_are_only_so_many_rooms(self):
        self.begin("--max-rooms", 1)
        with Raw(self.only).join("ann"), Raw(self.only).join("eve", room="other") as eve:
            self.assertEqual(eve.end(), (1013, "too many rooms"))

    async def test_who_may_connect(self):
        self.begin()
        with Raw(self.only, proxy=b"") as bare:
            bare.socket.sendall(b"GET /healthz HTTP/1.1\r\nHost: chat\r\n\r\n")
            try:
                self.assertEqual(bare.socket.recv(100), b"")
            except ConnectionResetError:
                pass
        self.assertEqual(stats(self.only)["proxy_failures"], 1)
        with Raw(self.only) as foreign:
            self.assertEqual(foreign.upgrade("Origin: http://elsewhere"), 403)
        with Raw(self.only) as own:
            self.assertEqual(own.upgrade("Origin: http://chat"), 101)

    async def test_http(self):
        self.begin()
        with Raw(self.only) as connection:
            for path in ("/", "/page.js", "/link.js", "/style.css", "/?room=a&name=b"):
                status, body = connection.get(path)
                self.assertEqual(status, 200)
                self.assertNotRegex(body, rb"(src|href|from|import)[^\n]*//")  # nothing of elsewhere
            self.assertEqual(connection.get("/healthz"), (200, b"ok\n"))
            self.assertEqual(connection.get("/etc/passwd")[0], 404)
            self.assertEqual(connection.get("/chat")[0], 404)
            self.assertEqual(connection.get("/", method="POST")[0], 405)
        for nonsense in (b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"x" * 9000):
            with Raw(self.only) as connection:
                connection.socket.sendall(nonsense)
                self.assertEqual(connection.answer()[0], 400)
        await self.check_the_rest()


class Machine(Case):
    async def test_haproxy_is_content_and_sees_that_the_workers_are_well(self):
        self.start()
        self.assertEqual(self.cluster.haproxy.check(), (0, "Configuration file is valid\n"))
        await until(lambda: all(status == "UP" for status in self.cluster.haproxy.states().values()))
        for row in self.cluster.haproxy.statistics():
            self.assertEqual((row["check_status"], row["check_code"]), ("L7OK", "200"))

    async def test_one_command_starts_all_and_a_signal_ends_all(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            process = subprocess.Popen([sys.executable, "-B", HERE.parent / "cluster.py", *program.COMMAND, "--workers", "2"],
                                       stdout=subprocess.PIPE, text=True)
            try:
                folder = pathlib.Path(re.search(r"state are in (\S+)", process.stdout.readline()).group(1))
                parts = dict(process.stdout.readline().split()[::2] for _ in range(4))
                self.assertEqual(list(parts), ["redis", "w1", "w2", "haproxy"])
                subprocess.run(["kill", "-9", parts["w1"]], check=True)
                self.assertEqual(process.stdout.readline(), "w1 has ended with -9; starting it again\n")
                process.send_signal(number)
                self.assertEqual(process.wait(PATIENCE), 0)
                for pid in parts.values():
                    self.assertFalse(pathlib.Path(f"/proc/{pid}").exists())
                self.assertFalse(folder.exists())
            finally:
                process.kill()
                process.wait()
                process.stdout.close()


class Alone(program.Conventions, unittest.TestCase):
    def test_no_redis_server_at_all_is_exit_code_1(self):
        code, out, err = program.start_failing("--redis", "nowhere")
        self.assertEqual((code, out, err.count("\n")), (1, "", 1))
        self.assertIn("nowhere", err)

    def test_a_backlog_without_room_for_the_history_is_exit_code_1(self):
        code, out, err = program.start_failing("--alone", "--max-backlog", "100")
        self.assertEqual((code, out, err.count("\n")), (1, "", 1))
        self.assertIn("give 110 or more", err)

    def test_no_page_is_exit_code_1(self):
        code, out, err = program.start_failing("--alone", "--root", "/nowhere")
        self.assertEqual((code, out, err.count("\n")), (1, "", 1))
        self.assertIn("/nowhere/index.html", err)


if __name__ == "__main__":
    program.PLACE += ["--alone"]
    program.main()
