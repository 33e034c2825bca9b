"""The user service under the manager of a user in a booted container: root, for others might not read this tree."""

from __future__ import annotations

import json

from amanuensis.daemon.service.install import readiness
from tests.helpers.booted import Machine
from tests.helpers.booted_service import PROGRAM, SERVICE

RUNTIME = "/run/user/0"
ENVIRONMENT = ("env", f"XDG_RUNTIME_DIR={RUNTIME}")


def test_a_person_installs_the_service(bare_machine: Machine) -> None:
    """Without a manager one line says what to do; with one the service is installed, runs, restarts and goes."""
    before = bare_machine.run(*ENVIRONMENT, PROGRAM, "service", "status", "--user", check=False)
    assert (before.returncode, before.stderr.count("\n")) == (1, 1)
    assert "loginctl enable-linger" in before.stderr
    bare_machine.systemctl("start", "user@0.service")
    bare_machine.run(*ENVIRONMENT, PROGRAM, "service", "install", "--user")
    told = json.loads(bare_machine.run(*ENVIRONMENT, PROGRAM, "service", "status", "--user", "--json").stdout)
    assert told["service"]["ActiveState"] == "active"
    assert told["service"]["UnitFileState"] == "enabled"
    assert told["ready"]["ready"]
    assert told["asked"] == f"unix:{RUNTIME}/amanuensis/amanuensis.sock"
    bare_machine.run(*ENVIRONMENT, "systemctl", "--user", "restart", SERVICE)
    assert readiness(f"unix:{bare_machine.root}{RUNTIME}/amanuensis/amanuensis.sock")
    bare_machine.run(*ENVIRONMENT, PROGRAM, "service", "uninstall", "--user")
    after = bare_machine.run(*ENVIRONMENT, PROGRAM, "service", "status", "--user", check=False)
    assert (after.returncode, "not installed" in after.stdout) == (1, True)
