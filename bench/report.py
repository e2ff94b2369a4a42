# SPDX-License-Identifier: BSL-1.0
"""What all comparisons share: fresh servers, rounds, and tables of what they brought."""

import os
import statistics

from programs import Server


def chosen(workload, options):
    return [name for name in workload.servers
            if not options.servers or {name, name.partition("@")[0]} & set(options.servers)]


def start(name, workload, options, before=(), **environment):
    command = [*workload.servers[name], *map(str, workload.serve)]
    return Server(command, options.build, before, **environment)


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


def ratio(mine, theirs):
    """The median of the rounds' ratios, and their quartiles."""
    ratios = [a / b for a, b in zip(mine, theirs) if a and b]
    return spread(ratios) if ratios else "-"


def spread(values):
    """Their median and quartiles."""
    middle = statistics.median(values)
    if len(values) < 4:
        return number(middle)
    low, _, high = statistics.quantiles(values, n=4)
    return f"{number(middle)} ({number(low)}..{number(high)})"
