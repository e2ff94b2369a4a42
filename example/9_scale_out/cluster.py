# SPDX-License-Identifier: BSL-1.0
"""The parts of the chat on one machine: redis-server, HAProxy and the workers, all on loopback.

Usage: cluster.py PROGRAM [--port PORT] [--workers N] [--folder FOLDER]
Runs until SIGTERM or SIGINT, and starts a part again when it has ended. The test drives the same parts.
"""

import argparse
import contextlib
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE = 30  # seconds, for a part that starts or ends
HAPROXY_CONF = pathlib.Path(__file__).with_name("haproxy.cfg")


def missing():
    """The Debian packages that are needed and not there."""
    programs = {"redis-server": "redis-server", "haproxy": "haproxy"}
    return [package for program, package in programs.items() if not find(program)]


def find(program):
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")


def free_ports(count):
    """So many, all different. Somebody else may still take one before it is used."""
    with contextlib.ExitStack() as probes:
        return [probes.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(count)]


class Part:
    """A program that can be started, killed and started again; its log is a file in the folder."""

    def __init__(self, name, folder, command):
        self.name = name
        self.log = folder / f"{name}.log"
        self.command = [str(word) for word in command]
        self.process = None
        self.begin = 0  # of what it says since it was started last

    def start(self):
        self.begin = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)  # a terminal's Ctrl-C is for run alone

    def said(self):
        with self.log.open("rb") as log:
            log.seek(self.begin)
            return log.read().decode(errors="replace")

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def wait_until(self, ready):
        """Waits for what another process says only when it is asked."""
        deadline = time.monotonic() + PATIENCE
        while not ready():
            if not self.is_alive():
                raise RuntimeError(f"{self.name} has ended with {self.process.returncode}; its log:\n"
                                   f"{self.said()[-2000:]}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} is not ready; see {self.log}")
            time.sleep(0.01)

    def kill(self):
        if self.is_alive():
            self.process.kill()
        if self.process:
            self.process.wait(PATIENCE)

    def stop(self):
        """Asks it to end; its exit code."""
        if self.is_alive():
            self.process.terminate()
        try:
            return self.process.wait(PATIENCE) if self.process else 0
        finally:
            self.kill()


class Redis(Part):
    """Keeps what it has said yes to: each write is in the file before the answer leaves."""

    def __init__(self, folder):
        self.path = folder / "redis.sock"
        super().__init__("redis", folder, [
            find("redis-server"), "--port", 0, "--unixsocket", self.path, "--dir", folder, "--save", "",
            "--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory", "64mb", "--maxmemory-policy", "volatile-ttl"])

    def start(self):
        super().start()
        self.wait_until(lambda: self.ask("PING") == "+PONG")

    def ask(self, *words):
        """A command, and the first line of the answer; None if there is none."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(PATIENCE)
                connection.connect(str(self.path))
                connection.sendall(" ".join(words).encode() + b"\r\n")
                return connection.makefile("rb").readline().decode().strip()
        except OSError:
            return None


class Worker(Part):
    def __init__(self, number, folder, program, port, redis, options=()):
        self.port = port
        super().__init__(f"w{number}", folder, [
            *program, "--name", f"w{number}", "--port", port, "--proxies", "127.0.0.1,::1", "--redis", redis.path,
            "--retry-time", 0.1, "--max-retry-time", 2, *options])

    def start(self):
        super().start()
        self.wait_until(lambda: "listening on" in self.said())


class HAProxy(Part):
    def __init__(self, folder, port, workers):
        self.port = port
        self.socket = folder / "haproxy.sock"
        self.conf = folder / "haproxy.cfg"
        servers = "".join(f"    server {each.name} 127.0.0.1:{each.port}\n" for each in workers)
        self.conf.write_text(HAPROXY_CONF.read_text().replace("@PORT@", str(port))
                             .replace("@SOCKET@", str(self.socket)) + servers)
        super().__init__("haproxy", folder, [find("haproxy"), "-db", "-f", self.conf])

    def check(self):
        """HAProxy's own opinion of its configuration: exit code, and what it says."""
        done = subprocess.run([find("haproxy"), "-c", "-f", self.conf], capture_output=True, text=True, timeout=PATIENCE)
        return done.returncode, done.stdout + done.stderr

    def start(self):
        super().start()
        self.wait_until(lambda: "UP" in self.states().values())

    def statistics(self):
        """A dictionary for each worker, as HAProxy sees it."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(PATIENCE)
                connection.connect(str(self.socket))
                connection.sendall(b"show stat\n")
                lines = connection.makefile().read().lstrip("# ").splitlines()
        except OSError:
            return []
        names = lines[0].split(",") if lines else []
        rows = (dict(zip(names, line.split(","))) for line in lines[1:])
        return [row for row in rows if row.get("pxname") == "workers" and row["svname"] != "BACKEND"]

    def states(self):
        return {row["svname"]: row["status"] for row in self.statistics()}


class Cluster:
    def __init__(self, program, folder, workers=2, port=None, options=()):
        folder = pathlib.Path(folder)
        ports = free_ports(workers + 1)
        self.redis = Redis(folder)
        self.workers = [Worker(i + 1, folder, program, ports[i], self.redis, options) for i in range(workers)]
        self.haproxy = HAProxy(folder, port or ports[-1], self.workers)
        self.parts = [self.redis, *self.workers, self.haproxy]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.haproxy.port}/"

    def start(self):
        for part in self.parts:
            part.start()

    def stop(self):
        """Ends all, those first that depend on others; {name: exit code}."""
        return {part.name: part.stop() for part in reversed(self.parts)}


def main():
    parser = argparse.ArgumentParser(description="the chat on one machine, until Ctrl-C")
    parser.add_argument("program", help="the worker")
    parser.add_argument("--port", type=int, help="of HAProxy; a free one if not given")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--folder", help="for all state; a temporary one if not given")
    options = parser.parse_args()
    if missing():
        sys.exit(f"install these packages: {' '.join(missing())}")

    stopped = threading.Event()
    for number in signal.SIGTERM, signal.SIGINT:
        signal.signal(number, lambda *_: stopped.set())
    with contextlib.ExitStack() as stack:
        folder = options.folder or stack.enter_context(tempfile.TemporaryDirectory(prefix="chat-"))
        cluster = Cluster([options.program], folder, options.workers, options.port)
        stack.callback(lambda: [part.kill() for part in reversed(cluster.parts)])
        cluster.start()
        print(f"the chat is at {cluster.url}; its logs and state are in {folder}", flush=True)
        for part in cluster.parts:
            print(f"  {part.name:8} process {part.process.pid}", flush=True)
        while not stopped.wait(0.2):
            for part in cluster.parts:
                if not part.is_alive() and not stopped.is_set():
                    print(f"{part.name} has ended with {part.process.returncode}; starting it again", flush=True)
                    part.start()
        codes = cluster.stop()
    wrong = {name: code for name, code in codes.items() if code not in (0, -signal.SIGTERM, 128 + signal.SIGTERM)}
    sys.exit(f"these ended wrongly: {wrong}" if wrong else 0)


if __name__ == "__main__":
    main()
