#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs modules of Tornado's own test suite on this library, unmodified, and counts.

usage: run.py FOLDER-OF-THE-EXTENSION MODULE... [--only ID]

Each module is run by processes of its own; one test that hangs or crashes is a failure, and the tests after it go on in
the next process. A test that cannot apply, or that Tornado decides otherwise, is named in exceptions.txt with its
reason; it is run too, and is an error in that list when it does not exist or passes.
"""

import faulthandler
import json
import os
import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = 30  # for one test
KINDS = ("not applicable", "different on purpose")


def read_exceptions():
    """{test: (kind, reason)}"""
    exceptions = {}
    for number, line in enumerate((HERE / "exceptions.txt").read_text().splitlines(), 1):
        if line and not line.startswith("#"):
            test, kind, reason = (part.strip() for part in line.split("|"))
            if kind not in KINDS or not reason or test in exceptions:
                sys.exit(f"exceptions.txt:{number}: test | {' or '.join(KINDS)} | reason, each test once")
            exceptions[test] = kind, reason
    return exceptions


def find_tests(module):
    """Every test of a module, by its name: Class.test."""
    tests, todo = {}, [unittest.defaultTestLoader.loadTestsFromName(f"tornado.test.{module}")]
    while todo:
        item = todo.pop(0)
        if isinstance(item, unittest.TestSuite):
            todo[:0] = list(item)
        else:
            tests[item.id().removeprefix("tornado.test.")] = item
    return tests


class Report(unittest.TestResult):
    """Tells the runner how each test went, a line of JSON for each."""

    def __init__(self, to):
        super().__init__()
        self.to = to

    def tell(self, test, outcome, text=""):
        print(json.dumps([test.id().removeprefix("tornado.test."), outcome, text]), file=self.to, flush=True)

    def startTest(self, test):
        super().startTest(test)
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
    from tornado import testing  # noqa: F401 - before the tests, as Tornado's own runner does
    from tornado.options import define, options

    define("httpclient", type=str, default=None)
    options.logging = None
    import asyncio
    import logging
    import warnings

    logging.getLogger("tornado.access").setLevel(logging.CRITICAL)
    logging.basicConfig(level=logging.INFO)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    asyncio.set_event_loop(asyncio.new_event_loop())
    tests = [test for name, test in find_tests(module).items() if name not in done and only in (None, name)]
    with os.fdopen(to, "w") as pipe:
        unittest.TestSuite(tests).run(Report(pipe))


def run_module(module, environment, only):
    """{test: (outcome, text)}, by as many processes as it takes."""
    results = {}
    while True:
        reading, writing = os.pipe()
        command = [sys.executable, __file__, "--in-process", module, str(writing), only or "", *results]
        with subprocess.Popen(
            command,
            pass_fds=[writing],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        ) as process:
            os.close(writing)
            with open(f"{module}.log", "a") as log, os.fdopen(reading) as pipe:
                import threading

                copying = threading.Thread(target=lambda: [log.write(line) for line in process.stderr])
                copying.start()
                last = None
                for line in pipe:
                    test, outcome, text = json.loads(line)
                    last = test
                    if outcome == "started":
                        results[test] = "failed", "the process ended inside the test, or it took too long"
                    elif results[test][0] != "failed" or results[test][1].startswith("the process"):
                        results[test] = outcome, text
                copying.join()
        if process.returncode == 0 or last is None:
            if process.returncode:
                sys.exit(f"{module}: the process ended with {process.returncode} before the first test: see {module}.log")
            return results


def main(extension, modules, only):
    path = os.pathsep.join([extension, str(HERE)])
    # ASYNC_TEST_TIMEOUT is for a machine that is busy with other tests.
    environment = dict(os.environ, PYTHONPATH=path, ASYNC_TEST_TIMEOUT="20", LANG="C.UTF-8")
    exceptions = read_exceptions()
    passed, skipped, bad = 0, [], []
    excepted = {kind: [] for kind in KINDS}
    for module in modules:
        pathlib.Path(f"{module}.log").unlink(missing_ok=True)
        results = run_module(module, environment, only)
        if not results:
            bad.append((module, "no test was found"))
        for test, (outcome, text) in results.items():
            kind, reason = exceptions.get(test, (None, None))
            if outcome == "skipped":
                skipped.append((test, text))
            elif outcome == "passed" and kind is None:
                passed += 1
            elif outcome == "passed":
                bad.append((test, f"it passes, but exceptions.txt says: {kind}: {reason}"))
            elif kind is None:
                bad.append((test, text))
            else:
                excepted[kind].append((test, reason))
        for test in exceptions:
            if test.startswith(module + ".") and test not in results and not only:
                bad.append((test, "exceptions.txt names it, but there is no such test"))
    for kind, tests in excepted.items():
        for test, reason in tests:
            print(f"{kind}: {test}: {reason}")
    for test, reason in skipped:
        print(f"skipped by itself: {test}: {reason}")
    for test, text in bad:
        print(f"FAILED {test}\n{text}")
    counts = [f"{passed} passed", *(f"{len(tests)} {kind}" for kind, tests in excepted.items())]
    print(", ".join([*counts, f"{len(skipped)} skipped by itself", f"{len(bad)} failed"]))
    return bool(bad)


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
