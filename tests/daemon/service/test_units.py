"""The units of one installation."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from amanuensis.daemon.service.units import (
    HOMES,
    Places,
    UnitError,
    command_line,
    lies_in,
    outermost,
    packaged,
    shown,
    unit_files,
)

SYSTEM = Places(Path("/etc/systemd/system"), Path("/etc/sysusers.d"))
USER = Places(Path("/home/ada/.config/systemd/user"))


def changed(old: str, new: str) -> list[str]:
    """The lines of the new text that are not in the old one."""
    return [line for line in new.splitlines() if line not in old.splitlines()]


def test_only_the_path_of_the_program_is_changed() -> None:
    """The units that are written are those that were checked, but for the line that starts this installation."""
    service, socket, account = unit_files("system", SYSTEM, ["/opt/amanuensis/bin/amanuensis"])
    assert changed(packaged("system", "amanuensis.service"), service.text) == [
        "ExecStart=/opt/amanuensis/bin/amanuensis serve"
    ]
    assert socket.text == packaged("system", "amanuensis.socket")
    assert account.text == packaged("sysusers.d", "amanuensis.conf")
    assert [str(file.path) for file in (service, socket, account)] == [
        "/etc/systemd/system/amanuensis.service",
        "/etc/systemd/system/amanuensis.socket",
        "/etc/sysusers.d/amanuensis.conf",
    ]


def test_units_of_a_person_need_no_account() -> None:
    """Two files below the person's own folder."""
    assert [file.path for file in unit_files("user", USER, ["amanuensis"])] == [
        USER.units / "amanuensis.service",
        USER.units / "amanuensis.socket",
    ]


def test_an_installation_below_a_home_is_shown_to_the_hardened_unit() -> None:
    """All homes stay hidden but the folders that the program is loaded from, which are only read."""
    roots = map(PurePosixPath, ["/home/ada/amanuensis/.venv", "/home/ada/amanuensis", "/usr", "/opt/speech"])
    service = unit_files("system", SYSTEM, ["/home/ada/amanuensis/.venv/bin/amanuensis"], roots)[0]
    assert changed(packaged("system", "amanuensis.service"), service.text) == [
        "ExecStart=/home/ada/amanuensis/.venv/bin/amanuensis serve",
        "ProtectHome=tmpfs",
        "BindReadOnlyPaths=/home/ada/amanuensis",
    ]
    assert "ProtectHome=yes" not in service.text


def test_a_temporary_installation_is_shown_too() -> None:
    """`PrivateTmp=` hides a checkout below the temporary folder; the homes stay hidden as they were."""
    service = unit_files("system", SYSTEM, ["amanuensis"], [PurePosixPath("/tmp/amanuensis")])[0]
    assert "ProtectHome=yes\nBindReadOnlyPaths=/tmp/amanuensis\n" in service.text


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["/opt/a/amanuensis", "serve"], "/opt/a/amanuensis serve"),
        (["/opt/my programs/a"], '"/opt/my programs/a"'),
        (["/opt/100%/a"], '"/opt/100%%/a"'),
        (["/opt/$HOME/a"], '"/opt/$$HOME/a"'),
        (["/opt/'a"], '"/opt/\'a"'),
        (["/opt/;a"], '"/opt/;a"'),
        (['/opt/"a\\'], '"/opt/\\"a\\\\"'),
    ],
)
def test_a_path_means_itself(words: list[str], line: str) -> None:
    """Spaces, quotes, specifiers and variables of systemd in a path are not read as such."""
    assert command_line(words) == line


def test_a_path_that_no_unit_can_hold_is_refused() -> None:
    """A line break would bring settings in."""
    with pytest.raises(UnitError, match="control character"):
        command_line(["/opt/a\nUser=root"])


def test_folders_are_named_once() -> None:
    """A folder in another one is shown with it, and neighbours are told apart."""
    paths = [PurePosixPath(text) for text in ("/home/a/x/y", "/home/a/x", "/home/a/xy", "/home/a/x")]
    assert outermost(paths) == [PurePosixPath("/home/a/x"), PurePosixPath("/home/a/xy")]
    assert lies_in(PurePosixPath("/root"), HOMES)
    assert not lies_in(PurePosixPath("/homes/x"), HOMES)
    assert shown([PurePosixPath("/home/a b")]) == ['BindReadOnlyPaths="/home/a b"']
