"""Decoding windows: verification, beams, fallback, edges and limits, on a small random model in float32."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from amanuensis.benchmarks.random_model import RandomModel, make_random_model
from amanuensis.npu.decode import WindowDecoder, decode_window
from amanuensis.npu.devices.cpu import CpuModel
from amanuensis.npu.engine.api import EngineError
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import DecodeOptions, WindowJob, WindowResult

TEXT = st.integers(0, 279)  # text tokens of a random model
ROUNDING = 1e-4
LADDER = (0.0, 0.2, 0.4)


class Bench:
    """A model, its tokeniser and its decoder."""

    def __init__(self, folder: Path, model: RandomModel) -> None:
        make_random_model(folder, model)
        self.model = CpuModel(ModelFiles.load(folder), "float32", threads=1)
        self.tokenizer = Tokenizer(folder)
        self.decoder = WindowDecoder(self.model, self.tokenizer)

    def decode(self, job: WindowJob, **options: Any) -> WindowResult:
        """Decode a job with changed options."""
        return self.decoder.decode(replace(job, options=replace(job.options, **options)))


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """An English-only model whose hypotheses end now and then."""
    return Bench(tmp_path_factory.mktemp("english"), RandomModel(eot_bonus=0.37, seed=5))


@pytest.fixture(scope="module")
def multilingual(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A multilingual model."""
    return Bench(tmp_path_factory.mktemp("multilingual"), RandomModel(multilingual=True, layers=1))


def sound(seed: int, frames: int = 300) -> NDArray[np.float32]:
    """Return random features, float32 [80, frames]."""
    return np.random.default_rng(seed).standard_normal((80, frames)).astype(np.float32)


def job(seed: int = 0, frames: int = 300, **fields: Any) -> WindowJob:
    """Return a job of at most 30 tokens."""
    return WindowJob(sound(seed, frames), options=DecodeOptions(max_tokens=30), **fields)


def assert_same(result: WindowResult, expected: WindowResult) -> None:
    """Assert that two results say the same, up to rounding."""
    assert result.tokens == expected.tokens
    assert result.frames == expected.frames
    assert result.complete == expected.complete
    np.testing.assert_allclose(result.logprobs, expected.logprobs, atol=ROUNDING)
    assert result.avg_logprob == pytest.approx(expected.avg_logprob, abs=ROUNDING)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 5),
    prompt=st.lists(TEXT, max_size=5),
    forced=st.lists(TEXT, max_size=4),
    kept=st.integers(0, 30),
    tail=st.lists(TEXT, max_size=6),
    edge=st.sampled_from([None, 20, 60]),
)
def test_draft_changes_nothing_but_the_cost(
    english: Bench, seed: int, prompt: list[int], forced: list[int], kept: int, tail: list[int], edge: int | None
) -> None:
    """Whatever the draft, right to some point or wrong at once, the result is that of plain greedy decoding."""
    plain = job(seed, prompt=tuple(prompt), forced=tuple(forced), edge_frames=edge)
    expected = english.decode(plain)
    draft = (*expected.tokens[:kept], *tail)
    result = english.decode(replace(plain, draft=draft))
    assert_same(result, expected)
    agreed = next((k for k, pair in enumerate(zip(draft, expected.tokens, strict=False)) if pair[0] != pair[1]), None)
    assert result.accepted == (min(len(draft), len(expected.tokens)) if agreed is None else agreed)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 5), kept=st.integers(0, 20), tail=st.lists(TEXT, max_size=6))
def test_cache_after_verification_is_that_of_the_new_encoding(
    english: Bench, seed: int, kept: int, tail: list[int]
) -> None:
    """After an older window was decoded, verification on a new one leaves the rows that a fresh forward writes."""
    older = english.decode(job(seed + 10))
    new = job(seed, draft=(*older.tokens[:kept], *tail))
    result = english.decode(new)
    prefix = english.tokenizer.sot_sequence("en", "transcribe", timestamps=False)
    length = len(prefix) + len(result.tokens)
    left = {name: rows.copy() for name, rows in english.model.caches.rows(length).items()}
    english.model.caches.wipe()
    decoder = english.model.decoder(english.model.encode(new.features))
    decoder.forward((*prefix, *result.tokens), [])
    for name, rows in english.model.caches.rows(length).items():
        np.testing.assert_allclose(left[name], rows, atol=ROUNDING)


