"""What a daemon needs on this machine, one finding each: settings, model, addresses, service, sound, folders, time.

Each function looks and changes nothing; a finding says in words what was found and what to do.
"""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from amanuensis.daemon.addresses import Address, ListenAddress, UnixAddress, usual_socket
from amanuensis.daemon.config import Config, ConfigError, load_config
from amanuensis.daemon.listeners import ServeError, open_one
from amanuensis.daemon.security import Security, token_file
from amanuensis.daemon.service.install import readiness
from amanuensis.daemon.service.installation import BOOTED
from amanuensis.daemon.service.systemctl import SystemdError, unit_state
from amanuensis.daemon.service.units import SERVICE, Scope
from amanuensis.daemon.sources.base import SourceError
from amanuensis.daemon.sources.microphone import input_devices, portaudio
from amanuensis.daemon.spool.places import state_folder
from amanuensis.daemon.tls import TlsError
from amanuensis.daemon.token_file import TokenFileError
from amanuensis.npu.devices.xrt.probe import Finding
from amanuensis.npu.engine.api import EngineError
from amanuensis.npu.store import resolve

ENOUGH_BYTES: Final = 2**30  # a day of recording takes about 1.4 GB as FLAC; less than this is soon full
TIMEX_BYTES: Final = 256  # struct timex of adjtimex(2) has 208 on 64-bit Linux
TIME_ERROR: Final = 5  # of adjtimex(2): the clock is not synchronised


