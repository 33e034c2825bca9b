"""The frame of the command line."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amanuensis.daemon import main
from amanuensis.daemon.commands.common import UsageError
from amanuensis.daemon.sources.base import SourceError
from tests.helpers.programs import COMMAND

HEAVY = ("numpy", "onnxruntime", "rich", "soundfile", "websockets", "asyncio")
OURS = [name for name in main.COMMANDS if name not in ("models", "bench")]


def amanuensis(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "amanuensis.daemon.main", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


def test_help_loads_nothing_heavy() -> None:
    """`amanuensis --help` answers without NumPy, ONNX Runtime or the event loop."""
    code = (
        "import sys; from amanuensis.daemon.main import main\n"
        "try: main(['--help'])\n"
        f"finally: print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "LOADED []" in done.stdout


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The help lists all commands and gives examples."""
    with pytest.raises(SystemExit) as left:
        main.main(["--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"\n    {name}" in shown for name in main.COMMANDS)
    assert "examples:" in shown


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_describes_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command has help with an example, and stands in the list with the same words."""
    with pytest.raises(SystemExit) as left:
        main.main([name, "--help"])
    assert left.value.code == 0
    assert "example" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main.build_parser(name, main.load(name)).parse_args(["--help"])
    listed = " ".join(capsys.readouterr().out.split())
    assert " ".join(main.COMMANDS[name].split()) in listed


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints name and version."""
    from importlib.metadata import version

    assert main.main(["--version"]) == 0
    assert capsys.readouterr().out == f"amanuensis {version('amanuensis')}\n"


@pytest.mark.parametrize("words", [("--version",), ("devices",), ("serve", "--check")])
def test_output_that_cannot_be_written_is_named(words: tuple[str, ...]) -> None:
    """Into a full device there is one line that says so, and status 1."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMMAND, *words], check=False, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "amanuensis: standard output: No space left on device\n")


@pytest.mark.parametrize("words", [[], ["fly"], ["listen", "--speed", "fast"], ["listen", "--wings"], ["--wings"]])
def test_mistakes_get_one_line_and_status_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong command line is answered with one line that says where help is."""
    with pytest.raises(SystemExit) as left:
        main.main(words)
    assert left.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert "--help" in shown.err


def args(debug: bool = False) -> argparse.Namespace:
    """What the parser gives to a command."""
    return argparse.Namespace(debug=debug, command="listen")


def raising(error: BaseException) -> Callable[[argparse.Namespace], int]:
    """A command that fails."""

    def run(_: argparse.Namespace) -> int:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (SourceError("no such\nfile"), 1, "amanuensis: no such file\n"),
        (UsageError("not both"), 2, "amanuensis: not both (see: amanuensis listen --help)\n"),
        (OSError(28, "No space left on device", "/x"), 1, "amanuensis: /x: No space left on device\n"),
        (KeyboardInterrupt(), 1, "amanuensis: interrupted\n"),
        (
            ValueError("odd"),
            1,
            "amanuensis: internal error: ValueError: odd; run again with --debug for the traceback\n",
        ),
    ],
)
def test_errors_become_one_line(
    error: BaseException, status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever a command raises is said in one line, without a traceback."""
    assert main.guarded(raising(error), args()) == status
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == line


def test_debug_lets_the_traceback_through() -> None:
    """With --debug the exception itself is seen."""
    with pytest.raises(SourceError):
        main.guarded(raising(SourceError("x")), args(debug=True))


def test_a_reader_that_leaves_is_no_failure_to_shout_about() -> None:
    """`amanuensis ... | head` ends quietly."""
    command = f"{sys.executable} -m amanuensis.daemon.main serve --check | true"
    done = subprocess.run(["bash", "-c", command], check=False, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""


@pytest.mark.parametrize("closed", ["<&-", ">&-", ">&- 2>&-"])
def test_closed_standard_streams_are_empty_ones(closed: str) -> None:
    """A program that a service or a shell starts without them does its work as if nobody looked."""
    command = f"{sys.executable} -m amanuensis.daemon.main serve --check {closed}"
    done = subprocess.run(["bash", "-c", command], check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_no_text_is_escaped_on_standard_output() -> None:
    """The name of a file may be no text; in JSON the escape is what it was."""
    code = "from amanuensis.daemon import main; main.fill_standard_streams(); print('\"a\\udcff\"')"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout) == "a\udcff"


def test_debug_stands_before_or_after_the_command() -> None:
    """Both orders turn it on."""
    for words in (["--debug", "devices"], ["devices", "--debug"]):
        assert main.build_parser("devices", main.load("devices")).parse_args(words).debug


def test_the_module_runs_as_a_program() -> None:
    """`python -m amanuensis.daemon.main` is the command line."""
    done = amanuensis("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("amanuensis ")
