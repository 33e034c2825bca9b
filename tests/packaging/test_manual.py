"""The manual pages: one for each command, all that its parser says in it, and readers that find no fault."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import manual
import pytest
from roff import bold, exact, prose

from amanuensis.daemon.config import Config
from amanuensis.daemon.main import COMMANDS, build_parser, load
from amanuensis.daemon.settings_reference import sections

DATE = "2026-01-31"


@pytest.fixture(scope="module")
def pages() -> manual.Pages:
    """All pages."""
    return manual.pages(DATE)


@pytest.fixture
def written(pages: manual.Pages, tmp_path: Path) -> list[Path]:
    """All pages in files."""
    for name, text in pages.items():
        (tmp_path / name).write_text(text)
    return sorted(tmp_path.iterdir())


def test_every_command_has_a_page(pages: manual.Pages) -> None:
    """Each command, `amanuensis-listen` among them, the overview that names them all, and the settings."""
    assert set(pages) == {"amanuensis.1", "amanuensis.5", *(f"amanuensis-{name}.1" for name in COMMANDS)}
    for name, about in COMMANDS.items():
        assert f"{bold(f'amanuensis-{name}')}(1)" in pages["amanuensis.1"]
        assert " ".join(pages[f"amanuensis-{name}.1"].split()).find(exact(about)) > 0
    assert bold("amanuensis-listen") in pages["amanuensis-listen.1"]
    assert all(DATE in text.splitlines()[0] for text in pages.values())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_told(name: str, pages: manual.Pages) -> None:
    """Every option of a command and its subcommands stands in its page, with its words."""
    text = pages[f"amanuensis-{name}.1"]
    waiting = [manual.subcommands(build_parser(name, load(name)))[name]]
    while waiting:
        parser = waiting.pop()
        waiting += manual.subcommands(parser).values()
        assert exact(parser.prog) in text
        for action in parser._actions:
            missing = [option for option in action.option_strings if bold(option) not in text]
            assert not missing or action.dest == "help"


def test_every_setting_is_told(pages: manual.Pages) -> None:
    """Every key stands in amanuensis(5), with what docs/config.md says of it."""
    text = pages["amanuensis.5"]
    for name, settings in sections(Config):
        part = text.partition(f'.SH "[{name.upper()}]"\n')[2].partition("\n.SH")[0]
        for setting in settings:
            assert bold(setting.key) in part
            assert prose(setting.meaning) in part


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("a --flag, a well-known -x and 5 - 3", r"a \-\-flag, a well-known \-x and 5 - 3"),
        (".profile is hidden", r"\&.profile is hidden"),
        ("type `it's -x \\n` here", r"type \fBit\(aqs \-x \en\fR here"),
    ],
)
def test_nothing_is_taken_for_a_macro(said: str, shown: str) -> None:
    """Hyphens of flags can be copied, and no character of the text has a meaning of its own."""
    assert prose(said) == shown


def test_readers_find_no_fault(written: list[Path]) -> None:
    """Neither mandoc, which is strict, nor groff, which is what most have, warns of anything."""
    tools = {
        "mandoc": ["mandoc", "-T", "lint", "-W", "style"],
        "groff": ["groff", "-man", "-Tutf8", "-ww", "-K", "utf8", "-z"],
    }
    if not (found := [words for tool, words in tools.items() if shutil.which(tool)]):
        pytest.skip(f"none of {', '.join(tools)} is installed: nobody can read manual pages here")
    for words in found:
        done = subprocess.run([*words, *map(str, written)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_examples_can_be_typed(pages: manual.Pages) -> None:
    """The commands of the examples come out of a page as they went in."""
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed: nobody can render the page")
    words = ["mandoc", "-T", "utf8", "-O", "width=140"]
    done = subprocess.run(words, input=pages["amanuensis-listen.1"], capture_output=True, text=True, check=True)
    shown = re.sub(r".\x08", "", done.stdout)
    assert "ffmpeg -i talk.mp4 -f s16le -ar 16000 -ac 1 - | amanuensis listen --input - --raw s16le\n" in shown
