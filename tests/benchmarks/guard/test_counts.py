"""Counts of work: the same in every run, and more where more is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from amanuensis.benchmarks.guard.accepted import Figures
from amanuensis.benchmarks.guard.counts import MEANINGS, Counted, take_counts
from amanuensis.benchmarks.guard.verdict import compare_counts
from amanuensis.npu import log_mel
from amanuensis.npu.alignment import AttentionRows
from amanuensis.npu.devices.api import DecoderOutput
from amanuensis.npu.devices.cpu import CpuDecoder, CpuModel
from amanuensis.npu.engine.slots import FeatureSlots
from amanuensis.npu.row_rules import Row
from amanuensis.stream import transcriber
from amanuensis.stream.words import TimedWord

SECONDS = 4.0  # two utterances
Float32 = NDArray[np.float32]
Injection = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(scope="module")
def clean(builtin_model: Path) -> Counted:
    """The counts of the program as it is, without the simulated NPU."""
    return take_counts(builtin_model, SECONDS, simulated_s=0)


def test_counts_are_the_same_again(clean: Counted, builtin_model: Path) -> None:
    """Another run counts the same to the last call, array and byte, and none of the counts is missing."""
    assert take_counts(builtin_model, SECONDS, simulated_s=0) == clean
    assert set(clean.counts) == {name for name in MEANINGS if not name.startswith("sim_")}
    assert clean.text.startswith(" Good morning")
    assert clean.counts["arrays_per_encode"] == 0


def copied_to_the_engine(patch: pytest.MonkeyPatch) -> None:
    """One more copy of the features on their way to the engine process."""

    def write(self: FeatureSlots, slot: int, features: Float32) -> None:
        self.view(slot, features.shape)[:] = features.copy()

    patch.setattr(FeatureSlots.write, "__code__", write.__code__)


def copied_for_the_encoder(patch: pytest.MonkeyPatch) -> None:
    """One more copy of the features before the encoder."""
    encoder_states = CpuModel.encoder_states
    patch.setattr(CpuModel, "encoder_states", lambda self, features: encoder_states(self, features.copy()))


def copied_for_a_token(patch: pytest.MonkeyPatch) -> None:
    """One more copy of the attention of each token."""
    append = AttentionRows.append
    patch.setattr(AttentionRows, "append", lambda self, attention: append(self, attention.copy()))


def attention_kept_twice(patch: pytest.MonkeyPatch) -> None:
    """The attention of each token is written twice, into memory that is there."""
    append = AttentionRows.append

    def twice(self: AttentionRows, attention: Float32) -> None:
        append(self, attention)
        self.truncate(self._length - attention.shape[1])
        append(self, attention)

    patch.setattr(AttentionRows, "append", twice)


def two_log_mels(patch: pytest.MonkeyPatch) -> None:
    """Every log-mel frame is computed twice."""
    once = log_mel.log10_mel
    patch.setattr(log_mel, "log10_mel", lambda padded, n_mels: (once(padded, n_mels), once(padded, n_mels))[1])


def two_forwards(patch: pytest.MonkeyPatch) -> None:
    """The decoder reads prompt and draft twice."""
    once = CpuDecoder.forward

    def forward(self: CpuDecoder, tokens: Sequence[int], rows: Sequence[Row]) -> DecoderOutput:
        once(self, tokens, rows)
        self.truncate(self.length - len(tokens))
        return once(self, tokens, rows)

    patch.setattr(CpuDecoder, "forward", forward)


def calls_in_a_loop(patch: pytest.MonkeyPatch) -> None:
    """Agreement is looked for fifty times in a loop."""
    once = transcriber.agreed_words

    def agreed_words(previous: Sequence[TimedWord], current: Sequence[TimedWord]) -> int:
        return max(once(previous, current) for _ in range(50))

    patch.setattr(transcriber, "agreed_words", agreed_words)


@pytest.mark.parametrize(
    ("inject", "caught_by"),
    [
        (copied_to_the_engine, {"arrays_per_crossing", "array_bytes_per_crossing"}),
        (copied_for_the_encoder, {"arrays_per_encode", "array_bytes_per_encode"}),
        (copied_for_a_token, {"arrays_per_token", "array_bytes_per_token"}),
        (attention_kept_twice, {"attention_bytes_per_tick"}),
        (two_log_mels, {"mel_frames_per_s", "array_bytes_per_window"}),
        (two_forwards, {"launches_per_tick", "decoder_tokens_per_s", "c_calls_per_decode"}),
        (calls_in_a_loop, {"python_calls_per_events"}),
    ],
)
def test_more_work_is_caught(
    clean: Counted, builtin_model: Path, monkeypatch: pytest.MonkeyPatch, inject: Injection, caught_by: set[str]
) -> None:
    """A copy, a second computation or a loop that was not there before is judged worse; the text is the same."""
    inject(monkeypatch)
    found = take_counts(builtin_model, SECONDS, simulated_s=0)
    assert found.text == clean.text
    lines = compare_counts(figures(clean), figures(found))
    assert caught_by <= {line.name for line in lines if line.outcome == "worse"}


def figures(counted: Counted) -> Figures:
    """Return the counts as figures, those of the simulated NPU left at 0."""
    simulated: dict[str, Any] = {name: 0 for name in MEANINGS if name.startswith("sim_")}
    return Figures.taken_here(counted.text, counted.counts | simulated, {})


@pytest.mark.long
def test_the_simulated_device_is_counted(builtin_model: Path) -> None:
    """Dispatches and bytes over the bus are there, and the same in another run."""
    runs = [take_counts(builtin_model, SECONDS, simulated_s=SECONDS) for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0].counts["sim_dispatches_per_tick"] > 1
    assert runs[0].counts["sim_bytes_to_device_per_tick"] > 1000
