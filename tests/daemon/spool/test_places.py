"""Where sessions are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanuensis.daemon.config import ConfigError, load_config
from amanuensis.daemon.spool.places import RecordingSettings, SpoolSettings

SYSTEM = {"RUNTIME_DIRECTORY": "/run/amanuensis/daemon", "STATE_DIRECTORY": "/var/lib/amanuensis:/var/lib/other"}
USER = {"HOME": "/home/a", "XDG_RUNTIME_DIR": "/run/user/7"}


@pytest.mark.parametrize(
    ("env", "spool", "recordings"),
    [
        (SYSTEM | USER, "/run/amanuensis/daemon/spool", "/var/lib/amanuensis/recordings"),
        (USER, "/run/user/7/amanuensis/spool", "/home/a/.local/state/amanuensis/recordings"),
        (USER | {"XDG_STATE_HOME": "/s"}, "/run/user/7/amanuensis/spool", "/s/amanuensis/recordings"),
        ({"HOME": "/home/a"}, "/home/a/.local/state/amanuensis/spool", "/home/a/.local/state/amanuensis/recordings"),
    ],
)
def test_places_follow_the_manager_then_the_user(env: dict[str, str], spool: str, recordings: str) -> None:
    """The folders of systemd come first, then those of the desktop, then those of the home directory."""
    assert SpoolSettings().place(env) == Path(spool)
    assert RecordingSettings().place(env) == Path(recordings)


def test_a_folder_that_is_named_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in the settings wins; `~` is the home directory."""
    monkeypatch.setenv("HOME", "/home/b")
    assert SpoolSettings(folder="~/spool").place(SYSTEM) == Path("/home/b/spool")
    assert RecordingSettings(folder="/srv/r").place(SYSTEM) == Path("/srv/r")


def test_bounds_are_named() -> None:
    """A limit that is too small is refused with what is allowed."""
    with pytest.raises(ConfigError, match=r"\[spool\] max_bytes 1000 is not allowed: it must be 1048576"):
        load_config({}, {"AMANUENSIS_SPOOL_MAX_BYTES": "1000"}, [])
    with pytest.raises(ConfigError, match=r"recording.mode is 'some'; it must be one of 'off', 'asked', 'all'"):
        load_config({}, {"AMANUENSIS_RECORDING_MODE": "some"}, [])
