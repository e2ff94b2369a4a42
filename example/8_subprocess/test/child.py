# SPDX-License-Identifier: BSL-1.0
"""A child that answers lines, well or badly as it is told."""

import os
import sys
import time

front = os.getppid()


def sleep():
    """Until the program under test has gone, so that nothing is left behind."""
    while os.path.exists(f"/proc/{front}"):
        time.sleep(0.05)


for line in sys.stdin:
    word, _, rest = line.rstrip("\n").partition(" ")
    if word == "say":
        print(rest, flush=True)
    elif word == "pid":
        print(os.getpid(), flush=True)
    elif word == "late":
        sleep()
    elif word == "twice":
        print("one\ntwo", flush=True)
    elif word == "complain":
        print("what?", file=sys.stderr, flush=True)
    elif word == "flood":
        while True:
            sys.stdout.write("x" * 65536)
    elif word == "die":
        sys.exit(3)
    elif word == "daemon":  # somebody else holds the pipe
        if os.fork():
            os._exit(0)
        sleep()
        os._exit(0)
