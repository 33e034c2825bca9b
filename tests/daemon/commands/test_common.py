"""Flags and messages that the commands share."""

from __future__ import annotations

import argparse
from typing import get_args

import pytest

from amanuensis.daemon.commands.common import (
    DEVICES,
    ENCODINGS,
    FORMATS,
    POLICIES,
    SETTINGS,
    TASKS,
    Parser,
    UsageError,
    add_engine_flags,
    add_raw_flags,
    add_stream_flags,
    add_text_flags,
    bounded_float,
    bounded_int,
    complain,
    config_flags,
    raw_format,
)
from amanuensis.daemon.config import Config, load_config
from amanuensis.daemon.outputs import FORMATS as WRITTEN
from amanuensis.daemon.settings import leaf_types
from amanuensis.npu.engine.api import Device
from amanuensis.npu.window import Task
from amanuensis.stream.config import Policy
from amanuensis.stream.formats import AudioFormat, Encoding


def parser() -> Parser:
    """A parser with all shared flags."""
    made = Parser(prog="x")
    add_engine_flags(made)
    add_text_flags(made)
    add_stream_flags(made)
    add_raw_flags(made.add_argument_group("raw"))
    return made


def test_the_choices_are_those_of_the_parts() -> None:
    """The lists that are repeated here, so that help needs no heavy import, are those of the parts."""
    assert get_args(Device) == DEVICES
    assert get_args(Task) == TASKS
    assert get_args(Policy) == POLICIES
    assert get_args(Encoding) == ENCODINGS
    assert tuple(WRITTEN) == FORMATS


def test_flags_are_settings_of_the_configuration() -> None:
    """Every flag that stands for a setting names one that exists."""
    assert set(SETTINGS.values()) <= set(leaf_types(Config))


def test_flags_that_are_not_given_leave_the_configuration_alone() -> None:
    """Without flags the configuration is that of files and environment."""
    flags = config_flags(parser().parse_args([]))
    assert set(flags.values()) == {None}
    assert load_config(flags, env={}, files=[])[0] == Config()


def test_flags_reach_the_configuration() -> None:
    """Each flag changes its setting."""
    words = "--model base.en --device cpu --threads 3 --language en --task transcribe --prompt Hi --hotword Ada"
    words += " --hotword Grace --beam-size 4 --policy alignatt --tick-ms 250"
    config, origins = load_config(config_flags(parser().parse_args(words.split())), env={}, files=[])
    assert (config.engine.model, config.engine.device, config.engine.threads) == ("base.en", "cpu", 3)
    assert (config.stream.language, config.stream.prompt, config.stream.hotwords) == ("en", "Hi", ("Ada", "Grace"))
    assert (config.stream.beam_size, config.stream.policy, config.stream.tick_ms) == (4, "alignatt", 250)
    assert set(origins.values()) == {"command line"}


@pytest.mark.parametrize("text", ["", "x", "-1", "9", "1.5", "1e3", "²", "--5", "9" * 5000])
def test_whole_numbers_are_bounded(text: str) -> None:
    """What is no whole number within the bounds is refused with the bounds."""
    assert bounded_int("n", 0, 8)("8") == 8
    with pytest.raises(argparse.ArgumentTypeError, match="0 to 8"):
        bounded_int("n", 0, 8)(text)


@pytest.mark.parametrize("text", ["", "x", "-0.1", "8.01", "nan", "inf"])
def test_numbers_are_bounded(text: str) -> None:
    """Also not-a-number and infinity are refused."""
    assert bounded_float("n", 0.0, 8.0)("0.5") == 0.5
    with pytest.raises(argparse.ArgumentTypeError, match="0 to 8"):
        bounded_float("n", 0.0, 8.0)(text)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], None),
        (["--raw", "s16le"], AudioFormat()),
        (["--raw", "f32le", "--rate", "48000", "--channels", "2"], AudioFormat("f32le", 48_000, 2)),
    ],
)
def test_raw_formats(words: list[str], expected: AudioFormat | None) -> None:
    """--raw alone means 16 kHz mono."""
    assert raw_format(parser().parse_args(words)) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--rate", "8000"], "add --raw"),
        (["--channels", "2"], "add --raw"),
        (["--raw", "s16le", "--rate", "100"], "8000 to 192000"),
        (["--raw", "s16le", "--channels", "0"], "1 to 8"),
    ],
)
def test_wrong_raw_formats(words: list[str], expected: str) -> None:
    """A rate without an encoding, and values out of bounds, are usage errors."""
    with pytest.raises(UsageError, match=expected):
        raw_format(parser().parse_args(words))


def test_messages_cannot_steer_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A file name with control characters is printed harmlessly."""
    complain("no \x1b[31mfile\x07\x9b")
    assert capsys.readouterr().err == "amanuensis: no ?[31mfile??\n"
