"""Decoding writes a token into what is there: NumPy makes no array for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanuensis.benchmarks.guard.array_tally import ArrayTally
from amanuensis.benchmarks.sound import conversation
from amanuensis.npu.beam import offers
from amanuensis.npu.decode import WindowDecoder
from amanuensis.npu.devices.cpu import CpuModel
from amanuensis.npu.greedy import BEST, sampling
from amanuensis.npu.log_mel import log_mel_spectrogram
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.row_choice import best
from amanuensis.npu.rules import Ask
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import DecodeOptions, WindowJob
from amanuensis.npu.window_pass import WindowPass

TOKENS = 12
SAMPLES = 48_000  # 3 s


@pytest.fixture(scope="module")
def decoder(builtin_model: Path) -> WindowDecoder:
    """Return a decoder of the built-in model."""
    return WindowDecoder(CpuModel(ModelFiles.load(builtin_model), "float32", threads=1), Tokenizer(builtin_model))


def begun(decoder: WindowDecoder, job: WindowJob, ask: Ask) -> tuple[WindowPass, int]:
    """Return the pass of a window after its prefix, and the first token."""
    encoding = decoder._model.encode(job.features)
    window = decoder._window(job, decoder._model.decoder(encoding), encoding.n_frames, "en")
    _, (scores,) = window.prefill((), ask)
    return window, best(scores).token


@pytest.mark.parametrize(
    "options",
    [DecodeOptions(), DecodeOptions(timestamps=True), DecodeOptions(hotwords=("morning", "nine"))],
    ids=["text", "timestamps", "hotwords"],
)
@pytest.mark.parametrize("ask", [BEST, offers(5), sampling(0.4, 1)], ids=["best", "five", "drawn"])
@pytest.mark.parametrize("edge_frames", [None, 5])
def test_a_token_makes_no_array(
    decoder: WindowDecoder, options: DecodeOptions, ask: Ask, edge_frames: int | None
) -> None:
    """Only the buffers of the attention's peaks are made, once in a window whose edge is watched."""
    job = WindowJob(log_mel_spectrogram(conversation()[:SAMPLES]), edge_frames=edge_frames, options=options)
    window, token = begun(decoder, job, ask)
    tokens: list[int] = []
    with ArrayTally() as tally:
        window.at_edge(0)
        once = tally.arrays
        for _ in range(TOKENS):
            tokens.append(token)
            (scores,) = window.extend([token], [window.rules.row(tokens, ask)])
            token = best(scores).token
            window.at_edge(len(tokens))
    assert len(set(tokens)) > 1
    assert tally.arrays == once
    assert (once > 0) == (edge_frames is not None)
