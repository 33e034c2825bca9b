"""A share of the CPU for a process and all that it starts: a control group with a quota, of version 2 or 1."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

PERIOD_US: Final = 5_000  # short beside a window: who has used up its share waits a few milliseconds, not a hundred
UNIFIED: Final = Path("/sys/fs/cgroup")
OLD: Final = (UNIFIED / "cpu", UNIFIED / "cpu,cpuacct")


class NoShareError(Exception):
    """Control groups cannot be made here; the message says why."""


class CpuShare:
    """A control group whose processes together use at most `cores` of the CPU.

    Args:
        name: of the group, free on this machine.
        cores: that it may use on average, 0.2 to as many as there are.

    Raises:
        NoShareError: groups are not permitted here.

    """

    def __init__(self, name: str, cores: float) -> None:
        quota_us = round(cores * PERIOD_US)
        if quota_us < 1000:
            raise ValueError(f"a share of {cores:g} of a core is too small: at least {1000 / PERIOD_US:g}")
        try:
            self._folder = _make(name, quota_us)
        except OSError as error:
            raise NoShareError(f"no control group can be made here: {error}") from error

    @property
    def command(self) -> list[str]:
        """What stands before a command so that it runs in the group."""
        return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self._folder / "cgroup.procs")]

    def close(self) -> None:
        """Remove the group; its processes must have ended."""
        with suppress(OSError):
            self._folder.rmdir()


def shares_work() -> bool:
    """Return whether control groups can be made here."""
    try:
        CpuShare(f"amanuensis-try-{os.getpid()}", 1.0).close()
    except NoShareError:
        return False
    return True


def _make(name: str, quota_us: int) -> Path:
    """Make a group and return its folder."""
    if (UNIFIED / "cgroup.controllers").is_file():
        with suppress(OSError):  # it may be on already
            (UNIFIED / "cgroup.subtree_control").write_text("+cpu")
        return _group(UNIFIED / name, {"cpu.max": f"{quota_us} {PERIOD_US}"})
    above = next((folder for folder in OLD if folder.is_dir()), OLD[0])
    return _group(above / name, {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": str(quota_us)})


def _group(folder: Path, settings: Mapping[str, str]) -> Path:
    with suppress(OSError):  # left behind by one that was killed
        folder.rmdir()
    folder.mkdir()
    try:
        for file, value in settings.items():
            (folder / file).write_text(value)
    except OSError:
        folder.rmdir()
        raise
    return folder
