"""`amanuensis speakers`: voices that are called by their names."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from amanuensis.daemon.commands.common import SubParsers, complain

if TYPE_CHECKING:
    from amanuensis.daemon.enrolled import EnrolledVoice, VoiceFile
    from amanuensis.daemon.enrolment import Enroller, Enrolment

EXAMPLES: Final = """\
examples:
  amanuensis speakers enroll Anna anna.wav     at least 5 s of her voice alone; 20 s are better
  amanuensis speakers list
  amanuensis speakers rm Anna
  amanuensis listen --known-speakers           words of hers are called Anna's

What is kept is a vector of numbers that says what the voice sounds like, in one file on this machine that only you can
read. Nobody is enrolled unless you do it, and no voice is compared unless --known-speakers (stream.known_speakers) is
set. Enrol others only if they agree."""
MAX_S: Final = 600.0  # of a file: more tells nothing new
MAX_SHOWN: Final = 3


def add_parser(subparsers: SubParsers) -> None:
    """Add `speakers` and what it can do."""
    parser = subparsers.add_parser(
        "speakers",
        help="enroll, list and remove voices that are called by their names",
        description="Enroll, list and remove voices that are called by their names.",
        epilog=EXAMPLES,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    enroll = actions.add_parser(
        "enroll",
        help="take a voice from a sound file",
        description="Take a voice from a sound file in which one person speaks; one of the same name is replaced. Of a "
        "long file the first ten minutes are heard. What makes the voice hard to know again is said.",
        epilog="example:\n  amanuensis speakers enroll Anna anna.wav",
    )
    enroll.add_argument("name", help="what the voice is called: 1 to 40 characters, not just A to ZZ")
    enroll.add_argument(
        "file", type=Path, metavar="FILE", help="WAV, FLAC, Ogg, MP3 ... of 8 to 192 kHz: what `transcribe` reads"
    )
    enroll.add_argument(
        "--model",
        metavar="NAME|PATH",
        help="one with a speaker model of its own needs its own enrolments (default: the best installed)",
    )
    listing = actions.add_parser(
        "list",
        help="list the voices",
        description="List the voices: name, seconds of speech that each was taken from, speaker model.",
        epilog="example:\n  amanuensis speakers list --json",
    )
    remove = actions.add_parser(
        "rm",
        help="forget a voice for good",
        description="Forget a voice for good. A session that goes on knows it until its end; later ones do not.",
        epilog="example:\n  amanuensis speakers rm Anna",
    )
    remove.add_argument("name", help="as `amanuensis speakers list` shows it")
    for action in (enroll, listing, remove):
        action.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Do what was asked for."""
    from amanuensis.daemon.enrolled import VoiceFile

    actions = {"enroll": enroll_voice, "list": list_voices, "rm": remove_voice}
    actions[args.action](VoiceFile.of(os.environ), args)
    return 0


def enroll_voice(file: VoiceFile, args: argparse.Namespace) -> None:
    """Take a voice from a sound file."""
    from amanuensis.daemon.enrolled import EnrolError
    from amanuensis.daemon.enrolment import Enroller
    from amanuensis.daemon.voice_name import as_voice_name
    from amanuensis.npu.speakers import load_embedder
    from amanuensis.npu.store import resolve

    name = as_voice_name(args.name)
    file.read()  # what is wrong with it is said before minutes of sound are heard
    embedder = load_embedder(resolve(args.model))
    enroller = Enroller(embedder)
    for remark in asyncio.run(hear(args.file, enroller)):
        complain(f"{args.file}: {remark}")
    try:
        enrolment = enroller.finish(name)
    except EnrolError as error:
        raise EnrolError(f"{args.file}: {error}") from None
    voice = enrolment.voice
    others = file.put(voice)
    if args.json:
        print(json.dumps(describe(voice)))
    for doubt in doubts(enrolment, others, embedder.same_above):
        complain(f"{args.file}: {doubt}")
    complain(
        f"{voice.name} is enrolled from {voice.speech_s:g} s of speech; sessions that begin from now on with "
        "--known-speakers know the voice"
    )


def doubts(enrolment: Enrolment, others: Sequence[EnrolledVoice], same_above: float) -> Iterator[str]:
    """Say what makes a voice that was taken hard to know again."""
    if enrolment.odd > 0:
        yield f"{100 * enrolment.odd:.0f} % of the speech is unlike the rest and left out: does somebody else speak?"
    if enrolment.is_narrow:
        yield "nothing above 4 kHz is in it: the voice is known less surely in sound of more than 8 kHz"
    # Means of recordings of one reader were 0.88 alike and more, of two readers 0.5 at most; same_above is 0.38.
    least = (1 + same_above) / 2
    if alike := [other.name for other in others if enrolment.voice.likeness(other) > least]:
        names = ", ".join(alike[:MAX_SHOWN]) + (" ..." if len(alike) > MAX_SHOWN else "")
        yield f"the voice is like that of {names}: they will be taken for each other"


def list_voices(file: VoiceFile, args: argparse.Namespace) -> None:
    """Print who is enrolled."""
    voices = file.read()
    if args.json:
        print(json.dumps([describe(voice) for voice in voices]))
        return
    if not voices:
        complain("no voices are enrolled; take one: amanuensis speakers enroll NAME FILE")
    for voice in voices:
        print(f"{voice.name:24} {voice.speech_s:6.1f} s  model {voice.model}")


def remove_voice(file: VoiceFile, args: argparse.Namespace) -> None:
    """Forget a voice."""
    file.remove(args.name)
    if args.json:
        print(json.dumps({"removed": args.name}))
    complain(f"{args.name} is forgotten")


def describe(voice: EnrolledVoice) -> dict[str, Any]:
    """Return what is known of a voice, for programs."""
    return {"name": voice.name, "model": voice.model, "speech_s": voice.speech_s}


async def hear(path: Path, enroller: Enroller) -> list[str]:
    """Have the first ten minutes of a sound file heard, a piece at a time; return what a person should know of it.

    Raises:
        amanuensis.daemon.sources.base.SourceError: it cannot be read.
        amanuensis.npu.model_error.ModelError: the speaker model fails.

    """
    from amanuensis.daemon.progress import progress_bar
    from amanuensis.daemon.sources.base import SourceError
    from amanuensis.daemon.sources.choose import InputRequest, open_source
    from amanuensis.stream.formats import PcmDecoder
    from amanuensis.stream.resample import Resampler
    from amanuensis.stream.sound_check import SoundCheck

    if path.is_fifo():
        raise SourceError(f"{path}: a pipe; write the sound to a file first")
    async with open_source(InputRequest(f"file:{path}", speed=0.0), complain) as source:
        decoder, resampler = PcmDecoder(source.format), Resampler(source.format.rate)
        left = n_most = round(MAX_S * source.format.rate)
        remarks: list[str] = []
        with progress_bar(sys.stderr) as bar, bar.task(str(path), source.duration_s):
            async for chunk in source.chunks():
                if not left:
                    remarks.append(f"only its first {MAX_S:g} s were heard")
                    break
                assert isinstance(chunk, bytes)  # nothing of a file is lost on the way
                samples = decoder.decode(chunk)[:left]
                enroller.hear(resampler.push(samples))
                left -= len(samples)
                bar.advance((n_most - left) / source.format.rate)
            enroller.hear(resampler.flush())
    return [*remarks, *(warning.message for warning in SoundCheck(decoder).warnings(n_most - left))]
