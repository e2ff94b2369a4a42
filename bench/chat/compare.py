#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Messages through the chat of example/9_scale_out beside the same chat on Python's Tornado, in turn, round after round.

Usage: bench/chat/compare.py --build FOLDER [--rounds N] [--seconds S]
FOLDER has the programs of the bench, as scripts/run-bench builds them: build/bench/bench.
"""

import argparse
import pathlib
import statistics
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from programs import Builds, Generator, Server

SERVERS = {
    "example_9_worker": ["build:../example/9_scale_out/worker", "--alone", "--port", "0", "--rate", "1000000000",
                         "--burst", "1000000000"],
    "tornado.py": ["/usr/bin/python3", str(HERE / "tornado_chat.py")],
}
WORKLOADS = {"50 rooms of 2": (50, 2), "10 rooms of 10": (10, 10), "2 rooms of 50": (2, 50)}


def measure(command, rooms, members, builds, seconds):
    """(deliveries a second, microseconds of the server's processor for a delivery)"""
    with Server(command, builds) as server, Generator(builds.find("chat_load"), server.port, rooms, members) as load:

        def run(amount):
            server.settle()
            before = server.cpu()[0]
            delivered, took, lost = (float(word) for word in load.ask(amount))
            if lost:
                sys.exit(f"{lost} deliveries were lost")
            server.settle()
            return delivered, took, server.cpu()[0] - before

        amount = 200
        while (warm := run(amount))[1] < seconds / 4:
            amount *= 2
        delivered, took, cpu = run(max(1, int(amount * seconds / warm[1])))
        return delivered / took, cpu / delivered * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1)
    options = parser.parse_args()
    builds = Builds([options.build])
    for title, (rooms, members) in WORKLOADS.items():
        rows = {name: [] for name in SERVERS}
        for turn in range(options.rounds):
            for name in list(SERVERS)[::1 if turn % 2 else -1]:
                rows[name].append(measure(SERVERS[name], rooms, members, builds, options.seconds))
        print(f"\n{title}: each member says something when its last word was taken")
        print(f"  {'':18} {'deliveries/s':>13} {'us/delivery':>12}")
        for name, row in rows.items():
            rate, cost = (statistics.median(column) for column in zip(*row))
            print(f"  {name:18} {rate:13.0f} {cost:12.2f}")
        ours, theirs = rows.values()
        for what, ratios in (("deliveries/s", [a[0] / b[0] for a, b in zip(ours, theirs)]),
                             ("processor time, inverse", [b[1] / a[1] for a, b in zip(ours, theirs)])):
            low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
            print(f"  ratio of {what}: {middle:.1f} (quartiles {low:.1f} to {high:.1f})", flush=True)


if __name__ == "__main__":
    main()
