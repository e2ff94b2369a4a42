#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs the servers in turn, round after round, and prints what a message costs each of them."""

import argparse
import dataclasses
import functools
import mmap
import os
import pathlib
import re
import resource
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TICK = os.sysconf("SC_CLK_TCK")

TCP = {
    "tornado_asio_callbacks": ["{build}/tornado_asio_callbacks"],
    "tornado_asio_coroutines": ["{build}/tornado_asio_coroutines"],
    "asio_callbacks": ["{build}/asio_callbacks"],
    "asio_coroutines": ["{build}/asio_coroutines"],
    "epoll": ["{build}/epoll"],
    "libevent": ["{build}/libevent"],
    "libuv": ["{build}/libuv"],
    "tornado.py": ["/usr/bin/python3", f"{HERE}/servers/tornado_server.py"],
}
HTTP = {
    "example_3_http": ["{build}/../example/3_http/http", "--port", "0", "--address", "127.0.0.1", "--quiet",
                       "--no-tls"],
    "http_tornado_asio": ["{build}/http_tornado_asio"],
    "http_beast": ["{build}/http_beast"],
    "nginx": ["nginx", "-p", "{folder}", "-c", "nginx.conf", "-e", "stderr"],
}
TLS = {
    name: [f"{{build}}/{name}", "{folder}/certificate.pem"]
    for name in ("tls_tornado_asio_callbacks", "tls_tornado_asio_coroutines", "tls_asio_callbacks",
                 "tls_asio_coroutines")
}
COUNTERS = ["allocations", "receive", "send", "epoll_wait", "epoll_ctl", "accept", "close", "other"]
COMPILED = [name for name in {**TCP, **TLS, **HTTP} if name not in ("tornado.py", "nginx", "example_3_http")]
NGINX = """
daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log stderr crit;
events {{ worker_connections 16384; }}
http {{
    access_log off; keepalive_requests 1000000000; keepalive_timeout 600;
    client_body_temp_path a; proxy_temp_path b; fastcgi_temp_path c; uwsgi_temp_path d; scgi_temp_path e;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ default_type text/plain; return 200 "Hello, world!\\n"; }}
    }}
}}
"""


@dataclasses.dataclass
class Workload:
    name: str
    title: str
    servers: dict
    serve: list  # the server's arguments
    load: list  # the load generator's
    unit: str = "message"
    scale: int = 1  # of what the load generator counts, in a unit
    least: int = 1  # units in one measurement, at least
    counted: int = 12800  # units when calls, allocations or instructions are counted
    most: int = 1 << 40
    references: tuple = ("asio_callbacks", "epoll")


def line(depth):
    return Workload(
        f"line-{depth}", f"line echo, 64 connections, lines of 64 bytes, depth {depth}", TCP,
        ["line"], ["exchange", 64, depth, 64], least=64 * depth)


def block(size, name):
    return Workload(
        f"block-{name}", f"block ping-pong, 16 connections, {name}", TCP, ["block", size],
        ["exchange", size, 1, 16], least=64)


def bulk(mode, title):
    return Workload(
        mode, f"bulk, 4 connections, {title}", TCP, [mode], [mode, 4], unit="MiB", scale=1 << 20,
        least=64, counted=256)


def tls(name, title, serve, load, **more):
    return Workload(f"tls-{name}", f"TLS 1.3, {title}", TLS, serve, ["tls", *load],
                    references=("tls_asio_callbacks", "tls_asio_coroutines"), **more)


def tls_line(depth):
    return tls(depth, f"line echo, 64 connections, lines of 64 bytes, depth {depth}", ["line"],
               ["exchange", 64, depth, 64], least=64 * depth)


def tls_bulk(mode, title):
    return tls(mode, f"bulk, 4 connections, {title}", [mode], [mode, 4], unit="MiB", scale=1 << 20,
               least=64, counted=256)


def http(depth):
    return Workload(
        f"http-{depth}", f"HTTP GET, 64 kept connections, depth {depth}", HTTP, [],
        ["http", "/healthz", depth, 64], unit="request", least=64 * depth, references=("http_beast", "nginx"))


