#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs the servers in turn, round after round, and prints what a message costs each of them."""

import argparse
import datetime
import functools
import json
import mmap
import os
import pathlib
import re
import resource
import statistics
import struct
import subprocess
import sys
import tempfile

import fairness
import threads
from programs import (COUNTERS, TABLES, TLS, Builds, Load, Wrk, add_beside, is_compiled)
from report import chosen, in_turn, load_average, number, ratio, start, table
from workloads import WORKLOADS, line, tls_line


def make_load(server, workload, options):
    kind = Wrk if workload.load == ["wrk"] else Load
    return kind(server, workload.load, options.build)


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
    with start(name, workload, options) as server, make_load(server, workload, options) as load:
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

        with start(name, workload, options, LD_PRELOAD=options.build.find("counters.so"),
                   BENCH_COUNTERS=file.name, PYTHONMALLOC="malloc") as server, \
                make_load(server, workload, options) as load:
            server.settle()
            before = read()
            moved = load.run(workload.counted * workload.scale)[0] / workload.scale
            server.settle()
            return {counter: (b - a) / moved for counter, a, b in zip(COUNTERS, before, read())}


def count_instructions(name, workload, options):
    """Instructions in user space; what spent them is left for callgrind_annotate."""
    out = options.build[0] / f"callgrind.{workload.name}.{name}"
    with start(name, workload, options, before=[
            "valgrind", "-q", "--tool=callgrind", "--instr-atstart=no",
            f"--callgrind-out-file={out}"]) as server, \
            make_load(server, workload, options) as load:
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
    with start(name, workload, options) as server, Load(server, load, options.build) as load:
        load.run(200)  # what is needed once is there now
        server.settle()
        before = server.resident()
        load.run(count)
        server.settle()
        return (server.resident() - before) / count


def burst(name, workload, options):
    """(lost, seconds, CPU seconds for each connection)"""
    count = 5000
    with start(name, workload, options) as server, \
            Load(server, ["hold", count], options.build) as load:
        before = server.cpu()[0]
        _, seconds, lost = load.run(count, may_lose=True)
        return lost, seconds, (server.cpu()[0] - before) / count


def compare(workload, options):
    names = chosen(workload, options)
    units, results = {}, {}
    for name in names:
        measure(name, workload, options, units)
    for order in in_turn(names, options.rounds):
        for name in order:
            results.setdefault(name, []).append(measure(name, workload, options, units))
    costs = {name: [run[1] / run[0] * 1e6 for run in runs] for name, runs in results.items()}
    options.figures.append({"workload": workload.name, "title": workload.title, "unit": workload.unit,
                            "load": os.getloadavg()[0], "microseconds": costs})
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
        each = statistics.median(costs[name])
        row = [name, number(each), number(each * share), number(each * (1 - share)),
               f"{statistics.median(run[0] / run[4] for run in mine):.0f}",
               *(ratio(costs[name], costs.get(reference, ())) for reference in workload.references)]
        counts = {} if workload.load == ["wrk"] else count(name, workload, options)
        allocations = counts.pop("allocations", None)
        row += [number(sum(counts.values()) if counts else None), number(allocations)]
        rows.append(row)
        if options.callgrind and is_compiled(name) and workload.load != ["wrk"]:
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


def run_itself(name, arguments, options):
    """A program that measures, and prints what it found."""
    print(f"\n{name}: {load_average()}", flush=True)
    subprocess.run([options.build.find(name), *map(str, arguments(options))], check=True)


# {name: what measures it}
MEASURES = {
    **{workload.name: functools.partial(compare, workload) for workload in WORKLOADS},
    "burst": compare_bursts,
    "idle": lambda options: compare_idle(line(1), options.idle, "idle", options),
    "tls-idle": lambda options: compare_idle(tls_line(1), options.idle // 5, "idle over TLS", options),
    **{workload.name: functools.partial(fairness.compare, workload) for workload in fairness.WORKLOADS},
    "timers": functools.partial(run_itself, "timers", lambda options: (100_000, 1_000_000, options.rounds)),
    "subprocess": functools.partial(run_itself, "subprocess", lambda options: (20 * options.rounds, 1024)),
    "threads": threads.compare,
}


def processor():
    models = re.findall(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return models[0] if models else "unknown"


def beside(text):
    label, _, folder = text.partition("=")
    if not folder:
        raise argparse.ArgumentTypeError("it is LABEL=FOLDER")
    return label, pathlib.Path(folder).resolve()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD",
                        help=f"{', '.join(MEASURES)}; or what several begin with, as in 'fairness'; none: all")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.25, help="of CPU in one measurement; on the wall for fairness")
    parser.add_argument("--servers", nargs="+", metavar="SERVER", help="only these")
    parser.add_argument("--idle", type=int, default=10000, help="how many idle connections; over TLS a fifth")
    parser.add_argument("--callgrind", action="store_true", help="count instructions too; slow")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE",
                        help="writes what each round of each server took there, for scripts/plot-bench")
    parser.add_argument("--build", type=lambda folder: pathlib.Path(folder).resolve(), action="append",
                        required=True, metavar="FOLDER",
                        help="where the programs are; given again, where those are that the first lacks")
    parser.add_argument("--beside", type=beside, action="append", default=[], metavar="LABEL=FOLDER",
                        help="the library's servers of another build, too, as SERVER@LABEL")
    options = parser.parse_args()
    options.build = Builds(options.build)
    for label, folder in options.beside:
        add_beside(label, folder)
    wanted = [name for name in MEASURES if not options.workloads or any(
        name == word or name.startswith(f"{word}-") for word in options.workloads)]
    for word in options.workloads:
        if not any(name == word or name.startswith(f"{word}-") for name in wanted):
            parser.error(f"{word} is unknown; there are {', '.join(MEASURES)}")
    servers = {name for table in TABLES for name in table}
    if unknown := set(options.servers or ()) - servers:
        parser.error(f"no such server: {', '.join(unknown)}; there are {', '.join(sorted(servers))}")

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if options.idle + 300 > most:
        print(f"only {most} descriptors are allowed: fewer idle connections")
        options.idle = most - 300
    options.figures = []
    for name in wanted:
        MEASURES[name](options)
    if options.json:
        options.json.write_text(json.dumps({
            "date": datetime.date.today().isoformat(), "processor": processor(), "cores": os.cpu_count(),
            "rounds": options.rounds, "workloads": options.figures}, indent=1) + "\n")


main()
