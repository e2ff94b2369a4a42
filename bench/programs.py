# SPDX-License-Identifier: BSL-1.0
"""The programs of the bench: the servers, and the load generators that talk to them."""

import functools
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TICK = os.sysconf("SC_CLK_TCK")

# {server: its command line}. "build:" stands for the folders of compiled programs.
TCP = {
    "tornado_asio_callbacks": ["build:tornado_asio_callbacks"],
    "tornado_asio_coroutines": ["build:tornado_asio_coroutines"],
    "tornado_asio_views": ["build:tornado_asio_views"],
    "tornado_asio_views_coroutines": ["build:tornado_asio_views_coroutines"],
    "asio_callbacks": ["build:asio_callbacks"],
    "asio_coroutines": ["build:asio_coroutines"],
    "epoll": ["build:epoll"],
    "libevent": ["build:libevent"],
    "libuv": ["build:libuv"],
    "tornado.py": ["/usr/bin/python3", f"{HERE}/servers/tornado_server.py"],
}
EXAMPLE_3_HTTP = ["build:../example/3_http/http", "--port", "0", "--address", "127.0.0.1", "--quiet", "--no-tls"]
NGINX = ["nginx", "-p", "{folder}", "-e", "stderr", "-c"]
HTTP = {
    "example_3_http": EXAMPLE_3_HTTP,
    "http_tornado_asio": ["build:http_tornado_asio"],
    "http_beast": ["build:http_beast"],
    "nginx": [*NGINX, "off.conf"],
}
FILES = {  # those that serve the file /download, too
    "example_3_http": [*EXAMPLE_3_HTTP, "--root", "{files}"],
    "nginx": [*NGINX, "off.conf"],
    "nginx_sendfile": [*NGINX, "on.conf"],
}
TLS = {
    name: [f"build:{name}", "{certificate}"]
    for name in ("tls_tornado_asio_callbacks", "tls_tornado_asio_coroutines", "tls_asio_callbacks",
                 "tls_asio_coroutines")
}
PIPES = {
    "tornado_asio_pipes": ["build:tornado_asio_pipes", "{folder}", "64"],
    **{name: TCP[name] for name in ("tornado_asio_callbacks", "asio_callbacks")},
}
DEADLINES = {
    **{f"tornado_asio_deadlines_{form}": ["build:tornado_asio_deadlines", form] for form in ("callbacks", "coroutines")},
    **{name: TCP[name] for name in ("tornado_asio_callbacks", "tornado_asio_coroutines", "asio_callbacks")},
}
THREADS = {
    "tornado_asio_one_loop": ["build:tornado_asio_threads", "1", "reuse_port"],
    "tornado_asio_reuse_port": ["build:tornado_asio_threads", "2", "reuse_port"],
    "tornado_asio_acceptor": ["build:tornado_asio_threads", "2", "acceptor"],
    "tornado_asio_processes": ["build:tornado_asio_threads", "2", "processes"],
}
TABLES = TCP, HTTP, FILES, TLS, PIPES, DEADLINES, THREADS
COUNTERS = ["allocations", "receive", "send", "epoll_wait", "epoll_ctl", "accept", "close", "other"]
NGINX_CONF = """
daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log stderr crit;
events {{ worker_connections 16384; }}
http {{
    access_log off; keepalive_requests 1000000000; keepalive_timeout 600; sendfile {sendfile};
    client_body_temp_path a; proxy_temp_path b; fastcgi_temp_path c; uwsgi_temp_path d; scgi_temp_path e;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ default_type text/plain; return 200 "Hello, world!\n"; }}
        location = /download {{ root {files}; }}
    }}
}}
"""


class Builds(list):
    """The folders with the compiled programs, the first that has one to be preferred."""

    def find(self, name):
        found = (f"{folder}/{name}" for folder in self if (folder / name).exists())
        return next(found, None) or sys.exit(f"{name} is not built: there is none in {', '.join(map(str, self))}")


def is_ours(name):
    return "tornado_asio" in name or name == "example_3_http"


def is_compiled(name):
    return name != "tornado.py" and "nginx" not in name


def add_beside(label, folder):
    """The servers that use the library once more, as another build has them."""
    for table in TABLES:
        for name in filter(is_ours, list(table)):
            table[f"{name}@{label}"] = [word.replace("build:", f"{folder}/") for word in table[name]]


