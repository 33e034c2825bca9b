"""The layers that settings come from, and where in each a setting stands."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from amanuensis.daemon.settings import ConfigError, flatten

MAX_BYTES: Final = 2**20
MAX_LINES: Final = 2000  # of a file in which the line of a mistake is looked for


@dataclass(frozen=True, slots=True)
class Layer:
    """Settings of one place.

    Attributes:
        name: a path, "environment" or "command line".
        values: by dotted key.
        text: of a file.

    """

    name: str
    values: Mapping[str, Any]
    text: str = ""

    def place(self, key: str) -> str:
        """Return where a setting stands: the layer, and in a file the line."""
        line = line_of(self.text, key)
        return self.name if line is None else f"{self.name}:{line}"


class Places(Mapping[str, str]):
    """Where each setting stands, by its key; a line is looked for when it is asked for."""

    def __init__(self, layers: Mapping[str, Layer]) -> None:
        self._layers = layers

    def __getitem__(self, key: str) -> str:
        return self._layers[key].place(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)


def read_file(path: Path) -> Layer:
    """Read a configuration file; one that does not exist is empty.

    Raises:
        ConfigError: it cannot be read, or is not TOML.

    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ConfigError(f"{path}: longer than {MAX_BYTES} bytes; it is not a configuration file")
        text = data.decode()
        return Layer(str(path), flatten(tomllib.loads(text)), text)
    except FileNotFoundError:
        return Layer(str(path), {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; make it readable or remove it") from None


def line_of(text: str, key: str) -> int | None:
    """Return the line, from 1, on which a setting of a TOML file begins; None when it is not there.

    The text is read up to each line: the first part of it that is TOML and has the setting ends with it, and it begins
    after the last part that was TOML without. So strings and arrays over several lines are not mistaken for settings.
    """
    lines = text.splitlines(keepends=True)
    whole = 0  # lines of the longest part so far that is TOML
    for n in range(1, min(len(lines), MAX_LINES) + 1):
        try:
            found = flatten(tomllib.loads("".join(lines[:n])))
        except tomllib.TOMLDecodeError:
            continue
        if key in found:
            return whole + 1
        whole = n
    return None
