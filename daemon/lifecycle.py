"""The life of one daemon: started, told to the service manager, reloaded, drained, stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Final

from amanuensis.daemon.config import Config, ConfigError
from amanuensis.daemon.dialects.doors import open_doors, serving_doors
from amanuensis.daemon.fronts.opening import open_keeper
from amanuensis.daemon.listeners import Listener, ServeError, adopt, open_listeners
from amanuensis.daemon.logs import set_up_daemon
from amanuensis.daemon.meetings.library import Library
from amanuensis.daemon.meetings.secretary import Secretary
from amanuensis.daemon.own_input import OwnInput
from amanuensis.daemon.pipeline import Pipeline, open_pipeline
from amanuensis.daemon.reload import reload
from amanuensis.daemon.security import Security
from amanuensis.daemon.server import Daemon
from amanuensis.daemon.service.manager import Manager
from amanuensis.daemon.service.notify import Notifier
from amanuensis.daemon.service.watchdog import Watchdog
from amanuensis.daemon.signals import stop_on_signals
from amanuensis.daemon.sources.choose import InputRequest, open_source
from amanuensis.daemon.tls import TlsError
from amanuensis.daemon.token_file import TokenFileError
from amanuensis.npu.engine.api import Engine, EngineStats
from amanuensis.npu.reclaim import keep_large_blocks_apart, trim_heap
from amanuensis.stream.config import StreamConfigError

log = logging.getLogger(__name__)

STATUS_S: Final = 1.0
ASK_S: Final = 1.0  # while the model is loaded the manager is asked so often ...
MORE_TIME_S: Final = 30.0  # ... for so much more; the engine's supervision ends a process that hangs in it
STOP_MARGIN_S: Final = 5.0  # beside limits.shutdown_s: connections are closed, the engine ends
TIDY_S: Final = 60.0
NO_PROGRESS_S: Final = 120.0  # by then the engine's own supervision has replaced a process that hangs


async def serve(
    config: Config,
    on_listening: Callable[[Sequence[str]], None],
    load: Callable[[], Config],
    manager: Manager | None = None,
) -> None:
    """Start the engine, serve until SIGTERM or SIGINT, drain, stop.

    Args:
        config: what to serve.
        on_listening: called once connections are accepted, with the addresses for clients.
        load: reads the settings again, at SIGHUP.
        manager: who has started this process, and what it handed over; None: nobody.

    Raises:
        ServeError: an address cannot be listened on, or needs a token and there is none.
        KeyboardInterrupt: a second signal came while sessions were drained.
        amanuensis.daemon.token_file.TokenFileError: the file of tokens cannot be used.
        amanuensis.daemon.cluster.runtime.ClusterError: there is no cluster through which sessions can be shared.
        amanuensis.daemon.spool.log_file.SpoolError: a folder for sessions cannot be used.
        amanuensis.daemon.tls.TlsError: the certificate or its key cannot be used.
        amanuensis.npu.engine.api.EngineError: the model or the device cannot be used.
        amanuensis.stream.config.StreamConfigError: the model cannot do what the settings ask for.

    """
    manager = manager or Manager()
    keep_large_blocks_apart()
    security = Security.load(config.server, os.environ)
    # Sockets come before the engine: a taken port is told at once, and who connects early waits in the queue.
    with (
        listening_sockets(config, manager) as listeners,
        hangups() as hangup,
        open_keeper(config, os.environ) as (keeper, front),
        open_doors(config, security, os.environ) as doors,
    ):
        security.check(listener.address for listener in listeners)
        async with started(config, manager.notifier) as pipeline:
            daemon = Daemon(
                config, pipeline.engine, pipeline.tokenizer, security, keeper, voices=pipeline.voices, front=front
            )
            tell_cluster(config, daemon, pipeline)
            secretary = Secretary(Library.of(config, os.environ), config.meetings)
            # Not before: while the model is loaded a signal ends the process as usual.
            with stop_on_signals() as stop:
                async with (
                    secretary.attending(daemon.sessions),
                    daemon.listening(listeners),
                    serving_doors(doors, daemon, pipeline) as others,
                ):
                    on_listening([*daemon.urls, *others])
                    manager.notifier.ready()
                    attendance = Attendance(daemon, pipeline.engine, load, manager)
                    async with attended(attendance, hangup), capturing(config, daemon):
                        await stop.wait()
                    grace_s = daemon.config.limits.shutdown_s
                    manager.notifier.stopping(grace_s + STOP_MARGIN_S)
                    manager.notifier.status(f"stopping: {len(daemon.sessions)} sessions are drained")
                    await daemon.drain()


@contextmanager
def listening_sockets(config: Config, manager: Manager) -> Iterator[list[Listener]]:
    """Give the manager's sockets where it opened some, else those of `server.listen`."""
    if not manager.sockets:
        with open_listeners(config.server.addresses, os.environ) as opened:
            yield opened
        return
    inherited = [adopt(one) for one in manager.sockets]
    log.info("the service manager opened %s; server.listen is not used", ", ".join(str(it.address) for it in inherited))
    try:
        yield inherited
    finally:
        for one in inherited:
            one.close()


