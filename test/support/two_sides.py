# SPDX-License-Identifier: BSL-1.0
"""What differential tests have in common: random scripts, each played on Tornado and on this library, and what was seen
on both sides compared, group of steps by group of steps.
"""

import argparse
import collections

DIFFERENT = "DIFFERENT"


def make_parser(description, seeds):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--show", type=int, metavar="SEED", help="what was seen of one script")
    return parser


def show(title, groups, theirs, ours):
    print(title)
    for group, tornado, here in zip(groups, theirs, ours):
        print("  ", *[str(step)[:110] for step in group])
        if tornado == here:
            print("      both   ", tornado)
        else:
            print("      Tornado", tornado)
            print("      here   ", here)


def drive(options, make_script, play, judge, describe):
    """Whether some script was played differently.

    `make_script(seed)`; `play(seed, script)`: the traces of both sides; `judge(script, *traces)`: a verdict, and the
    traces as they were compared; `describe(script)`: a title, and what the script does in each group of its trace.
    """
    seeds = range(options.first, options.first + options.seeds) if options.show is None else [options.show]
    counts = collections.Counter()
    for seed in seeds:
        script = make_script(seed)
        # What the kernel's timing has made is not seen three times in a row.
        for _ in range(3):
            verdict, *traces = judge(script, *play(seed, script))
            if verdict != DIFFERENT:
                break
        counts[verdict] += 1
        if options.show is not None or verdict == DIFFERENT and counts[verdict] <= 10:
            title, groups = describe(script)
            show(f"seed {seed}: {title}", groups, *traces)
    for verdict, count in counts.most_common():
        print(f"{count} {verdict}")
    return counts[DIFFERENT] != 0
