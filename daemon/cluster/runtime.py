"""Connecting this process to a Ray cluster: nothing else here imports Ray before that was asked for.

Ray waits for minutes where nobody answers, prints, takes over SIGTERM and ends a process whose head node is gone for a
minute; a daemon wants none of these.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import signal
import socket
from collections.abc import Iterator
from typing import Any, Final

from amanuensis.npu.engine.api import EngineError

NAMESPACE: Final = "amanuensis"  # of the named actors that all fronts of a cluster share
REACH_S: Final = 5.0
HEAD_GONE_S: Final = 7 * 86400  # a front outlives its head node for so long; its streams need only their hosts
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"  # and empty SETTINGS: RFC 9113, 3.4
SETTINGS_FRAME: Final = 4
HEADER_BYTES: Final = 9
SHORT_CHARS: Final = 300


class ClusterError(EngineError):
    """The cluster cannot be used; the message says what is wrong and what to do."""


def load_ray() -> Any:
    """Return the module `ray`, set up to be quiet and to tell nobody.

    Raises:
        ClusterError: it is not installed.

    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", str(HEAD_GONE_S))
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # without this Ray warns of a change to come
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise ClusterError(f"Ray cannot be loaded ({error}): pip install 'amanuensis[cluster]'") from error


def connect(address: str = "auto") -> None:
    """Connect this process to a cluster; a second call does nothing. Blocks for a second or so.

    Args:
        address: HOST:PORT of the head node; "auto": RAY_ADDRESS, else the cluster that this machine is a node of.

    Raises:
        ClusterError: Ray is not installed, nobody answers at the address, this machine is no node of that cluster, or
            it runs another version of Ray or Python.

    """
    ray = load_ray()
    if ray.is_initialized():
        return
    logging.getLogger("ray").setLevel(logging.ERROR)
    place = _head(address)
    _reach(place)
    _keep_output_ours()
    with _own_signals():
        try:
            ray.init(
                address=place,
                namespace=NAMESPACE,
                log_to_driver=False,
                logging_level="error",
                configure_logging=False,
            )
        except Exception as error:  # of many kinds, most of several lines
            raise ClusterError(f"the Ray cluster at {place} cannot be joined: {in_short(error)}") from error


def disconnect() -> None:
    """Leave the cluster; what is detached there stays. Does nothing where `connect` was not called."""
    ray = load_ray()
    if ray.is_initialized():
        with _own_signals():
            ray.shutdown()


def _head(address: str) -> str:
    """Return HOST:PORT of the head node."""
    from ray._private import services

    try:
        place = services.canonicalize_bootstrap_address(address)
    except Exception as error:
        if address == "auto":
            raise ClusterError(
                "this machine is a node of no Ray cluster: `ray start --head` makes one, "
                "`ray start --address=HOST:6379` joins one, cluster.address names its head"
            ) from error
        raise ClusterError(f"cluster.address {address!r} is not allowed: give auto or HOST:PORT ({error})") from error
    if place is None:
        raise ClusterError(f"cluster.address {address!r} is not allowed: give auto or HOST:PORT")
    return str(place)


def _reach(place: str) -> None:
    """Find out in seconds whether a server of gRPC answers at HOST:PORT."""
    host, _, port = place.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), REACH_S) as connection:
            connection.settimeout(REACH_S)
            connection.sendall(PREFACE)
            header = connection.recv(HEADER_BYTES)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"no Ray cluster answers at {place} ({error}): start its head with `ray start --head`, or name another "
            "with cluster.address"
        ) from error
    if len(header) < HEADER_BYTES or header[3] != SETTINGS_FRAME:
        raise ClusterError(f"what answers at {place} is no Ray cluster: cluster.address wants its head's HOST:PORT")


def _keep_output_ours() -> None:
    """Keep what Ray has to say of its nodes off standard output, where our results and addresses stand."""
    from ray._private import worker

    worker._worker_logs_enabled = False


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep this process's handlers of SIGTERM and SIGINT: Ray puts its own in their place, which would end a daemon."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            with contextlib.suppress(ValueError):  # not the main thread: Ray does not touch them there either
                if signal.getsignal(number) is not handler:
                    signal.signal(number, handler)


def in_short(error: Exception) -> str:
    """Return the message of one of Ray's errors in one line, without its advice in paragraphs."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= SHORT_CHARS else f"{text[:SHORT_CHARS]}..."


def shared_actor(kind: type, name: str, **options: Any) -> Any:
    """Return a maker of the one actor of a name, for all daemons of the cluster; it outlives them and is restarted."""
    ray = load_ray()
    return ray.remote(kind).options(
        name=name,
        namespace=NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        max_restarts=-1,
        max_task_retries=0,
        **options,
    )
