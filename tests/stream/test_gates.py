"""What of a hypothesis is not believed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.stream.gates import GateConfig, Verdict, anomaly, judge, loop_start, token_budget, uncovered_from
from tests.helpers.words import result, word, words

GATES = GateConfig()
SECOND = 16_000


def test_good_words_are_kept() -> None:
    """A likely hypothesis over speech is believed."""
    judgement = judge(result(), words("turn on the light"), 1.5, GATES)
    assert judgement.verdict is Verdict.KEEP
    assert judgement.n_words == 4


def test_nothing_is_kept_as_nothing() -> None:
    """An empty hypothesis is no failure."""
    assert judge(result(), [], 0.0, GATES).verdict is Verdict.KEEP


def test_silence_needs_both_signs() -> None:
    """A window is silent when no speech is likely and the text is unlikely; one of them is not enough."""
    found = words("thank you")
    silent = judge(result(no_speech_prob=0.9, avg_logprob=-1.5), found, 1.0, GATES)
    assert (silent.verdict, silent.n_words) == (Verdict.SILENT, 0)
    assert judge(result(no_speech_prob=0.9), found, 1.0, GATES).verdict is Verdict.KEEP
    assert judge(result(avg_logprob=-1.5), found, 1.0, GATES).verdict is Verdict.DOUBT


def test_real_thanks_are_kept() -> None:
    """There is no list of phrases: "thank you" that was said is believed."""
    assert judge(result(), words("thank you for watching"), 1.2, GATES).verdict is Verdict.KEEP


def test_loops_are_cut() -> None:
    """Of a phrase that repeats, the first time is believed."""
    judgement = judge(result(), words("we go on and on we go on and on " + "and on " * 8), 8.0, GATES)
    assert judgement.verdict is Verdict.LOOP
    assert 2 <= judgement.n_words <= 10


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("five five five five", 4),
        ("no no no", 3),
        ("a b c a b c a b c", 9),
        ("a b c " * 4, 3),
        ("x " + "a b c " * 4 + "y", 4),
        ("one " * 8, 1),
        ("", 0),
    ],
)
def test_loop_starts(text: str, start: int) -> None:
    """Digits may repeat; a phrase said four times in a row, or a word eight times, is a loop."""
    assert loop_start(words(text), 4) == start


def test_a_word_of_one_token_is_a_loop() -> None:
    """A word that is the same token again and again is not believed."""
    stutter = replace(words("aaaaaaaa")[0], tokens=(7,) * 8)
    assert loop_start([*words("we say"), stutter], 4) == 2
    assert loop_start([replace(stutter, tokens=(7,) * 7)], 4) == 1


@given(st.lists(st.sampled_from("abc"), max_size=20))
def test_words_before_a_loop_do_not_loop(letters: list[str]) -> None:
    """What is believed of a loop is not a loop itself."""
    found = words(" ".join(letters))
    start = loop_start(found, 3)
    assert loop_start(found[:start], 3) == start


def test_more_text_than_speech_is_not_believed() -> None:
    """Nobody says a hundred words in a second."""
    judgement = judge(result(), words("word " * 3 + "another thing altogether " * 12), 0.5, GATES)
    assert judgement.verdict is Verdict.LOOP
    long = judge(result(), words(" ".join(f"word{k}" for k in range(60))), 1.0, GATES)
    assert long.verdict is Verdict.LOOP
    assert long.n_words < 12


def test_compression_is_looked_at() -> None:
    """A text that zlib finds repetitive is cut where it repeats, if anywhere."""
    judgement = judge(result(compression_ratio=3.0), words("a b c d a b c d"), 4.0, GATES)
    assert (judgement.verdict, judgement.n_words) == (Verdict.LOOP, 4)


def test_odd_words_in_silence_are_not_believed() -> None:
    """Unlikely, squeezed words where the detector heard nothing are dropped; good ones are kept."""
    odd = [word(" thank", 0.0, 0.01, conf=0.05), word(" you", 0.01, 0.01, conf=0.05)]
    assert anomaly(odd) > 2
    assert judge(result(), odd, 0.1, GATES, follows=True).verdict is Verdict.SILENT
    assert judge(result(), odd, 1.0, GATES, follows=True).verdict is Verdict.KEEP
    assert judge(result(), words("thank you"), 0.1, GATES).verdict is Verdict.KEEP


def test_a_few_unlikely_words_alone_are_noise() -> None:
    """Noise taken for speech gives a few words of low confidence; after other words, or when many, they stay."""
    noise = [word(" it", 0.0, conf=0.3), word(" go", 0.3, conf=0.4)]
    assert judge(result(), noise, 1.0, GATES).verdict is Verdict.SILENT
    assert judge(result(), noise, 1.0, GATES, follows=True).verdict is Verdict.KEEP
    assert judge(result(), [word(" yes", 0.0, conf=0.5)], 1.0, GATES).verdict is Verdict.KEEP
    long = [word(f" w{k}", 0.3 * k, conf=0.3) for k in range(6)]
    assert judge(result(), long, 2.0, GATES).verdict is Verdict.KEEP


def test_long_words_are_odd() -> None:
    """A word of five seconds is odd."""
    assert anomaly([word(" so", 0.0, 5.0)]) == pytest.approx(3.0)


def test_speech_without_words_is_found() -> None:
    """Voiced audio between words, or after the last, that is long enough is where to look again."""
    found = [*words("a b c"), *words("d", at_s=6.0)]
    spans = [(0, 2 * SECOND), (3 * SECOND, 5 * SECOND), (6 * SECOND, 7 * SECOND)]
    assert uncovered_from(spans, found, 0, 1.0) == found[2].end
    assert uncovered_from(spans[:1], found[:3], 0, 1.0) is None
    assert uncovered_from(spans[:1], [], 0, 1.0) == 0
    assert uncovered_from([], [], 0, 1.0) is None


def test_the_budget_grows_with_the_audio() -> None:
    """A window may have the forced tokens and some for each second."""
    assert token_budget(0.0, 5, GATES) == 5 + GATES.spare_tokens
    assert token_budget(10.0, 0, GATES) == 160 + GATES.spare_tokens


def test_thresholds_are_checked() -> None:
    """A threshold that would break or disable a gate is refused by name."""
    with pytest.raises(ValueError, match="gates repeats 0 is not allowed: it must be 2 to 100"):
        GateConfig(repeats=0)
