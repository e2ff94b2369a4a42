#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Plays the same random scripts on Tornado and on this library, and compares what was seen, event by event.

A first difference must be one that a sentence explains; what comes after it in the same script is not compared.
"""

import json
import os
import pathlib
import subprocess
import sys

from player import make_script

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "support"))

from two_sides import DIFFERENT, drive, make_parser


class Side:
    """A process that plays, on the IOStream of `module`."""

    def __init__(self, module, paths):
        self.process = subprocess.Popen(
            [sys.executable, HERE / "player.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(os.environ, PYTHONPATH=os.pathsep.join(paths)),
        )
        if self.answer() != module:
            sys.exit(f"this side was to be {module}")

    def ask(self, seed):
        print(seed, file=self.process.stdin, flush=True)

    def answer(self):
        line = self.process.stdout.readline()
        return json.loads(line) if line else sys.exit("a player has ended early")


def normalise(trace, is_tornado, used):
    """A trace without what is told otherwise on purpose, wherever that occurs."""
    result, was_closed = [], False
    for events, (closed, reading, error) in trace:
        kept = []
        for event in events:
            what, *rest = event
            if what == "close callback, set on a closed stream":
                used.add("T107")
                continue
            if what in ("read", "partial"):
                number, outcome, data = rest
                if is_tornado and outcome.endswith(", after the close callback"):
                    used.add("T081")  # what Tornado decides inside the call
                    outcome = outcome.removesuffix(", after the close callback")
                if outcome in ("StreamBufferFullError", "closed:StreamBufferFullError"):
                    used.add("T099")
                    outcome = "closed:NoneType"
                if was_closed and outcome.startswith("closed:"):
                    if outcome != "closed:" + error:
                        used.add("T081")  # here each read is told what made it fail
                    outcome = "closed:" + error
                rest = number, outcome, data
            kept.append([what, *rest])
        was_closed = closed
        result.append([kept, [closed, reading, "NoneType" if error == "StreamBufferFullError" else error]])
    return result


def explain(script, at, theirs, ours):
    """The sentence by which the first difference, in group `at`, is on purpose; or None."""
    (their_events, (their_closed, *_)), (our_events, (our_closed, *_)) = theirs[at], ours[at]
    limits, _, groups = script
    now = {step[0] for step in groups[at]} if at < len(groups) else set()
    ends = {"shutdown", "peer_close", "reset"}
    ended = ends & now.union(*({step[0] for step in group} for group in groups[:at]))
    only_theirs = [event for event in their_events if event not in our_events]
    only_ours = [event for event in our_events if event not in their_events]
    # Tornado may answer with the size of an earlier read_into that has failed, not with bytes.
    pairs = [
        (a, b) for a in only_theirs for b in only_ours if a[:2] == b[:2] and not isinstance(a[-1], int)
    ]
    if "max_buffer_size" in limits:
        overflow = any(event[0] in ("read", "partial") and event[2] == "closed:NoneType" for event in only_theirs)
        if overflow or their_closed and not our_closed:
            return "T085 T099: nothing is received beyond what is asked for; the caller's memory does not count"
        if any(a[2] == "ok" and b[2] == "closed:NoneType" and a[3][0] > limits["max_buffer_size"] for a, b in pairs):
            return "T099: to be cut short by the limit is no success of read_until_close"
    if ended and our_closed and not their_closed:
        return "T074 T109: the peer's end is noticed with unread bytes, too"
    if ended and their_closed and not our_closed:
        return "T085: the peer's end is behind bytes that nobody has asked for"
    if ends & now and their_closed and our_closed and theirs[at][1][2] != ours[at][1][2] and "write" not in now:
        return "T074 T106: the peer's end may be noticed before what a read of the same turn fails by"
    if "write" in now and ended and our_closed:
        return "T095: a write waits for the end of the turn, and may be the one that finds the peer's end"
    if only_theirs + only_ours and all(event[0] == "write" for event in only_theirs + only_ours):
        return "T095: a write completes when it is queued below the low-water mark"
    if our_closed and {"close", "close_callback"} & now and any(step.startswith("read") for step in now):
        return "T094: inside a call, that of close() too, no read is served, fails or makes room"
    if "close_callback" in now and our_closed and all(e[0] == "close callback" for e in only_theirs + only_ours):
        return "T076 T107: a callback that is set in the turn of the close takes the place of the one before it"
    if at and theirs[at - 1][1][0] and any(a[2].startswith("closed:") and b[2] == "ok" for a, b in pairs):
        return "T085 T104: a chunk had been received ahead, and is served after the close"
    if any(a[2] == b[2] == "ok" and is_more_of(a[3], b[3]) for a, b in pairs):
        return "T078 T084 T085: what is there is delivered, and no more than a chunk is received at a time"
    if at == len(theirs) - 1 and sum(len(step[1]) for group in groups for step in group if step[0] == "write") > 60000:
        return "T101: what completed writes took is sent after close()"
    return None


def is_more_of(one, other):
    """Whether one read's bytes may be the beginning of the other's."""
    size = min(one[0], other[0])
    return one[0] != other[0] and one[2][:size] == other[2][:size]


def compare(script, theirs, ours):
    """(verdict, and both traces as they were compared)"""
    used = set()
    theirs, ours = normalise(theirs, True, used), normalise(ours, False, used)
    at = next((number for number, pair in enumerate(zip(theirs, ours)) if pair[0] != pair[1]), None)
    if ["intact", True] not in ours[-1][0]:
        verdict = DIFFERENT  # bytes were lost, doubled or swapped: no rule allows that
    elif at is None:
        verdict = "equal" if not used else "equal but for " + " ".join(sorted(used))
    else:
        rule = explain(script, at, theirs, ours)
        verdict = f"on purpose from one place on, {rule}" if rule else DIFFERENT
    return verdict, theirs, ours


def describe(script):
    limits, kind, groups = script
    return f"{kind} {limits}", groups + [[("take",)], [("close",)], [("take",)], [("all that was taken",)]]


def main():
    parser = make_parser(__doc__, seeds=1000)
    parser.add_argument("extension", help="the folder that it was built in")
    options = parser.parse_args()
    sides = Side("tornado.iostream", []), Side("beneath.iostream", [options.extension, str(HERE)])

    def play(seed, _):
        for side in sides:
            side.ask(seed)
        return [side.answer() for side in sides]

    return drive(options, make_script, play, compare, describe)


if __name__ == "__main__":
    sys.exit(main())
