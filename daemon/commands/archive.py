"""`amanuensis archive`: thousands of files transcribed, each exactly once, however often the work is interrupted."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from amanuensis.daemon.commands.common import (
    FORMATS,
    SubParsers,
    UsageError,
    add_backend_flag,
    add_engine_flags,
    add_speaker_flags,
    add_text_flags,
    add_word_times_flag,
    bounded_int,
    check_word_times,
    complain,
)

if TYPE_CHECKING:
    from amanuensis.daemon.archive.executors import Executor
    from amanuensis.daemon.archive.manifest import Entry, Layout
    from amanuensis.daemon.archive.run import Tally
    from amanuensis.daemon.archive.settings import Wanted
    from amanuensis.daemon.archive.state import Note
    from amanuensis.daemon.config import Config

MAX_RETRIES: Final = 10
MAX_STREAMS: Final = 64
EXAMPLES: Final = """\
examples:
  amanuensis archive run talks.jsonl -o out/             all files that a manifest names
  amanuensis archive run recordings/ -o out/ -f srt      all sound files below a folder
  amanuensis archive status talks.jsonl                  what is done, what failed and why, what is left"""
RUN_EXAMPLES: Final = """\
examples:
  amanuensis archive run talks.jsonl -o out/                    go on where it stopped, too
  amanuensis archive run recordings/ -o out/ -f txt -f srt      two files for each
  amanuensis archive run talks.jsonl --meetings                 to be searched with `amanuensis meetings search`

