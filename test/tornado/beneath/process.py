# SPDX-License-Identifier: BSL-1.0
"""tornado.process on this library: fork_processes and Subprocess."""

import json
import os
import subprocess
import time
import traceback

import tornado.process
from tornado.concurrent import Future
from tornado.ioloop import IOLoop

import _tornado_asio
from beneath import log
from beneath.iostream import PipeIOStream
from beneath.loop import beneath


def fork_processes(num_processes, max_restarts=None):
    """The library's supervisor ends its process; in a child of its own, this process can go on with a SystemExit.

    What the supervisor logs comes here by a pipe.
    """
    reading, writing = os.pipe()
    supervisor = os.fork()
    if supervisor == 0:
        _tornado_asio.set_log_sink(lambda *record: os.write(writing, json.dumps(record).encode() + b"\n"))
        try:
            task = _tornado_asio.fork_processes(num_processes or 0, 100 if max_restarts is None else max_restarts)
        except Exception:
            traceback.print_exc()
            os._exit(1)
        os.close(reading)
        os.close(writing)
        log.install()
        return task
    os.close(writing)
    with os.fdopen(reading) as records:
        for record in records:
            log.write(*json.loads(record))
    _, status = os.waitpid(supervisor, 0)
    raise SystemExit(os.waitstatus_to_exitcode(status))


class Program:
    """What Tornado's tests ask of subprocess.Popen."""

    def __init__(self, child):
        self._child = child

    def terminate(self):
        self._child.terminate()

    def wait(self):
        deadline = time.monotonic() + 10
        while self._child.returncode() is None:
            if time.monotonic() > deadline:
                raise TimeoutError("the child does not end")
            time.sleep(0.01)


class Subprocess:
    STREAM = -100

    def __init__(self, args, stdin=None, stdout=None, stderr=None):
        self._child = _tornado_asio.Subprocess(beneath(IOLoop.current()), args, stdin, stdout, stderr)
        self.proc = Program(self._child)
        self.pid = self._child.pid()
        for name in ("stdin", "stdout", "stderr"):
            stream = getattr(self._child, name + "_stream")()
            setattr(self, name, stream and PipeIOStream.of(stream))

    @property
    def returncode(self):
        return self._child.returncode()

    def set_exit_callback(self, callback):
        self._child.set_exit_callback(callback)

    def wait_for_exit(self, raise_error=True):
        future = Future()

        def done(code, status):
            if code:
                future.set_exception(subprocess.CalledProcessError(status, "unknown"))
            else:
                future.set_result(status)

        self._child.wait_for_exit(raise_error, done)
        return future

    @classmethod
    def initialize(cls):
        pass

    @classmethod
    def uninitialize(cls):
        pass


def install():
    tornado.process.Subprocess = Subprocess
    tornado.process.fork_processes = fork_processes
    tornado.process.task_id = _tornado_asio.task_id
    tornado.process.cpu_count = _tornado_asio.cpu_count
