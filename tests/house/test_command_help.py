"""Every command explains itself."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from amanuensis.daemon.main import COMMANDS, build_parser, load
from tests.helpers.daemon_process import run_command

ROOT = Path(__file__).resolve().parents[2]


def parsers(name: str) -> Iterator[argparse.ArgumentParser]:
    """Yield the parser of a command and those of its subcommands."""
    commands = build_parser(name, load(name))
    waiting = [choices(commands)[name]]
    while waiting:
        parser = waiting.pop()
        yield parser
        waiting += choices(parser).values()


def choices(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the subcommands of a parser by name."""
    groups = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return {name: sub for group in groups for name, sub in group.choices.items()}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    """`--help` of a command and of each subcommand shows a line that could be typed."""
    for parser in parsers(name):
        examples = parser.format_help().partition("example")[2]
        assert parser.prog in examples, f"`{parser.prog} --help` has no example"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_is_explained(name: str) -> None:
    """No flag stands without words."""
    for parser in parsers(name):
        assert [action.dest for action in parser._actions if not action.help and action.option_strings] == []


def test_usage_errors_leave_with_2() -> None:
    """An unknown command is one line on stderr and status 2."""
    done = run_command("no-such-command")
    assert done.returncode == 2
    assert "no-such-command" in done.stderr
    assert done.stderr.count("\n") == 1


def test_version_is_that_of_the_distribution() -> None:
    """`--version`, the metadata, pyproject.toml and the changelog agree."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert run_command("--version").stdout.split() == ["amanuensis", project["version"]]
    assert version("amanuensis") == project["version"]
    headings = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## [")]
    assert headings[0] == "## [Unreleased]"
    assert all(heading.startswith(f"## [{project['version']}]") for heading in headings[1:2])
