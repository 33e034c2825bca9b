"""The configuration loader: any bytes as a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from amanuensis.daemon.config import Config, load_config
from amanuensis.daemon.settings import ConfigError
from tests.fuzz.target import Target, check_line


def seeds() -> list[bytes]:
    """Return all settings, and files in which one is another."""
    whole = Config().describe()
    sections = [f"[{part}" for part in whole.split("[") if part.strip()]
    examples = [
        '[server]\nlisten = "[::1]:9000"\norigins = ["https://captions.example"]\n',
        '[engine]\ndevice = "sim"\nprecision = "int8"\nthreads = 4\n',
        "[stream]\ntick_ms = 250.5\nhotwords = ['a', \"b\"]\n[stream.vad]\naggressiveness = 3\n",
        "limits.sessions = 4\nlimits.idle_s = 1e2\n",
        "[limits]\nsessions = 2026-11-28\nidle_s = inf\nping_s = nan\n",
        "[limits]\nsessions = 0x7fffffffffffffffffff\n",
        "stream = 1\n",
        "[[stream]]\ntick_ms = 1\n",
    ]
    return [text.encode() for text in (whole, *sections, *examples)]


def prepare(folder: Path) -> Callable[[bytes], None]:
    """Return what loads one file."""
    path = folder / "config.toml"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        try:
            config, sources = load_config({}, {}, [path])
        except ConfigError as error:
            check_line(error)
            return
        assert set(sources.values()) <= {str(path)}
        path.write_text(config.describe(sources))
        again, _ = load_config({}, {}, [path])
        assert again == config or "(hidden)" in path.read_text() or config.server.token is not None

    return read


TARGET: Final = Target(seeds, prepare, max_bytes=8192)
