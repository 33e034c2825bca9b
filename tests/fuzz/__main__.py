"""Fuzz each target for a while, guided by coverage: `script/fuzz [TARGET ...] [--seconds 600]`.

A finding does not end the run: it is kept and the target goes on with the corpus that it has. What is printed last says
how many inputs were run, how many edges of our code they reached, and which findings there were, as a table or as JSON.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from tests.fuzz.target import NAMES

MAX_FINDINGS: Final = 20  # of one target: enough to work on
GRACE_S: Final = 60.0  # for a run to end by itself
FOLDER: Final = Path("build/fuzz")


@dataclass
class Tally:
    """What became of one target.

    Attributes:
        target: its name.
        seconds: that it ran.
        executions: inputs.
        edges: of our code that were reached.
        peak_rss_mb: most memory.
        findings: the last line of each, and the file with its input.

    """

    target: str
    seconds: float = 0.0
    executions: int = 0
    edges: int = 0
    peak_rss_mb: int = 0
    findings: list[tuple[str, str]] = field(default_factory=list)


def main() -> int:
    """Fuzz; 1 when there were findings."""
    parser = argparse.ArgumentParser(prog="script/fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--seconds", type=float, default=600, help="for each target (default: %(default)g)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    if unknown := [name for name in args.targets if name not in NAMES]:
        parser.error(f"target {unknown[0]!r} is not known; it is one of {', '.join(NAMES)}")
    tallies = [fuzz(name, args.seconds, args.seed) for name in args.targets or NAMES]
    if args.json:
        print(json.dumps([asdict(tally) for tally in tallies]))
    else:
        print_table(tallies)
    return int(any(tally.findings for tally in tallies))


def fuzz(name: str, seconds: float, seed: int) -> Tally:
    """Run one target for so long, again after each finding."""
    corpus, artifacts = FOLDER / name / "corpus", FOLDER / name / "findings"
    for folder in (corpus, artifacts):
        folder.mkdir(parents=True, exist_ok=True)
    tally = Tally(name)
    while tally.seconds < seconds and len(tally.findings) < MAX_FINDINGS:
        left_s = max(1, round(seconds - tally.seconds))
        command = [sys.executable, "-m", "tests.fuzz.guided", name, str(corpus), str(artifacts), str(left_s)]
        started_s = time.monotonic()
        done = subprocess.run(
            [*command, str(seed + len(tally.findings))],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=left_s + GRACE_S,
            check=False,
        )
        tally.seconds += time.monotonic() - started_s
        _count(tally, done.stdout)
        if done.returncode:
            tally.findings.append((_last_words(done.stdout), _artifact(done.stdout)))
            print(f"{name}: {tally.findings[-1][0]} ({tally.findings[-1][1]})", file=sys.stderr)
    return tally


def _count(tally: Tally, log: str) -> None:
    executed = re.search(r"stat::number_of_executed_units: *(\d+)", log)
    tally.executions += int(executed[1]) if executed else 0
    tally.edges = max([tally.edges, *map(int, re.findall(r"^#\d+\t.*cov: (\d+)", log, re.MULTILINE))])
    peak = re.search(r"stat::peak_rss_mb: *(\d+)", log)
    tally.peak_rss_mb = max(tally.peak_rss_mb, int(peak[1]) if peak else 0)


def _last_words(log: str) -> str:
    """Return what went wrong: the exception, or libFuzzer's summary."""
    python = re.search(r"Uncaught Python exception: ===\n(.+)", log)
    summary = re.search(r"^SUMMARY: (.+)", log, re.MULTILINE)
    found = python or summary
    return found[1][:200] if found else (log.strip().splitlines() or ["it ended without a word"])[-1][:200]


def _artifact(log: str) -> str:
    written = re.search(r"Test unit written to (\S+)", log)
    return written[1] if written else "no input was kept"


def print_table(tallies: list[Tally]) -> None:
    """Print what became of the targets for people."""
    print(f"{'target':14} {'seconds':>8} {'executions':>11} {'edges':>7} {'rss MB':>7} {'findings':>9}")
    for tally in tallies:
        counts = f"{tally.seconds:8.0f} {tally.executions:11} {tally.edges:7} {tally.peak_rss_mb:7}"
        print(f"{tally.target:14} {counts} {len(tally.findings):9}")
    for tally in tallies:
        for words, path in tally.findings:
            print(f"{tally.target}: {words} ({path})")


if __name__ == "__main__":
    sys.exit(main())
