"""The unit files for one installation: those of `systemd/`, with the path of the program in them.

Pure but for reading the packaged files. Units are changed line by line, so that what is written is what was checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePath
from typing import Final, Literal, TypeAlias

Scope: TypeAlias = Literal["system", "user"]
SERVICE: Final = "amanuensis.service"
SOCKET: Final = "amanuensis.socket"
ACCOUNT: Final = "amanuensis.conf"  # in sysusers.d, for the system's unit
PACKAGED: Final = "ExecStart=/usr/bin/amanuensis serve"
HIDDEN_HOMES: Final = "ProtectHome=yes"
HOMES: Final = ("/home", "/root", "/run/user")  # what ProtectHome= hides
TEMPORARY: Final = ("/tmp", "/var/tmp")  # what PrivateTmp= hides


class UnitError(Exception):
    """A unit cannot be written for this installation; the message says why."""


@dataclass(frozen=True, slots=True)
class UnitFile:
    """A file that systemd reads."""

    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of a machine in which systemd finds what an administrator or a person has written."""

    units: Path
    sysusers: Path | None = None  # None: units of a person need no account


def packaged(folder: str, name: str) -> str:
    """Return a file of `systemd/`."""
    return resources.files("amanuensis.systemd").joinpath(folder, name).read_text(encoding="utf-8")


def unit_files(scope: Scope, places: Places, command: Sequence[str], roots: Iterable[PurePath] = ()) -> list[UnitFile]:
    """Return all files of the service.

    Args:
        scope: for the whole machine, or for one person.
        places: where they are to stand.
        command: program and arguments that `serve` is appended to.
        roots: folders that the program is loaded from.

    Raises:
        UnitError: a path cannot be written in a unit.

    """
    service = packaged(scope, SERVICE).replace(PACKAGED, f"ExecStart={command_line([*command, 'serve'])}")
    if hidden := [root for root in outermost(roots) if lies_in(root, HOMES + TEMPORARY)]:
        homes = "ProtectHome=tmpfs" if any(lies_in(root, HOMES) for root in hidden) else HIDDEN_HOMES
        service = service.replace(HIDDEN_HOMES, "\n".join([homes, *shown(hidden)]))
    files = [UnitFile(places.units / SERVICE, service), UnitFile(places.units / SOCKET, packaged(scope, SOCKET))]
    if places.sysusers is not None:
        files.append(UnitFile(places.sysusers / ACCOUNT, packaged("sysusers.d", ACCOUNT)))
    return files


def command_line(words: Sequence[str]) -> str:
    """Return words as ExecStart= has them (systemd.service(5), "Command lines").

    Raises:
        UnitError: a word holds a line break or another control character.

    """
    return " ".join(quoted(word) for word in words)


def quoted(word: str) -> str:
    """Return a word that systemd reads as it is: neither a specifier, nor a variable, nor two words."""
    if not word.isprintable():
        raise UnitError(f"{word!r} holds a control character and cannot stand in a unit; move the installation")
    plain = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return plain if plain == word and " " not in word and "'" not in word and ";" not in word else f'"{plain}"'


def lies_in(path: PurePath, folders: Iterable[str]) -> bool:
    """Whether a path lies in one of the folders."""
    return any(path.is_relative_to(folder) for folder in folders)


def outermost(paths: Iterable[PurePath]) -> list[PurePath]:
    """Return the paths that lie in none of the others, sorted."""
    found: list[PurePath] = []
    for path in sorted(set(paths)):
        if not any(path.is_relative_to(outer) for outer in found):
            found.append(path)
    return found


def shown(paths: Iterable[PurePath]) -> list[str]:
    """Return the lines by which a service that sees no homes can read these folders in them."""
    return [f"BindReadOnlyPaths={quoted(str(path))}" for path in paths]
