# SPDX-License-Identifier: BSL-1.0
"""The library's log lines, in Python's logging."""

import logging

import _tornado_asio


def install():
    _tornado_asio.set_log_sink(lambda name, level, text: logging.getLogger(name).log(level, "%s", text))
