"""`amanuensis listen`: captions of a microphone, a file, a socket or standard input in this terminal."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from amanuensis.daemon.commands.common import (
    SubParsers,
    add_backend_flag,
    add_engine_flags,
    add_raw_flags,
    add_speaker_flags,
    add_stream_flags,
    add_text_flags,
    add_word_times_flag,
    bounded_float,
    check_word_times,
    complain,
    raw_format,
)

if TYPE_CHECKING:
    from amanuensis.daemon.captioner import Mode
    from amanuensis.daemon.console import Printer
    from amanuensis.daemon.outputs import Transcript
    from amanuensis.daemon.sources.base import Source
    from amanuensis.stream.events import Event

EXAMPLES: Final = """\
examples:
  amanuensis listen                              the default microphone
  amanuensis listen --list-inputs                what else there is
  amanuensis listen --input system               what the machine plays, such as a call
  amanuensis listen --input app:firefox          what one application plays
  amanuensis listen > notes.txt                  clean text, one line for each utterance
  amanuensis listen --input file:talk.wav -o talk.srt
  ffmpeg -i talk.mp4 -f s16le -ar 16000 -ac 1 - | amanuensis listen --input - --raw s16le

Ctrl-C makes the last words final and leaves; a second Ctrl-C leaves at once."""
HINT: Final = "Ctrl-C to stop"
OnEvent: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[None]]
MAX_SPEED: Final = 100.0


def add_parser(subparsers: SubParsers) -> None:
    """Add `listen`."""
    parser = subparsers.add_parser(
        "listen",
        help="caption the microphone (or another source) in this terminal",
        description="Show what is said while it is said: committed words plain, words that may still change grey.",
        epilog=EXAMPLES,
    )
    add_sound_flags(parser)
    add_output_flags(parser)
    add_engine_flags(parser)
    add_backend_flag(parser)
    add_text_flags(parser)
    add_stream_flags(parser)
    add_speaker_flags(parser)


def add_sound_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say what is heard."""
    source = parser.add_argument_group("sound")
    source.add_argument(
        "--input",
        metavar="INPUT",
        help="NAME or INDEX of a microphone, system (what the machine plays), app:NAME (what one application plays), "
        "file:PATH, tcp:HOST:PORT, unix:PATH, or - for standard input (default: the default microphone)",
    )
    source.add_argument("--list-inputs", action="store_true", help="list the microphones and leave")
    source.add_argument(
        "--speed",
        type=bounded_float("speed", 0.0, MAX_SPEED),
        default=1.0,
        metavar="N",
        help="of a file: 1 is real time (default), 2 twice as fast, 0 as fast as possible",
    )
    add_raw_flags(source)


def add_output_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say where the words go."""
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print every event as a JSON line")
    add_word_times_flag(output)
    output.add_argument(
        "-o",
        "--output",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="at the end also write the transcript to FILE, which ends in .txt, .md, .srt, .vtt, .json or .csv; may be "
        "repeated",
    )


def run(args: argparse.Namespace) -> int:
    """Listen until the source ends or is stopped."""
    if args.list_inputs:
        from amanuensis.daemon.commands.devices import print_inputs

        return print_inputs(as_json=args.json)
    return asyncio.run(listen(args))


async def listen(args: argparse.Namespace, on_event: OnEvent | None = None) -> int:
    """Open source and engine, show events, write files.

    Args:
        args: from the flags of this module.
        on_event: takes each event as well, after it was shown.

    """
    from amanuensis.daemon.captioner import Captioner
    from amanuensis.daemon.console import make_printer
    from amanuensis.daemon.outputs import Transcript, check_place, format_for
    from amanuensis.daemon.pipeline import engine_line, load, open_pipeline
    from amanuensis.daemon.signals import stop_on_signals
    from amanuensis.daemon.sources.choose import InputRequest, open_source

    files = [(path, format_for(path, None)) for path in args.output]
    if args.word_times:
        check_word_times(chosen for _, chosen in files)
    for path in args.output:
        check_place(path)
    config = load(args)
    request = InputRequest(args.input, raw_format(args), args.speed)
    transcript = Transcript()
    # The source is opened first: a microphone keeps what is said while the model is loaded.
    with stop_on_signals() as stop:
        async with open_source(request, complain) as source, open_pipeline(config) as pipeline:
            complain(engine_line(pipeline.engine.info))
            printer = make_printer(sys.stdout, complain, as_json=args.json, word_times=args.word_times, hint=HINT)
            printer.device(pipeline.engine.info.encoder, pipeline.engine.info.decoder)
            mode: Mode = "lockstep" if args.speed == 0 else "live"
            captioner = Captioner(source, pipeline, status_of(source, printer), mode)
            try:
                await show(captioner.events(stop), printer, transcript, on_event)
            finally:
                write(transcript, files, word_times=args.word_times)
    return 0


async def show(
    events: AsyncIterator[Event], printer: Printer, transcript: Transcript, on_event: OnEvent | None = None
) -> None:
    """Print events, keep the committed words, and hand each event on."""
    from amanuensis.daemon.wire import wire_map

    seq = 0
    try:
        async for event in events:
            seq += event.durable
            transcript.add(event)
            content = wire_map(event, seq if event.durable else None)
            printer.show(content)
            if on_event is not None:
                await on_event(content)
    finally:
        printer.close()


def status_of(source: Source, printer: Printer) -> Callable[[float | None, float], None]:
    """Return what shows level and lag, and says once that sound comes: some microphones take seconds to begin."""
    heard = False

    def on_sound(level_dbfs: float | None, lag_ms: float) -> None:
        nonlocal heard
        if not heard:
            complain(f"listening to {source.name}")
        heard = True
        printer.status(level_dbfs, lag_ms, source.name)

    return on_sound


def write(transcript: Transcript, files: Sequence[tuple[Path, str]], *, word_times: bool) -> None:
    """Write the transcript to each file, in its format; one that fails does not keep the others from being written."""
    from amanuensis.daemon.outputs import OutputError, write_transcript
    from amanuensis.npu.atomic import WriteError

    failed: list[OutputError | WriteError] = []
    for path, chosen in files:
        try:
            write_transcript(path, chosen, transcript.utterances, word_times=word_times)
        except (OutputError, WriteError) as error:
            failed.append(error)
    if files and transcript.shortfall:
        complain(transcript.shortfall)
    for other in failed[:-1]:
        complain(str(other))
    if failed:
        raise failed[-1]
