"""`amanuensis service`, as far as no systemd is needed; tests/systemd has the rest."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from amanuensis.daemon.commands.service import lines
from amanuensis.daemon.service.install import ServiceState
from amanuensis.daemon.service.systemctl import PROPERTIES
from tests.helpers.programs import amanuensis

ACTIVE = dict.fromkeys(PROPERTIES, "") | {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "UnitFileState": "enabled",
    "StatusText": "2 sessions, 3 clients; model base.en on cpu",
    "MainPID": "77",
    "NRestarts": "1",
    "Result": "success",
}


@pytest.mark.parametrize("scope", ["system", "user"])
def test_print_shows_what_would_be_written_and_writes_nothing(scope: str, tmp_path: Path) -> None:
    """Each file stands under its name, with the program of this installation."""
    done = amanuensis("service", "install", f"--{scope}", "--print", env={"XDG_CONFIG_HOME": str(tmp_path)})
    assert (done.returncode, done.stderr) == (0, "")
    folder = "/etc/systemd/system" if scope == "system" else f"{tmp_path}/systemd/user"
    assert f"# {folder}/amanuensis.service\n" in done.stdout
    assert f"# {folder}/amanuensis.socket\n" in done.stdout
    assert ("sysusers.d" in done.stdout) == (scope == "system")
    assert f"\nExecStart={Path(sys.prefix) / 'bin' / 'amanuensis'} serve\n" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("action", ["install", "uninstall", "status"])
def test_without_systemd_one_line_says_so(action: str, tmp_path: Path) -> None:
    """Where there is no systemctl on the path, the message names it and the way to run the daemon all the same."""
    units = tmp_path / "systemd" / "user"
    units.mkdir(parents=True)
    (units / "amanuensis.service").write_text("")
    done = amanuensis("service", action, "--user", env={"PATH": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)})
    assert (done.returncode, done.stdout) == (1, "")
    why = "systemctl is not installed: this machine has no systemd; run `amanuensis serve`"
    assert done.stderr == f"amanuensis: {why}\n"
    assert [path.name for path in units.iterdir()] == ["amanuensis.service"]


def test_what_is_not_installed_needs_no_uninstalling(tmp_path: Path) -> None:
    """Nothing is asked of systemd when there is nothing to remove."""
    done = amanuensis("service", "uninstall", "--user", env={"PATH": "", "XDG_CONFIG_HOME": str(tmp_path)})
    assert (done.returncode, done.stderr) == (0, "amanuensis: the user service is not installed\n")


def test_the_default_is_the_machine_for_root_and_oneself_for_others() -> None:
    """Without --user and --system the units that are printed are the ones that may be written."""
    done = amanuensis("service", "install", "--print")
    assert ("# /etc/systemd/system/amanuensis.service" in done.stdout) == (os.geteuid() == 0)


def test_a_service_that_answers_is_described() -> None:
    """What systemd says stands above what the daemon says."""
    found = ServiceState("user", ACTIVE, ACTIVE, {"ready": True, "why": ""}, "unix:/run/x")
    assert found.is_well
    assert lines(found) == [
        "service  active (running), enabled, process 77, restarted 1 times, result success",
        "sockets  active (running), enabled",
        "says     2 sessions, 3 clients; model base.en on cpu",
        "answers  ready at unix:/run/x",
    ]


def test_a_service_in_trouble_says_where_to_look() -> None:
    """One that is not ready says why; one that does not answer names the log; one that is not there, how to get it."""
    told = lines(ServiceState("system", ACTIVE, ACTIVE, {"ready": False, "why": "engine down"}, "127.0.0.1:8770"))
    assert told[-1] == "answers  not ready at 127.0.0.1:8770: engine down"
    silent = ServiceState("system", ACTIVE, ACTIVE, None, "")
    assert not silent.is_well
    assert lines(silent)[-1] == "answers  nobody; see journalctl --system -u amanuensis"
    missing = ServiceState("user", ACTIVE | {"LoadState": "not-found"}, {}, None, "")
    assert lines(missing) == ["not installed; `amanuensis service install --user` installs it"]
