"""A model folder as one small file: int8 weights per output row, compressed.

Layout: MAGIC, format version (u16), size of the payload (u64), SHA-256 of the payload, then the payload as xz.
Payload: size of the head (u32), head as JSON, then what the head lists, in its order and without padding:
the text files as they are, each tensor as the bytes of its kind. Integers and floats are little-endian.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import math
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from amanuensis.npu.atomic import whole_or_nothing
from amanuensis.npu.engine.api import EngineError

MAGIC = b"amanuensis-model\n"
VERSION = 1
WEIGHTS = "model.safetensors"
ENCODER_POSITIONS = "model.encoder.embed_positions.weight"
FLOAT16_MAX = 65_504
MAX_PAYLOAD_BYTES = 256 << 20  # more than any model that is small enough to be shipped
MAX_EXPANDED_BYTES = 2 * MAX_PAYLOAD_BYTES  # a byte of a weight becomes a float16
MAX_SINUSOIDS = 1 << 22  # twice large-v3's 1500 x 1280: they take no room in the archive, so their shape is no evidence
# Weights have no context to model and do not repeat: bytes by their frequency alone, and a small dictionary.
LZMA_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 20, "lc": 0, "lp": 0, "pb": 0}]

_HEAD = struct.Struct(f"<{len(MAGIC)}sHQ32s")
_PACKED_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\.(json|md|txt)|LICENSE|NOTICE")

Kind = Literal["int8_rows", "float16", "sinusoids", "same"]
Float = NDArray[np.floating[Any]]


class ArchiveError(EngineError):
    """An archive cannot be made or expanded; the message names the file and what to do."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One tensor in the head."""

    name: str
    shape: tuple[int, ...]
    kind: Kind
    same_as: str = ""  # kind "same": the tensor that this one shares its values with


def pack(folder: Path, archive: Path) -> str:
    """Write a model folder to an archive and return its content hash.

    Weights of two and more dimensions become int8 with a float32 scale for each row of the first axis; vectors become
    float16; sinusoidal encoder positions and repeated tensors are not stored. Every *.json, *.md and *.txt file
    and LICENSE and NOTICE go along; other files are left out. The same folder gives the same bytes.

    Raises:
        ArchiveError: the folder has no model.safetensors, or a weight is not finite or not a float.

    """
    tensors = _read_tensors(folder / WEIGHTS)
    entries = _entries(tensors)
    blobs = [_encode(entry, tensors[entry.name]) for entry in entries]
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and _PACKED_FILE.fullmatch(path.name)]
    texts = [path.read_bytes() for path in files]
    head = {
        "files": [{"name": path.name, "size": len(text)} for path, text in zip(files, texts, strict=True)],
        "tensors": [asdict(entry) for entry in entries],
    }
    head_bytes = json.dumps(head, sort_keys=True, separators=(",", ":")).encode()
    payload = b"".join([struct.pack("<I", len(head_bytes)), head_bytes, *texts, *blobs])
    digest = hashlib.sha256(payload).digest()
    compressed = lzma.compress(payload, lzma.FORMAT_XZ, lzma.CHECK_NONE, filters=LZMA_FILTERS)
    with whole_or_nothing(archive) as part:
        part.write_bytes(_HEAD.pack(MAGIC, VERSION, len(payload), digest) + compressed)
    return digest.hex()


def content_hash(archive: Path) -> str:
    """Return the content hash that the archive states, as 64 hexadecimal digits, without expanding it."""
    with _reading(archive), archive.open("rb") as file:
        return _parse_head(archive, file.read(_HEAD.size))[1].hex()


