"""The command line: `amanuensis COMMAND` and `amanuensis-listen`.

Only the module of the command that was asked for is imported, so that `--help` and mistakes answer at once.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol, cast

from amanuensis.daemon.commands.common import Parser, SubParsers, UsageError, add_debug_flag, complain
from amanuensis.daemon.terminal import outlive_terminal

COMMANDS: Final = {
    "serve": "run the daemon: captions for WebSocket clients and the captions page",
    "listen": "caption the microphone (or another source) in this terminal",
    "dictate": "type what is said into the focused window",
    "transcribe": "transcribe sound files to txt, md, srt, vtt, json or csv",
    "archive": "transcribe thousands of files, each exactly once, and go on where it stopped",
    "service": "install, remove and look at the service of systemd",
    "record": "record a meeting: microphone and system sound, with live captions",
    "meetings": "list, read, search and export the meetings that were recorded",
    "watch": "show the captions of a running session",
    "speakers": "enroll, list and remove voices that are called by their names",
    "tokens": "make, list and revoke the tokens that let clients in",
    "cluster": "look at the machines of a Ray cluster, and take one out of use",
    "top": "show how the sessions of a running daemon do",
    "demo": "start a daemon, play a bundled conversation into it and show the captions",
    "models": "list, fetch, import, export, prepare and remove models",
    "devices": "list compute devices and sound inputs",
    "doctor": "check what a daemon and an NPU need here, each with what to do",
    "kernels": "plan, compile, test and measure the operators of the NPU",
    "bench": "measure speed, memory and accuracy",
}
EXAMPLES: Final = """\
examples:
  amanuensis demo                          captions of a bundled conversation; needs no microphone
  amanuensis listen                        captions of your microphone in this terminal
  amanuensis transcribe talk.wav -o t.srt  subtitles of a file
  amanuensis serve                         the daemon, for WebSocket clients and the captions page

`amanuensis COMMAND --help` describes a command."""


class CommandModule(Protocol):
    """What every module of `amanuensis.daemon.commands` has."""

    add_parser: Callable[[SubParsers], object]
    run: Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 success, 1 failed, 2 usage."""
    # Before NumPy is imported: its BLAS has only small work here, and on a busy machine a second thread makes that
    # 50 times slower.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    fill_standard_streams()
    outlive_terminal()
    words = list(sys.argv[1:] if argv is None else argv)
    name = next((word for word in words if not word.startswith("-")), None)
    if name is None and "--version" in words:
        return guarded(print_version, argparse.Namespace(command=None, debug="--debug" in words))
    command = load(name) if name in COMMANDS else None
    args = build_parser(name, command).parse_args(words)
    assert command is not None  # else parse_args has left with status 0 or 2
    return guarded(command.run, args)


def print_version(_: argparse.Namespace) -> int:
    """Print the version of the installed distribution."""
    from importlib.metadata import version

    print(f"amanuensis {version('amanuensis')}")
    return 0


def listen_main() -> int:
    """Run `amanuensis listen`: the entry point `amanuensis-listen`."""
    return main(["listen", *sys.argv[1:]])


def load(name: str) -> CommandModule:
    """Import the module of one command."""
    return cast(CommandModule, import_module(f"amanuensis.daemon.commands.{name}"))


def build_parser(name: str | None, command: CommandModule | None) -> argparse.ArgumentParser:
    """Return the parser of the command line; only the command that was asked for has its flags."""
    parser: argparse.ArgumentParser = Parser(
        prog="amanuensis",
        description="Live captions on this machine: sound in, words out while people are still speaking.",
        epilog=EXAMPLES,
    )
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    parser.add_argument("--debug", action="store_true", help="show tracebacks and debug messages")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for entry, text in COMMANDS.items():
        if command is not None and entry == name:
            command.add_parser(commands)
            add_debug_flag(commands.choices[entry])
        else:
            commands.add_parser(entry, help=text)
    return parser


def guarded(run: Callable[[argparse.Namespace], int], args: argparse.Namespace) -> int:
    """Run a command; whatever goes wrong becomes one line on stderr and an exit status.

    With `--debug` an exception passes through, so that its traceback is seen.
    """
    from amanuensis.daemon.logs import set_up

    set_up(debug=args.debug)
    if args.debug:
        return run(args)
    try:
        status = run(args)
        sys.stdout.flush()
    except UsageError as error:
        complain(f"{error} (see: amanuensis {args.command} --help)")
        return 2
    except KeyboardInterrupt:
        complain("interrupted")
        return 1
    except BrokenPipeError:
        drop_unwritable_output()  # the reader has gone (`| head`)
        return 1
    except Exception as error:
        complain(describe(error))
        drop_unwritable_output()
        return 1
    return status


def fill_standard_streams() -> None:
    """Give a program that was started without standard streams (`>&-`) empty ones.

    What standard output cannot write, such as a file's name that is no text, is escaped there, as on stderr.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  # as long as the process
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def drop_unwritable_output() -> None:
    """Forget output that cannot be written, so that Python does not try again, and fail, when it shuts down."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def describe(error: Exception) -> str:
    """Say in one line what went wrong."""
    text = " ".join(str(error).split())
    if is_expected(error):
        return text
    if isinstance(error, OSError):
        if error.errno == errno.ENOSPC and not error.filename:  # whoever writes files names them
            return f"standard output: {error.strerror}"
        return f"{error.filename}: {error.strerror}" if error.filename and error.strerror else error.strerror or text
    return f"internal error: {type(error).__name__}: {text}; run again with --debug for the traceback"


def is_expected(error: Exception) -> bool:
    """Tell whether the error's own message was written for the user: it is one of our named errors."""
    return type(error).__module__.startswith("amanuensis.")


if __name__ == "__main__":
    sys.exit(main())
