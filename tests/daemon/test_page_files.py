"""The files of the web pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from amanuensis.daemon.page_files import CONTENT_TYPES, captions_html, is_captions, page_file

FOLDER = Path(__file__).resolve().parents[2] / "daemon" / "page"
SCRIPTS = sorted(FOLDER.glob("*.js"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_load_only_files_that_are_served(script: Path) -> None:
    """What a script imports is a file beside it, and no page asks another server for anything."""
    text = script.read_text(encoding="utf-8")
    for name in re.findall(r"""(?:from|URL\()\s*"\./([^"]+)\"""", text):
        assert page_file(f"/page/{name}") is not None, name
    assert not re.search(r"https?://|\.innerHTML|document\.write|eval\(", text)


def test_parameters_of_the_overlay_are_documented() -> None:
    """The table in the document has each parameter that the overlay reads, and no other."""
    table = (FOLDER.parents[1] / "docs" / "captions-page.md").read_text(encoding="utf-8").partition("| parameter |")[2]
    names = set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE))
    script = (FOLDER / "overlay.js").read_text(encoding="utf-8")
    assert names == {*re.findall(r"^  (\w+): \[", script, re.MULTILINE), "session", "lang"}


def test_files_have_their_own_type() -> None:
    """A browser takes nothing for a script that is not one."""
    assert page_file("/page/captions.js") == (CONTENT_TYPES["js"], (FOLDER / "captions.js").read_bytes())
    assert page_file("/page/captions.css") == (CONTENT_TYPES["css"], (FOLDER / "captions.css").read_bytes())
    assert captions_html() == (FOLDER / "captions.html").read_bytes()


@pytest.mark.parametrize("path", ["/page/captions.html", "/page/..", "/page/none.js", "/captions.js", "/page/a/b.js"])
def test_nothing_else_is_served(path: str) -> None:
    """No other file can be had by its name."""
    assert page_file(path) is None


def test_paths_of_the_captions_page() -> None:
    """The page may be asked for one session by its name."""
    assert all(map(is_captions, ("/", "/captions", "/captions/", "/captions/abc", "/captions/Ab-c_9")))
    wrong = ("", "/captions/a/b", "/caption", "/captions/" + "a" * 65, "/captions/%ZZ", "/captions/..")
    assert not any(map(is_captions, wrong))
