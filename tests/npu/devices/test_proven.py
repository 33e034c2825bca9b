"""Proof that a device computed, and a model whose parts run on two devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from amanuensis.benchmarks.random_model import make_random_model
from amanuensis.npu.devices.cpu import CpuModel
from amanuensis.npu.devices.hybrid import HybridModel
from amanuensis.npu.devices.proven import CpuRunner, ProvenRunner
from amanuensis.npu.devices.xrt.errors import WrongAnswerError
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import NO_WORK, DecodeOptions, DeviceWork, WindowJob

JOB = WindowJob(
    np.random.default_rng(2).standard_normal((80, 120)).astype(np.float32), options=DecodeOptions(max_tokens=4)
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    """A small model of random weights."""
    return ModelFiles.load(make_random_model(tmp_path_factory.mktemp("models") / "random"))


class Counting(CpuModel):
    """The CPU back end under another name, which counts dispatches as a device would."""

    def __init__(self, files: ModelFiles, encoder: str, decoder: str, each: tuple[int, int]) -> None:
        super().__init__(files, "float32", 1)
        self.encoder_device, self.decoder_device = encoder, decoder  # type: ignore[assignment]
        self.work = NO_WORK
        self._each = each  # dispatches of an encode, of a decoder

    def _did(self, dispatches: int) -> None:
        self.work += DeviceWork(dispatches, 64 * dispatches, 32 * dispatches, 2.0 * dispatches, "measured")

    def encode(self, features: NDArray[np.float32]) -> Any:
        self._did(self._each[0])
        return super().encode(features)

    def decoder(self, encoding: Any) -> Any:
        self._did(self._each[1])
        return super().decoder(encoding)


@pytest.fixture
def runner(files: ModelFiles) -> Callable[..., ProvenRunner]:
    """Return a maker of runners on devices of given names that make so many dispatches."""

    def make(encoder: str, decoder: str, each: tuple[int, int]) -> ProvenRunner:
        backend = Counting(files, encoder, decoder, each)
        return ProvenRunner(backend, Tokenizer(files.folder), lambda: backend.work, lambda: None, lambda: None)

    return make


def test_work_is_told_by_part(runner: Callable[..., ProvenRunner]) -> None:
    """Each window tells its own dispatches, those of encoding apart from those of decoding."""
    made = runner("npu", "npu", (3, 5))
    for _ in range(2):
        result = made.decode(JOB)
        assert result.encode_work == DeviceWork(3, 192, 96, 6.0, "measured")
        assert result.decode_work == DeviceWork(5, 320, 160, 10.0, "measured")
        assert result.work == DeviceWork(8, 512, 256, 16.0, "measured")


@pytest.mark.parametrize(("each", "part"), [((0, 5), "encoder"), ((3, 0), "decoder"), ((0, 0), "encoder")])
def test_a_claim_without_dispatches_is_refused(
    runner: Callable[..., ProvenRunner], each: tuple[int, int], part: str
) -> None:
    """A part that says npu and was given nothing is an error, whatever it answered."""
    with pytest.raises(WrongAnswerError, match=f"the {part} made no dispatch on npu"):
        runner("npu", "npu", each).decode(JOB)


@pytest.mark.parametrize(
    ("encoder", "decoder", "encode", "decode"), [("npu", "cpu", 3, 0), ("cpu", "npu", 0, 8), ("cpu", "cpu", 0, 0)]
)
def test_work_belongs_to_the_part_on_the_device(
    runner: Callable[..., ProvenRunner], encoder: str, decoder: str, encode: int, decode: int
) -> None:
    """With one part on the CPU, cross-attention that a device computes while encoding counts for its decoder."""
    each = (3, 0 if decoder == "cpu" else 5)
    result = runner(encoder, decoder, each).decode(JOB)
    assert (result.encode_work.dispatches, result.decode_work.dispatches) == (encode, decode)


def test_states_of_one_are_decoded_by_the_other(files: ModelFiles) -> None:
    """Two back ends of one model give the text of either, and name their devices."""
    first, second = CpuModel(files, "float32", 1), CpuModel(files, "float32", 1)
    first.encoder_device = "npu"  # type: ignore[assignment]
    tokenizer = Tokenizer(files.folder)
    joined = CpuRunner(HybridModel(first, second), tokenizer).decode(JOB)
    alone = CpuRunner(second, tokenizer).decode(JOB)
    assert (joined.encoder, joined.decoder) == ("npu", "cpu")
    assert joined.tokens == alone.tokens
    np.testing.assert_allclose(joined.logprobs, alone.logprobs, atol=1e-5)


@pytest.mark.parametrize(
    ("before", "after", "timing"),
    [(NO_WORK, NO_WORK, "none"), (NO_WORK, DeviceWork(1, 2, 3, 4.0, "modelled"), "modelled")],
)
def test_difference_of_counts(before: DeviceWork, after: DeviceWork, timing: str) -> None:
    """What was done between two readings is their difference; without dispatches its time has no name."""
    assert after.since(before).timing == timing
    assert before + after.since(before) == after
    assert after.since(after) == NO_WORK
