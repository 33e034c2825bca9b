"""Model archives: any bytes as a file, and any payload in a file that is whole. An odd first byte means a payload."""

from __future__ import annotations

import hashlib
import lzma
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import safetensors.numpy

from amanuensis.npu.archive import LZMA_FILTERS, MAGIC, VERSION, content_hash, expand, pack
from amanuensis.npu.engine.api import EngineError
from tests.fuzz.target import Target, check_line

HEAD: Final = struct.Struct(f"<{len(MAGIC)}sHQ32s")


def seeds() -> list[bytes]:
    """Return the archive of a small folder, whole and as its payload."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "model")
        folder.mkdir()
        tensors = {
            "model.decoder.embed_tokens.weight": np.arange(60, dtype=np.float32).reshape(10, 6),
            "model.encoder.conv1.bias": np.arange(6, dtype=np.float32),
            "model.encoder.conv2.bias": np.arange(6, dtype=np.float32),
            "model.encoder.embed_positions.weight": np.zeros((4, 8), np.float32),
        }
        safetensors.numpy.save_file(tensors, folder / "model.safetensors")
        (folder / "config.json").write_text('{"d_model": 6}')
        pack(folder, Path(name, "archive"))
        whole = Path(name, "archive").read_bytes()
    payload = lzma.decompress(whole[HEAD.size :])
    sinusoidal = payload.replace(b'"kind":"int8_rows"', b'"kind":"sinusoids"')
    return [b"\x00" + whole, b"\x01" + payload, b"\x01" + sinusoidal]


def prepare(folder: Path) -> Callable[[bytes], None]:
    """Return what expands one archive."""
    path, out = folder / "archive", folder / "out"

    def read(data: bytes) -> None:
        path.write_bytes(_wrapped(data[1:]) if data[:1] and data[0] & 1 else data[1:])
        try:
            content_hash(path)
            expand(path, out)
        except EngineError as error:
            check_line(error)
        for found in folder.iterdir():
            assert found in (path, out), f"{found} was left behind"
        shutil.rmtree(out, ignore_errors=True)

    return read


def _wrapped(payload: bytes) -> bytes:
    """Return an archive with any payload whose hash is right."""
    head = HEAD.pack(MAGIC, VERSION, len(payload), hashlib.sha256(payload).digest())
    return head + lzma.compress(payload, lzma.FORMAT_XZ, lzma.CHECK_NONE, filters=LZMA_FILTERS)


TARGET: Final = Target(seeds, prepare)