WORKLOADS = [
    line(1), line(16), line(64),
    block(64, "64B"), block(4096, "4KiB"), block(65536, "64KiB"),
    bulk("sink", "received and discarded"), bulk("stream", "sent back"),
    Workload("churn", "churn: connect, one line, close; 64 at a time", TCP, ["line"], ["visit", 64],
             unit="connection", least=200, counted=2000, most=8000),
    tls_line(1), tls_line(16),
    tls("handshake", "connect, full handshake, one line, close; 64 at a time", ["line"],
        ["visit", 64], unit="connection", least=100, counted=1000, most=8000),
    tls_bulk("sink", "received and discarded"), tls_bulk("stream", "sent back"),
    http(1), http(16),
    Workload("wrk", "HTTP GET, 64 kept connections, by wrk", HTTP, [], ["wrk"], unit="request",
             references=("http_beast", "nginx")),
]
BURST, IDLE, TLS_IDLE = "burst", "idle", "tls-idle"  # measured in ways of their own


class Server:
    """A server process, looked at from outside."""

    def __init__(self, name, workload, build, before=(), **environment):
        self.folder = tempfile.TemporaryDirectory()
        self.port = 0
        if name == "nginx":
            self.port = free_port()
            (pathlib.Path(self.folder.name) / "nginx.conf").write_text(NGINX.format(port=self.port))
        if name in TLS:
            (pathlib.Path(self.folder.name) / "certificate.pem").write_text(make_certificate())
        command = [word.format(build=build, folder=self.folder.name) for word in workload.servers[name]]
        arguments = [] if name == "nginx" else [str(word) for word in workload.serve]
        self.process = subprocess.Popen(
            [*before, *command, *arguments], stdout=subprocess.PIPE, text=True,
            env={**os.environ, **environment})
        if name == "nginx":
            wait_for(self.accepts)
        else:
            said = self.process.stdout.readline()  # its port, or "listening on http://...:port/"
            self.port = int((re.findall(r"\d+", said) or sys.exit(f"{name} did not start"))[-1])
        self.pid = self.process.pid

    def accepts(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def cpu(self):
        """Seconds of its processor clock: whole, and the kernel's coarse share of user and system."""
        times = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        whole = time.clock_gettime(~self.pid << 3 | 2)  # clock_getcpuclockid(3)
        return whole, int(times[11]) / TICK, int(times[12]) / TICK

    def settle(self):
        """Waits until it sleeps: what it does last, the load generator does not wait for."""
        last = None
        for _ in range(100):
            now = self.cpu()[0]
            if now == last:
                return
            last = now
            time.sleep(0.002)

    def resident(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s*(\d+) kB", status).group(1)) * 1024

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate()
        self.folder.cleanup()


class Load:
    """The load generator at work on a server."""

    def __init__(self, server, arguments, build):
        self.process = subprocess.Popen(
            [f"{build}/load", str(server.port), *map(str, arguments)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.process.stdout.readline() != "ready\n":
            sys.exit("the load generator could not begin")

    def run(self, amount, may_lose=False):
        """Moves so much; returns (moved, seconds, lost)."""
        print(amount, file=self.process.stdin, flush=True)
        words = self.process.stdout.readline().split() or sys.exit("the load generator gave up")
        moved, seconds, lost = int(words[0]), float(words[1]), int(words[2])
        if lost and not may_lose:
            sys.exit(f"{lost} of {moved} were lost")
        return moved, seconds, lost

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate()


class Wrk:
    """wrk in the load generator's place; it counts its requests itself."""

    def __init__(self, server, *_):
        self.command = ["wrk", "-t1", "-c64", f"http://127.0.0.1:{server.port}/healthz"]

    def run(self, _amount, may_lose=False):
        out = subprocess.run([*self.command, "-d1"], text=True, capture_output=True, check=True).stdout
        if not may_lose and "Non-2xx" in out:
            sys.exit(out)
        moved, seconds = re.search(r"(\d+) requests in ([\d.]+)s", out).groups()
        return int(moved), float(seconds), 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@functools.cache
def make_certificate():
    """A certificate for localhost, with its key."""
    return subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "2", "-subj", "/CN=localhost", "-keyout", "-"],
        text=True, capture_output=True, check=True).stdout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition):
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.005)
    sys.exit("waited in vain")


