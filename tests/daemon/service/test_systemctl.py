"""systemd's programs: what they refuse becomes one line that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanuensis.daemon.service.systemctl import SystemdError, hint, systemctl, unit_state


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `systemctl` of the test's own, first on the path."""
    path = tmp_path / "systemctl"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return path


def write(program: Path, script: str) -> None:
    """Make the program do something."""
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_properties_are_read(program: Path) -> None:
    """A value may hold the sign that ends its name; what was not asked for is left out."""
    write(program, 'echo "StatusText=a=b"; echo "ActiveState=active"; echo "Other=1"')
    assert unit_state("user", "x.service") == {"StatusText": "a=b", "ActiveState": "active"}


def test_scope_and_words_reach_the_program(program: Path) -> None:
    """--user or --system comes first."""
    write(program, 'echo "$@"')
    assert systemctl("system", "enable", "x.service").split() == ["--system", "--no-pager", "enable", "x.service"]


def test_a_refusal_is_one_line(program: Path) -> None:
    """What the program says, however many lines, stands behind the command."""
    write(program, 'echo "Failed to enable unit:" >&2; echo "Access denied" >&2; exit 4')
    with pytest.raises(SystemdError) as error:
        systemctl("system", "enable", "x.service")
    assert str(error.value) == (
        "`systemctl --system enable x.service` failed: Failed to enable unit: Access denied; "
        "the system's units need root: sudo amanuensis service ... --system, or --user for your own"
    )


def test_a_silent_refusal_has_its_status(program: Path) -> None:
    """A program that says nothing is told by its exit status."""
    write(program, "exit 7")
    with pytest.raises(SystemdError, match="failed: exit status 7"):
        systemctl("user", "stop", "x.service")


@pytest.mark.parametrize(
    ("why", "advice"),
    [
        ("System has not been booted with systemd as init system (PID 1).", "another init system"),
        ("Failed to connect to bus: No medium found", "loginctl enable-linger"),
        ("Interactive authentication required.", "sudo"),
        ("Unit x.service not found.", ""),
    ],
)
def test_known_refusals_come_with_advice(why: str, advice: str) -> None:
    """What people meet is answered with what to do."""
    assert advice in hint(why)
    assert bool(advice) == bool(hint(why))
