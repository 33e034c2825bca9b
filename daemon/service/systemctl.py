"""Asking systemd: `systemctl` and `systemd-sysusers` as programs, each failure in one line."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from amanuensis.daemon.service.units import Scope

PROPERTIES: Final = (
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "StatusText",
    "MainPID",
    "NRestarts",
    "Result",
)
ANSWER_S: Final = 120.0  # longer than a start or a stop of the service may take


class SystemdError(Exception):
    """systemd is not there or refuses; the message says what to do."""


def systemctl(scope: Scope, *words: str) -> str:
    """Run `systemctl` and return what it prints.

    Raises:
        SystemdError: it is not installed, systemd does not run here, or it refuses.

    """
    return run("systemctl", f"--{scope}", "--no-pager", *words)


def make_account(config: Path) -> None:
    """Make the account of the system's unit where it is missing.

    Raises:
        SystemdError: it cannot be made.

    """
    run("systemd-sysusers", str(config))


def unit_state(scope: Scope, unit: str) -> dict[str, str]:
    """Return what systemd knows of a unit.

    Raises:
        SystemdError: systemd cannot be asked.

    """
    text = systemctl(scope, "show", unit, f"--property={','.join(PROPERTIES)}")
    pairs = (line.partition("=") for line in text.splitlines())
    return {name: value for name, _, value in pairs if name in PROPERTIES}


def run(*command: str) -> str:
    """Run one of systemd's programs."""
    shown = " ".join(word for word in command if not word.startswith(("--no-pager", "--property")))
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, check=False)
    except FileNotFoundError:
        raise SystemdError(
            f"{command[0]} is not installed: this machine has no systemd; run `amanuensis serve`"
        ) from None
    except subprocess.TimeoutExpired:
        raise SystemdError(f"`{shown}` does not answer within {ANSWER_S:.0f} s; see journalctl -xe") from None
    if done.returncode != 0:
        why = " ".join((done.stderr or done.stdout).split()) or f"exit status {done.returncode}"
        raise SystemdError(f"`{shown}` failed: {why}{hint(why)}")
    return done.stdout


def hint(why: str) -> str:
    """Return what to do about the refusals that people meet."""
    if "not been booted with systemd" in why:
        return "; this machine runs another init system: run `amanuensis serve` from it"
    if "connect to bus" in why or "XDG_RUNTIME_DIR" in why:
        return "; no manager of yours runs: log in (not by su or sudo), or `loginctl enable-linger` and log in again"
    if "ccess denied" in why or "authentication required" in why.lower():
        return "; the system's units need root: sudo amanuensis service ... --system, or --user for your own"
    return ""