def make_load(server, workload, build):
    kind = Wrk if workload.load == ["wrk"] else Load
    return kind(server, workload.load, build)


def timed(server, load, workload, units):
    """(units moved, CPU seconds, user, system, seconds)"""
    server.settle()
    before = server.cpu()
    moved, seconds, _ = load.run(units * workload.scale)
    if workload.unit == "connection":
        server.settle()
    after = server.cpu()
    return moved / workload.scale, *(b - a for a, b in zip(before, after)), seconds


def measure(name, workload, options, units):
    """One measurement of a fresh server; `units` remembers how many make it last long enough."""
    with Server(name, workload, options.build) as server, \
            make_load(server, workload, options.build) as load:
        if name not in units:
            amount = workload.least
            while True:
                moved, cpu, *_ = timed(server, load, workload, amount)
                if cpu > options.seconds / 5 or amount >= workload.most:
                    break
                amount *= 4
            units[name] = max(workload.least, min(workload.most, int(moved * options.seconds / cpu)))
        return timed(server, load, workload, units[name])


def count(name, workload, options):
    """What the preloaded library counts, for each unit: {one of COUNTERS: how many}"""
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes(mmap.PAGESIZE))
        file.flush()
        shared = mmap.mmap(file.fileno(), mmap.PAGESIZE)

        def read():
            return struct.unpack_from(f"{len(COUNTERS)}Q", shared)

        with Server(name, workload, options.build, LD_PRELOAD=f"{options.build}/counters.so",
                    BENCH_COUNTERS=file.name, PYTHONMALLOC="malloc") as server, \
                make_load(server, workload, options.build) as load:
            server.settle()
            before = read()
            moved = load.run(workload.counted * workload.scale)[0] / workload.scale
            server.settle()
            return {counter: (b - a) / moved for counter, a, b in zip(COUNTERS, before, read())}


def count_instructions(name, workload, options):
    """Instructions in user space; what spent them is left for callgrind_annotate."""
    out = options.build / f"callgrind.{workload.name}.{name}"
    with Server(name, workload, options.build, before=[
            "valgrind", "-q", "--tool=callgrind", "--instr-atstart=no",
            f"--callgrind-out-file={out}"]) as server, \
            make_load(server, workload, options.build) as load:
        def instrument(state):
            subprocess.run(["callgrind_control", "-i", state, str(server.pid)], capture_output=True,
                           check=True)

        instrument("on")
        moved = load.run(workload.counted * workload.scale)[0] / workload.scale
        instrument("off")
    return int(re.search(r"^totals: (\d+)", out.read_text(), re.M).group(1)) / moved


def idle_memory(name, workload, count, options):
    """Resident bytes for each connection that has had one line answered and now waits."""
    load = ["tls", "hold", 200] if name in TLS else ["hold", 200]
    with Server(name, workload, options.build) as server, Load(server, load, options.build) as load:
        load.run(200)  # what is needed once is there now
        server.settle()
        before = server.resident()
        load.run(count)
        server.settle()
        return (server.resident() - before) / count


def burst(name, workload, options):
    """(lost, seconds, CPU seconds for each connection)"""
    count = 5000
    with Server(name, workload, options.build) as server, \
            Load(server, ["hold", count], options.build) as load:
        before = server.cpu()[0]
        _, seconds, lost = load.run(count, may_lose=True)
        return lost, seconds, (server.cpu()[0] - before) / count


def chosen(workload, options):
    return [name for name in workload.servers if not options.servers or name in options.servers]


def in_turn(names, rounds):
    """Each round names all; each begins with another."""
    for i in range(rounds):
        yield names[i % len(names):] + names[:i % len(names)]


def load_average():
    return f"load average {os.getloadavg()[0]:.1f}"


def number(value):
    return "-" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def table(rows, notes=None):
    """The first column to the left, numbers to the right, and a note behind each row."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row, note in zip(rows, notes or [""] * len(rows)):
        cells = [f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:])]
        print("  ".join([f"{row[0]:<{widths[0]}}", *cells, note]).rstrip())


def ratio(results, name, reference):
    """The median of the rounds' ratios, and their quartiles."""
    if reference not in results or name not in results:
        return "-"
    ratios = [a[1] / a[0] / (b[1] / b[0]) for a, b in zip(results[name], results[reference])]
    middle = statistics.median(ratios)
    if len(ratios) < 4:
        return number(middle)
    low, _, high = statistics.quantiles(ratios, n=4)
    return f"{number(middle)} ({number(low)}..{number(high)})"


