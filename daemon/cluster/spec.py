"""What a front asks a host of the cluster to run, and which versions have to agree; sent as plain values."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from amanuensis.npu.engine.api import Device, EngineConfig, Precision
from amanuensis.npu.engine.supervision import Supervision
from amanuensis.npu.speakers import builtin_network

MAX_STREAMS: Final = 1 << 16  # of a host's engine: which streams it gets is the business of the fronts' placement


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of a model folder, by content."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class HostSpec:
    """What a host runs.

    Attributes:
        model: name of the model.
        folder: where the front has it; a node that has the same files there uses them.
        files: of the model; every host of a front runs exactly these.
        device: of the host, "cpu", "npu" or "sim".
        threads, precision, encoder, decoder: as in `EngineConfig`.
        voices: whether vectors of voices are wanted.
        capacity: streams that the host carries; 0: it measures that.
        supervision: of its engine process.

    """

    model: str
    folder: str
    files: tuple[ModelFile, ...]
    device: Device
    threads: int = 0
    precision: Precision = "auto"
    encoder: Device | None = None
    decoder: Device | None = None
    voices: bool = False
    capacity: float = 0.0
    supervision: Supervision = field(default_factory=Supervision)

    @property
    def content(self) -> str:
        """The model's content in a few characters."""
        return _digest([asdict(file) for file in self.files])

    @property
    def key(self) -> str:
        """All of it in a few characters, with the version: fronts that ask for the same share a host."""
        return _digest([version("amanuensis"), self.to_plain() | {"folder": ""}])

    def to_plain(self) -> dict[str, Any]:
        """Return it as values that any version can read."""
        return asdict(self)

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> HostSpec:
        """Read `to_plain`'s values; TypeError where another version wrote them."""
        files = tuple(ModelFile(**file) for file in values["files"])
        return cls(**(dict(values) | {"files": files, "supervision": Supervision(**values["supervision"])}))

    def engine_config(self, folder: Path) -> EngineConfig:
        """Return what the host's engine is told, given where the model lies on its node."""
        return EngineConfig(
            folder,
            self.device,
            self.threads,
            MAX_STREAMS,
            self.precision,
            self.encoder,
            self.decoder,
            voices=builtin_network(folder) if self.voices else None,
        )


def _digest(values: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def versions() -> dict[str, str]:
    """Return the versions that must be the same at both ends."""
    return {
        "amanuensis": version("amanuensis"),
        "ray": version("ray"),
        "python": ".".join(platform.python_version_tuple()[:2]),
    }


def differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """Say which versions are others; "" where none is."""
    other = [name for name in ours if theirs.get(name) != ours[name]]
    return ", ".join(f"{name} {theirs.get(name, 'unknown')} there, {ours[name]} here" for name in other)
