#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs modules of Tornado's own test suite on this library, unmodified, and counts.

usage: run.py FOLDER-OF-THE-EXTENSION MODULE... [--only TEST]

The tests run in a process of their own; one that hangs or crashes it has failed, and those after it go on in the next
process. exceptions.txt names the tests that are not to pass, and why; it is an error there when one of them does, or
does not exist.
"""

import contextlib
import faulthandler
import fnmatch
import json
import logging
import os
import pathlib
import signal
import subprocess
import sys
import threading
import unittest
import warnings

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = 30  # for one test
LATE = "the process ended inside the test, or it took too long"
KINDS = ("not ours", "not applicable", "different on purpose")


def read_exceptions():
    """[(pattern of tests, kind, reason)]"""
    exceptions = []
    for number, line in enumerate((HERE / "exceptions.txt").read_text().splitlines(), 1):
        if line and not line.startswith("#"):
            parts = tuple(part.strip() for part in line.split("|"))
            if len(parts) != 3 or parts[1] not in KINDS or not parts[2]:
                sys.exit(f"exceptions.txt:{number}: not `test | {' or '.join(KINDS)} | reason`")
            exceptions.append(parts)
    return exceptions


def exception_for(test, exceptions):
    """(kind, reason), or twice None."""
    return next((rest for pattern, *rest in exceptions if fnmatch.fnmatchcase(test, pattern)), (None, None))


def name_of(test):
    return test.id().removeprefix("tornado.test.")


def find_tests(module):
    """Every test of a module, by its name: Class.test."""
    tests, todo = {}, [unittest.defaultTestLoader.loadTestsFromName(f"tornado.test.{module}")]
    while todo:
        item = todo.pop(0)
        if isinstance(item, unittest.TestSuite):
            todo[:0] = list(item)
        else:
            tests[name_of(item)] = item
    return tests


class Report(unittest.TestResult):
    """Tells the runner how each test went, a line of JSON for each."""

    def __init__(self, to, exceptions):
        super().__init__()
        self.to = to
        self.exceptions = exceptions

    def tell(self, test, outcome, text=""):
        print(json.dumps([name_of(test), outcome, text]), file=self.to, flush=True)

    def startTest(self, test):
        super().startTest(test)
        # Those that are to fail need not take long; the others have time for a machine that is busy.
        kind, _ = exception_for(name_of(test), self.exceptions)
        os.environ["ASYNC_TEST_TIMEOUT"] = "1" if kind else "20"
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        self.tell(test, "started")

    def stopTest(self, test):
        faulthandler.cancel_dump_traceback_later()
        super().stopTest(test)

    def addSuccess(self, test):
        self.tell(test, "passed")

    def addSkip(self, test, reason):
        self.tell(test, "skipped", reason)

    def addFailure(self, test, error):
        self.tell(test, "failed", self._exc_info_to_string(error, test))

    addError = addFailure


def run_here(module, done, only, to):
    """Runs a module's tests but for those that are done; reports to the descriptor `to`."""
    from tornado.iostream import IOStream
    from tornado.options import define, options

    if IOStream.__module__ != "beneath.iostream":
        sys.exit("Tornado is not on this library")
    define("httpclient", type=str, default=None)  # of Tornado's own runner, which the tests ask
    options.logging = None
    logging.basicConfig(level=logging.INFO)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    exceptions = read_exceptions()
    with os.fdopen(to, "w") as pipe:
        report = Report(pipe, exceptions)
        for name, test in find_tests(module).items():
            if name in done or only not in (None, name):
                continue
            if exception_for(name, exceptions)[0] == "not ours":
                report.tell(test, "not run")
            else:
                test.run(report)


def run_module(module, environment, only):
    """{test: (outcome, text)}, by as many processes as it takes."""
    results = {}
    while True:
        reading, writing = os.pipe()
        with open(f"{module}.log", "a") as log:
            process = subprocess.Popen(
                [sys.executable, __file__, "--in-process", module, str(writing), only or "", *results],
                pass_fds=[writing],
                start_new_session=True,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        os.close(writing)
        # What a test has left running would keep the pipe open.
        threading.Thread(target=lambda: [process.wait(), kill_group(process.pid)]).start()
        began = False
        with os.fdopen(reading) as pipe:
            for line in pipe:
                test, outcome, text = json.loads(line)
                began = True
                if outcome == "started":
                    results[test] = "failed", LATE
                elif results.get(test, ("failed", LATE)) == ("failed", LATE):
                    results[test] = outcome, text  # the first failure counts
        if process.wait() == 0:
            return results
        if not began:
            sys.exit(f"{module}: the process ended with {process.returncode} before a test began: see {module}.log")


def kill_group(group):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def judge(module, results, exceptions):
    """[(verdict, test, text)]"""
    for test, (outcome, text) in results.items():
        kind, reason = exception_for(test, exceptions)
        if outcome == "skipped":
            yield "skipped by itself", test, text
        elif outcome == "passed" and kind:
            yield "failed", test, f"it passes, but exceptions.txt says: {kind}: {reason}"
        else:
            yield (kind or outcome), test, reason or text
    for pattern, _, _ in exceptions:
        if pattern.startswith(module + ".") and not fnmatch.filter(results, pattern):
            yield "failed", pattern, "exceptions.txt names it, but there is no such test"
    if not results:
        yield "failed", module, "no test was found"


def main(extension, modules, only):
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([extension, str(HERE)]), LANG="C.UTF-8")
    # Or each request over TLS reads the system's authorities, which no test needs: on a busy machine that alone takes
    # longer than the tenth of a second which some allow, with Tornado's own streams too.
    environment["SSL_CERT_FILE"] = os.devnull
    exceptions = [] if only else read_exceptions()
    counts = dict.fromkeys(("passed", *KINDS, "skipped by itself", "failed"), 0)
    for module in modules:
        pathlib.Path(f"{module}.log").unlink(missing_ok=True)
        results = run_module(module, environment, only)
        for verdict, test, text in judge(module, results, exceptions):
            counts[verdict] += 1
            if verdict != "passed":
                print(f"{verdict}: {test}: {text}")
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return counts["failed"] != 0


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments[:1] == ["--in-process"]:
        module, to, only, *done = arguments[1:]
        run_here(module, set(done), only or None, int(to))
        sys.exit()
    only = None
    if "--only" in arguments:
        at = arguments.index("--only")
        only = arguments[at + 1]
        del arguments[at : at + 2]
    if len(arguments) < 2:
        sys.exit(__doc__)
    sys.exit(main(arguments[0], arguments[1:], only))
