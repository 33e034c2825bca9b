"""Installing, removing and asking after the service."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from amanuensis.daemon.dial import ClientError, fetch
from amanuensis.daemon.service.systemctl import make_account, systemctl, unit_state
from amanuensis.daemon.service.units import ACCOUNT, SERVICE, SOCKET, Places, Scope, UnitFile

PROBE_S: Final = 5.0
UNIT_MODE: Final = 0o644


class InstallError(Exception):
    """A file cannot be written or removed; the message names it and what to do."""


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What `amanuensis service status` tells."""

    scope: Scope
    service: dict[str, str]  # systemctl.PROPERTIES
    socket: dict[str, str]
    ready: dict[str, Any] | None  # what /readyz says; None: nobody answers
    asked: str  # where

    @property
    def is_well(self) -> bool:
        """Whether sessions can be opened."""
        return bool(self.ready and self.ready.get("ready"))


def install(scope: Scope, files: Sequence[UnitFile], *, start: bool) -> None:
    """Write the files, have systemd read them, and enable the service.

    Args:
        scope: whose systemd.
        files: from `units.unit_files`.
        start: at once, not only at the next boot or login.

    Raises:
        InstallError: a file cannot be written.
        SystemdError: systemd refuses.

    """
    systemctl(scope, "show-environment")  # it answers, or nothing is written
    for file in files:
        write(file)
    for file in files:
        if file.path.name == ACCOUNT:
            make_account(file.path)
    systemctl(scope, "daemon-reload")
    systemctl(scope, "enable", *(["--now"] if start else []), SOCKET, SERVICE)


def uninstall(scope: Scope, where: Places) -> list[Path]:
    """Stop and disable the service and remove its files; what it has recorded, its settings and its account stay.

    Returns:
        The files that were removed; none when it was not installed.

    Raises:
        InstallError: a file cannot be removed.
        SystemdError: systemd refuses.

    """
    paths = [where.units / SERVICE, where.units / SOCKET]
    if where.sysusers is not None:
        paths.append(where.sysusers / ACCOUNT)
    found = [path for path in paths if path.exists()]
    if not found:
        return []
    systemctl(scope, "disable", "--now", *(path.name for path in found if path.name != ACCOUNT))
    for path in found:
        remove(path)
    systemctl(scope, "daemon-reload")
    return found


def write(file: UnitFile) -> None:
    """Write a unit so that systemd never reads half of it."""
    new = file.path.with_name(f".{file.path.name}.new")
    try:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(file.text, encoding="utf-8")
        new.chmod(UNIT_MODE)
        os.replace(new, file.path)  # noqa: PTH105 - Path.replace is the same
    except OSError as error:
        raise refused("written", file.path, error) from None


def remove(path: Path) -> None:
    """Remove a unit."""
    try:
        path.unlink()
    except OSError as error:
        raise refused("removed", path, error) from None


def refused(what: str, path: Path, error: OSError) -> InstallError:
    """Say what the system does not allow."""
    need = "; the system's units need root: sudo, or --user for your own" if isinstance(error, PermissionError) else ""
    return InstallError(f"{path} cannot be {what}: {(error.strerror or str(error)).lower()}{need}")


def state(scope: Scope, addresses: Iterable[str]) -> ServiceState:
    """Ask systemd after the units, and the daemon after itself.

    Args:
        scope: whose systemd.
        addresses: where the daemon may be asked: "unix:PATH" or "HOST:PORT", the first that answers counts.

    Raises:
        SystemdError: systemd cannot be asked.

    """
    service, listener = unit_state(scope, SERVICE), unit_state(scope, SOCKET)
    if service.get("ActiveState") in ("active", "reloading", "deactivating"):  # asking would start it otherwise
        for address in addresses:
            if (facts := readiness(address)) is not None:
                return ServiceState(scope, service, listener, facts, address)
    return ServiceState(scope, service, listener, None, "")


def readiness(address: str) -> dict[str, Any] | None:
    """Return what /readyz says at "unix:PATH" or "HOST:PORT"; None when nobody answers as our daemon does."""
    try:
        _, body = fetch(address if address.startswith("unix:") else f"ws://{address}", "/readyz", timeout_s=PROBE_S)
        facts = json.loads(body)
    except (ClientError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None