def test_result_depends_on_the_job_alone(english: Bench) -> None:
    """The same job gives the same answer after other jobs, and from another decoder."""
    first = english.decode(job(1))
    english.decode(job(2, draft=(1, 2, 3)), beam_size=3)
    assert_same(english.decode(job(1)), first)
    assert_same(decode_window(english.model, english.tokenizer, job(1)), first)


def test_forced_tokens_are_not_answered_again(english: Bench) -> None:
    """Forcing the first half of a hypothesis gives its second half, and frames not before the first half's."""
    whole = english.decode(job(3))
    half = len(whole.tokens) // 2
    assert half >= 2
    rest = english.decode(job(3, forced=whole.tokens[:half]))
    assert rest.tokens == whole.tokens[half:]
    assert rest.frames == whole.frames[half:]


def test_known_tokens_are_timed_as_heard_ones(english: Bench) -> None:
    """A text that is given has the times that it has when it is decoded."""
    said = english.decode(job(3)).tokens
    heard = english.decode(job(3, draft=said))
    assert heard.accepted == len(said)
    times = english.decoder.align(job(3, draft=said))
    assert (times.frames, times.starts_ms, times.ends_ms) == (heard.frames, heard.starts_ms, heard.ends_ms)


def test_results_are_well_formed(english: Bench) -> None:
    """Frames do not decrease and lie in the window, log-probabilities are negative, devices are named."""
    for seed in range(6):
        result = english.decode(job(seed, frames=251))
        assert list(result.frames) == sorted(result.frames)
        assert len(result.frames) == len(result.logprobs) == len(result.tokens)
        times = [at for span in zip(result.starts_ms, result.ends_ms, strict=True) for at in span]
        assert times == sorted(times)
        assert len(times) == 2 * len(result.tokens)
        assert all(0 <= frame < 126 for frame in result.frames)
        assert all(value <= 0 for value in result.logprobs)
        assert 0 <= result.no_speech_prob <= 1
        assert (result.encoder, result.decoder, result.language) == ("cpu", "cpu", "en")


def test_some_hypotheses_end_and_some_do_not(english: Bench) -> None:
    """`complete` tells the end of the text from the limit; the tests above would be idle without both."""
    assert {english.decode(job(seed), max_tokens=6).complete for seed in range(12)} == {True, False}


