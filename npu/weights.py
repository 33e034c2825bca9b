"""The tensors of a model folder, read one at a time from safetensors files, whole or in shards."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from amanuensis.npu.model_config import FETCH_AGAIN, read_json
from amanuensis.npu.model_error import ModelError

WHOLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
FLOATS = ("F32", "F16", "BF16")


class Weights:
    """Tensors by name, converted to float32 when asked for; the files stay mapped, not read."""

    def __init__(
        self, files: tuple[Path, ...], shapes: Mapping[str, tuple[int, ...]], owners: Mapping[str, tuple[Path, str]]
    ) -> None:
        self.files = files
        self.shapes = shapes
        self._owners = owners
        self._open: dict[Path, Any] = {}

    def __contains__(self, name: str) -> bool:
        return name in self.shapes

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        """Return a tensor as float32; ModelError when the folder has none of that name."""
        if name not in self._owners:
            raise ModelError(f"{self.files[0]}: tensor {name} is missing; {FETCH_AGAIN}")
        path, stored = self._owners[name]
        if path not in self._open:
            self._open[path] = safe_open(path, framework="np")
        return np.asarray(self._open[path].get_tensor(stored), np.float32)

    @classmethod
    def find(cls, folder: Path) -> Weights:
        """Return the weights of a folder; ModelError for missing, truncated or non-float files."""
        paths = _shards(folder)
        shapes: dict[str, tuple[int, ...]] = {}
        owners: dict[str, tuple[Path, str]] = {}  # file, name in the file
        for path in paths:
            for name, shape in _header(path).items():
                plain = name.removeprefix("model.")  # WhisperModel saves without the prefix of the generating class
                if plain in owners:
                    raise ModelError(f"{path}: tensor {name} stands in {owners[plain][0].name} too; {FETCH_AGAIN}")
                shapes[plain], owners[plain] = shape, (path, name)
        return cls(paths, shapes, owners)


def _shards(folder: Path) -> tuple[Path, ...]:
    if (folder / WHOLE).is_file():
        return (folder / WHOLE,)
    index = folder / INDEX
    if not index.is_file():
        raise ModelError(f"{folder / WHOLE}: missing, and no {INDEX} either; {FETCH_AGAIN}")
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise ModelError(f"{index}: weight_map is missing or empty; {FETCH_AGAIN}")
    shards = sorted({str(name) for name in names.values()})
    for shard in shards:
        if Path(shard).name != shard or not (folder / shard).is_file():
            raise ModelError(f"{folder / shard}: missing, though {INDEX} names it; {FETCH_AGAIN}")
    return tuple(folder / shard for shard in shards)


def _header(path: Path) -> dict[str, tuple[int, ...]]:
    try:
        with safe_open(path, framework="np") as tensors:
            slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118
            kinds = {name: part.get_dtype() for name, part in slices.items()}
            shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: not a whole safetensors file ({error}); {FETCH_AGAIN}") from None
    for name, kind in kinds.items():
        if kind not in FLOATS:
            raise ModelError(f"{path}: tensor {name} is {kind}, allowed are {', '.join(FLOATS)}; choose another model")
    return shapes
