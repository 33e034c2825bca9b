"""`amanuensis demo`: a daemon, a bundled conversation played into it, and its captions live.

Everything goes the way that a user's sound goes: a child process serves, this process speaks the native protocol.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from amanuensis.daemon.commands.common import (
    SubParsers,
    UsageError,
    add_engine_flags,
    add_word_times_flag,
    bounded_float,
    complain,
    say,
)

if TYPE_CHECKING:
    from amanuensis.daemon.client import Client
    from amanuensis.daemon.sources.file import FileSource

EXAMPLES: Final = """\
examples:
  amanuensis demo
  amanuensis demo --speed 4 --json
  amanuensis demo --play           also through the loudspeaker"""
DATA: Final = Path(__file__).resolve().parent.parent / "data"
SOUND: Final = DATA / "demo.flac"
SCRIPT: Final = DATA / "demo.json"
MAX_SPEED: Final = 100.0
ENGINE_FLAGS: Final = ("model", "device", "threads")


def add_parser(subparsers: SubParsers) -> None:
    """Add `demo`."""
    parser = subparsers.add_parser(
        "demo",
        help="start a daemon, play a bundled conversation into it and show the captions",
        description="Start a daemon on a free port of this machine, play a bundled synthetic conversation into it "
        "through the real protocol and show the captions while it plays.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "--speed",
        type=bounded_float("speed", 0.0, MAX_SPEED),
        default=1.0,
        metavar="N",
        help="1 is real time (default), 2 twice as fast, 0 as fast as possible",
    )
    parser.add_argument("--play", action="store_true", help="also play the sound, if this machine can")
    parser.add_argument("--json", action="store_true", help="print every event as a JSON line, the summary last")
    add_word_times_flag(parser)
    add_engine_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Run the demonstration."""
    if args.play and args.speed != 1.0:
        raise UsageError("--play is for real time: leave --speed out")
    return asyncio.run(demo(args))


async def demo(args: argparse.Namespace) -> int:
    """Start the daemon, speak, show, sum up."""
    from amanuensis.daemon.child import serving
    from amanuensis.daemon.client import Hello, connect
    from amanuensis.daemon.signals import stop_on_signals
    from amanuensis.daemon.sources.file import FileSource

    source = FileSource(SOUND, args.speed)
    with stop_on_signals() as stop:
        async with serving(serve_flags(args)) as url, connect(url, Hello("speak", source.format)) as client:
            greet(url, client, source)
            player = play(args.play)
            summary = await captions(client, source, stop, args)
            player.close()
    await source.aclose()
    complete = summary.sent_ms >= 1000 * (source.duration_s or 0)
    if args.json:
        print(json.dumps({"type": "summary", **summary.as_map(complete=complete)}), flush=True)
    else:
        say(summary.in_words(complete=complete))
    return 0


async def captions(client: Client, source: FileSource, stop: asyncio.Event, args: argparse.Namespace) -> Summary:
    """Speak and show what comes back until everything is final."""
    from amanuensis.daemon.console import make_printer

    printer = make_printer(sys.stdout, complain, as_json=args.json, word_times=args.word_times, hint="Ctrl-C to stop")
    summary = Summary(source.speed)
    speaking = asyncio.create_task(speak(client, source, stop, summary))
    try:
        async for event in client:
            summary.add(event)
            printer.show(event)
        await speaking
    finally:
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)
        printer.close()
    return summary


async def speak(client: Client, source: FileSource, stop: asyncio.Event, summary: Summary) -> None:
    """Send the sound at its speed, until it ends or `stop` is set, and say that it has ended."""
    sample_ms = 1000 / source.format.rate
    try:
        async for data in source.chunks():
            if stop.is_set() or not isinstance(data, bytes):
                break
            await client.send_audio(data)
            summary.sent_ms += len(data) // source.format.frame_bytes * sample_ms
    finally:
        await client.end()