@pytest.mark.parametrize("frames", [1, 2, 7, 3000])
def test_windows_of_any_length_decode(english: Bench, frames: int) -> None:
    """From one feature frame to 30 s."""
    result = english.decode(job(0, frames), max_tokens=5)
    assert all(frame <= (frames - 1) // 2 for frame in result.frames)


def test_tokens_are_bounded_by_the_sound(english: Bench) -> None:
    """A short window cannot hold more tokens than anybody can say in it."""
    for seed in range(6):
        assert len(english.decode(job(seed, frames=8), max_tokens=200).tokens) <= 10


def test_edge_stops_before_the_first_late_token(english: Bench) -> None:
    """With the whole window as edge nothing but the end may come; a smaller edge keeps a prefix."""
    whole = english.decode(job(4))
    assert english.decode(job(4, edge_frames=150)).tokens == ()
    part = english.decode(job(4, edge_frames=40))
    assert part.tokens == whole.tokens[: len(part.tokens)]


def test_wider_beams_find_no_worse_mean(english: Bench) -> None:
    """On the whole, beam search finds hypotheses with a higher mean log-probability than greedy decoding."""
    greedy = [english.decode(job(seed)).avg_logprob for seed in range(6)]
    beams = [english.decode(job(seed), beam_size=5).avg_logprob for seed in range(6)]
    assert sum(beams) > sum(greedy)


def test_beam_replay_explains_the_score(english: Bench) -> None:
    """The log-probabilities of the winner, replayed in one forward, add up to its score."""
    for seed in range(6):
        result = english.decode(job(seed), beam_size=3)
        assert result.accepted == 0
        end = result.avg_logprob * (len(result.tokens) + 1) - sum(result.logprobs)
        assert end <= ROUNDING if result.complete else end == pytest.approx(0, abs=ROUNDING)


def test_forced_tokens_may_use_up_the_limit(english: Bench) -> None:
    """With all tokens forced nothing is sampled, by no kind of decoding."""
    for options in ({}, {"beam_size": 3}, {"temperatures": (0.5,)}):
        assert english.decode(job(1, forced=(1,) * 30), **options).tokens == ()


def test_beams_give_way_to_an_edge(english: Bench) -> None:
    """At an AlignAtt edge decoding is greedy, whatever the beams."""
    assert_same(english.decode(job(4, edge_frames=40), beam_size=5), english.decode(job(4, edge_frames=40)))


def test_ladder_is_climbed_while_the_gates_fail(english: Bench) -> None:
    """Unsure hypotheses are sampled at each temperature in turn; when none passes the surest one counts."""
    for seed in range(6):
        alone = [english.decode(job(seed), temperatures=(temperature,)) for temperature in LADDER]
        assert all(result.avg_logprob < -1 for result in alone)
        plain = [result for result in alone if result.compression_ratio <= 2.4] or alone
        surest = max(plain, key=lambda result: result.avg_logprob)
        result = english.decode(job(seed), temperatures=LADDER)
        assert_same(result, surest)
        assert result.temperature == surest.temperature


def test_ladder_ends_with_the_first_that_passes(english: Bench) -> None:
    """A hypothesis that passes the gates is not sampled again."""
    word = ("light",)
    result = english.decode(job(1), temperatures=LADDER, hotwords=word, hotword_bonus=50.0, max_tokens=3)
    assert result.avg_logprob > -1
    assert result.temperature == LADDER[0]


def test_sampling_repeats_with_its_seed(english: Bench) -> None:
    """The same seed gives the same tokens, another seed gives others."""
    first, again, other = (english.decode(replace(job(1), seed=seed), temperatures=(0.8,)) for seed in (1, 1, 2))
    assert_same(again, first)
    assert other.tokens != first.tokens


def test_timestamps_frame_the_text(english: Bench) -> None:
    """With timestamps the first token is one within the first second, and they do not decrease."""
    result = english.decode(job(2), timestamps=True)
    begin = english.tokenizer.timestamp_begin
    assert begin <= result.tokens[0] <= begin + 50
    stamps = [token for token in result.tokens if token >= begin]
    assert stamps == sorted(stamps)
    assert not any(token >= begin for token in english.decode(job(2)).tokens)


def test_hotwords_pull_their_tokens(english: Bench) -> None:
    """A great bonus makes the hotword come; without hotwords it does not."""
    word = english.tokenizer.encode(" light")
    result = english.decode(job(1), hotwords=("light",), hotword_bonus=50.0)
    assert word[0] in result.tokens
    assert word[0] not in english.decode(job(1)).tokens


def test_language_is_detected_or_taken(multilingual: Bench) -> None:
    """Without a language the likeliest of the model's is found; with one it is obeyed."""
    found = multilingual.decode(job(1)).language
    assert found in multilingual.tokenizer.language_tokens
    assert multilingual.decode(job(1), language="de").language == "de"
    assert_same(multilingual.decode(job(1), language=found), multilingual.decode(job(1)))


def test_translation_needs_a_multilingual_model(english: Bench, multilingual: Bench) -> None:
    """An English-only model refuses to translate, by name."""
    assert multilingual.decode(job(1), task="translate", language="de").language == "de"
    with pytest.raises(EngineError, match=r"translate.*English-only"):
        english.decode(job(1), task="translate")


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "mels": ({"features": np.zeros((40, 100), np.float32)}, r"features have shape \[40, 100\], the model takes \[80"),
    "too long": ({"features": np.zeros((80, 3001), np.float32)}, r"\[80, 3001\]"),
    "empty": ({"features": np.zeros((80, 0), np.float32)}, r"\[80, 0\]"),
    "flat": ({"features": np.zeros(80, np.float32)}, r"\[80\]"),
    "NaN": ({"features": np.full((80, 10), np.nan, np.float32)}, "NaN or infinity"),
    "prompt": ({"prompt": (1,) * 33}, "prompt has 33 tokens, at most 32"),
    "token": ({"draft": (99_999,)}, "draft has token 99999, the vocabulary ends at"),
    "negative": ({"forced": (-1,)}, "forced has token -1"),
    "full": ({"forced": (1,) * 447}, "fill all 448 positions"),
    "beams": ({"options": DecodeOptions(beam_size=99)}, "beam_size is 99, allowed is 1 to 16"),
    "hotwords": ({"options": DecodeOptions(hotwords=("a",) * 101)}, "hotwords are 101 words, at most 100"),
    "temperatures": ({"options": DecodeOptions(temperatures=())}, "at least one"),
    "language": ({"options": DecodeOptions(language="xx")}, "language 'xx'"),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_wrong_job_is_refused_with_its_reason(english: Bench, name: str) -> None:
    """Each mistake of a job is named in one line, and the next job is not hurt."""
    fields, message = WRONG[name]
    with pytest.raises(EngineError, match=message):
        english.decode(replace(job(0), **fields))
    assert english.decode(job(0)).tokens
