"""Model folders: one file of a whole folder replaced by any bytes. The first byte says which."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

from amanuensis.benchmarks.random_model import make_random_model
from amanuensis.npu.engine.api import EngineError
from amanuensis.npu.model_files import ModelFiles, expected_shapes
from amanuensis.npu.rules import make_selection
from amanuensis.npu.tokenizer import Tokenizer
from tests.fuzz.target import Target, check_line

FILES: Final = (
    *("config.json", "generation_config.json", "amanuensis.json", "tokenizer.json"),
    *("model.safetensors", "model.safetensors.index.json", "vocab.json"),
)
CUT_BYTES: Final = 8192  # of a seed: of the large files the beginning is what matters


@cache
def whole_folder() -> Path:
    """Return a folder of a small model with random weights."""
    return make_random_model(Path(tempfile.mkdtemp(prefix="fuzz-model-")) / "model")


def seeds() -> list[bytes]:
    """Return the beginnings of the files of a whole folder."""
    folder = whole_folder()
    found = [(k, folder / name) for k, name in enumerate(FILES) if (folder / name).exists()]
    extra = [bytes([2]) + b'{"name": "m", "audio_context": "free", "window_s": 12.5}']
    extra += [bytes([5]) + b'{"weight_map": {"model.encoder.conv1.weight": "model.safetensors"}}']
    return [
        *(bytes([k]) + path.read_bytes()[:CUT_BYTES] for k, path in found),
        *extra,
    ]


def prepare(folder: Path) -> Callable[[bytes], None]:
    """Return what loads a folder with one file replaced."""
    model = folder / "model"
    shutil.copytree(whole_folder(), model)

    def read(data: bytes) -> None:
        path = model / FILES[(data[0] if data else 0) % len(FILES)]
        before = path.read_bytes() if path.exists() else None
        path.write_bytes(_replaced(before, data[1:]))
        try:
            load_model(model)
        except EngineError as error:
            check_line(error)
        finally:
            path.unlink() if before is None else path.write_bytes(before)

    return read


def _replaced(before: bytes | None, head: bytes) -> bytes:
    """Return other content; beyond what an input can hold the large files go on as they were."""
    return head + before[CUT_BYTES:] if before is not None and len(head) >= CUT_BYTES else head


def load_model(model: Path) -> None:
    """Do what opening a model does before its graphs are built."""
    files = ModelFiles.load(model)
    tokenizer = Tokenizer(model)
    make_selection(files.generation, tokenizer, files.dimensions.vocabulary)
    for name, shape in expected_shapes(files.dimensions):
        assert files.weights[name].shape == shape
    tokenizer.split_words(tokenizer.encode(" one two"))


TARGET: Final = Target(seeds, prepare, max_bytes=CUT_BYTES + 1)
