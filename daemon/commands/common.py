"""What the commands share: parser, flags that mean the same everywhere, messages.

Imported before anything else, so only from the standard library's light part.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

if TYPE_CHECKING:
    from amanuensis.stream.formats import AudioFormat

SubParsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
BACKENDS: Final = ("local", "ray")
DEVICES: Final = ("auto", "cpu", "npu", "sim")
TASKS: Final = ("transcribe", "translate")
FORMATS: Final = ("txt", "md", "srt", "vtt", "json", "csv")
UNTIMED: Final = "md"  # has no place for the times of words
ENCODINGS: Final = ("s16le", "f32le", "mulaw")
POLICIES: Final = ("agreement", "alignatt")
MAX_THREADS: Final = 256
MAX_BEAMS: Final = 16
MAX_SPEAKERS: Final = 20
SETTINGS: Final = {  # flag: key of the configuration
    "engine": "engine.backend",
    "model": "engine.model",
    "device": "engine.device",
    "threads": "engine.threads",
    "language": "stream.language",
    "task": "stream.task",
    "prompt": "stream.prompt",
    "hotwords": "stream.hotwords",
    "beam_size": "stream.beam_size",
    "policy": "stream.policy",
    "tick_ms": "stream.tick_ms",
    "speakers": "stream.speakers",
    "max_speakers": "stream.max_speakers",
    "known_speakers": "stream.known_speakers",
    "listen": "server.listen",
    "token": "server.token",
    "log_format": "log.format",
    "own_input": "input.name",
}
TOKEN_VARIABLE: Final = "AMANUENSIS_SERVER_TOKEN"  # not a flag: every user of the machine can read command lines
CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class UsageError(Exception):
    """The command line asks for something that cannot be; exit status 2."""


class Parser(argparse.ArgumentParser):
    """An argument parser that answers a mistake with one line and keeps the layout of examples."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        options.setdefault("allow_abbrev", False)
        super().__init__(*args, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"amanuensis: {message} (see: {self.prog} --help)\n")


def complain(message: str) -> None:
    """Print one line for a person on stderr, with our name before it."""
    say(f"amanuensis: {message}")


def say(message: str) -> None:
    """Print one line for a person on stderr; where nobody reads it any more, the work goes on all the same."""
    with contextlib.suppress(OSError):
        print(CONTROL.sub("?", message), file=sys.stderr, flush=True)


def add_debug_flag(parser: argparse.ArgumentParser) -> None:
    """Let `--debug` stand after the command as well as before it."""
    parser.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks and debug messages"
    )


def add_ca_flag(parser: argparse.ArgumentParser) -> None:
    """Add --ca, for commands that connect to a daemon."""
    parser.add_argument(
        "--ca", metavar="FILE", help="verify a wss:// daemon with this certificate (PEM), not with the machine's"
    )


def add_engine_flags(parser: argparse.ArgumentParser) -> None:
    """Add --model, --device and --threads, which mean the same in every command."""
    group = parser.add_argument_group("engine")
    group.add_argument(
        "--model", metavar="NAME|PATH", help="model to use (default: the best installed, else the built-in one)"
    )
    group.add_argument("--device", choices=DEVICES, help="compute device (default: auto)")
    group.add_argument(
        "--threads",
        type=bounded_int("threads", 0, MAX_THREADS),
        metavar="N",
        help="threads of the CPU back end (default 0: physical cores less one, at most 4)",
    )


def add_backend_flag(parser: argparse.ArgumentParser) -> None:
    """Add --engine, for commands that may use a cluster."""
    parser.add_argument(
        "--engine",
        choices=BACKENDS,
        help="where the engine is: on this machine, or on the nodes of a Ray cluster, see docs/cluster.md "
        "(default: local)",
    )


