#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Checks that the code which the guides show is code that tests run, letter by letter but for the indentation."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
IDIOMS = {"python": "test/porting/idioms.py", "cpp": "test/porting/idioms.cpp"}
# {page: {language of a block: the file that it is a piece of}}
PAGES = {
    "doc/porting.md": IDIOMS,
    "doc/asio.md": {"cpp": "test/integration/beast/asio_guide.cpp"},
}

problems = []


def lines_of(path):
    return (ROOT / path).read_text().splitlines()


def pieces_of(path):
    """The lines of a source; where it has several blank ones, as Python likes it, one."""
    return re.sub(r"\n{3,}", "\n\n", (ROOT / path).read_text()).splitlines()


def blocks(page):
    """(line number, language, lines) of each fenced block."""
    found = []
    for number, line in enumerate(lines_of(page), 1):
        if not line.startswith("```"):
            if found and found[-1][3]:
                found[-1][2].append(line)
        elif found and found[-1][3]:
            found[-1][3] = False
        else:
            found.append([number, line[3:], [], True])
    return [(number, language, lines) for number, language, lines, _ in found]


def dedented(lines, width):
    """`lines` without so many spaces; None for one that does not begin with them."""
    return [line[width:] if not line[:width].strip() else None for line in lines]


def stands_in(block, source):
    for start, line in enumerate(source):
        width = len(line) - len(line.lstrip())
        piece = source[start : start + len(block)]
        if line[width:] == block[0] and dedented(piece, width) == block:
            return True
    return False


for page, sources in PAGES.items():
    seen = set()
    for number, language, lines in blocks(page):
        seen.add(language)
        if language not in sources:
            problems.append(f"{page}:{number}: a block of {language or 'no language'}, which no test runs")
        elif not lines or not stands_in(lines, pieces_of(sources[language])):
            problems.append(f"{page}:{number}: is no piece of {sources[language]}")
    for language in sorted(sources.keys() - seen):
        problems.append(f"{page}:1: shows no {language}")

# What is shown on both sides is run on both.
python, cpp = ((ROOT / path).read_text() for path in IDIOMS.values())
of_python = set(re.findall(r"def test_(\w+)", python))
of_cpp = set(re.findall(r"BOOST_(?:AUTO|FIXTURE)_TEST_CASE\((\w+)", cpp))
for name in sorted(of_python ^ of_cpp):
    other = IDIOMS["python" if name in of_cpp else "cpp"]
    problems.append(f"{other}:1: has no test {name}, and the other side has one")

print("\n".join(problems) or "every piece is run by a test")
sys.exit(bool(problems))