@asynccontextmanager
async def started(config: Config, notifier: Notifier) -> AsyncIterator[Pipeline]:
    """Open the pipeline and ask the manager for patience while the model is loaded, but no longer."""
    notifier.status(f"loading model {config.engine.model or '(the best installed)'}")

    async def ask() -> None:
        while True:
            notifier.extend(MORE_TIME_S)
            await asyncio.sleep(ASK_S)

    asking = asyncio.create_task(ask())
    try:
        async with open_pipeline(config, restarts=None) as pipeline:
            asking.cancel()
            yield pipeline
    finally:
        asking.cancel()


def tell_cluster(config: Config, daemon: Daemon, pipeline: Pipeline) -> None:
    """Have the cluster told how this daemon does, where its engine is one."""
    if config.engine.backend != "ray":
        return
    from amanuensis.daemon.cluster.engine import RayEngine
    from amanuensis.daemon.cluster.reports import report_of

    assert isinstance(pipeline.engine, RayEngine)
    pipeline.engine.report(partial(report_of, daemon, pipeline.engine))


@contextmanager
def hangups() -> Iterator[asyncio.Event]:
    """Give an event that SIGHUP sets. Where a terminal goes with it, it means what it always meant: stop."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    at_terminal = has_terminal()

    def hung_up() -> None:
        if at_terminal and not has_terminal():
            signal.raise_signal(signal.SIGTERM)
        asked.set()

    before = signal.getsignal(signal.SIGHUP)
    loop.add_signal_handler(signal.SIGHUP, hung_up)
    try:
        yield asked
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, before)


def has_terminal() -> bool:
    """Whether this process has a controlling terminal that still exists."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


@asynccontextmanager
async def capturing(config: Config, daemon: Daemon) -> AsyncIterator[None]:
    """Speak the daemon's own input into a session, where it has one; what was captured by the end is heard."""
    name = config.input.name
    if name is None:
        yield
        return
    own = OwnInput(daemon.sessions, lambda: open_source(InputRequest(name), log.info))
    task = asyncio.create_task(own.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def attended(attendance: Attendance, hangup: asyncio.Event) -> AsyncIterator[None]:
    """Tell the status, ping the watchdog, tidy and reload while the daemon serves."""
    works = (attendance.tell(), attendance.watch(), attendance.tidy(), attendance.follow(hangup))
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Attendance:
    """What is done beside serving, for whoever runs the daemon.

    Args:
        daemon: that serves.
        engine: of it.
        load: reads the settings again.
        manager: that is told.

    """

    def __init__(self, daemon: Daemon, engine: Engine, load: Callable[[], Config], manager: Manager) -> None:
        self._daemon = daemon
        self._engine = engine
        self._load = load
        self._notifier = manager.notifier
        self._watchdog_s = manager.watchdog_s
        self._streams = daemon.config.limits.sessions  # the engine was started for so many

    async def tell(self) -> None:
        """Keep the line in `systemctl status` true."""
        while True:
            self._notifier.status(status_line(self._daemon, self._engine))
            await asyncio.sleep(STATUS_S)

    async def watch(self) -> None:
        """Ping the watchdog while this loop and the engine make progress."""
        if self._watchdog_s is None:
            return
        limit_s = max(self._watchdog_s, NO_PROGRESS_S)
        await Watchdog(self._notifier, self._watchdog_s, lambda: stuck(self._engine.stats(), limit_s)).run()

    async def tidy(self) -> None:
        """Return what bursts have left free in the heap."""
        while True:
            await asyncio.sleep(TIDY_S)
            trim_heap()

    async def follow(self, hangup: asyncio.Event) -> None:
        """Reload at every SIGHUP."""
        while True:
            await hangup.wait()
            hangup.clear()
            self._notifier.reloading()
            self.reload()
            self._notifier.ready()

    def reload(self) -> None:
        """Read the settings again and take over what can change; wrong ones change nothing."""
        try:
            outcome = reload(self._daemon.config, self._load(), self._streams)
            outcome.config.stream.check_model(self._engine.info)
            self._daemon.reconfigure(outcome.config)
        except (ConfigError, ServeError, StreamConfigError, TlsError, TokenFileError) as error:
            log.error("reload: the settings stay as they were: %s", error)
            return
        set_up_daemon(outcome.config.log.format, outcome.config.log.level, os.environ)
        level = logging.WARNING if outcome.waiting else logging.INFO
        log.log(level, "reload: %s; tokens and certificates were read", outcome)


def status_line(daemon: Daemon, engine: Engine) -> str:
    """Say in one line what goes on: sessions, clients, model, devices."""
    gauges, info, stats = daemon.sessions.gauges(), engine.info, engine.stats()
    where = info.encoder if info.encoder == info.decoder else f"{info.encoder} and {info.decoder}"
    trouble = f"; engine down: {stats.down_why}" if stats.down_why else ""
    return f"{gauges.sessions} sessions, {gauges.clients} clients; model {info.model} on {where}{trouble}"


def stuck(stats: EngineStats, limit_s: float) -> str:
    """Say what keeps the engine from going on, "" while it does or is being brought back."""
    if stats.progress_age_s > limit_s:
        return f"the engine has made no progress for {stats.progress_age_s:.0f} s"
    return ""
