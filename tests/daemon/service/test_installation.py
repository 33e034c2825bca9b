"""Where this installation lies."""

from __future__ import annotations

import subprocess
from pathlib import Path

import amanuensis.daemon.main
from amanuensis.daemon.service.installation import own_command, own_roots, places, socket_path
from amanuensis.daemon.service.units import outermost


def test_the_command_runs_this_installation() -> None:
    """What stands in the unit is a program that answers."""
    done = subprocess.run([*own_command(), "--version"], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.startswith("amanuensis ")


def test_the_roots_hold_all_that_is_loaded() -> None:
    """Our code and the interpreter's own library lie below them."""
    roots = outermost(own_roots())
    for file in (Path(amanuensis.daemon.main.__file__), Path(subprocess.__file__)):
        assert any(file.resolve().is_relative_to(root) for root in roots), file


def test_units_and_sockets_of_a_person_follow_the_environment() -> None:
    """XDG folders count; the system's are fixed."""
    env = {"HOME": "/home/ada", "XDG_RUNTIME_DIR": "/run/user/7"}
    assert places("user", env).units == Path("/home/ada/.config/systemd/user")
    assert places("user", env | {"XDG_CONFIG_HOME": "/x"}).units == Path("/x/systemd/user")
    assert places("user", env).sysusers is None
    assert places("system", env).units == Path("/etc/systemd/system")
    assert socket_path("user", env) == Path("/run/user/7/amanuensis/amanuensis.sock")
    assert socket_path("system", env) == Path("/run/amanuensis/amanuensis.sock")
