"""`amanuensis speakers`: voices that are called by their names."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from amanuensis.daemon.commands.common import SubParsers, complain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from amanuensis.daemon.enrolled import EnrolledVoice, VoiceFile

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
        description="Take a voice from a sound file in which one person speaks; one of the same name is replaced.",
        epilog="example:\n  amanuensis speakers enroll Anna anna.wav",
    )
    enroll.add_argument("name", help="what the voice is called")
    enroll.add_argument("file", type=Path, metavar="FILE", help="WAV, FLAC, Ogg, MP3 ...")
    enroll.add_argument(
        "--model", metavar="NAME|PATH", help="whose voices are told apart (default: the best installed)"
    )
    listing = actions.add_parser(
        "list",
        help="list the voices",
        description="List the voices.",
        epilog="example:\n  amanuensis speakers list --json",
    )
    remove = actions.add_parser(
        "rm",
        help="forget a voice for good",
        description="Forget a voice for good.",
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
    from amanuensis.daemon.enrolled import check_name, enrol
    from amanuensis.npu.speakers import load_embedder
    from amanuensis.npu.store import resolve

    check_name(args.name)
    samples = read_sound(args.file)
    voice = enrol(args.name, samples, load_embedder(resolve(args.model)))
    file.put(voice)
    if args.json:
        print(json.dumps(describe(voice)))
    complain(f"{voice.name} is enrolled from {voice.speech_s:g} s of speech; add --known-speakers to have it used")


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


def read_sound(path: Path) -> NDArray[np.float32]:
    """Return a sound file as float32 mono at 16 kHz; of a long one its first ten minutes.

    Raises:
        amanuensis.daemon.sources.base.SourceError: it cannot be read.

    """
    import numpy as np

    from amanuensis.daemon.sources.base import SourceError
    from amanuensis.daemon.sources.file import open_sound, reason
    from amanuensis.stream.resample import Resampler

    with open_sound(path, None, str(path)) as file:
        try:
            block = file.read(round(MAX_S * file.samplerate), dtype="float32", always_2d=True)
        except (OSError, RuntimeError) as error:
            raise SourceError(f"{path}: the file is damaged: {reason(error)}") from None
        resampler = Resampler(file.samplerate)
        mono = np.nan_to_num(block.mean(axis=1)).astype(np.float32)
    return np.concatenate([resampler.push(mono), resampler.flush()])
