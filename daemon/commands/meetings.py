"""`amanuensis meetings`: what was recorded: list, read, search, export, rename, transcribe again, remove."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from amanuensis.daemon.commands.common import (
    CONTROL,
    FORMATS,
    SubParsers,
    UsageError,
    add_engine_flags,
    add_word_times_flag,
    bounded_int,
    check_word_times,
    complain,
)

if TYPE_CHECKING:
    from amanuensis.daemon.meetings.jobs import Job
    from amanuensis.daemon.meetings.library import Library
    from amanuensis.daemon.meetings.store import Store

MAX_NAME_CHARS: Final = 100
EXAMPLES: Final = """\
examples:
  amanuensis meetings list
  amanuensis meetings show latest
  amanuensis meetings search "send the minutes"
  amanuensis meetings export latest -o monday.md
  amanuensis meetings rename-speaker latest them:A "Kim Lee"
  amanuensis meetings retranscribe latest --model base.en
  amanuensis meetings rm 4f0c

A meeting is named by its id, by a beginning of it that no other has, or `latest`."""


def add_parser(subparsers: SubParsers) -> None:
    """Add `meetings` and what it can do."""
    parser = subparsers.add_parser(
        "meetings",
        help="list, read, search and export the meetings that were recorded",
        description="What `amanuensis record` has recorded. Nothing here needs a daemon.",
        epilog=EXAMPLES,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = _add(actions, "list", "list the meetings, newest first", "amanuensis meetings list --json")
    listing.add_argument(
        "-n", dest="limit", type=bounded_int("limit", 1, 100_000), default=50, help="at most so many (default: 50)"
    )
    show = _add(actions, "show", "print what was said", "amanuensis meetings show latest")
    add_word_times_flag(show)
    find = _add(actions, "search", "find a phrase in all meetings", "amanuensis meetings search 'the budget'")
    find.add_argument("phrase", help="words in a row; case and accents make no difference; * at the end: a beginning")
    find.add_argument(
        "-n", dest="limit", type=bounded_int("limit", 1, 1000), default=50, help="at most so many (default: 50)"
    )
    export = _add(actions, "export", "write a meeting to a file", "amanuensis meetings export latest -o monday.md")
    export.add_argument("-f", "--format", choices=FORMATS, help="default: what FILE ends in, else txt")
    export.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: standard output")
    add_word_times_flag(export)
    rename = _add(
        actions, "rename-speaker", "call a speaker by a name", "amanuensis meetings rename-speaker latest me 'Kim'"
    )
    again = _add(
        actions,
        "retranscribe",
        "transcribe a meeting again, in the background",
        "amanuensis meetings retranscribe latest --model base.en",
    )
    add_engine_flags(again)
    how = again.add_mutually_exclusive_group()
    how.add_argument("--wait", action="store_true", help="show how far it is, and end when it is done")
    how.add_argument("--cancel", action="store_true", help="end it; the text stays as it was")
    removal = _add(actions, "rm", "remove a meeting, its sound too", "amanuensis meetings rm 4f0c2e9a71d3")
    for action in (show, export, rename, again, removal):
        action.add_argument("meeting", help="id, a beginning of it, or latest")
    rename.add_argument("speaker", help="TRACK, TRACK:SPEAKER, or the name that `show` prints")
    rename.add_argument("name", help="the new name")


def _add(actions: SubParsers, name: str, text: str, example: str) -> argparse.ArgumentParser:
    described = f"{text[0].upper()}{text[1:]}."
    action = actions.add_parser(name, help=text, description=described, epilog=f"example:\n  {example}")
    action.add_argument("--json", action="store_true", help="print JSON")
    return action


def run(args: argparse.Namespace) -> int:
    """Do what was asked for."""
    from amanuensis.daemon.config import load_config
    from amanuensis.daemon.meetings import worker
    from amanuensis.daemon.meetings.library import Library

    config, _ = load_config({})
    library = Library.of(config, os.environ)
    with library.open() as store:
        library.catch_up(store, library.is_going_on)
        worker.wake(library, store)
        actions = {
            "list": list_meetings,
            "show": show,
            "search": search,
            "export": export,
            "rename-speaker": rename_speaker,
            "retranscribe": retranscribe,
            "rm": remove,
        }
        actions[args.action](library, store, args)
    return 0


def list_meetings(_: Library, store: Store, args: argparse.Namespace) -> None:
    """Print one line a meeting."""
    from datetime import datetime

    from amanuensis.daemon.documents import clock
    from amanuensis.daemon.meetings import jobs
    from amanuensis.daemon.meetings.export import meeting_map

    meetings, again = store.meetings(args.limit), {job.meeting: job for job in jobs.every(store)}
    if args.json:
        _print_json([meeting_map(meeting) | _again(again.get(meeting.id)) for meeting in meetings])
        return
    for one in meetings:
        when = datetime.fromtimestamp(one.opened_s).astimezone()
        tracks = ", ".join(track.name for track in one.tracks)
        note = f"  ({again[one.id].line()})" if one.id in again and again[one.id].is_news else ""
        facts = f"{clock(one.duration_ms)}  {one.state:<11}  {tracks}  {one.title}"
        _print(f"{one.id}  {when:%Y-%m-%d %H:%M}  {facts}{note}")
    if not meetings:
        complain("no meetings yet: `amanuensis record` records one")


def show(_: Library, store: Store, args: argparse.Namespace) -> None:
    """Print what was said in a meeting."""
    from amanuensis.daemon.meetings import jobs
    from amanuensis.daemon.meetings.export import to_json, to_label_txt, to_txt

    record = store.record(args.meeting)
    as_text = to_label_txt if args.word_times else to_txt
    print(CONTROL.sub("?", (to_json if args.json else as_text)(record)), end="")
    job = jobs.find(store, record.meeting.id)
    if job is not None and job.is_news:
        complain(job.line())


def search(_: Library, store: Store, args: argparse.Namespace) -> None:
    """Print where a phrase was said."""
    from amanuensis.daemon.documents import clock
    from amanuensis.daemon.meetings import search as searching

    hits = searching.search(store, args.phrase, args.limit)
    if args.json:
        _print_json([asdict(hit) for hit in hits])
        return
    for hit in hits:
        _print(f"{hit.meeting}  {clock(hit.at_ms)}  {hit.speaker}: {hit.text}")


def export(_: Library, store: Store, args: argparse.Namespace) -> None:
    """Write a meeting to a file."""
    from amanuensis.daemon.meetings.export import FORMATS as WRITERS
    from amanuensis.daemon.meetings.export import TIMED_FORMATS
    from amanuensis.npu.atomic import whole_or_nothing

    ending = args.output.suffix.removeprefix(".").lower() if args.output else ""
    chosen = args.format or ("json" if args.json else ending if ending in FORMATS else None)
    if chosen is None and args.output is not None:
        raise UsageError(f"{args.output}: its name says no format: end it in .{', .'.join(FORMATS)}, or add -f FORMAT")
    if args.word_times:
        check_word_times([chosen or "txt"])
    text = (TIMED_FORMATS if args.word_times else WRITERS)[chosen or "txt"](store.record(args.meeting))
    if args.output is None:
        print(CONTROL.sub("?", text) if sys.stdout.isatty() else text, end="")
        return
    with whole_or_nothing(args.output) as part:
        part.write_text(text, encoding="utf-8")


def rename_speaker(_: Library, store: Store, args: argparse.Namespace) -> None:
    """Call a speaker by a name."""
    from amanuensis.daemon.meetings.label import as_line

    name = as_line(args.name)
    if not name or len(name) > MAX_NAME_CHARS:
        raise UsageError(f"name {args.name[:40]!r} is not allowed: give 1 to {MAX_NAME_CHARS} characters, no controls")
    changed = store.rename_speaker(args.meeting, args.speaker, name)
    _done(args, {"speaker": changed, "name": name}, f"{changed} is {name} now")


def remove(library: Library, store: Store, args: argparse.Namespace) -> None:
    """Remove a meeting that does not go on."""
    from amanuensis.daemon.meetings.model import MeetingError

    meeting = store.find(args.meeting)
    if any(library.is_going_on(track.session) and track.state == "recording" for track in meeting.tracks):
        raise MeetingError(f"meeting {meeting.id} is being recorded: end it first")
    library.remove(store, meeting.id)
    _done(args, {"removed": meeting.id}, f"removed {meeting.id}")


def retranscribe(library: Library, store: Store, args: argparse.Namespace) -> None:
    """Have a meeting transcribed again."""
    from amanuensis.daemon.commands.retranscribe import retranscribe as begin

    facts = begin(library, store, args)
    if args.json:
        _print_json(facts)


def _again(job: Job | None) -> dict[str, Any]:
    return {} if job is None else {"again": job.to_map()}


def _done(args: argparse.Namespace, facts: dict[str, Any], line: str) -> None:
    if args.json:
        _print_json(facts)
    else:
        complain(line)


def _print(line: str) -> None:
    print(CONTROL.sub("?", line))


def _print_json(content: object) -> None:
    print(json.dumps(content, ensure_ascii=False, indent=1))
