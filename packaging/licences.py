"""The licences of what an environment carries, held against those that a package of ours may carry.

`python packaging/licences.py --python VENV/bin/python` prints a row for each distribution and each library of others
inside it, and fails with a line for each whose licence is not known or not allowed in `licences.toml`.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePath
from typing import Any

RULES = Path(__file__).with_name("licences.toml")
OURS = "amanuensis"
SPDX = re.compile(r"[A-Za-z0-9.-]+( (AND|OR|WITH) [A-Za-z0-9.-]+)*")
SPDX_IDENTIFIERS = re.compile(r"0BSD|MIT(-0)?|ISC|Zlib|CC0|Unlicense|(A?L?GPL|MPL|BSD|Apache|PSF|CC)-[0-9A-Za-z.-]+")
TEXT_NAME = re.compile(r"(^|[_.-])(licen[cs]es?|copying|notices?|thirdpartynotices)([_.-]|$)", re.IGNORECASE)
CODE = {".py", ".pyc", ".pyi", ".json"}
LIBRARY = re.compile(r"^lib.*\.so(\.|$)")
MODULE = re.compile(r"\.(cpython-\w+|abi3)[\w-]*\.so$")  # of Python, under the licence of its distribution


@dataclass(frozen=True, slots=True)
class Library:
    """A shared library of somebody else that a wheel carries; `licence` is empty where nobody has looked."""

    name: str
    licence: str


@dataclass(frozen=True, slots=True)
class Carried:
    """A distribution of an environment; `licence` is an SPDX expression, empty where it is not known."""

    name: str
    version: str
    licence: str
    page: str
    texts: tuple[tuple[str, str], ...]  # name of the file, its text
    libraries: tuple[Library, ...]


def normal(name: str) -> str:
    """The name of a distribution as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def rules() -> dict[str, Any]:
    """What `licences.toml` says."""
    return tomllib.loads(RULES.read_text())


def carried(python: Path) -> list[Carried]:
    """What the environment of an interpreter carries beside this project itself, by name.

    Args:
        python: the interpreter; it is started to tell its folders and needs nothing installed.

    Raises:
        OSError: there is no such interpreter.
        subprocess.CalledProcessError: it cannot start.
    """
    code = "import json, sysconfig; print(json.dumps(sorted({sysconfig.get_path(n) for n in ('purelib', 'platlib')})))"
    done = subprocess.run([str(python), "-I", "-c", code], check=True, capture_output=True, text=True)
    known = rules()
    found = {normal(dist.name): dist for dist in distributions(path=json.loads(done.stdout))}
    return [_read(name, dist, known) for name, dist in sorted(found.items()) if name != OURS]


def failures(rows: list[Carried]) -> Iterator[str]:
    """A line for everything that may not be carried, or of which too little is known."""
    allowed = set(rules()["allowed"])
    for row in rows:
        bad: dict[str, list[str]] = {}
        for what, licence in [("itself", row.licence), *((library.name, library.licence) for library in row.libraries)]:
            for term in licence.split(" AND "):
                if term not in allowed:
                    bad.setdefault(term, []).append(what)
        for term, names in bad.items():
            why = (
                f"{term} is not among the allowed licences" if term else "its licence is not known: read it and name it"
            )
            yield f"{row.name} ({', '.join(names)}): {why} in {RULES.name}"
        if not row.texts and row.licence != "Apache-2.0":  # that one's text stands in LICENSE
            yield f"{row.name}: it brings no text of its licence, {row.licence or 'which is not known'}"


def _read(name: str, dist: Distribution, known: dict[str, Any]) -> Carried:
    metadata = dist.metadata
    files = [PurePath(file) for file in dist.files or ()]
    globs: dict[str, str] = known["carried"].get(name, {})
    libraries = [
        Library(file.name, next((globs[glob] for glob in globs if fnmatch(file.name, glob)), ""))
        for file in files
        if LIBRARY.match(file.name) and not MODULE.search(file.name)
    ]
    links = [link.split(", ", 1) for link in metadata.get_all("Project-URL") or ()]
    pages = [link[1] for link in links if link[0].lower() in {"homepage", "source", "repository", "source code"}]
    return Carried(
        name=dist.name,
        version=dist.version,
        licence=known["distributions"].get(name) or _declared(dist),
        page=next(iter([*(metadata.get_all("Home-page") or ()), *pages]), ""),
        texts=tuple((str(file), _text(dist, file)) for file in files if _is_text(file)),
        libraries=tuple(sorted(libraries, key=lambda library: library.name)),
    )


def _declared(dist: Distribution) -> str:
    """The SPDX expression of the metadata: the new field, or the old one where what it holds is one."""
    for field in ("License-Expression", "License"):
        said = "".join(dist.metadata.get_all(field) or ()).strip()
        if SPDX.fullmatch(said) and SPDX_IDENTIFIERS.match(said):
            return said
    return ""


def _is_text(file: PurePath) -> bool:
    in_its_folder = any(part.endswith(".dist-info") for part in file.parts) and "licenses" in file.parts
    return file.suffix not in CODE and (in_its_folder or bool(TEXT_NAME.search(file.name)))


def _text(dist: Distribution, file: PurePath) -> str:
    return Path(str(dist.locate_file(str(file)))).read_text(errors="replace")


def main() -> int:
    """Print the table; 1 when something may not be carried."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--python", type=Path, required=True, help="the interpreter of the environment")
    rows = carried(parser.parse_args().python)
    for row in rows:
        print(f"{row.name} {row.version}\t{row.licence or '?'}")
        for library in row.libraries:
            print(f"  {library.name}\t{library.licence or '?'}")
    wrong = list(failures(rows))
    for line in wrong:
        print(f"licences: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