A manifest is a path a line, or JSON lines:
  {"file": "talks/one.flac", "outputs": ["one.srt"], "language": "en", "title": "The first talk"}"""
STATUS_EXAMPLES: Final = """\
examples:
  amanuensis archive status talks.jsonl
  amanuensis archive status recordings/ --json"""


def add_parser(subparsers: SubParsers) -> None:
    """Add `archive`."""
    parser = subparsers.add_parser(
        "archive",
        help="transcribe thousands of files, each exactly once, and go on where it stopped",
        description="Transcribe all files of a manifest or folder. What is done is kept beside it: a run that was "
        "interrupted, in whatever way, goes on with the same command.",
        epilog=EXAMPLES,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_run(actions)
    _add_status(actions)


def _add_run(actions: SubParsers) -> None:
    parser = actions.add_parser(
        "run",
        help="transcribe what is not done yet",
        description="Transcribe what is not done yet. Files that fail are named with the reason, the others are done "
        "nevertheless, and the exit status is 1.",
        epilog=RUN_EXAMPLES,
    )
    _add_place(parser)
    output = parser.add_argument_group("output")
    output.add_argument("-o", "--output", metavar="FOLDER", help="write there; the tree of the files is made again")
    output.add_argument(
        "-f",
        "--format",
        action="append",
        choices=FORMATS,
        dest="formats",
        help="of files below -o; may be repeated (default: txt)",
    )
    add_word_times_flag(output)
    output.add_argument("--meetings", action="store_true", help="put the texts into the index of meetings, too")
    output.add_argument("--json", action="store_true", help="print what became of the archive as JSON")
    parser.add_argument(
        "--retries",
        type=bounded_int("retries", 0, MAX_RETRIES),
        default=1,
        metavar="N",
        help="try a file that failed again at the end, so often (default: 1)",
    )
    parser.add_argument(
        "--streams",
        type=bounded_int("streams", 1, MAX_STREAMS),
        metavar="N",
        help="pieces that are heard at once (default: as many as the engine gains from)",
    )
    add_engine_flags(parser)
    add_backend_flag(parser)
    add_text_flags(parser)
    add_speaker_flags(parser)


def _add_status(actions: SubParsers) -> None:
    parser = actions.add_parser(
        "status",
        help="show what is done, what failed and why, and what is left",
        description="Show what became of the files so far, also while a run works on them.",
        epilog=STATUS_EXAMPLES,
    )
    _add_place(parser)
    parser.add_argument("--json", action="store_true", help="print it as JSON, with all files")


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("manifest", metavar="MANIFEST", help="a path a line, JSON lines, or a folder of sound files")
    parser.add_argument("--state", metavar="FILE", help="what is done is kept there (default: MANIFEST.state)")


def run(args: argparse.Namespace) -> int:
    """Do what is asked; 1 if something is not done."""
    return _status(args) if args.action == "status" else _run(args)


def _run(args: argparse.Namespace) -> int:
    from amanuensis.daemon.archive.manifest import Layout, read_manifest

    if args.word_times:
        check_word_times(args.formats or ["txt"])
    layout = Layout(None if args.output is None else Path(args.output).absolute(), args.formats or ("txt",))
    entries = read_manifest(Path(args.manifest), layout)
    check_outputs(entries, layout, meetings=args.meetings)
    found = work_on(entries, _state(args), args, retries=args.retries, streams=args.streams, meetings=args.meetings)
    if found is None:
        return 1
    advice = f"; see `amanuensis archive status {args.manifest}`, and run it again to try them again"
    print(json.dumps(asdict(found))) if args.json else complain(summary(found, advice))
    return 0 if found.done == found.files else 1


def check_outputs(entries: Sequence[Entry], layout: Layout, *, meetings: bool) -> None:
    """Refuse work of which nothing would be left.

    Raises:
        UsageError: there is no place for the text of a file.

    """
    if layout.folder is not None and layout.folder.exists() and not layout.folder.is_dir():
        raise UsageError(f"-o {layout.folder}: not a folder")
    if not meetings and (without := next((entry for entry in entries if not entry.outputs), None)):
        raise UsageError(f"{without.where}: nothing would be written of it: add -o FOLDER, `outputs` or --meetings")


def work_on(
    entries: Sequence[Entry],
    state: Path,
    args: argparse.Namespace,
    *,
    retries: int = 1,
    streams: int | None = None,
    meetings: bool = False,
) -> Tally | None:
    """Do what is not done of files; return what became of them, or None where that was interrupted and said.

    Args:
        entries: the files.
        state: where it is kept what is done.
        args: flags that are settings, and `word_times`.
        retries: of a file that failed.
        streams: pieces that are heard at once; None: as many as gain.
        meetings: texts become meetings.

    """
    from amanuensis.daemon.archive.settings import wanted
    from amanuensis.daemon.pipeline import load

    config = load(args)
    what = wanted(config, word_times=args.word_times, meetings=meetings)
    try:
        return asyncio.run(_work(entries, state, config, what, streams=streams, retries=retries))
    except KeyboardInterrupt:
        complain("interrupted; what is done is kept, and the same command goes on from there")
        return None


async def _work(
    entries: Sequence[Entry], place: Path, config: Config, what: Wanted, *, streams: int | None, retries: int
) -> Tally:
    from amanuensis.daemon.archive.run import Run
    from amanuensis.daemon.archive.state import open_state
    from amanuensis.daemon.meetings.library import Library
    from amanuensis.daemon.progress import progress_bar

    library = Library.of(config, os.environ) if what.meetings else None
    with open_state(place) as state, progress_bar(sys.stderr) as bar:
        run = Run(entries, state, what, bar, library)
        return await run.work(lambda: _executor(config, what, streams), retries)


def _executor(config: Config, what: Wanted, streams: int | None) -> Executor:
    """Return what hears pieces; Ray is imported for no other."""
    if config.engine.backend == "ray":
        from amanuensis.daemon.archive.ray_executor import RayExecutor

        return RayExecutor(config, what, config.cluster.address, streams)
    from amanuensis.daemon.archive.executors import LocalExecutor
    from amanuensis.daemon.pipeline import open_pipeline

    return LocalExecutor(partial(open_pipeline, config, live=False), streams, what.rules)


def _state(args: argparse.Namespace) -> Path:
    from amanuensis.daemon.archive.state import state_path

    return Path(args.state).absolute() if args.state else state_path(Path(args.manifest))


def _status(args: argparse.Namespace) -> int:
    from amanuensis.daemon.archive.manifest import Layout, read_manifest
    from amanuensis.daemon.archive.run import tally, told
    from amanuensis.daemon.archive.state import read_notes

    entries = read_manifest(Path(args.manifest), Layout())
    notes = read_notes(_state(args))
    found = tally(entries, notes)
    if args.json:
        files = [as_map(entry, notes.get(str(entry.file))) for entry in entries]
        print(json.dumps(asdict(found) | {"left": found.left, "of": files}))
        return 0 if found.done == found.files else 1
    print(f"{found.done} of {found.files} files done ({_amount(found)}), {found.failed} failed, {found.left} left")
    for entry in entries:
        note = notes.get(str(entry.file))
        if note and note.fate in ("failed", "incomplete"):
            tries = f" (tried {note.attempts} times)" if note.attempts > 1 else ""
            print(f"  {note.fate}: {entry.name}: {told(note.reason, entry)}{tries}")
    return 0 if found.done == found.files else 1


def as_map(entry: Entry, note: Note | None) -> dict[str, Any]:
    """Return what became of a file as programs read it."""
    if note is None:
        return {"file": entry.name, "fate": "left"}
    known: dict[str, Any] = {"attempts": note.attempts, "outputs": list(note.outputs), **note.facts}
    return {"file": entry.name, "fate": note.fate, "reason": note.reason} | known


def summary(found: Tally, advice: str) -> str:
    """Return what became of files as a line, with advice where something is not done."""
    line = f"{found.done} of {found.files} files are done ({_amount(found)})"
    if found.incomplete:
        line += f", {found.incomplete} with parts that were not transcribed"
    if found.failed:
        line += f", {found.failed} failed"
    return line + (advice if found.done < found.files else "")


def _amount(found: Tally) -> str:
    hours = found.duration_ms / 3_600_000
    return f"{hours:.1f} h, {found.words} words" if hours >= 1 else f"{60 * hours:.1f} min, {found.words} words"
