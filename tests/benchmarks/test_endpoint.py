"""The trade between a short endpoint and whole sentences."""

from __future__ import annotations

import pytest

from amanuensis.benchmarks.endpoint import readable, trade, with_pauses
from amanuensis.benchmarks.timed_speech import timed_speech
from amanuensis.npu.engine.api import EngineConfig
from amanuensis.npu.loading import load_model
from amanuensis.npu.store import resolve
from amanuensis.npu.tokenizer import Tokenizer

SPEECH = timed_speech(9)


def test_a_pause_moves_what_comes_after_it() -> None:
    """Sound grows by the pauses, the words keep their order and lengths, and without a pause nothing changes."""
    paused = with_pauses(SPEECH, 0.5)
    grown_s = paused.seconds - SPEECH.seconds
    assert grown_s > 0
    assert 2 * grown_s == pytest.approx(round(2 * grown_s))
    assert paused.text == SPEECH.text
    assert paused.words[0] == SPEECH.words[0]
    assert (paused.words[-1].end_s or 0.0) == pytest.approx((SPEECH.words[-1].end_s or 0.0) + grown_s)
    assert with_pauses(SPEECH, 0.0).words == SPEECH.words


def test_an_endpoint_shorter_than_a_pause_cuts_the_sentence() -> None:
    """It makes more utterances and tells them sooner; so do the default rules, without more errors."""
    folder = resolve("builtin")
    model, tokenizer = load_model(EngineConfig(folder, threads=1)), Tokenizer(folder)
    paused = with_pauses(SPEECH, 0.5)
    rows = long, short, usual = [trade(model, tokenizer, paused, silence_ms) for silence_ms in (600.0, 300.0, None)]
    assert min(short["utterances"], usual["utterances"]) > long["utterances"]
    assert max(short["final_s"]["p50"], usual["final_s"]["p50"]) < long["final_s"]["p50"]
    assert usual["wer"] <= long["wer"]
    assert [len(readable([{"pause_s": 0.5, **each}])) for each in rows] == [2, 2, 2]
