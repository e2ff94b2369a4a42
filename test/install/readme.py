#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Does what README.md tells a newcomer, with the installed library: copies each echo server and the CMakeLists.txt into a
folder, builds them by the README's own lines, and talks to what comes of it.

Usage: readme.py PREFIX FOLDER"""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time

PATIENCE = 30  # seconds, for anything that is waited for
README = (pathlib.Path(__file__).resolve().parents[2] / "README.md").read_text()


def blocks(text, language):
    """The README's blocks of `language` in which `text` stands."""
    return [each for each in re.findall(rf"```{language}\n(.*?)```", README, re.S) if text in each]


def one(text, language):
    found = blocks(text, language)
    if len(found) != 1:
        sys.exit(f"README.md has {len(found)} blocks of {language} with {text}")
    return found[0]


def sockets_of(process):
    """The inodes of those that it has open."""
    for link in pathlib.Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            target = os.readlink(link)
        except FileNotFoundError:  # it was one of a file that is closed again
            continue
        if target.startswith("socket:["):
            yield target[len("socket:["):-1]


def port_of(process):
    """Where it listens, as the kernel says: no program here prints its port."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        sockets = set(sockets_of(process))
        for line in pathlib.Path(f"/proc/{process.pid}/net/tcp").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if inode in sockets and state == "0A":
                return int(local.partition(":")[2], 16)
        time.sleep(0.01)
    sys.exit(f"{process.args} listens nowhere")


def talk(program):
    process = subprocess.Popen([program])
    try:
        with socket.create_connection(("127.0.0.1", port_of(process)), PATIENCE) as peer:
            peer.sendall(b"hello\nworld\n")
            peer.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: peer.recv(100), b""))
    finally:
        process.kill()
        process.wait()
    if answer != b"hello\nworld\n":
        sys.exit(f"{program} answers {answer!r}")


prefix, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
os.environ["CMAKE_PREFIX_PATH"] = str(prefix)
os.environ["PKG_CONFIG_PATH"] = str(next(prefix.rglob("tornado_asio.pc")).parent)
os.environ["LD_LIBRARY_PATH"] = str(next(prefix.rglob("libtornado_asio.*")).parent)

servers = blocks("int main", "cpp")
by_cmake = "".join(one("build/echo", "sh").splitlines(True)[:-1])
by_pkg_config = one("pkg-config --cflags", "sh")
ways = [(by_cmake, "build/echo"), (by_pkg_config, "echo")]
if len(servers) != len(ways):
    sys.exit(f"README.md shows {len(servers)} servers, and {len(ways)} ways to build them")
for number, (server, (lines, program)) in enumerate(zip(servers, ways)):
    project = folder / str(number)
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir(parents=True)
    (project / "echo.cpp").write_text(server.replace("listen(8888)", "listen(0)"))
    (project / "CMakeLists.txt").write_text(one("add_executable", "cmake"))
    subprocess.run(["sh", "-ec", lines], cwd=project, check=True)
    talk(project / program)
