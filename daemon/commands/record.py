"""`amanuensis record`: a meeting, microphone and system sound as two tracks, with live captions."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from amanuensis.daemon.commands.common import (
    TOKEN_VARIABLE,
    SubParsers,
    UsageError,
    add_ca_flag,
    add_engine_flags,
    add_speaker_flags,
    add_word_times_flag,
    complain,
)

if TYPE_CHECKING:
    from amanuensis.daemon.meetings.recorder import Door, Recorder

EXAMPLES: Final = """\
examples:
  amanuensis record --title "Weekly"               microphone as `me`, what the machine plays as `them`
  amanuensis record --system app:Firefox           of the machine, one application only
  amanuensis record --system none                  the microphone alone
  amanuensis record --url unix:/run/amanuensis/amanuensis.sock

Meanwhile a line of text and Enter is a note, Enter alone a mark, /p pauses and goes on. Ctrl-C ends the meeting: what
was heard becomes final and is kept. Then: amanuensis meetings show latest

A daemon of this machine records it if one runs that may (recording.mode is asked or all), else this process does."""
HINT: Final = "Enter: mark, text: note, /p: pause, Ctrl-C: end"
ME: Final = "me"
THEM: Final = "them"
NONE: Final = "none"
IF_BUSY: Final = 'end the meeting that is recorded there, or let that daemon record this one: recording.mode = "asked"'


class RecordError(Exception):
    """A meeting cannot be recorded; the message says why and what to do."""


def add_parser(subparsers: SubParsers) -> None:
    """Add `record`."""
    parser = subparsers.add_parser(
        "record",
        help="record a meeting: microphone and system sound, with live captions",
        description="Record a meeting: sound, words, marks and notes; nothing of it is lost when this is killed.",
        epilog=EXAMPLES,
    )
    parser.add_argument("--title", help="of the meeting")
    sound = parser.add_argument_group("sound")
    sound.add_argument(
        "--input", metavar="INPUT", help="your side, track `me`: as of `listen`; none (default: the default microphone)"
    )
    sound.add_argument(
        "--system",
        metavar="INPUT",
        default="system",
        help="the others, track `them`: system, app:NAME or any other input; none (default: system)",
    )
    parser.add_argument("--json", action="store_true", help="print every event as a JSON line, with its track")
    add_word_times_flag(parser)
    daemon = parser.add_argument_group("daemon")
    daemon.add_argument("--url", help="of a daemon that is to record (default: that of this machine, if one runs)")
    daemon.add_argument("--here", action="store_true", help="record in this process even if a daemon runs")
    add_ca_flag(daemon)  # type: ignore[arg-type]  # a group takes flags as a parser does
    add_engine_flags(parser)
    parser.add_argument("--language", metavar="CODE", help="language of the speech, such as en (default: detected)")
    add_speaker_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Record until the sources end or somebody stops it."""
    if args.url and args.here:
        raise UsageError("--url and --here exclude one another: record in a daemon, or in this process")
    if args.system == NONE and args.input == NONE:
        raise UsageError("--input none and --system none leave nothing to record")
    return asyncio.run(record(args))


async def record(args: argparse.Namespace) -> int:
    """Record a meeting."""
    from amanuensis.daemon.meetings.orders import orders_from
    from amanuensis.daemon.meetings.recorder import Recorder
    from amanuensis.daemon.meetings.show import MeetingPrinter
    from amanuensis.daemon.signals import stop_on_signals

    inputs = {ME: args.input, THEM: args.system}
    tracks = {name: spec for name, spec in inputs.items() if spec != NONE}
    with stop_on_signals() as stop:
        async with door_to(args) as door:
            printer = MeetingPrinter(sys.stdout, complain, as_json=args.json, word_times=args.word_times, hint=HINT)
            asked = {"lang": args.language, "speakers": args.speakers, "max_speakers": args.max_speakers}
            options = {name: value for name, value in asked.items() if value is not None}
            recorder = Recorder(door, args.title, printer.show, options)
            complain(f"recording meeting {recorder.id}")
            try:
                async with orders_from(sys.stdin, recorder, complain, taken="-" in tracks.values()):
                    tasks = [track(recorder, name, spec, stop) for name, spec in tracks.items()]
                    recorded = await asyncio.gather(*tasks)
            finally:
                printer.close()
    if any(recorded):
        complain(f"meeting {recorder.id} is kept: amanuensis meetings show {recorder.id}")
    return 0 if any(recorded) else 1


async def track(recorder: Recorder, name: str, spec: str | None, stop: asyncio.Event) -> bool:
    """Record one track; one that fails leaves the others alone. Returns whether it was recorded to its end."""
    from amanuensis.daemon.dial import ClientError
    from amanuensis.daemon.sources.base import SourceError
    from amanuensis.daemon.sources.choose import InputRequest, open_source

    try:
        async with open_source(InputRequest(spec), complain) as source:
            complain(f"{name}: {source.name}")
            await recorder.record(name, source, stop)
    except SourceError as error:
        complain(f"{name} is not recorded: {error}")
        return False
    except ClientError as error:
        hint = "; set recording.mode to asked there, or add --here" if "does not record" in str(error) else ""
        complain(f"{name} is not recorded: {error}{hint}")
        return False
    return True


@asynccontextmanager
async def door_to(args: argparse.Namespace) -> AsyncIterator[Door]:
    """Give the way to the daemon that is to record: one that runs, else one in this process."""
    from amanuensis.daemon.dial import UnreachableError, open_websocket, usual_address
    from amanuensis.daemon.meetings.own_daemon import own_daemon
    from amanuensis.daemon.meetings.recorder import Door
    from amanuensis.daemon.pipeline import load
    from amanuensis.daemon.spool.spool_folder import SpoolBusyError

    door = Door(args.url or usual_address(os.environ), os.environ.get(TOKEN_VARIABLE), args.ca)
    if not args.here:
        try:
            await (await open_websocket(door.url, door.token, door.ca)).close()
        except UnreachableError:
            if args.url:
                raise
        else:
            if args.url or await records(door):
                yield door
                return
            complain(f"the daemon at {door.url} does not record (recording.mode is off): this process does")
    try:
        async with own_daemon(load(args)) as (own, what):
            complain(what)
            yield own
    except SpoolBusyError as error:
        raise RecordError(f"{error}; or {IF_BUSY}") from None


async def records(door: Door) -> bool:
    """Whether a daemon records meetings, as far as it tells us."""
    from amanuensis.daemon.dial import fetch

    _, page = await asyncio.to_thread(fetch, door.url, "/readyz", door.token, door.ca)
    try:
        facts = json.loads(page)
    except ValueError:
        return True
    return not isinstance(facts, dict) or facts.get("records") is not False
