"""The one table of all measurements against their targets and other systems, and the plots, from the JSON of each."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from amanuensis.benchmarks.measures import three
from amanuensis.benchmarks.plots import draw_all
from amanuensis.benchmarks.targets import Results, rows
from amanuensis.daemon.commands.common import UsageError

BEGIN, END = "<!-- table: amanuensis bench table -->", "<!-- end of table -->"
COLUMNS = (
    "system",
    "CPU s/s",
    "times ours",
    "streams at most",
    "final",
    "commit",
    "partial",
    "erasure",
    "WER",
    "RSS",
    "ready",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `amanuensis bench table`."""
    parser.add_argument("results", type=Path, metavar="DIR", help="folder with NAME.json of each measurement")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="also draw the plots into this folder")
    parser.add_argument("--into", type=Path, metavar="FILE", help="also write the table into this document")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the table."""
    results = load_results(args.results)
    if args.plots is not None:
        args.plots.mkdir(parents=True, exist_ok=True)
        for name, drawing in draw_all(results).items():
            (args.plots / f"{name}.svg").write_text(drawing, encoding="utf-8")
    found = rows(results)
    if args.json:
        print(json.dumps({"rows": [[row.what, row.figure, row.target, row.verdict] for row in found]}))
        return 0
    lines = [*provenance(results), "", *target_lines(results), "", *system_lines(results)]
    if args.into is not None:
        document = args.into.read_text(encoding="utf-8")
        args.into.write_text(within(document, "\n".join(lines), args.into), encoding="utf-8")
    print(*lines, sep="\n")
    return 0


def within(document: str, text: str, path: Path) -> str:
    """Return a document with a text in the place of what stood between its marks.

    Raises:
        UsageError: it has no marks.

    """
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not end:
        raise UsageError(f"{path}: no place for the table; it stands between the lines {BEGIN} and {END}")
    return f"{head}{begin}\n\n{text}\n\n{end}{tail}"


def load_results(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the results by name.

    Raises:
        UsageError: there are none, or one is no JSON object.

    """
    results: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            results[path.stem] = dict(json.loads(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise UsageError(f"{path}: not the JSON of a measurement: {error}; measure again: make bench") from None
    if not results:
        raise UsageError(f"{folder}: no results (NAME.json); `make bench` writes them to build/bench")
    return results


def provenance(results: Results) -> list[str]:
    """Return what was measured where: one line a measurement."""
    heads = {name: result["header"] for name, result in results.items() if "header" in result}
    machines = sorted({f"{head['device']}, {head['cores']} cores" for head in heads.values()})
    versions = {key: number for head in heads.values() for key, number in head["versions"].items()}
    return [
        *(f"Machine: {machine}." for machine in machines),
        "",
        ", ".join(f"{name} {number}" for name, number in sorted(versions.items())),
        "",
        *(
            f"- {name}: model {head['model']}, threads {head['threads'] or 'auto'}, commit {head['commit']}, "
            f"load before {head['load_average']}"
            for name, head in heads.items()
        ),
    ]


def target_lines(results: Results) -> list[str]:
    """Return the figures against their targets as a table in Markdown."""
    found = rows(results)
    lines = [(row.what, row.figure, row.target, row.verdict) for row in found]
    return markdown(("measure", "figure", "target", ""), lines)


def system_lines(results: Results) -> list[str]:
    """Return the systems beside each other as a table in Markdown, and why some are not in it."""
    live = results.get("live")
    if live is None:
        return ["no run beside other systems: script/peers NAME installs them"]
    cores = live["header"]["cores"]
    lines = [_system(name, each, cores) for name, each in live["systems"].items()]
    failed = [f"- {name}: not run: {why}" for name, why in live.get("failed", {}).items()]
    note = "Seconds are P50 / P95 / P99. Streams at most: cores through CPU seconds, so an upper bound, not measured."
    told = [
        f"- {name}: " + ", ".join(f"{library} {number}" for library, number in numbers.items())
        for name, numbers in live.get("versions", {}).items()
    ]
    return [*markdown(COLUMNS, lines), "", note, "", *_unpaced(live.get("unpaced", {})), *failed, *told]


def _unpaced(figures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        f"- On a simulated clock, one thread: {name}: {each['cpu_s_per_s']['median']:.3f} CPU s per s, "
        f"{each['ratio']:.1f} times ours."
        for name, each in figures.items()
    ]


def _system(name: str, each: Mapping[str, Any], cores: int) -> tuple[str, ...]:
    cost = each["cpu_s_per_s"]["median"]
    return (
        name,
        f"{cost:.3f}",
        f"{each['ratio']:.1f}",
        f"{cores / cost:.0f}" if cost else "-",
        *(three(each[f"{kind}_s"]) for kind in ("final", "commit", "partial")),
        f"{each['normalised_erasure']:.2f}",
        f"{100 * each['wer']:.1f} %",
        f"{each['rss_mb']['median']:.0f} MB",
        f"{each['ready_s']['median']:.1f} s",
    )


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """Return a table, its columns aligned."""
    widths = [max(len(line[k]) for line in [head, *lines]) for k in range(len(head))]
    shown = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in [head, *lines]
    ]
    return [shown[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *shown[1:]]
