# SPDX-License-Identifier: BSL-1.0
"""The echo servers that README.md shows are this folder's code, letter by letter."""

import pathlib
import re
import sys

folder = pathlib.Path(__file__).parents[1]
shown = re.findall(r"```cpp\n(.*?)```", (folder / "../../README.md").read_text(), re.S)
for name in ("coroutines.cpp", "callbacks.cpp"):
    code = (folder / name).read_text()
    if not any("read_until" in block and block in code for block in shown):
        sys.exit(f"README.md does not show the echo server of {folder.name}/{name} as it is there")
