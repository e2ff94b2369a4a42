# SPDX-License-Identifier: BSL-1.0
"""Puts this library beneath Tornado: loop, streams, servers, clients and processes in the place of Tornado's own.

What is here translates and decides nothing: completions become Futures, error codes become Python's exceptions, sockets
give their descriptors away.
"""


def install():
    """Replaces the classes. To be called before tornado.httpserver and its like are imported."""
    from beneath import iostream, log, loop, netutil, process, tcp

    for part in (log, loop, netutil, iostream, process, tcp):
        part.install()
