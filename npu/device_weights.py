"""The weights of a model as the device reads them: one block of bytes, prepared once and kept beside the model.

Linear layers are int8 with one scale an output, packed in the block order of the matrix kernels, or bf16 where the
calibration says so; convolutions and the token embedding are bf16; layer norms, biases and positions float32.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.layout import BF16_B, INT8_B, TILE_COLUMNS, pack
from amanuensis.kernels.operands import Buffer, Region
from amanuensis.npu.calibration import Choice, Precision, Progress, Window, calibrate
from amanuensis.npu.device_layers import UNEMBEDDING, all_groups, norm_names
from amanuensis.npu.devices.xrt.memory import Memory, aligned
from amanuensis.npu.devices.xrt.short_vocabulary import (
    CENTRE,
    EXTRA,
    N_EXTRAS,
    SHORT,
    ShortVocabulary,
    centre_and_radius,
)
from amanuensis.npu.model_error import ModelError
from amanuensis.npu.model_files import TOKEN_EMBEDDING, ModelFiles
from amanuensis.npu.prepared import discard, kept, prepare
from amanuensis.npu.quantise import quantise_rows
from amanuensis.npu.tokenizer import Tokenizer

VERSION: Final = 4  # raise it when the bytes change, so that older prepared weights are made again
FILE, MAP = "weights.bin", "weights.json"
CONVOLUTIONS = ("encoder.conv1", "encoder.conv2")
OUTPUT_MULTIPLE: Final = 8  # outputs of a product: the blocks of int8 weights are 8 wide

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Matrix:
    """The weights of one product.

    Attributes:
        precision: of values and activations.
        k, n: inputs and outputs.
        nrmse: its error on the calibration sound.
        values: int8 or bf16 [k, n] in blocks.
        scales: float32 [n], of int8.
        bias: float32 [n].
        smooth: float32 [k], multiplied onto the activations before they are quantised.

    """

    precision: Precision
    k: int
    n: int
    nrmse: float
    values: Region
    scales: Region | None
    bias: Region | None
    smooth: Region | None


@dataclass(frozen=True, slots=True)
class WeightMap:
    """Where everything lies in WEIGHTS.

    Attributes:
        n_bytes: of all weights.
        width: of the model.
        offsets: of each tensor, in bytes.
        products: precision, k, n and nrmse of each product by name.
        short: of a vocabulary with a shortlist: text, eot and size as `ShortVocabulary` has them, and the radius, the
            largest distance of a row that is left out, as the device multiplies by it, from their mean; else None.

    """

    n_bytes: int
    width: int
    offsets: Mapping[str, int]
    products: Mapping[str, Mapping[str, Any]]
    short: Mapping[str, Any] | None = None

    def at(self, name: str) -> Region:
        """Return where a tensor lies."""
        return Region(Buffer.WEIGHTS, self.offsets[name])

    @property
    def short_vocabulary(self) -> ShortVocabulary | None:
        """The ids of the shortlist, None where there is none."""
        if self.short is None:
            return None
        return ShortVocabulary(self.short["text"], self.short["eot"], self.short["size"])

    def matrix(self, name: str) -> Matrix:
        """Return the weights of a product."""
        scales, bias, smooth = (
            self.at(f"{name}.{part}") if f"{name}.{part}" in self.offsets else None
            for part in ("scales", "bias", "smooth")
        )
        values = self.at(f"{name}.values")
        return Matrix(**self.products[name], values=values, scales=scales, bias=bias, smooth=smooth)


@dataclass(frozen=True, slots=True)
class DeviceWeights:
    """Prepared weights.

    Attributes:
        map: where everything lies.
        data: uint8 [map.n_bytes].
        folder: where they are kept.

    """

    map: WeightMap
    data: NDArray[np.uint8]
    folder: Path


def device_weights(
    files: ModelFiles,
    precision: Precision,
    windows: Callable[[], Sequence[Window]],
    report: Progress = lambda _what, _share: None,
) -> DeviceWeights:
    """Return a model's weights for the device, preparing them when they are not there yet.

    Args:
        files: the model.
        precision: "int8", with bf16 for the layers that the calibration names; "bf16" everywhere.
        windows: gives the sound to calibrate on, where it is needed.
        report: is told the progress.

    Raises:
        ModelError: the model does not fit the device, or the weights cannot be kept anywhere.

    """
    Memory.plan(files.dimensions, len(files.generation.alignment_heads))
    _check_widths(files)
    for attempt in range(2):
        folder = prepare(
            files,
            *_key(precision),
            lambda path: _write(path, files, calibrate(files, windows(), precision, report), report),
        )
        try:
            return _open(folder)
        except (OSError, ValueError, KeyError, TypeError) as error:
            if attempt:
                raise ModelError(f"{folder}: the prepared weights cannot be read ({error}); report this") from error
            discard(folder)
    raise AssertionError


def kept_map(files: ModelFiles, precision: Precision) -> WeightMap | None:
    """Return where everything lies in weights that were prepared before; None where they were not, or are damaged."""
    folder = kept(files, *_key(precision))
    if folder is None:
        return None
    try:
        return WeightMap(**json.loads((folder / MAP).read_text(encoding="utf-8"))["map"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _key(precision: Precision) -> tuple[str, str]:
    return f"npu_{precision}", f"device weights {VERSION}"


def _check_widths(files: ModelFiles) -> None:
    for name in ("encoder_ffn", "decoder_ffn"):
        width = getattr(files.dimensions, name)
        if width % OUTPUT_MULTIPLE:
            raise ModelError(
                f"{files.folder}: {name}_dim is {width}; the NPU takes multiples of {OUTPUT_MULTIPLE}: use --device cpu"
            )


class _Writer:
    """Writes tensors one after another, each on a line of its own, and notes where."""

    def __init__(self, file: BinaryIO) -> None:
        self.offsets: dict[str, int] = {}
        self._file = file

    def add(self, name: str, array: NDArray[Any]) -> None:
        """Write a tensor."""
        self.offsets[name] = self._file.tell()
        self._file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        self._file.write(bytes(aligned(self._file.tell()) - self._file.tell()))

    def finish(self) -> int:
        """Return the number of bytes."""
        return self._file.tell()


def _write(folder: Path, files: ModelFiles, choices: Mapping[str, Choice], report: Progress) -> None:
    products: dict[str, dict[str, Any]] = {}
    short = None
    with (folder / FILE).open("wb") as file:
        writer = _Writer(file)
        for name in CONVOLUTIONS:
            weight = files.weights[f"{name}.weight"]  # [outputs, channels, taps]
            matrix = weight.transpose(0, 2, 1).reshape(len(weight), -1)
            choice = Choice("bf16", None, 0.0)
            products[name] = _write_product(writer, name, matrix, files.weights[f"{name}.bias"], choice)
        groups = all_groups(files.dimensions)
        for index, group in enumerate(groups):
            report("packing weights", index / len(groups))
            weight, bias = group.weight(files), group.bias(files)
            if group.name == UNEMBEDDING:
                weight = _pad(weight)
            products[group.name] = _write_product(writer, group.name, weight, bias, choices[group.name])
        vocabulary = ShortVocabulary.of(files.dimensions.vocabulary, Tokenizer(files.folder).eot)
        if vocabulary is not None:
            short = _write_shortlist(writer, products, files, vocabulary, choices[UNEMBEDDING])
        for name, array in _plain_tensors(files):
            writer.add(name, array)
        n_bytes = writer.finish()
    weights = WeightMap(n_bytes, files.dimensions.width, writer.offsets, products, short)
    with (folder / FILE).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    (folder / MAP).write_text(json.dumps({"sha256": digest, "map": asdict(weights)}), encoding="utf-8")


def _write_product(writer: _Writer, name: str, weight: Float32, bias: Float32 | None, choice: Choice) -> dict[str, Any]:
    """Write the matrix of a product, float32 [outputs, channels], as chosen; return what the map says of it."""
    n, k = weight.shape
    if choice.precision == "bf16":
        writer.add(f"{name}.values", pack(weight.T.astype(ml_dtypes.bfloat16), BF16_B))
    else:
        rows = quantise_rows(weight if choice.factors is None else weight * choice.factors)
        writer.add(f"{name}.values", pack(rows.values.T, INT8_B))
        writer.add(f"{name}.scales", rows.scales)
    if choice.factors is not None:
        writer.add(f"{name}.smooth", (1 / choice.factors).astype(np.float32))
    if bias is not None:
        writer.add(f"{name}.bias", bias)
    return {"precision": choice.precision, "k": k, "n": n, "nrmse": choice.nrmse}


def _pad(weight: Float32) -> Float32:
    """Return the rows of a vocabulary with rows of zeros that fill the last tile up."""
    return np.pad(weight, [(0, -len(weight) % TILE_COLUMNS), (0, 0)])


def _write_shortlist(
    writer: _Writer,
    products: dict[str, dict[str, Any]],
    files: ModelFiles,
    vocabulary: ShortVocabulary,
    choice: Choice,
) -> dict[str, Any]:
    """Write the columns of a shortlist once more, room for rare ones, and what bounds the rest; return what that is."""
    weight = next(group for group in all_groups(files.dimensions) if group.name == UNEMBEDDING).weight(files)
    room = np.zeros((N_EXTRAS, weight.shape[1]), np.float32)
    for name, rows in ((SHORT, _pad(vocabulary.static(weight))), (EXTRA, room)):
        products[name] = _write_product(writer, name, rows, None, choice)
    centre, radius = centre_and_radius(_multiplied(weight[vocabulary.text : vocabulary.eot], choice))
    writer.add(CENTRE, centre)
    return {**asdict(vocabulary), "radius": radius}


def _multiplied(weight: Float32, choice: Choice) -> Float32:
    """Return the weights by which the device multiplies in truth, float32 of the same shape."""
    if choice.precision == "bf16":
        return weight.astype(ml_dtypes.bfloat16).astype(np.float32)
    return quantise_rows(weight if choice.factors is None else weight * choice.factors).dequantised()


def _plain_tensors(files: ModelFiles) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield what is no matrix of a product."""
    weights, dimensions = files.weights, files.dimensions
    for name in norm_names(dimensions):
        yield f"{name}.gain", weights[f"{name}.weight"]
        yield f"{name}.bias", weights[f"{name}.bias"]
    positions = weights["encoder.embed_positions.weight"]
    longest = Memory.plan(dimensions, 0).buckets[-1]
    yield "encoder.positions", np.pad(positions, [(0, longest - len(positions)), (0, 0)])
    yield "decoder.positions", weights["decoder.embed_positions.weight"]
    yield "embedding", weights[TOKEN_EMBEDDING].astype(ml_dtypes.bfloat16)


def _open(folder: Path) -> DeviceWeights:
    """Read prepared weights; ValueError when they are not what was written."""
    stored = json.loads((folder / MAP).read_text(encoding="utf-8"))
    data = np.fromfile(folder / FILE, np.uint8)
    if hashlib.sha256(data.data).hexdigest() != stored["sha256"]:
        raise ValueError(f"{FILE} is damaged")
    return DeviceWeights(WeightMap(**stored["map"]), data, folder)
