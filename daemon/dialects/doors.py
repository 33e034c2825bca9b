"""The listeners of other programs' protocols, opened with the daemon's own and served beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from amanuensis.daemon.addresses import Address, UnixAddress
from amanuensis.daemon.config import Config
from amanuensis.daemon.dialects.announce import announced, check_announcement
from amanuensis.daemon.dialects.wyoming_server import WyomingServer, check_trust
from amanuensis.daemon.listeners import Listener, ServeError, open_listeners
from amanuensis.daemon.pipeline import Pipeline
from amanuensis.daemon.security import Security
from amanuensis.daemon.server import Daemon

NOT_INSTALLED = "rest.listen needs an ASGI server: pip install 'amanuensis[rest]', or leave it out"


@dataclass(frozen=True, slots=True)
class Doors:
    """Sockets that listen already."""

    wyoming: list[Listener] = field(default_factory=list)
    rest: list[Listener] = field(default_factory=list)


def check_doors(config: Config, security: Security) -> None:
    """Raise ServeError where somebody could come in who should not, or what serves them is not installed."""
    check_trust(config.wyoming, security)
    if config.wyoming.announce and config.wyoming.addresses:
        check_announcement()
    security.check(config.rest.addresses)
    if config.rest.addresses:
        try:
            import amanuensis.daemon.rest.server  # noqa: F401
        except ImportError as error:
            raise ServeError(f"{NOT_INSTALLED} ({error})") from None


@contextmanager
def open_doors(config: Config, security: Security, env: Mapping[str, str]) -> Iterator[Doors]:
    """Listen where the settings say, which is nowhere by default.

    Raises:
        ServeError: as `check_doors`, or an address cannot be listened on.

    """
    check_doors(config, security)
    doors = Doors()
    with ExitStack() as stack:
        for addresses, opened in ((config.wyoming.addresses, doors.wyoming), (config.rest.addresses, doors.rest)):
            if addresses:
                opened.extend(stack.enter_context(open_listeners(addresses, env)))
        yield doors


@asynccontextmanager
async def serving_doors(doors: Doors, daemon: Daemon, pipeline: Pipeline) -> AsyncIterator[list[str]]:
    """Serve them; gives what to say about where.

    Args:
        doors: sockets.
        daemon: whose sessions and rules they share.
        pipeline: of the daemon; its settings are those of the daemon at the time.

    """
    told = [f"wyoming {_uri(door)}" for door in doors.wyoming]
    async with AsyncExitStack() as stack:
        if doors.wyoming:
            wyoming = WyomingServer(daemon, pipeline.engine, daemon.config.wyoming)
            stack.push_async_callback(wyoming.aclose)
            for door in doors.wyoming:
                await wyoming.listen(door)
            if daemon.config.wyoming.announce:
                places = [door.address for door in doors.wyoming if isinstance(door.address, Address)]
                await stack.enter_async_context(announced(places))
        if doors.rest:
            from amanuensis.daemon.rest.server import RestServer

            now = lambda: Pipeline(pipeline.engine, pipeline.tokenizer, daemon.config)  # noqa: E731
            rest = RestServer(daemon, now, daemon.config.rest)
            stack.push_async_callback(rest.aclose)
            for door in doors.rest:
                await rest.listen(door)
            scheme = "http" if daemon.security.tls is None else "https"
            told += [
                f"rest {door.address if isinstance(door.address, UnixAddress) else f'{scheme}://{door.address}/v1'}"
                for door in doors.rest
            ]
        yield told


def _uri(door: Listener) -> str:
    """Return an address as Wyoming's clients write it."""
    if isinstance(door.address, UnixAddress):
        return f"unix://{door.address.path}"
    return f"tcp://{door.address}"
