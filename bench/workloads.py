# SPDX-License-Identifier: BSL-1.0
"""What the servers are given to do, beside the workloads that are measured in ways of their own."""

import dataclasses

from programs import DEADLINES, FILES, HTTP, PIPES, TCP, TLS


@dataclasses.dataclass
class Workload:
    name: str
    title: str
    servers: dict
    serve: list  # the server's arguments
    load: list  # the load generator's
    unit: str = "message"
    scale: int = 1  # of what the load generator counts, in a unit
    least: int = 1  # units in one measurement, at least
    counted: int = 12800  # units when calls, allocations or instructions are counted
    most: int = 1 << 40
    references: tuple = ("asio_callbacks", "epoll")


def line(depth):
    return Workload(
        f"line-{depth}", f"line echo, 64 connections, lines of 64 bytes, depth {depth}", TCP,
        ["line"], ["exchange", 64, depth, 64], least=64 * depth)


def pipes(depth):
    return dataclasses.replace(
        line(depth), name=f"pipes-{depth}", servers=PIPES, references=("tornado_asio_callbacks", "asio_callbacks"),
        title=f"line echo through 64 pairs of pipes and over TCP, lines of 64 bytes, depth {depth}")


def deadline(depth):
    return dataclasses.replace(
        line(depth), name=f"deadline-{depth}", servers=DEADLINES,
        references=("tornado_asio_callbacks", "tornado_asio_coroutines"),
        title=f"line echo, a deadline for each read or none, lines of 64 bytes, depth {depth}")


def block(size, name):
    return Workload(
        f"block-{name}", f"block ping-pong, 16 connections, {name}", TCP, ["block", size],
        ["exchange", size, 1, 16], least=64)


def bulk(mode, title):
    return Workload(
        mode, f"bulk, 4 connections, {title}", TCP, [mode], [mode, 4], unit="MiB", scale=1 << 20,
        least=64, counted=256)


def tls(name, title, serve, load, **more):
    return Workload(f"tls-{name}", f"TLS 1.3, {title}", TLS, serve, ["tls", *load],
                    references=("tls_asio_callbacks", "tls_asio_coroutines"), **more)


def tls_line(depth):
    return tls(depth, f"line echo, 64 connections, lines of 64 bytes, depth {depth}", ["line"],
               ["exchange", 64, depth, 64], least=64 * depth)


def tls_bulk(mode, title):
    return tls(mode, f"bulk, 4 connections, {title}", [mode], [mode, 4], unit="MiB", scale=1 << 20,
               least=64, counted=256)


def http(depth):
    return Workload(
        f"http-{depth}", f"HTTP GET, 64 kept connections, depth {depth}", HTTP, [],
        ["http", "/healthz", depth, 64], unit="request", least=64 * depth, references=("http_beast", "nginx"))


WORKLOADS = [
    line(1), line(16), line(64),
    block(64, "64B"), block(4096, "4KiB"), block(65536, "64KiB"),
    bulk("sink", "received and discarded"), bulk("stream", "sent back"),
    pipes(1), pipes(16),
    deadline(1), deadline(16),
    Workload("churn", "churn: connect, one line, close; 64 at a time", TCP, ["line"], ["visit", 64],
             unit="connection", least=200, counted=2000, most=8000),
    tls_line(1), tls_line(16),
    tls("handshake", "connect, full handshake, one line, close; 64 at a time", ["line"],
        ["visit", 64], unit="connection", least=100, counted=1000, most=8000),
    tls_bulk("sink", "received and discarded"), tls_bulk("stream", "sent back"),
    http(1), http(16),
    Workload("file", "HTTP GET of a file of 64 MiB, ten kept connections", FILES, [],
             ["http", "/download", 1, 10], unit="download", least=10, counted=20,
             references=("nginx_sendfile", "nginx")),
    Workload("wrk", "HTTP GET, 64 kept connections, by wrk", HTTP, [], ["wrk"], unit="request",
             references=("http_beast", "nginx")),
]
