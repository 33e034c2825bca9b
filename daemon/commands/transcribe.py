"""`amanuensis transcribe`: sound files to text, JSON and subtitles."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from amanuensis.daemon.commands.common import (
    FORMATS,
    SubParsers,
    UsageError,
    add_backend_flag,
    add_engine_flags,
    add_raw_flags,
    add_speaker_flags,
    add_stream_flags,
    add_text_flags,
    add_word_times_flag,
    check_word_times,
    complain,
    raw_format,
)

if TYPE_CHECKING:
    from amanuensis.daemon.batch import Job

FOLDER_STATE: Final = ".amanuensis.state"  # in the folder of the texts
EXAMPLES: Final = """\
examples:
  amanuensis transcribe talk.wav                     the text on standard output
  amanuensis transcribe talk.flac -o talk.srt        subtitles
  amanuensis transcribe *.ogg -f srt -f txt -o out/  two files for each input, in the folder out
  amanuensis transcribe talk.wav --word-times        one line a word: start and end in seconds, text
  amanuensis transcribe --json talk.wav              one JSON object a line, with words and times
  amanuensis transcribe recordings/ -o out/          a folder as `amanuensis archive run` does it
  ffmpeg -i talk.mp4 -f wav -ac 1 - | amanuensis transcribe -"""


def add_parser(subparsers: SubParsers) -> None:
    """Add `transcribe`."""
    parser = subparsers.add_parser(
        "transcribe",
        help="transcribe sound files to txt, md, srt, vtt, json or csv",
        description="Transcribe sound files. A file that cannot be read gets one line on stderr, the others are done "
        "nevertheless, and the exit status is 1.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE|FOLDER",
        help="WAV, FLAC, Ogg, MP3 ...; - is standard input; of a folder all sound files below it",
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "-f",
        "--format",
        action="append",
        choices=FORMATS,
        dest="formats",
        help="may be repeated with -o FOLDER (default: what -o ends in, else txt)",
    )
    output.add_argument("-o", "--output", metavar="FILE|FOLDER", help="write there instead of standard output")
    output.add_argument("--json", action="store_true", help="print one JSON object a line for each file")
    add_word_times_flag(output)
    parser.add_argument(
        "--stream",
        action="store_true",
        help="decode as live captions are, as fast as possible, instead of window by window",
    )
    add_raw_flags(parser.add_argument_group("raw sound"))
    add_engine_flags(parser)
    add_backend_flag(parser)
    add_text_flags(parser)
    add_stream_flags(parser)
    add_speaker_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Transcribe every file; 1 if one of them failed."""
    from amanuensis.daemon.batch import Batch, Printing
    from amanuensis.daemon.pipeline import load, open_pipeline

    if args.json and args.formats and args.output is None:
        raise UsageError("--json and -f both want standard output: add -o FILE or -o FOLDER")
    if folder := next((name for name in args.files if Path(name).is_dir()), None):
        return _run_folders(args, folder)
    jobs = plan(args.files, args.formats or [], args.output)
    text = None if args.json or args.output else (args.formats or ["txt"])[0]
    if args.word_times:
        check_word_times([text or "", *(chosen for job in jobs for _, chosen in job.outputs)])
    printing = Printing(as_json=args.json, text=text, titles=len(jobs) > 1, word_times=args.word_times)
    start = partial(open_pipeline, load(args), live=False)
    batch = Batch(start, raw_format(args), printing, "lockstep" if args.stream else "windows")
    return asyncio.run(batch.run(jobs))


def _run_folders(args: argparse.Namespace, folder: str) -> int:
    """Transcribe what lies below folders, with all that `amanuensis archive` does for many files."""
    from amanuensis.daemon.archive.manifest import Layout, named_entries
    from amanuensis.daemon.commands.archive import check_outputs, summary, work_on

    if args.output is None:
        raise UsageError(f"{folder} is a folder: say where its texts go: -o FOLDER")
    for flag in ("json", "stream", "raw"):
        if getattr(args, flag):
            raise UsageError(f"--{flag} is not for folders: name the files, such as {Path(folder) / '*.wav'}")
    if args.word_times:
        check_word_times(args.formats or ["txt"])
    output = Path(args.output).absolute()
    layout = Layout(output, args.formats or ("txt",))
    entries = named_entries(args.files, layout)
    check_outputs(entries, layout, meetings=False)
    found = work_on(entries, output / FOLDER_STATE, args)
    if found is None:
        return 1
    complain(summary(found, "; run it again to try the others again"))
    return 0 if found.done == found.files else 1


def plan(files: Sequence[str], formats: Sequence[str], output: str | None) -> list[Job]:
    """Decide which files are written.

    Raises:
        UsageError: two outputs would have one name, an output would replace an input, or it is not clear what is meant.

    """
    from amanuensis.daemon.batch import STDIN, Job
    from amanuensis.daemon.outputs import OutputError, format_for

    if list(files).count(STDIN) > 1:
        raise UsageError("- (standard input) can be read only once")
    if output is None:
        if len(formats) > 1 or (formats and formats[0] != "txt" and len(files) > 1):
            raise UsageError("several results do not fit on standard output: add -o FOLDER")
        return [Job(name, ()) for name in files]
    folder = Path(output)
    if len(files) == 1 and len(formats) <= 1 and not output.endswith("/") and not folder.is_dir():
        try:
            chosen = format_for(folder, formats[0] if formats else None)
        except OutputError as error:
            raise UsageError(str(error)) from None
        jobs = [Job(files[0], ((folder, chosen),))]
    else:
        jobs = [Job(name, outputs_in(folder, name, formats or ["txt"])) for name in files]
    check_distinct(jobs)
    return jobs


def outputs_in(folder: Path, name: str, formats: Sequence[str]) -> tuple[tuple[Path, str], ...]:
    """Return the files of one input in a folder."""
    from amanuensis.daemon.batch import STDIN

    stem = "stdin" if name == STDIN else Path(name).stem
    return tuple((folder / f"{stem}.{chosen}", chosen) for chosen in dict.fromkeys(formats))


def check_distinct(jobs: Sequence[Job]) -> None:
    """Refuse outputs that would replace each other or an input."""
    from amanuensis.daemon.batch import STDIN

    taken = {Path(job.name).resolve(): job.name for job in jobs if job.name != STDIN}
    for job in jobs:
        for path, _ in job.outputs:
            other = taken.setdefault(path.resolve(), job.name)
            if other != job.name or path.resolve() == Path(job.name).resolve():
                raise UsageError(f"{path} would replace {other} or its result; choose other names or folders")
