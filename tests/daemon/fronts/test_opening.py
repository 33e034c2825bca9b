"""A daemon that shares its sessions says what it lacks for that, and is known by the same name from run to run."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanuensis.daemon.cluster.runtime import ClusterError
from amanuensis.daemon.config import ClusterSettings, Config
from amanuensis.daemon.fronts.opening import front_name, open_keeper
from amanuensis.daemon.fronts.settings import FrontSettings
from amanuensis.daemon.spool.log_file import SpoolError
from amanuensis.daemon.spool.places import SpoolSettings


def test_without_the_setting_nothing_is_shared(tmp_path: Path) -> None:
    """The keeper is the usual one, and no cluster is looked for."""
    config = Config(spool=SpoolSettings(folder=str(tmp_path)), cluster=ClusterSettings("127.0.0.1:1"))
    with open_keeper(config, {}) as (keeper, front):
        assert front is None
        assert keeper.spool is not None


def test_sharing_needs_a_spool(tmp_path: Path) -> None:
    """Without one there is nothing that another front could go on with."""
    config = Config(spool=SpoolSettings(enabled=False), fronts=FrontSettings(enabled=True))
    with pytest.raises(SpoolError, match=r"fronts.enabled needs a spool"), open_keeper(config, {"HOME": str(tmp_path)}):
        pass


def test_sharing_needs_a_cluster(tmp_path: Path) -> None:
    """One line says where none answers; the folder is free again."""
    spool = SpoolSettings(folder=str(tmp_path))
    config = Config(spool=spool, fronts=FrontSettings(enabled=True), cluster=ClusterSettings("127.0.0.1:1"))
    for _ in range(2):
        with pytest.raises(ClusterError, match="no Ray cluster"), open_keeper(config, {}):
            pass


def test_a_front_keeps_its_name(tmp_path: Path) -> None:
    """By it the others know that an earlier run is dead; another folder is another front."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = front_name(tmp_path / "a")
    assert front_name(tmp_path / "a") == first != front_name(tmp_path / "b")
    assert (tmp_path / "a" / "front").stat().st_mode & 0o777 == 0o600
    with pytest.raises(SpoolError):
        front_name(tmp_path / "none")
