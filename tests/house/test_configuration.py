"""The document of the configuration says what the program does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from amanuensis.daemon.config import load_config
from tests.helpers.configuration_table import BEGIN, DOCUMENT, END, tables

TEXT = DOCUMENT.read_text(encoding="utf-8")


def test_tables_are_those_of_the_program() -> None:
    """Every key stands in the document with its default and meaning (see tests/helpers/configuration_table.py)."""
    written = TEXT.partition(BEGIN)[2].partition(END)[0]
    assert written.strip() == tables().strip()


def test_example_is_accepted(tmp_path: Path) -> None:
    """The example in the document is a configuration that works."""
    (example,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    path = tmp_path / "config.toml"
    path.write_text(example, encoding="utf-8")
    config, sources = load_config({}, {}, [path])
    assert config.engine.nice == tomllib.loads(example)["engine"]["nice"]
    assert set(sources.values()) == {str(path)}


def test_variable_of_the_document_is_read() -> None:
    """The name that the document makes from section and key is the one that counts."""
    (name,) = re.findall(r"`(AMANUENSIS_STREAM_\w+)`", TEXT)
    assert load_config({}, {name: "700"}, [])[0].stream.endpoint.silence_ms == 700
