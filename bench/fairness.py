# SPDX-License-Identifier: BSL-1.0
"""How much of a server's processor time passes while a polite peer waits beside busy ones."""

import dataclasses
import statistics
import sys

from programs import FILES, TCP, TLS, Neighbours
from report import chosen, in_turn, load_average, number, ratio, start, table

WARM_UP = 0.2  # seconds, until the neighbours have filled the sockets
inexact = set()  # servers whose clock could not be read exactly


@dataclasses.dataclass
class Fairness:
    name: str
    title: str
    servers: dict
    serve: list  # the server's arguments
    load: list  # the neighbours'
    reference: str = "asio_callbacks"

    @property
    def drains(self):
        """Neighbours who never read come to an end, and the server has not done all that was sent."""
        return "flood" in self.load


WORKLOADS = [
    Fairness("fairness-stream", "50 that stream and read back", TCP, ["stream"], ["stream", 50]),
    Fairness("fairness-flood-40", "40 that flood and never read", TCP, ["stream"], ["flood", 40]),
    Fairness("fairness-flood-200", "200 that flood and never read", TCP, ["stream"], ["flood", 200]),
    Fairness("fairness-tls", "40 that flood and never read over TLS", TLS, ["stream"],
             ["tls", "flood", 40], "tls_asio_callbacks"),
    Fairness("fairness-http", "50 downloads of 64 MiB", FILES, [], ["download", "/download", 50], "nginx"),
]


def measure(name, workload, options):
    """(median wait, 90th percentile, longest, number of waits, CPU seconds for a MiB), all in CPU seconds"""
    with start(name, workload, options) as server, \
            Neighbours(server, workload.load, options.build) as neighbours:
        if not workload.drains:
            neighbours.run(WARM_UP)
        if not neighbours.exact:
            inexact.add(name)
        before = server.cpu()[0]
        moved, waits = neighbours.run(options.seconds)
        cost = (server.cpu()[0] - before) / max(1, moved) * (1 << 20)
    if len(waits) < 10:
        return None, None, None, len(waits), cost
    tenths = statistics.quantiles(waits, n=10)
    return tenths[4], tenths[8], max(waits), len(waits), cost


def middle(values, scale):
    known = [value * scale for value in values if value is not None]
    return number(statistics.median(known) if known else None)


def compare(workload, options):
    names = chosen(workload, options)
    results = {}
    for order in in_turn(names, options.rounds):
        for name in order:
            results.setdefault(name, []).append(measure(name, workload, options))
    results = {name: tuple(zip(*results[name])) for name in names}
    print(f"\nfairness, a polite peer beside {workload.title}: {options.rounds} rounds, {load_average()}")
    to = f"to {workload.reference}"
    rows = [["", "p50 ms", "p90 ms", "longest", f"p50 {to}", f"p90 {to}", "waits", "us/MiB"]]
    reference = results.get(workload.reference, ((), ()))
    for name, (p50, p90, longest, waits, cost) in results.items():
        rows.append([name, middle(p50, 1e3), middle(p90, 1e3), middle(longest, 1e3), ratio(p50, reference[0]),
                     ratio(p90, reference[1]), str(sum(waits)), "-" if workload.drains else middle(cost, 1e6)])
    table(rows)
    if inexact:
        print("the waits move in the kernel's ticks: /proc/sys/kernel/perf_event_paranoid forbids better")
    sys.stdout.flush()
