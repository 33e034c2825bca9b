"""Where this installation lies and where a machine keeps its units: the impure half of `units`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Final

from amanuensis.daemon.service.units import Places, Scope

SYSTEM_UNITS: Final = Path("/etc/systemd/system")
SYSUSERS: Final = Path("/etc/sysusers.d")
BOOTED: Final = Path("/run/systemd/system")  # sd_booted(3)
PARTS: Final = ("daemon", "kernels", "npu", "stream", "systemd")  # an editable install has them apart from the rest


def own_command() -> list[str]:
    """Return the command that runs this installation: its script, or the interpreter with our module."""
    script = Path(sys.prefix) / "bin" / "amanuensis"
    return [str(script)] if os.access(script, os.X_OK) else [sys.executable, "-m", "amanuensis.daemon.main"]


def own_roots() -> list[Path]:
    """Return the folders that this installation is loaded from: environment, interpreter, our own code."""
    parts = [Path(str(resources.files(f"amanuensis.{part}"))).resolve() for part in PARTS]
    interpreter = [Path(sys.base_prefix), Path(sys.executable).resolve().parents[1]]
    return [Path(sys.prefix), *interpreter, *parts]


def places(scope: Scope, env: Mapping[str, str]) -> Places:
    """Return where units are written; those of a person lie in $XDG_CONFIG_HOME/systemd/user."""
    if scope == "system":
        return Places(SYSTEM_UNITS, SYSUSERS)
    home = env.get("XDG_CONFIG_HOME") or str(Path(env.get("HOME", "/")) / ".config")
    return Places(Path(home) / "systemd" / "user")


def default_scope() -> Scope:
    """Root means the machine, anybody else themselves."""
    return "system" if os.geteuid() == 0 else "user"


def socket_path(scope: Scope, env: Mapping[str, str]) -> Path:
    """Return the unix socket of the .socket unit."""
    runtime = "/run" if scope == "system" else env.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    return Path(runtime) / "amanuensis" / "amanuensis.sock"
