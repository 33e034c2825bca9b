"""The keeper of a daemon's sessions, shared with other daemons where the settings say so."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from amanuensis.daemon.config import Config
from amanuensis.daemon.fronts.front import Front
from amanuensis.daemon.fronts.keeper import FrontKeeper
from amanuensis.daemon.fronts.ray_link import RayLink
from amanuensis.daemon.keeper import Keeper
from amanuensis.daemon.spool.log_file import FILE_MODE, SpoolError, explained

log = logging.getLogger(__name__)

NAME: Final = "front"  # file in the spool: by which name this front is known to the others


@contextmanager
def open_keeper(config: Config, env: Mapping[str, str]) -> Iterator[tuple[Keeper, Front | None]]:
    """Open the folders of sessions, and the way to the other fronts where there are any.

    Raises:
        SpoolError: a folder that was named cannot be used, or there is no spool and sessions are to be shared.
        amanuensis.daemon.cluster.runtime.ClusterError: the cluster cannot be reached.

    """
    if not config.fronts.enabled:
        with closing(Keeper.open(config, env)) as keeper:
            yield keeper, None
        return
    with closing(FrontKeeper.open(config, env)) as shared:
        assert isinstance(shared, FrontKeeper)
        if shared.spool is None:
            raise SpoolError("fronts.enabled needs a spool: set spool.enabled, and a spool.folder of its own")
        link = RayLink(config.fronts, config.cluster.address)
        shared.front = front = Front(link, shared, front_name(shared.spool.path))
        log.info("front %s shares its sessions", front.name)
        yield shared, front


def front_name(spool: Path) -> str:
    """Return the name of the front that keeps its sessions in a folder; it stays the same from run to run.

    Raises:
        SpoolError: it cannot be read or written.

    """
    path = spool / NAME
    try:
        if not path.exists():
            path.write_text(secrets.token_hex(6))
            path.chmod(FILE_MODE)
        return path.read_text().strip()
    except OSError as error:
        raise explained(path, error) from None
