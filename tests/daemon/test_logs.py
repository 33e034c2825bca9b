"""Log messages as lines for a person."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from amanuensis.daemon.logs import JsonHandler, LogFormat, LogLevel, StderrHandler, about, set_up_daemon
from amanuensis.daemon.service.journal import JournalHandler


def test_a_message_is_one_line_that_names_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    """What a part logs looks like the command's own messages, and cannot steer the terminal."""
    logger = logging.Logger("part")
    logger.addHandler(StderrHandler())
    logger.warning("engine %s died\x1b[2J", 7)
    assert capsys.readouterr().err == "amanuensis: engine 7 died?[2J\n"


def test_json_lines_carry_the_facts(capsys: pytest.CaptureFixture[str]) -> None:
    """A program reads time, level, logger, message and the session from one line."""
    logger = logging.Logger("amanuensis.part")
    logger.addHandler(JsonHandler())
    logger.info("opened\nat once", extra={"session": "ab12"})
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert said.pop("time").endswith("+00:00")
    assert said == {"level": "info", "logger": "amanuensis.part", "message": "opened\nat once", "session": "ab12"}


async def test_a_task_has_its_facts_for_all_that_it_logs(capsys: pytest.CaptureFixture[str]) -> None:
    """What a task says that it is about stands in every line of it and of its own tasks, and in no other's."""
    logger = logging.Logger("amanuensis.part")
    logger.addHandler(JsonHandler())

    async def tell(session: str) -> None:
        about(session=session)
        logger.info("first")
        about(peer="uid 7")
        await asyncio.create_task(asyncio.to_thread(logger.info, "second", extra={"code": "full"}))

    await asyncio.gather(tell("a"), tell("b"))
    logger.info("outside")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    told = {(line["message"], line.get("session"), line.get("peer"), line.get("code")) for line in lines}
    assert told == {
        *(("first", session, None, None) for session in "ab"),
        *(("second", session, "uid 7", "full") for session in "ab"),
        ("outside", None, None, None),
    }


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """The root of all loggers, put back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    ("form", "level", "handler", "number"),
    [
        ("auto", None, StderrHandler, logging.WARNING),
        ("text", "debug", StderrHandler, logging.DEBUG),
        ("json", None, JsonHandler, logging.INFO),
        ("journal", None, JournalHandler, logging.INFO),
        ("journal", "error", JournalHandler, logging.ERROR),
    ],
)
def test_a_daemon_logs_in_the_form_that_is_asked_for(
    root_logger: logging.Logger, form: LogFormat, level: LogLevel | None, handler: type, number: int
) -> None:
    """One handler stands afterwards, at the level that was asked for or the one that fits the form."""
    set_up_daemon(form, level, {})
    set_up_daemon(form, level, {})
    assert [type(one) for one in root_logger.handlers] == [handler]
    assert root_logger.level == number


@pytest.mark.parametrize("handler", [StderrHandler, JsonHandler])
def test_a_log_that_nobody_reads_stops_nothing(handler: type[logging.Handler], monkeypatch: pytest.MonkeyPatch) -> None:
    """When the terminal or the pipe behind stderr has gone, the one who logs goes on."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w", buffering=1) as gone, Path(os.devnull).open("w") as nowhere:
        monkeypatch.setattr(sys, "stderr", gone)
        logger = logging.Logger("part")
        logger.addHandler(handler())
        logger.error("said to nobody")
        with pytest.raises(BrokenPipeError):
            gone.write("proof that it fails\n")
        os.dup2(nowhere.fileno(), write)  # what is buffered has to go somewhere
