"""The figures that were last accepted: a JSON file beside this module, written by `--accept` alone."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from amanuensis.benchmarks.common import commit, library_version
from amanuensis.benchmarks.guard import counts, ratios
from amanuensis.npu.atomic import whole_or_nothing
from amanuensis.npu.cpu_features import cpu_generation

ACCEPTED: Final = Path(__file__).with_name("accepted.json")
LIBRARIES: Final = ("numpy", "onnxruntime")
ACCEPT: Final = "`make guard ARGS=--accept` writes it anew"


class AcceptedError(Exception):
    """The file of accepted figures cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What the guard found, or had found when it was accepted.

    Attributes:
        commit: of the checkout.
        python, libraries: versions that some counts depend on, without the last number ("3.11", "2.4").
        cpu: on which times were taken.
        text: what was committed while it was counted.
        counts, ratios: by the names in `MEANINGS` of these modules.

    """

    commit: str
    python: str
    libraries: dict[str, str]
    cpu: str
    text: str
    counts: dict[str, float]
    ratios: dict[str, float]

    @classmethod
    def taken_here(cls, text: str, counted: dict[str, float], measured: dict[str, float]) -> Figures:
        """Return figures that this machine found with the versions that it has."""
        libraries = {name: _minor(library_version(name)) for name in LIBRARIES}
        return cls(commit(), _minor(sys.version.split()[0]), libraries, cpu_generation(), text, counted, measured)

    def versions(self) -> str:
        """Return the versions in words."""
        return ", ".join([f"Python {self.python}", *(f"{name} {number}" for name, number in self.libraries.items())])


def read_accepted(path: Path = ACCEPTED) -> Figures:
    """Return the accepted figures.

    Raises:
        AcceptedError: the file is missing, is not what `write_accepted` wrote, or has other figures than the guard
            takes now.

    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AcceptedError(f"accepted figures {path.name}: {error.strerror or error}; {ACCEPT}") from error
    except ValueError as error:  # of JSON and of UTF-8
        raise AcceptedError(f"accepted figures {path.name}: not the JSON of the guard ({error}); {ACCEPT}") from error
    if problem := _problem(stored):
        raise AcceptedError(f"accepted figures {path.name}: {problem}; {ACCEPT}")
    return Figures(**stored)


def write_accepted(figures: Figures, path: Path = ACCEPTED) -> None:
    """Replace the accepted figures; WriteError when the file cannot be written."""
    with whole_or_nothing(path) as part:
        part.write_text(json.dumps(asdict(figures), indent=2) + "\n", encoding="utf-8")


def _problem(stored: Any) -> str:
    """Return what is wrong with a stored value, or ""."""
    names = [each.name for each in fields(Figures)]
    if not isinstance(stored, dict) or sorted(stored) != sorted(names):
        found = ", ".join(sorted(stored)) if isinstance(stored, dict) else f"{stored!r:.40}"
        return f"holds {found} where {', '.join(names)} are needed"
    for name, known in (("counts", counts.MEANINGS), ("ratios", ratios.MEANINGS)):
        if problem := _wrong_numbers(stored[name], known):
            return f"{name} {problem}"
    for name in ("commit", "python", "cpu", "text"):
        if not isinstance(stored[name], str):
            return f"{name} is {stored[name]!r:.40}, not a text"
    if not isinstance(stored["libraries"], dict) or sorted(stored["libraries"]) != sorted(LIBRARIES):
        return f"libraries are {stored['libraries']!r:.60}, not the versions of {', '.join(LIBRARIES)}"
    return ""


def _wrong_numbers(numbers: Any, known: Collection[str]) -> str:
    if not isinstance(numbers, dict):
        return f"are {numbers!r:.40}, not numbers by name"
    if missing := [name for name in known if name not in numbers]:
        return f"lack {', '.join(missing)}"
    if unknown := [name for name in numbers if name not in known]:
        return f"name {', '.join(unknown)}, which the guard does not take"
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < math.inf:
            return f"say {number!r:.40} for {name}: a number from 0 is needed"
    return ""


def _minor(version: str) -> str:
    """Return the first two numbers of a version."""
    return ".".join(version.split(".")[:2])