class Server:
    """A server process, looked at from outside."""

    def __init__(self, command, builds, before=(), **environment):
        self.folder = tempfile.TemporaryDirectory()
        self.port = 0
        command = [self.expand(word, builds) for word in command]
        if command[0] == "nginx":
            self.port = free_port()
            self.write_nginx_conf()
        self.process = subprocess.Popen(
            [*before, *command], stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
        if self.port:
            wait_for(self.accepts)
        else:
            said = self.process.stdout.readline()  # its folder of FIFOs, its port, or "listening on http://...:port/"
            self.port = said.strip() if said.startswith("/") else int(
                (re.findall(r"\d+", said) or sys.exit(f"{command[0]} did not start"))[-1])
        self.pid = self.process.pid

    def expand(self, word, builds):
        if word.startswith("build:"):
            return builds.find(word.removeprefix("build:"))
        if word == "{certificate}":
            certificate = pathlib.Path(self.folder.name) / "certificate.pem"
            certificate.write_text(make_certificate())
            return str(certificate)
        return word.replace("{folder}", self.folder.name).replace("{files}", make_files() if "{files}" in word else "")

    def write_nginx_conf(self):
        for sendfile in "on", "off":
            (pathlib.Path(self.folder.name) / f"{sendfile}.conf").write_text(
                NGINX_CONF.format(port=self.port, sendfile=sendfile, files=make_files()))

    def accepts(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def cpu(self):
        """Seconds of its processor clock: whole, and the kernel's coarse share of user and system."""
        times = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        whole = time.clock_gettime(~self.pid << 3 | 2)  # clock_getcpuclockid(3)
        return whole, int(times[11]) / TICK, int(times[12]) / TICK

    def settle(self):
        """Waits until it sleeps: what it does last, the load generator does not wait for."""
        last = None
        for _ in range(100):
            now = self.cpu()[0]
            if now == last:
                return
            last = now
            time.sleep(0.002)

    def resident(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s*(\d+) kB", status).group(1)) * 1024

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate()
        self.folder.cleanup()


class Generator:
    """A program that does what it is told on its standard input."""

    def __init__(self, *command):
        self.process = subprocess.Popen(
            [*map(str, command)], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.said = self.process.stdout.readline()
        if not self.said.startswith("ready"):
            sys.exit(f"{command[0]} could not begin")

    def ask(self, amount):
        """The words of its answer."""
        print(amount, file=self.process.stdin, flush=True)
        return self.process.stdout.readline().split() or sys.exit("the load generator gave up")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate()


class Load(Generator):
    """The load generator at work on a server."""

    def __init__(self, server, arguments, builds):
        super().__init__(builds.find("load"), server.port, *arguments)

    def run(self, amount, may_lose=False):
        """Moves so much; returns (moved, seconds, lost)."""
        words = self.ask(amount)
        moved, seconds, lost = int(words[0]), float(words[1]), int(words[2])
        if lost and not may_lose:
            sys.exit(f"{lost} of {moved} were lost")
        return moved, seconds, lost


class Neighbours(Generator):
    """Busy peers beside polite ones."""

    def __init__(self, server, arguments, builds):
        super().__init__(builds.find("neighbours"), server.port, server.pid, *arguments)

    @property
    def exact(self):
        return "coarse" not in self.said

    def run(self, seconds):
        """For so long; returns (bytes the busy ones moved, the waits of the polite)."""
        moved, *waits = self.ask(seconds)
        return int(moved), [float(wait) for wait in waits]


class Wrk:
    """wrk in the load generator's place; it counts its requests itself."""

    def __init__(self, server, *_):
        self.command = ["wrk", "-t1", "-c64", f"http://127.0.0.1:{server.port}/healthz"]

    def run(self, _amount, may_lose=False):
        out = subprocess.run([*self.command, "-d1"], text=True, capture_output=True, check=True).stdout
        if not may_lose and "Non-2xx" in out:
            sys.exit(out)
        moved, seconds = re.search(r"(\d+) requests in ([\d.]+)s", out).groups()
        return int(moved), float(seconds), 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@functools.cache
def make_certificate():
    """A certificate for localhost, with its key."""
    return subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "2", "-subj", "/CN=localhost", "-keyout", "-"],
        text=True, capture_output=True, check=True).stdout


@functools.cache
def temporary_folder():
    return tempfile.TemporaryDirectory()  # until the end of the process


@functools.cache
def make_files():
    """A folder with a file of 64 MiB to download."""
    folder = pathlib.Path(temporary_folder().name)
    folder.chmod(0o755)
    (folder / "download").write_bytes(os.urandom(1 << 20) * 64)
    return str(folder)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition):
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.005)
    sys.exit("waited in vain")