def expand(archive: Path, folder: Path) -> None:
    """Write an archive as a float16 model folder in the Hugging Face format, whole or not at all.

    Raises:
        ArchiveError: the archive is damaged or of another format version, or the folder exists and is not empty.
        WriteError: the folder cannot be written (full disk, read-only place); nothing is left behind then.

    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ArchiveError(f"{folder}: exists and is not an empty folder; name another one or remove it")
    payload = _read_payload(archive)
    try:
        texts, tensors = _decode_payload(payload)
        # transformers refuses weights that do not say which library's layout they have
        weights = safetensors.numpy.save(tensors, metadata={"format": "pt"})
    except (AttributeError, LookupError, TypeError, ValueError, struct.error) as error:
        raise ArchiveError(
            f"{archive}: its table of contents is broken ({error!s:.200}); install the package again"
        ) from error
    with whole_or_nothing(folder) as part:
        part.mkdir()
        for name, text in texts.items():
            (part / name).write_bytes(text)
        (part / WEIGHTS).write_bytes(weights)


def sinusoids(length: int, channels: int) -> NDArray[np.float32]:
    """Return the encoder's position code, float32 [length, channels] (openai/whisper `model.py`)."""
    rates = np.exp(-np.log(10_000.0) / (channels // 2 - 1) * np.arange(channels // 2))
    angles = np.arange(length)[:, None] * rates
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def _read_tensors(path: Path) -> dict[str, Float]:
    try:
        tensors = safetensors.numpy.load_file(path)
    except FileNotFoundError:
        raise ArchiveError(f"{path.parent}: has no {path.name}") from None
    except (OSError, TypeError, KeyError, safetensors.SafetensorError) as error:
        raise ArchiveError(f"{path}: cannot be read ({error})") from error
    for name, tensor in tensors.items():
        if tensor.dtype.kind != "f" or not (np.abs(tensor) <= FLOAT16_MAX).all():
            raise ArchiveError(f"{path}: tensor {name} ({tensor.dtype}) holds what is not a finite float16 number")
    return dict(sorted(tensors.items()))


def _entries(tensors: dict[str, Float]) -> list[_Entry]:
    entries: list[_Entry] = []
    seen: dict[tuple[tuple[int, ...], bytes], str] = {}
    for name, tensor in tensors.items():
        key = (tensor.shape, hashlib.sha256(tensor.tobytes()).digest())
        if name == ENCODER_POSITIONS and _is_sinusoidal(tensor):
            entries.append(_Entry(name, tensor.shape, "sinusoids"))
        elif key in seen:
            entries.append(_Entry(name, tensor.shape, "same", seen[key]))
        else:
            entries.append(_Entry(name, tensor.shape, "int8_rows" if tensor.ndim > 1 else "float16"))
        seen.setdefault(key, name)
    return entries


def _is_sinusoidal(tensor: Float) -> bool:
    """Return whether a float16 or float32 tensor holds the values that `sinusoids` gives."""
    if tensor.ndim != 2 or tensor.shape[1] < 4 or tensor.shape[1] % 2:
        return False
    return bool(np.allclose(tensor, sinusoids(tensor.shape[0], tensor.shape[1]), atol=1e-3))


def _encode(entry: _Entry, tensor: Float) -> bytes:
    if entry.kind == "float16":
        return tensor.astype("<f2").tobytes()
    if entry.kind != "int8_rows":
        return b""
    rows = tensor.reshape(len(tensor), -1).astype(np.float32)
    scales = (np.abs(rows).max(axis=1) / 127).astype("<f4")
    levels = np.rint(rows / np.where(scales > 0, scales, 1)[:, None]).astype(np.int8)
    return bytes(scales.tobytes() + levels.tobytes())


def _parse_head(archive: Path, data: bytes) -> tuple[int, bytes]:
    """Return size and SHA-256 of the payload."""
    if len(data) < _HEAD.size or not data.startswith(MAGIC):
        raise ArchiveError(f"{archive}: not a model archive, or cut short; install the package again")
    version: int
    size: int
    digest: bytes
    _, version, size, digest = _HEAD.unpack(data)
    if version != VERSION:
        raise ArchiveError(f"{archive}: format version {version}; this program reads version {VERSION}; upgrade it")
    if size > MAX_PAYLOAD_BYTES:
        raise ArchiveError(f"{archive}: states {size} bytes, more than the {MAX_PAYLOAD_BYTES} allowed; it is damaged")
    return size, digest


def _read_payload(archive: Path) -> memoryview:
    with _reading(archive):
        data = archive.read_bytes()
    size, digest = _parse_head(archive, data[: _HEAD.size])
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ)
    try:
        payload = decoder.decompress(data[_HEAD.size :], max_length=size + 1)  # + 1: to see the end
    except (lzma.LZMAError, EOFError) as error:
        raise ArchiveError(f"{archive}: damaged ({error}); install the package again") from error
    whole = decoder.eof and not decoder.unused_data and len(payload) == size
    if not whole or hashlib.sha256(payload).digest() != digest:
        raise ArchiveError(f"{archive}: damaged (its content hash differs); install the package again")
    return memoryview(payload)


def _decode_payload(payload: memoryview) -> tuple[dict[str, bytes], dict[str, NDArray[np.float16]]]:
    (head_size,) = struct.unpack_from("<I", payload)
    head, body = json.loads(bytes(payload[4 : 4 + head_size])), payload[4 + head_size :]
    texts: dict[str, bytes] = {}
    for item in head["files"]:
        if not _PACKED_FILE.fullmatch(item["name"]):
            raise ValueError(f"file name {item['name']!r}")
        texts[item["name"]], body = bytes(body[: item["size"]]), body[item["size"] :]
    tensors: dict[str, NDArray[np.float16]] = {}
    expanded = 0
    for item in head["tensors"]:
        entry = _Entry(item["name"], tuple(item["shape"]), item["kind"], item["same_as"])
        size = _stored_size(entry)
        tensors[entry.name] = tensor = _decode(entry, body[:size], tensors)
        body = body[size:]
        expanded += tensor.nbytes
        if expanded > MAX_EXPANDED_BYTES:
            raise ValueError(f"more than {MAX_EXPANDED_BYTES} bytes of tensors")
    return texts, tensors


def _stored_size(entry: _Entry) -> int:
    n = math.prod(entry.shape)
    return {"float16": 2 * n, "int8_rows": n + 4 * entry.shape[0] if entry.shape else 0}.get(entry.kind, 0)


def _decode(entry: _Entry, data: memoryview, earlier: dict[str, NDArray[np.float16]]) -> NDArray[np.float16]:
    if entry.kind == "same":
        return earlier[entry.same_as]
    if entry.kind == "sinusoids":
        if math.prod(entry.shape) > MAX_SINUSOIDS:
            raise ValueError(f"{entry.name!r:.100} has the shape {list(entry.shape)}")
        return sinusoids(entry.shape[0], entry.shape[1]).astype(np.float16)
    if entry.kind == "float16":
        return np.frombuffer(data, np.dtype("<f2")).astype(np.float16).reshape(entry.shape)
    n_rows = entry.shape[0]
    scales = np.frombuffer(data[: 4 * n_rows], "<f4")
    levels = np.frombuffer(data[4 * n_rows :], np.int8).reshape(n_rows, -1)
    return np.asarray(levels * scales[:, None], np.float16).reshape(entry.shape)


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArchiveError(f"{archive}: cannot be read ({error.strerror}); install the package again") from error
