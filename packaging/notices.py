"""The notices that belong to what a package carries: who made it, under which licence, and the texts of the licences.

`python packaging/notices.py --python VENV/bin/python > FILE`. The text is the same for the same environment. Needs
nothing but the standard library.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from licences import Carried, carried

RULE = "-" * 100
HEAD = """\
Third-party software in this package

Amanuensis itself is under the Apache License, Version 2.0, as are those below for which no text is named. Everything
listed here is carried unchanged as its makers publish it. Libraries under the LGPL (libsndfile, libsoxr, libquadmath
and the like) are files of their own, loaded at run time: put your own build of one in its place to change it. Their
sources are at the pages named, or at those that their notes name.
"""


def notices(rows: list[Carried]) -> str:
    """The list, then every text once, numbered in the order of first use."""
    numbers: dict[str, int] = {}
    parts = [HEAD]
    for row in rows:
        entry = [f"{row.name} {row.version}", f"  licence: {row.licence or 'see its text'}"]
        entry += [f"  page: {row.page}"] if row.page else []
        entry += [f"  carries {library.name}: {library.licence or 'see its text'}" for library in row.libraries]
        for name, text in row.texts:
            entry.append(f"  text {numbers.setdefault(text.strip(), len(numbers) + 1)}: {name}")
        parts.append("\n".join(entry) + "\n")
    parts += [f"{RULE}\nText {number}\n{RULE}\n\n{text}\n" for text, number in numbers.items() if text]
    return "\n".join(parts)


def main() -> None:
    """Write the notices of an environment to standard output."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--python", type=Path, required=True, help="the interpreter of the environment")
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # it is a file, not a replacement
    sys.stdout.write(notices(carried(parser.parse_args().python)))


if __name__ == "__main__":
    main()
