"""`amanuensis bench guard`, which `make guard` runs: does the pipeline do more work than was accepted?"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from amanuensis.benchmarks.guard.accepted import ACCEPTED, AcceptedError, Figures, read_accepted, write_accepted
from amanuensis.benchmarks.guard.child import ChildError, told
from amanuensis.benchmarks.guard.verdict import Line, compare_counts, compare_ratios, notes
from amanuensis.npu.engine.api import EngineError
from amanuensis.npu.store import builtin_folder

ACCEPTED_RUNS: Final = 3  # of ratios: the luck of one run is not accepted
TRIES: Final = 3  # more, for ratios of times that came out worse: other work of the machine does not last

Child = Callable[[str, Path], dict[str, Any]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `amanuensis bench guard`."""
    parser.add_argument(
        "--accepted", type=Path, default=ACCEPTED, metavar="FILE", help="accepted figures (default: the checkout's)"
    )
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--accept", action="store_true", help="write what is found as the accepted figures")
    either.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Take the figures and compare them; 1 when one is worse."""
    try:
        accepted = None if args.accept else read_accepted(args.accepted)
        found = take_figures(told, 1 if accepted else ACCEPTED_RUNS)
        if accepted is None:
            write_accepted(found, args.accepted)
            print(f"accepted: {len(found.counts)} counts and {len(found.ratios)} ratios, in {args.accepted}")
            return 0
        found, lines = judge(accepted, found, told)
    except (AcceptedError, ChildError, EngineError) as error:
        print(f"amanuensis: guard: {error}", file=sys.stderr)
        return 1
    _report(accepted, found, lines, as_json=args.json)
    return int(any(line.outcome == "worse" for line in lines))


def take_figures(child: Child, ratio_runs: int) -> Figures:
    """Take counts, and the median of so many runs of each ratio, each in a process of its own."""
    folder = builtin_folder()
    counted = child("counts", folder)
    runs = [child("ratios", folder) for _ in range(ratio_runs)]
    ratios = {name: statistics.median(one[name] for one in runs) for name in runs[0]}
    return Figures.taken_here(counted["text"], counted["counts"], ratios)


def judge(accepted: Figures, found: Figures, child: Child) -> tuple[Figures, list[Line]]:
    """Compare; ratios that are worse are taken again, and the best of all tries counts.

    Returns:
        What was found, in the end, and all lines.

    """
    counted = compare_counts(accepted, found)
    ratios = compare_ratios(accepted, found.cpu, found.ratios)
    for _ in range(TRIES):
        if all(line.outcome != "worse" for line in ratios):
            break
        again = child("ratios", builtin_folder())
        found = replace(found, ratios={name: min(value, again[name]) for name, value in found.ratios.items()})
        ratios = compare_ratios(accepted, found.cpu, found.ratios)
    return found, [*counted, *ratios]


def _report(accepted: Figures, found: Figures, lines: list[Line], *, as_json: bool) -> None:
    told_notes = list(notes(accepted, found))
    if as_json:
        print(json.dumps({"found": asdict(found), "lines": [asdict(line) for line in lines], "notes": told_notes}))
        return
    for note in told_notes:
        print(f"note: {note}")
    for line in lines:
        if line.outcome != "as accepted":
            print(line)
    worse = sum(line.outcome == "worse" for line in lines)
    compared = sum(line.outcome != "not compared" for line in lines)
    print(f"{worse} of {compared} compared figures are worse than those accepted at {accepted.commit}")
