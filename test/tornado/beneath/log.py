# SPDX-License-Identifier: BSL-1.0
"""The library's log lines, in Python's logging."""

import logging

import _tornado_asio


def write(logger, level, text):
    logging.getLogger(logger).log(level, "%s", text)


def install():
    _tornado_asio.set_log_sink(write)
