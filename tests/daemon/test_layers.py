"""The layers that settings come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanuensis.daemon.config import load_config
from amanuensis.daemon.layers import MAX_BYTES, MAX_LINES, line_of, read_file
from amanuensis.daemon.settings import ConfigError

TEXT = """\
# comment
top = 1

[server]  # a section
listen = "a"

tokens_file = '''
[limits]
sessions = 0
'''
[stream]
endpoint = { silence_ms = 1,
  join_ms = 2 }
hotwords = [
  "a",
  # more
  "listen = 3",
]
"quoted key" = 1
vad.aggressiveness = 2
[limits]
sessions = 0
"""


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("top", 2),
        ("server.listen", 5),
        ("server.tokens_file", 7),
        ("stream.hotwords", 14),
        ("stream.quoted key", 19),
        ("stream.vad.aggressiveness", 20),
        ("limits.sessions", 22),
        ("limits.more", None),
        ("sessions", None),
    ],
)
def test_the_line_of_a_setting(key: str, line: int | None) -> None:
    """It is the line on which it begins, whatever strings, arrays and tables stand around it."""
    text = TEXT.replace("{ silence_ms = 1,\n  join_ms = 2 }", "{ silence_ms = 1, join_ms = 2 }\n")
    assert line_of(text, key) == line
    assert line_of(text.replace("\n", "\r\n"), key) == line


def test_a_file_that_is_too_long_to_be_searched() -> None:
    """After so many lines the mistake is told without its line."""
    assert line_of("\n" * MAX_LINES + "a = 1\n", "a") is None
    assert line_of("", "a") is None


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (
            "\n[server]\nlisten = '127.0.0.1:1'\n\n[limits]\nsesions = 3\n",
            6,
            "unknown setting 'limits.sesions' (did you",
        ),
        ("[engine]\n# how\nthreads = 'many'\n", 3, "engine.threads is 'many'; it must be a whole number"),
        ("[engine]\nthreads = 1000\n", 2, "[engine] threads 1000 is not allowed: it must be 0 to 256"),
        ("[engine]\nnice = 1\n[sever]\n", 3, "unknown setting 'sever' (did you"),
        ("[[server]]\nlisten = 'x'\n", 1, "unknown setting 'server'"),
        ("[server]\nlisten = [\n 'unix:/a',\n 'unix:/a',\n]\n", 2, "an address is there twice"),
        ("[stream]\nmax_pending_s = 20\n", 2, "stream.max_pending_s 20 is not allowed"),
    ],
)
def test_mistakes_are_told_with_file_line_key_value_and_what_is_allowed(
    tmp_path: Path, text: str, line: int, words: str
) -> None:
    """Whatever is wrong with a setting, the message leads to the place."""
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config({}, {}, [path])
    assert f"{path}:{line}" in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_setting_is_told_where_it_was_given_last(tmp_path: Path) -> None:
    """A later layer that is wrong is named, not the file that it overrides."""
    path = tmp_path / "config.toml"
    path.write_text("[engine]\nthreads = 2\n")
    with pytest.raises(ConfigError, match=r"^environment: engine\.threads is 'x'"):
        load_config({}, {"AMANUENSIS_ENGINE_THREADS": "x"}, [path])
    with pytest.raises(ConfigError, match=r"\(from command line\)$"):
        load_config({"engine.threads": 999}, {}, [path])


def test_missing_file_is_empty(tmp_path: Path) -> None:
    """A configuration file need not exist."""
    assert read_file(tmp_path / "none.toml").values == {}


@pytest.mark.parametrize("content", [b"a = ", b"\xff\xfe", b"[a]\n[a]\n"])
def test_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    """A file that is not TOML is refused by its path."""
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"config\.toml: not a TOML file"):
        read_file(path)


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    """A path that cannot be read is refused with the reason."""
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_file(tmp_path)


def test_a_file_that_is_no_configuration_is_not_read_to_its_end(tmp_path: Path) -> None:
    """A file of any length takes no more memory than a configuration may."""
    path = tmp_path / "config.toml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="it is not a configuration file"):
        read_file(path)
