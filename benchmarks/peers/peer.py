"""What a system that is compared with ours must offer: a command that starts it, and a link to speak over."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from amanuensis.benchmarks.measures import Kind

ROOT = Path(__file__).resolve().parents[2]
INSIDE = Path(__file__).with_name("inside")  # programs that run in the environments of the peers
Text: TypeAlias = tuple[Kind, str]  # as in `measures.Shown`


class PeerFailedError(Exception):
    """A peer is not installed, did not start or died; the message has what it said."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The same weights in the forms that the peers read; None where there is none of that form."""

    hugging_face: Path | None = None  # folder
    ctranslate2: Path | None = None  # folder, int8
    ggml: Path | None = None  # file
    whisperlivekit: Path | None = None  # folder named *.en, with its own vocabulary (see weights.py)

    def need(self, form: str) -> Path:
        """Return the path of a form, or say which one is missing."""
        path: Path | None = getattr(self, form)
        if path is None or not path.exists():
            raise PeerFailedError(f"weights '{form}' are {path or 'not given'}; this peer reads no other form of them")
        return path


@dataclass(frozen=True, slots=True)
class Setup:
    """What a peer is started with."""

    weights: Weights
    threads: int
    tick_s: float  # time between two decodes of the same utterance, where the peer has such a setting
    warm_up: Path  # a WAV file of a second of speech


class Link(Protocol):
    """One stream into a running peer."""

    async def send(self, pcm: bytes) -> None:
        """Send s16le at 16 kHz, mono."""

    async def end(self) -> None:
        """Say that no more sound comes, as the peer's own client does."""

    def texts(self) -> AsyncIterator[Text]:
        """Yield what comes back until the peer is done."""


class Peer(Protocol):
    """A system to compare with."""

    @property
    def name(self) -> str:
        """How the table calls it."""

    @property
    def environment(self) -> str:
        """The environment that `script/peers ENVIRONMENT` makes."""

    @property
    def is_library(self) -> bool:
        """Whether it is spoken to over its standard input and output instead of a port."""

    @property
    def finishes(self) -> bool:
        """Whether it makes all final when its client says that no more comes; else it is sent silence until it has."""

    @property
    def libraries(self) -> tuple[str, ...]:
        """Distributions whose versions belong to the figures."""

    def command(self, python: Path, setup: Setup, port: int) -> list[str]:
        """Return the command line that starts it."""

    def open(self, process: asyncio.subprocess.Process, port: int) -> AbstractAsyncContextManager[Link]:
        """Open a stream; the link is there when sound may come. Raises OSError while the peer is not ready."""


def interpreter(environment: str) -> Path:
    """Return the Python of a peer's environment.

    Raises:
        PeerFailedError: it has not been made.

    """
    python = ROOT / f".venv-peer-{environment}/bin/python"
    if not python.is_file():
        raise PeerFailedError(f"no environment {python.parents[1].name}; make it with: script/peers {environment}")
    return python


def installed_versions(python: Path, libraries: Sequence[str]) -> dict[str, str]:
    """Return the versions of distributions in the environment of an interpreter."""
    code = "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
    done = subprocess.run([str(python), "-c", code, *libraries], check=True, capture_output=True, text=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found
