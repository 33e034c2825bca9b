"""Log messages as lines for a person."""

from __future__ import annotations

import logging

import pytest

from amanuensis.daemon.logs import StderrHandler


def test_a_message_is_one_line_that_names_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    """What a part logs looks like the command's own messages, and cannot steer the terminal."""
    logger = logging.Logger("part")
    logger.addHandler(StderrHandler())
    logger.warning("engine %s died\x1b[2J", 7)
    assert capsys.readouterr().err == "amanuensis: engine 7 died?[2J\n"