def add_text_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say what text is wanted: language, task, prompt, hotwords, beams."""
    group = parser.add_argument_group("text")
    group.add_argument("--language", metavar="CODE", help="language of the speech, such as en (default: detected)")
    group.add_argument("--task", choices=TASKS, help="translate is into English (default: transcribe)")
    group.add_argument("--prompt", metavar="TEXT", help="text that came before: a hint of style and names")
    group.add_argument(
        "--hotword", metavar="WORD", action="append", dest="hotwords", help="favour this word; may be repeated"
    )
    group.add_argument(
        "--beam-size",
        type=bounded_int("beam size", 1, MAX_BEAMS),
        metavar="N",
        help="beams of the last decode of an utterance (default: 1, greedy)",
    )


def add_stream_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say how words are committed while the sound goes on."""
    group = parser.add_argument_group("streaming")
    group.add_argument(
        "--policy",
        choices=POLICIES,
        help="commit what two decodes agree on, or by attention on the first (default: agreement)",
    )
    group.add_argument(
        "--tick-ms",
        type=bounded_int("tick", 100, 5000),
        metavar="MS",
        help="decode again after so much new sound (default: 500)",
    )


def add_speaker_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say whose words they are."""
    group = parser.add_argument_group("speakers")
    group.add_argument(
        "--speakers",
        type=bounded_int("speakers", 0, MAX_SPEAKERS),
        metavar="N",
        help="how many speak; 0: do not tell them apart (default: found out, of live sound)",
    )
    group.add_argument(
        "--max-speakers",
        type=bounded_int("max speakers", 1, MAX_SPEAKERS),
        metavar="N",
        help="tell at most so many apart (default: 20), in recordings too",
    )
    group.add_argument(
        "--known-speakers",
        action="store_const",
        const=True,
        help="call voices that were enrolled by their names (see: amanuensis speakers)",
    )


def add_word_times_flag(group: argparse._ActionsContainer) -> None:
    """Add --word-times."""
    group.add_argument(
        "--word-times",
        action="store_true",
        help="one line a word with its start and end in seconds (txt), a cue a word (srt), a timestamp before each "
        "word (vtt), a row a word (csv); json has them anyway",
    )


def check_word_times(formats: Iterable[str]) -> None:
    """Refuse --word-times for a format that has no place for them."""
    if UNTIMED in formats:
        timed = ", ".join(each for each in FORMATS if each != UNTIMED)
        raise UsageError(f"--word-times: {UNTIMED} has no times of words; choose {timed}")


def bounded_int(name: str, low: int, high: int) -> Callable[[str], int]:
    """Return an argparse type: a whole number in [low, high]."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{name} {text!r} is not allowed: give a whole number, {low} to {high}")
        return value

    return parse


def bounded_float(name: str, low: float, high: float) -> Callable[[str], float]:
    """Return an argparse type: a number in [low, high]."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{name} {text!r} is not allowed: give a number, {low:g} to {high:g}")
        return value

    return parse


def add_raw_flags(group: argparse._ArgumentGroup) -> None:
    """Add --raw, --rate and --channels, for sound without a header."""
    group.add_argument("--raw", choices=ENCODINGS, help="the sound is PCM without a header, in this encoding")
    group.add_argument("--rate", type=int, metavar="HZ", help="of raw sound (default: 16000)")
    group.add_argument("--channels", type=int, metavar="N", help="of raw sound, interleaved (default: 1)")


def raw_format(args: argparse.Namespace) -> AudioFormat | None:
    """Return the format that --raw, --rate and --channels name; None without --raw.

    Raises:
        UsageError: --rate or --channels stand without --raw, or are out of bounds.

    """
    from amanuensis.stream.formats import AudioFormat, FormatError

    if args.raw is None:
        if args.rate is not None or args.channels is not None:
            raise UsageError("--rate and --channels describe raw sound: add --raw s16le")
        return None
    try:
        return AudioFormat(
            args.raw, 16_000 if args.rate is None else args.rate, 1 if args.channels is None else args.channels
        )
    except FormatError as error:
        raise UsageError(str(error)) from None


def config_flags(args: argparse.Namespace) -> dict[str, object]:
    """Return what the flags say as settings by dotted key; None where a flag was not given."""
    return {key: getattr(args, name, None) for name, key in SETTINGS.items()}