def compare(workload, options):
    names = chosen(workload, options)
    units, results = {}, {}
    for name in names:
        measure(name, workload, options, units)
    for order in in_turn(names, options.rounds):
        for name in order:
            results.setdefault(name, []).append(measure(name, workload, options, units))
    print(f"\n{workload.title}: {options.rounds} rounds, {load_average()}")
    first, second = workload.references
    head = ["", f"us/{workload.unit}", "user", "system", f"{workload.unit}s/s", f"to {first}",
            f"to {second}", "calls", "allocations"]
    head += ["instructions"] if options.callgrind else []
    rows, notes = [head], ["which calls"]
    for name in names:
        mine = results[name]
        moved, cpu, user, system, _ = map(sum, zip(*mine))
        share = user / (user + system) if user + system else 0
        each = statistics.median(run[1] / run[0] for run in mine) * 1e6
        row = [name, number(each), number(each * share), number(each * (1 - share)),
               f"{statistics.median(run[0] / run[4] for run in mine):.0f}",
               ratio(results, name, first), ratio(results, name, second)]
        counts = {} if workload.load == ["wrk"] else count(name, workload, options)
        allocations = counts.pop("allocations", None)
        row += [number(sum(counts.values()) if counts else None), number(allocations)]
        rows.append(row)
        if options.callgrind and name in COMPILED and workload.load != ["wrk"]:
            row.append(number(count_instructions(name, workload, options)))
        elif options.callgrind:
            row.append("-")
        notes.append(", ".join(f"{call} {n:.2g}" for call, n in counts.items() if n >= 0.002))
    table(rows, notes)
    sys.stdout.flush()


def compare_bursts(options):
    workload = line(1)
    names = chosen(workload, options)
    results = {}
    for order in in_turn(names, min(3, options.rounds)):
        for name in order:
            results.setdefault(name, []).append(burst(name, workload, options))
    print(f"\nburst: 5000 connections at once, a line each: {min(3, options.rounds)} rounds, "
          f"{load_average()}")
    rows = [["", "lost", "seconds", "us/connection"]]
    for name, runs in results.items():
        lost, seconds, cpu = zip(*runs)
        rows.append([name, str(sum(lost)), number(statistics.median(seconds)),
                     number(statistics.median(cpu) * 1e6)])
    table(rows)
    sys.stdout.flush()


def compare_idle(workload, count, title, options):
    print(f"\n{title}: {count} connections, a line each, then silence: resident bytes a connection")
    table([[name, f"{idle_memory(name, workload, count, options):.0f}"]
           for name in chosen(workload, options)])
    sys.stdout.flush()


def main():
    names = [*(workload.name for workload in WORKLOADS), BURST, IDLE, TLS_IDLE]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=", ".join(names))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.25, help="of CPU in one measurement")
    parser.add_argument("--servers", nargs="+", choices=[*TCP, *TLS, *HTTP], help="only these")
    parser.add_argument("--idle", type=int, default=10000, help="how many idle connections; over TLS a fifth")
    parser.add_argument("--callgrind", action="store_true", help="count instructions too; slow")
    parser.add_argument("--build", type=pathlib.Path, required=True, help="where the servers are")
    options = parser.parse_args()
    if unknown := set(options.workloads) - set(names):
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(names)}")

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if options.idle + 300 > most:
        print(f"only {most} descriptors are allowed: fewer idle connections")
        options.idle = most - 300
    for workload in WORKLOADS:
        if workload.name in (options.workloads or names) and chosen(workload, options):
            compare(workload, options)
    if BURST in (options.workloads or names):
        compare_bursts(options)
    if IDLE in (options.workloads or names):
        compare_idle(line(1), options.idle, "idle", options)
    if TLS_IDLE in (options.workloads or names):
        compare_idle(tls_line(1), options.idle // 5, "idle over TLS", options)


main()
