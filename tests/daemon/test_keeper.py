"""Where the sessions of a daemon are kept, and what happens where they cannot be."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from amanuensis.daemon.config import Config
from amanuensis.daemon.keeper import Keeper
from amanuensis.daemon.protocol import Hello, ProtocolError
from amanuensis.daemon.spool.log_file import SpoolError
from amanuensis.daemon.spool.places import RecordingSettings, SpoolSettings
from amanuensis.stream.formats import AudioFormat

PLAIN, ASKING = Hello("speak", AudioFormat()), Hello("speak", AudioFormat(), record=True)


def test_default_places_are_opened(tmp_path: Path) -> None:
    """By default there is a spool in the runtime directory, and no folder for recordings."""
    keeper = Keeper.open(Config(), {"XDG_RUNTIME_DIR": str(tmp_path)})
    assert [folder.path for folder in keeper.folders] == [tmp_path / "amanuensis" / "spool"]
    assert keeper.recordings is None
    keeper.close()


def test_without_a_default_place_the_daemon_starts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A spool that nobody named and that another daemon has, or that cannot be made, is done without and said."""
    env = {"XDG_RUNTIME_DIR": str(tmp_path)}
    first = Keeper.open(Config(), env)
    with caplog.at_level(logging.WARNING):
        second = Keeper.open(Config(), env)
        third = Keeper.open(Config(), {"XDG_RUNTIME_DIR": "/proc/nowhere"})
    assert second.spool is third.spool is None
    assert caplog.text.count("sessions will not survive this daemon") == 2
    first.close()


def test_a_place_that_was_named_must_be_there(tmp_path: Path) -> None:
    """A folder in the settings that cannot be used stops the daemon, and leaves no lock behind."""
    recording = RecordingSettings("all", str(tmp_path / "recordings"))
    with pytest.raises(SpoolError, match=r"^/proc/nowhere: "):
        Keeper.open(Config(spool=SpoolSettings(folder="/proc/nowhere"), recording=recording), {})
    keeper = Keeper.open(Config(spool=SpoolSettings(enabled=False), recording=recording), {})
    assert [folder.path for folder in keeper.folders] == [tmp_path / "recordings"]
    keeper.close()


def test_recordings_that_another_process_left_are_finished(tmp_path: Path) -> None:
    """With recording switched off, the folder is opened as long as a session in it is not finished."""
    config = Config(spool=SpoolSettings(enabled=False), recording=RecordingSettings("off", str(tmp_path)))
    assert Keeper.open(config, {}).folders == []
    (tmp_path / "open" / "4f0c2e9a71d3").mkdir(parents=True)
    keeper = Keeper.open(config, {})
    assert [folder.path for folder in keeper.folders] == [tmp_path]
    keeper.close()


def test_who_is_recorded() -> None:
    """All, those who ask, or nobody; who asks where nobody is recorded is refused."""
    assert [Keeper(mode="all").is_recorded(hello) for hello in (PLAIN, ASKING)] == [True, True]
    assert [Keeper(mode="asked").is_recorded(hello) for hello in (PLAIN, ASKING)] == [False, True]
    assert not Keeper().is_recorded(PLAIN)
    with pytest.raises(ProtocolError, match="this server does not record"):
        Keeper().is_recorded(ASKING)
