"""The container of a simulated program: which operators an array configuration holds, in the place of an xclbin.

Bytes: the magic AMANSIM1, the length of the description (uint32, little-endian), the description (JSON, UTF-8), and the
first 16 bytes of SHA-256 of all that. No compiler made it, no NPU can load it, and it says so.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from amanuensis.kernels.operands import N_BUFFERS
from amanuensis.kernels.ops import OPERATORS

Architecture: TypeAlias = Literal["npu1", "npu2"]

MAGIC: Final = b"AMANSIM1"
KERNEL_NAME: Final = "MLIR_AIE"  # of every xclbin of mlir-aie
VERSION: Final = 1
MAX_BYTES: Final = 1 << 16
ARCHITECTURES: Final[tuple[Architecture, ...]] = ("npu1", "npu2")
_NOTE: Final = "simulated program: made for the emulator, not by a compiler; no NPU can load it"
_DIGEST_BYTES: Final = 16


class ProgramError(ValueError):
    """A file or a description that is no program for this machine."""


@dataclass(frozen=True, slots=True)
class Program:
    """An array configuration.

    Attributes:
        architecture: "npu1" or "npu2".
        name: of the kernel in the container.
        uuid: of the configuration, in the usual text form.
        operators: names of the operators that it holds, out of `amanuensis.kernels.ops.OPERATORS`.
        n_buffers: data buffers that a dispatch takes.
        configuration: of the array, whose launches its instructions are; empty where they are operators.
        version: of the operators' encoding and meaning.

    """

    architecture: Architecture
    name: str
    uuid: str
    operators: tuple[str, ...]
    n_buffers: int = N_BUFFERS
    version: int = VERSION
    configuration: str = ""

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ProgramError(f"the program is for {self.architecture!r}; allowed are {' and '.join(ARCHITECTURES)}")
        unknown = sorted(set(self.operators) - set(OPERATORS))
        if unknown or not self.operators:
            raise ProgramError(f"the program has unknown operators: {', '.join(unknown) or 'none at all'}")
        if self.n_buffers != N_BUFFERS:
            raise ProgramError(f"the program takes {self.n_buffers} buffers; {N_BUFFERS} are allowed")
        if self.version != VERSION:
            raise ProgramError(f"the program has version {self.version}, this machine runs {VERSION}; make it again")
        _check_uuid(self.uuid)

    def save(self, path: str | Path) -> None:
        """Write the container; OSError when the file cannot be written."""
        Path(path).write_bytes(self.to_bytes())

    def to_bytes(self) -> bytes:
        """Return the container."""
        text = json.dumps(asdict(self) | {"note": _NOTE}, sort_keys=True).encode()
        body = MAGIC + struct.pack("<I", len(text)) + text
        return body + hashlib.sha256(body).digest()[:_DIGEST_BYTES]

    @classmethod
    def load(cls, path: str | Path) -> Program:
        """Return the program of a container.

        Raises:
            ProgramError: the file is missing, too large, truncated, changed, or no container; the message names it.

        """
        try:
            with Path(path).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise ProgramError(f"{path}: {error.strerror or error}") from None
        try:
            return from_bytes(data)
        except ProgramError as error:
            raise ProgramError(f"{path}: {error}") from None


def _check_uuid(text: str) -> None:
    try:
        UUID(text)
    except ValueError:
        raise ProgramError(f"{text!r} is no uuid") from None


def from_bytes(data: bytes) -> Program:
    """Return the program of a container's bytes; ProgramError when they are none."""
    start = len(MAGIC) + 4
    if not data.startswith(MAGIC):
        raise ProgramError(f"this is no simulated program: its first bytes are not {MAGIC.decode()}")
    if len(data) > MAX_BYTES or len(data) < start:
        raise ProgramError(f"the container has {len(data)} bytes; allowed are {start} to {MAX_BYTES}")
    stop = start + int(struct.unpack("<I", data[len(MAGIC) : start])[0])
    if len(data) != stop + _DIGEST_BYTES or hashlib.sha256(data[:stop]).digest()[:_DIGEST_BYTES] != data[stop:]:
        raise ProgramError("the container is truncated or was changed; make it again")
    return _from_description(json.loads(data[start:stop]))


def _from_description(fields: dict[str, Any]) -> Program:
    fields.pop("note", None)
    try:
        return Program(**(fields | {"operators": tuple(fields["operators"])}))
    except (TypeError, KeyError) as error:
        raise ProgramError(f"the description of the program is not understood: {error}") from None
