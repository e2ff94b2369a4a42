# SPDX-License-Identifier: BSL-1.0
"""What a second loop or process brings, and how evenly connections are spread."""

import dataclasses
import pathlib
import statistics
import sys
import time

from programs import THREADS, Load, wait_for
from report import chosen, in_turn, load_average, number, ratio, spread, start, table

CONNECTIONS = 64
DEPTH = 16
REFERENCE = "tornado_asio_one_loop"


@dataclasses.dataclass
class Echo:
    servers: dict
    serve: list


@dataclasses.dataclass
class Run:
    moved: int
    seconds: float
    spent: list  # processor seconds of each of the server's threads
    load: float  # those of the load generator
    connections: list  # of each loop

    @property
    def cost(self):
        return sum(self.spent) / self.moved

    @property
    def capacity(self):
        """Messages a second when each thread has a processor: all are done when the busiest is."""
        return self.moved / max(self.spent)

    @property
    def unevenness(self):
        """How far the loop that is farthest from an even share of the connections is from it."""
        even = statistics.mean(self.connections)
        return max(abs(count - even) for count in self.connections) / even


def processes(pid):
    """The server and its workers."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def clocks(pids):
    """{thread: its processor time in seconds}"""
    return {task.name: int((task / "schedstat").read_text().split()[0]) * 1e-9
            for pid in pids for task in pathlib.Path(f"/proc/{pid}/task").iterdir()}


def settled(pids):
    """Their clocks, as soon as these stand still."""
    last = None
    while (now := clocks(pids)) != last:
        last = now
        time.sleep(0.002)
    return now


def connections(pids):
    """{epoll set: how many connections are in it}; each loop has one."""
    table = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]" for row in table if row[3] == "01"}  # established
    found = {}
    for pid in pids:
        process = pathlib.Path(f"/proc/{pid}")
        links = {fd.name: str(fd.readlink()) for fd in (process / "fd").iterdir()}
        for fd, link in links.items():
            if link == "anon_inode:[eventpoll]":
                watched = [line.split()[1] for line in (process / "fdinfo" / fd).read_text().splitlines()
                           if line.startswith("tfd:")]
                found[pid, fd] = sum(links.get(each) in sockets for each in watched)
    return found


def measure(name, workload, options, amounts):
    with start(name, workload, options) as server:
        pids = processes(server.pid)
        loops = int(workload.servers[name][1])
        wait_for(lambda: len(connections(pids)) == loops)
        with Load(server, ["exchange", 64, DEPTH, CONNECTIONS], options.build) as load:
            spread_over = list(connections(pids).values())

            def run(amount):
                generator = [load.process.pid]
                before, load_before = settled(pids), sum(settled(generator).values())
                moved, seconds, _ = load.run(amount)
                after, load_after = settled(pids), sum(settled(generator).values())
                spent = [now - before[thread] for thread, now in after.items()]
                return Run(moved, seconds, spent, load_after - load_before, spread_over)

            while name not in amounts:
                first = run(DEPTH * CONNECTIONS * 16)
                amounts[name] = int(options.seconds / first.cost)
            return run(amounts[name])


def compare(options):
    workload = Echo(THREADS, ["line"])
    names = chosen(workload, options)
    amounts, results = {}, {}
    for name in names:
        measure(name, workload, options, amounts)
    for order in in_turn(names, options.rounds):
        for name in order:
            results.setdefault(name, []).append(measure(name, workload, options, amounts))
    print(f"\nthreads: line echo, {CONNECTIONS} connections, lines of 64 bytes, depth {DEPTH}: "
          f"{options.rounds} rounds, {load_average()}")
    capacities = {name: [run.capacity for run in runs] for name, runs in results.items()}
    costs = {name: [run.cost for run in runs] for name, runs in results.items()}
    seen = {name: [run.moved / run.seconds for run in runs] for name, runs in results.items()}
    rows = [["", "us/message", "load", "to one", "capacity to one", "seen to one", "messages/s", "% off even"]]
    for name, runs in results.items():
        rows.append([
            name, number(statistics.median(costs[name]) * 1e6),
            number(statistics.median(run.load / run.moved for run in runs) * 1e6),
            ratio(costs[name], costs.get(REFERENCE, ())), ratio(capacities[name], capacities.get(REFERENCE, ())),
            ratio(seen[name], seen.get(REFERENCE, ())), f"{statistics.median(seen[name]):.0f}",
            spread([100 * run.unevenness for run in runs])])
    table(rows)
    sys.stdout.flush()