def check_up(env: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what a daemon with the settings of this user would meet."""
    try:
        config, sources = load_config(env=env)
    except ConfigError as error:
        yield Finding("settings", "problem", str(error))
        config, sources = Config(), {}
    else:
        files = sorted({source for source in sources.values() if source.startswith("/")})
        yield Finding("settings", "ok", ", ".join(files) or "defaults, no file")
    yield model(config)
    yield security(config, env)
    for address in config.server.addresses:
        yield listening(address, env, tls=config.server.tls_cert is not None)
    yield service()
    yield sound_library()
    yield microphone()
    for name, folder in folders(config, env).items():
        yield folder_finding(name, folder)
    yield clock()


def model(config: Config) -> Finding:
    """Say which model would be used."""
    try:
        return Finding("model", "ok", str(resolve(config.engine.model)))
    except EngineError as error:
        return Finding("model", "problem", str(error))


def security(config: Config, env: Mapping[str, str]) -> Finding:
    """Say whether tokens and certificate can be used, and are there where they are needed."""
    try:
        found = Security.load(config.server, env)
        found.check(config.server.addresses)
    except (TokenFileError, TlsError, ServeError) as error:
        return Finding("security", "problem", str(error))
    n_tokens = len(found.access.tokens.tokens)
    if not n_tokens:
        return Finding("security", "ok", f"no tokens ({token_file(config.server, env)}): only this machine may connect")
    remote = any(not address.is_loopback for address in config.server.addresses)
    if remote and found.tls is None:
        text = f"{n_tokens} tokens, no TLS: they and the sound cross the network unprotected; set server.tls_cert"
        return Finding("security", "warning", text)
    return Finding("security", "ok", f"{n_tokens} tokens, {'TLS' if found.tls else 'no TLS'}")


def listening(address: ListenAddress, env: Mapping[str, str], *, tls: bool = False) -> Finding:
    """Say whether an address is free, or who has it."""
    if address == UnixAddress():
        address = UnixAddress(usual_socket(env))
    if address == UnixAddress():
        text = "unix: neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR is set, so there will be no unix socket"
        return Finding("address", "warning", text)
    if (ours := _daemon_at(address)) is not None:
        return ours
    if isinstance(address, UnixAddress):
        return _unix_finding(address)
    try:
        open_one(address).close()
    except ServeError as error:
        if tls:
            text = f"{address} is taken; whether by a daemon of ours, TLS hides: see `amanuensis service status`"
            return Finding("address", "warning", text)
        return Finding("address", "problem", str(error))
    return Finding("address", "ok", f"{address} is free")


def _unix_finding(address: UnixAddress) -> Finding:
    """Look at the folder only: a socket that is opened and closed could take the place of one that begins just now."""
    assert address.path is not None
    folder = _nearest(address.path.parent)
    if not os.access(folder, os.W_OK):
        text = f"{address}: {folder} may not be written by this user; choose another path"
        return Finding("address", "problem", text)
    return Finding("address", "ok", f"{address} is free")


def _daemon_at(address: ListenAddress) -> Finding | None:
    """Return what a daemon of ours that has the address says, None where none answers."""
    facts = readiness(str(address if isinstance(address, UnixAddress) else _dialled(address)))
    if facts is None or "ready" not in facts:
        return None
    if facts["ready"]:
        return Finding("address", "ok", f"{address}: a daemon answers there and is ready")
    return Finding("address", "warning", f"{address}: a daemon answers there and is not ready: {facts.get('why', '')}")


def _dialled(address: Address) -> Address:
    """Return where an address that stands for all of this machine's is reached from here."""
    return Address({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host), address.port)


def service() -> Finding:
    """Say whether the service is installed and runs."""
    if not BOOTED.exists():
        return Finding("service", "ok", "this system was not started by systemd: run `amanuensis serve` by other means")
    states = []
    scopes: tuple[Scope, ...] = ("user", "system")
    for scope in scopes:
        try:
            states.append((scope, unit_state(scope, SERVICE)))
        except SystemdError:
            continue
    known = [(scope, state) for scope, state in states if state.get("LoadState") == "loaded"]
    if not known:
        text = "not installed; `amanuensis service install --user` makes it start with the session"
        return Finding("service", "ok", text)
    text = ", ".join(f"{scope}: {state.get('ActiveState')} ({state.get('SubState')})" for scope, state in known)
    if any(state.get("ActiveState") == "failed" for _, state in known):
        return Finding("service", "problem", f"{text}: see `journalctl -u {SERVICE}` (with --user for your own)")
    return Finding("service", "ok", text)


def sound_library() -> Finding:
    """Say whether PortAudio is there."""
    try:
        return Finding("PortAudio", "ok", " ".join(str(portaudio().get_portaudio_version()[1]).split()))
    except SourceError as error:
        return Finding("PortAudio", "warning", str(error))


def microphone() -> Finding:
    """Say which microphone would be used."""
    try:
        found = input_devices()
    except SourceError as error:
        return Finding("microphone", "warning", str(error))
    if not found:
        text = "none: connect one, or start the sound server; sound can also come over the network or from files"
        return Finding("microphone", "warning", text)
    device = next((device for device in found if device.default), found[0])
    text = f"{device.name} ({device.rate} Hz, {device.channels} channels); {len(found)} in all"
    return Finding("microphone", "ok", text)


def folders(config: Config, env: Mapping[str, str]) -> dict[str, Path]:
    """Return the folders that a daemon writes to."""
    found = {"state": state_folder(env)}
    if config.spool.enabled:
        found["spool"] = config.spool.place(env)
    if config.recording.mode != "off":
        found["recordings"] = config.recording.place(env)
    return found


def folder_finding(name: str, folder: Path) -> Finding:
    """Say whether a folder, or the one in which it would be made, can be written and has room."""
    there = _nearest(folder)
    if not os.access(there, os.W_OK | os.X_OK):
        text = f"{folder}: {there} may not be written by this user; change its rights or the setting"
        return Finding(name, "problem", text)
    free = shutil.disk_usage(there).free
    text = f"{folder}, {free / 2**30:.1f} GiB free"
    if free < ENOUGH_BYTES:
        return Finding(name, "warning", f"{text}: make room, sessions are not kept when it is full")
    return Finding(name, "ok", text)


def _nearest(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def clock() -> Finding:
    """Say whether the clock is kept right: tokens expire by it, and a restart measures what it missed by it."""
    timex = ctypes.create_string_buffer(TIMEX_BYTES)  # modes = 0: only read
    state = ctypes.CDLL(None).adjtimex(timex)
    if state == TIME_ERROR:
        text = "not synchronised: tokens expire by it; start systemd-timesyncd or chrony (timedatectl set-ntp true)"
        return Finding("clock", "warning", text)
    return Finding("clock", "ok", "synchronised" if state >= 0 else "the kernel does not say")
