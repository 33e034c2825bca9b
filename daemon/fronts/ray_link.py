"""The store of the fronts as an actor of a Ray cluster: named, outliving its fronts, started again when it dies."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from amanuensis.daemon.cluster.runtime import connect, in_short, load_ray, shared_actor
from amanuensis.daemon.fronts.link import StoreLostError
from amanuensis.daemon.fronts.messages import USUAL, Times
from amanuensis.daemon.fronts.settings import FrontSettings
from amanuensis.daemon.fronts.store import FrontStore
from amanuensis.daemon.spool.places import state_folder

log = logging.getLogger(__name__)

ACTOR: Final = "fronts"
FOLDER: Final = "fronts"  # in the state folder of the machine where it runs
NEWEST: Final = "amanuensis:fronts:newest"  # key of its era in the cluster's own table
CONCURRENCY: Final = 1000  # calls that wait in it at once


class StoreActor:
    """`FrontStore` in a process of its own. The cluster remembers which was last, on whichever machine that was."""

    def __init__(self, folder: str | None, max_bytes: int, times: Times) -> None:
        from ray.experimental.internal_kv import _internal_kv_get, _internal_kv_put

        place = Path(folder).expanduser() if folder is not None else state_folder(os.environ) / FOLDER
        newest = _internal_kv_get(NEWEST) or b""
        self._store = FrontStore(place, times, max_bytes, newest.decode())
        _internal_kv_put(NEWEST, self._store.era)

    async def call(self, method: str, args: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
        """Call a method of the store."""
        return await getattr(self._store, method)(*args, **named)


class RayLink:
    """Reaches the store of a cluster, and makes it where there is none.

    Args:
        settings: of the store, if this front makes it.
        address: of the cluster.
        times: how long the store waits.

    Raises:
        amanuensis.daemon.cluster.runtime.ClusterError: there is no such cluster, or this machine is not in it.

    """

    def __init__(self, settings: FrontSettings, address: str = "auto", times: Times = USUAL) -> None:
        connect(address)
        self._ray = load_ray()
        self._settings = settings
        self._times = times
        self._actor: Any = None

    async def call(self, method: str, *args: Any, limit_s: float, **named: Any) -> Any:
        """Call a method of the store; see `StoreLink`."""
        try:
            async with asyncio.timeout(limit_s):
                if self._actor is None:
                    self._actor = await asyncio.to_thread(self._find)
                return await self._actor.call.remote(method, args, named)
        except TimeoutError:
            raise StoreLostError(f"no answer within {limit_s:g} s") from None
        except self._ray.exceptions.RayTaskError:
            raise  # a fault in the store itself
        except self._ray.exceptions.ActorUnavailableError as error:
            raise StoreLostError(in_short(error)) from None
        except self._ray.exceptions.RayError as error:
            self._actor = None
            raise StoreLostError(in_short(error)) from None
        except (ValueError, ConnectionError) as error:  # of looking for it
            raise StoreLostError(in_short(error)) from None

    def _find(self) -> Any:
        """Return the actor, made where there is none; blocks."""
        made = shared_actor(StoreActor, ACTOR, num_cpus=0, max_concurrency=CONCURRENCY)
        return made.remote(self._settings.folder, self._settings.max_bytes, self._times)
