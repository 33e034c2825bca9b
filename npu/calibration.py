"""What int8 costs each linear layer on real activations, and how to lower it: smoothing, or bf16 where that fails.

Smoothing moves the range of outlier channels from activations into weights: activations are divided by a factor a
channel, the columns of the weights multiplied by it (SmoothQuant, arXiv 2211.10438: factor = max|x| ** strength /
max|w| ** (1 - strength)). Each strength is tried on rows of a calibration run and the best one kept; strength 0
leaves everything as it is, which is exact for weights that were quantised by row before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.device_layers import all_groups
from amanuensis.npu.float_model import FloatModel
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.quantise import FULL_RANGE, quantise_rows

Float32 = NDArray[np.float32]
Precision = Literal["int8", "bf16"]
Progress = Callable[[str, float], None]  # what is being done, share done in [0, 1]

STRENGTHS = (0.0, 0.25, 0.5, 0.75)
SAMPLED_ROWS = 192  # of each activation and window: enough for an error, little to hold
MIN_GAIN = 0.9  # smoothing must lower the error to this share, for it costs the exactness of the weights
MAX_INT8_NRMSE = 0.02  # a product that is worse in int8 stays in bf16,
OUTSTANDING = 1.3  # and so does one that is so many times worse than the median of all
TINY = np.float32(1e-5)


@dataclass(frozen=True, slots=True)
class Window:
    """Sound to calibrate on: log-mel features float32 [n_mels, n], and the tokens that the decoder is shown."""

    features: Float32
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """How a product is computed.

    Attributes:
        precision: of weights and activations.
        factors: float32 [channels], smoothing; None: none.
        nrmse: its error on the calibration rows, in that precision.

    """

    precision: Precision
    factors: Float32 | None
    nrmse: float


class Sampler:
    """Keeps some rows of every activation and the largest magnitude of each channel of all rows."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Float32]] = {}
        self.largest: dict[str, Float32] = {}

    def __call__(self, name: str, rows: Float32) -> None:
        """Take note of an activation, float32 [n, channels]."""
        step = -(-len(rows) // SAMPLED_ROWS)
        self.rows.setdefault(name, []).append(rows[::step].copy())
        largest = np.abs(rows).max(axis=0)
        self.largest[name] = np.maximum(self.largest.get(name, largest), largest)


def calibrate(
    files: ModelFiles, windows: Sequence[Window], precision: Precision, report: Progress
) -> dict[str, Choice]:
    """Choose for every product of linear layers, by its name.

    Args:
        files: the model.
        windows: what to run it on; without any there is no smoothing and no bf16 layer.
        precision: "bf16" takes that everywhere; nothing is run then.
        report: is told the progress.

    """
    groups = all_groups(files.dimensions)
    if precision == "bf16" or not windows:
        return {group.name: Choice(precision, None, 0.0) for group in groups}
    sampler = Sampler()
    model = FloatModel(files, sampler)
    for index, window in enumerate(windows):
        report("running the calibration sound", index / len(windows))
        model.decode(model.encode(window.features), window.tokens)
    choices: dict[str, Choice] = {}
    for index, group in enumerate(groups):
        report("choosing the precision of layers", index / len(groups))
        rows = np.concatenate(sampler.rows[group.source])
        choices[group.name] = best_int8(rows, sampler.largest[group.source], group.weight(files))
    limit = min(MAX_INT8_NRMSE, OUTSTANDING * float(np.median([choice.nrmse for choice in choices.values()])))
    for group in groups:
        if choices[group.name].nrmse > limit:
            choices[group.name] = in_bf16(np.concatenate(sampler.rows[group.source]), group.weight(files))
    return choices


def best_int8(rows: Float32, largest: Float32, weight: Float32) -> Choice:
    """Choose the smoothing of a product in int8.

    Args:
        rows: float32 [n, channels], activations.
        largest: float32 [channels], the largest magnitude of each channel.
        weight: float32 [outputs, channels].

    """
    exact = rows @ weight.T
    plain = nrmse(int8_product(rows, weight), exact)
    best = Choice("int8", None, plain)
    for strength in STRENGTHS[1:]:
        factors = smoothing_factors(largest, np.abs(weight).max(axis=0), strength)
        error = nrmse(int8_product(rows / factors, weight * factors), exact)
        if error < min(best.nrmse, MIN_GAIN * plain):
            best = Choice("int8", factors, error)
    return best


def in_bf16(rows: Float32, weight: Float32) -> Choice:
    """Return the choice of bf16 with its error; arguments as for `best_int8`."""
    return Choice("bf16", None, nrmse(bf16_round(rows) @ bf16_round(weight).T, rows @ weight.T))


def smoothing_factors(activations: Float32, weights: Float32, strength: float) -> Float32:
    """Return the factor of each channel from the largest magnitudes of activations and weights, float32 [channels]."""
    factors = np.maximum(activations, TINY) ** strength / np.maximum(weights, TINY) ** (1 - strength)
    return np.asarray(factors / np.exp(np.log(factors).mean()), np.float32)


def int8_product(rows: Float32, weight: Float32) -> Float32:
    """Return `rows @ weight.T` as the device computes it: both int8, one scale a row of each, bf16 activations."""
    activations = quantise_rows(bf16_round(rows), FULL_RANGE)
    columns = quantise_rows(weight, FULL_RANGE)
    product = activations.values.astype(np.float32) @ columns.values.astype(np.float32).T
    return product * activations.scales[:, None] * columns.scales


def bf16_round(values: Float32) -> Float32:
    """Return values rounded to bfloat16, as float32."""
    return values.astype(ml_dtypes.bfloat16).astype(np.float32)


def nrmse(values: Float32, exact: Float32) -> float:
    """Return the root of the mean squared error over that of the mean square of what is exact."""
    power = float(np.square(exact, dtype=np.float64).mean())
    error = float(np.square(values - exact, dtype=np.float64).mean())
    return float(np.sqrt(error / power)) if power > 0 else float(np.sqrt(error))


def cosine(values: Float32, exact: Float32) -> float:
    """Return the cosine between two arrays, taken as vectors; 1 when both are zero."""
    left, right = values.astype(np.float64).ravel(), exact.astype(np.float64).ravel()
    norms = float(np.linalg.norm(left) * np.linalg.norm(right))
    return float(left @ right) / norms if norms > 0 else 1.0