class Summary:
    """What the demonstration measured.

    Args:
        speed: of the sound; 0 is as fast as possible, where delays mean nothing.

    Attributes:
        sent_ms: sound that was sent so far.

    """

    def __init__(self, speed: float) -> None:
        self.sent_ms = 0.0
        self._speed = speed
        self._words: list[str] = []
        self._delays_ms: list[float] = []
        self._lags_ms: list[float] = []
        self._engine: Mapping[str, Any] = {}

    def add(self, event: Mapping[str, Any]) -> None:
        """Take the next event at the time at which it came."""
        if event["type"] == "commit":
            self._words += [word["text"] for word in event["words"]]
            if self._speed > 0:
                self._delays_ms += [(self.sent_ms - word["to"]) / self._speed for word in event["words"]]
        elif event["type"] == "stats":
            self._lags_ms.append(event["lag_ms"])
        elif event["type"] == "final":
            self._engine = event["engine"]

    def as_map(self, *, complete: bool) -> dict[str, Any]:
        """Return the figures; the word error rate only where all of the conversation was played."""
        from amanuensis.stream.english import normalise_english
        from amanuensis.stream.wer import wer

        reference = " ".join(turn["text"] for turn in json.loads(SCRIPT.read_text(encoding="utf-8")))
        text = "".join(self._words)
        return {
            "words": len(self._words),
            "wer": round(wer(normalise_english(reference), normalise_english(text)), 4) if complete else None,
            "commit_delay_ms": median(self._delays_ms),  # from a word's end to its commit
            "lag_ms": median(self._lags_ms),
            "audio_ms": round(self.sent_ms),
            "engine": dict(self._engine),
        }

    def in_words(self, *, complete: bool) -> str:
        """Return the figures as lines for a person."""
        facts = self.as_map(complete=complete)
        heard = f"{facts['words']} words in {facts['audio_ms'] / 1000:.0f} s of sound"
        parts = [heard]
        if facts["wer"] is not None:
            parts.append(f"{facts['wer']:.1%} word errors against the known text (synthetic voices)")
        if facts["commit_delay_ms"] is not None:
            parts.append(f"half of them committed within {facts['commit_delay_ms'] / 1000:.1f} s of being said")
        lines = ["", "; ".join(parts) + "."]
        if self._engine:
            lines.append(f"Computed by {self._engine['model']} on {self._engine['encoder']}.")
        return "\n".join([*lines, *OWN_SOUND])


OWN_SOUND: Final = (
    "Your own microphone:  amanuensis listen        (amanuensis listen --list-inputs shows what there is)",
    "A file of yours:      amanuensis transcribe FILE",
    "The daemon:           amanuensis serve",
)


def median(values: list[float]) -> float | None:
    """Return the median, None of nothing."""
    return round(statistics.median(values), 1) if values else None


def serve_flags(args: argparse.Namespace) -> list[str]:
    """Return the flags of ours that are for the daemon."""
    given = [(name, getattr(args, name)) for name in ENGINE_FLAGS if getattr(args, name) is not None]
    return ["--quiet", *(word for name, value in given for word in (f"--{name}", str(value)))]


def greet(url: str, client: Client, source: FileSource) -> None:
    """Say what is going on."""
    address = url.removeprefix("ws://").partition("/")[0]
    engine = client.ready["engine"]
    say(f"daemon:    {url} (model {engine['model']} on {engine['encoder']})")
    say(f"captions:  http://{address}/captions (while this runs)")
    say(f"playing:   a synthetic conversation of {source.duration_s or 0:.0f} s")
    say("")


def play(wanted: bool) -> contextlib.ExitStack:
    """Start to play the sound through the loudspeaker; a machine that cannot is told so and goes on."""
    stack = contextlib.ExitStack()
    if wanted:
        from amanuensis.daemon.loudspeaker import start_playing
        from amanuensis.daemon.sources.base import SourceError

        try:
            stack.callback(start_playing(SOUND))
        except SourceError as error:
            complain(str(error))
    return stack
