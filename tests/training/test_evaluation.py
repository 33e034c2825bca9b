"""Tests of the evaluation: its measures by hand-made cases, its controls with the real model."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from amanuensis.npu import archive
from amanuensis.npu.store import BUILTIN_ARCHIVE
from amanuensis.stream.wer import Errors
from amanuensis.training.evaluation import conditions, live, sets
from amanuensis.training.evaluation.decoding import Recogniser
from amanuensis.training.evaluation.measure import Material, at_most, measure, shuffled
from amanuensis.training.evaluation.report import as_json, readable
from amanuensis.training.evaluation.scores import differences, errors_of, ratio, score
from amanuensis.training.evaluation.sets import Utterance
from amanuensis.training.evaluation.written import written_scores

CLIPS = Path(__file__).parents[1] / "data" / "synthetic"
QUIET = np.zeros(1_600, np.float32)


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory: pytest.TempPathFactory) -> Recogniser:
    """The built-in model."""
    if not BUILTIN_ARCHIVE.exists():
        pytest.skip("no built-in model here")
    folder = tmp_path_factory.mktemp("model") / "builtin"
    archive.expand(BUILTIN_ARCHIVE, folder)
    return Recogniser.load(folder, "float32", 1)


@pytest.fixture(scope="module")
def clips() -> list[Utterance]:
    """Twelve bundled clips of each set."""
    return at_most(sets.synthetic(CLIPS), 12)


def test_scores_count_sets_and_voices() -> None:
    """A set's score is the sum over its voices; titles count in full."""
    utterances = [Utterance(QUIET, "one mister x", "narrow", "a"), Utterance(QUIET, "three", "narrow", "b")]
    errors = errors_of(utterances, ["One, Mr. X", "four five"])
    scores = score(utterances, errors)
    assert scores["narrow", "all"].errors == Errors(sub=1, ins=1, n=4)
    assert scores["narrow", "all"].wer.value == pytest.approx(1 / 2)
    assert scores["narrow", "a"].errors.total == 0


def test_the_interval_is_that_of_a_share() -> None:
    """Of 400 utterances with one word each, half of them wrong, it is that of the binomial distribution."""
    found = ratio([0, 1] * 200, [1] * 400)
    half = 1.96 * np.sqrt(0.25 / 400)
    assert found.value == 0.5
    assert (found.low, found.high) == pytest.approx((0.5 - half, 0.5 + half), abs=0.01)
    assert str(ratio([3], [10])) == "30.0%"
    assert str(ratio([], [])) == "-"


def test_forms_are_compared_by_the_same_utterances() -> None:
    """A difference that every utterance shows has no width, however much the utterances differ."""
    utterances = [Utterance(QUIET, "", "s", "v")] * 20
    errors = [Errors(sub=k, n=20) for k in range(20)]
    (found,) = differences(utterances, errors, [Errors(sub=k + 1, n=20) for k in range(20)]).values()
    assert (found.value, found.low, found.high) == pytest.approx((0.05, 0.05, 0.05))


def test_case_and_marks_are_counted_on_words_that_are_right() -> None:
    """A wrong word's mark does not count, a title's point is no mark, "Mr." and "mister" are one word."""
    utterance = Utterance(QUIET, "", "s", "v", "Yes, Mr. Smith is here on Monday.")
    (found,) = written_scores([utterance], ["yes mister Smith, was here on monday."]).values()
    assert found["wer"].value == pytest.approx(5 / 7)  # yes, mister, Smith, was, monday.
    assert found["case"].value == pytest.approx(2 / 6)
    assert found["precision"].value == pytest.approx(1 / 2)
    assert found["recall"].value == pytest.approx(1 / 2)


def test_texts_of_recordings_are_compared_as_words() -> None:
    """Digits become words; rows without text are left out."""
    assert sets.recorded_text({"text": "7"}) == "seven"
    assert sets.recorded_text({"text": "Ask not, Mr. X"}) == "ask not mister x"
    assert sets.recorded_text({"text": None}) == ""


def test_pairs_join_two_clips_of_a_set() -> None:
    """Sound and text of two clips follow each other; unseen voices are not paired."""
    some = [Utterance(np.full(10 + i, i, np.float32), f"w{i}", "narrow_seen", "a") for i in range(3)]
    some.append(Utterance(np.zeros(5, np.float32), "x", "narrow_unseen", "b"))
    (pair,) = sets.pairs(some)
    assert (pair.text, pair.set, len(pair.sound)) == ("w0 w1", "narrow_seen_pairs", 21)


def test_strings_of_digits_use_every_digit_once() -> None:
    """Strings are of one speaker, at most six digits long, their sounds in the order of the text, drawn by the seed."""
    digits = [Utterance(np.full(800, k + 1, np.float32), f"w{k}", "recorded_digit", "ab"[k % 2]) for k in range(60)]
    strings = sets.digit_strings(digits, 1)
    assert sorted(word for s in strings for word in s.text.split()) == sorted(d.text for d in digits)
    for string in strings:
        said = [int(v) - 1 for v in dict.fromkeys(string.sound[string.sound > 0])]
        assert [f"w{k}" for k in said] == string.text.split()
        assert {"ab"[k % 2] for k in said} == {string.voice}
        assert len(said) <= 6
    assert [s.text for s in strings] == [s.text for s in sets.digit_strings(digits, 1)]
    assert [s.text for s in strings] != [s.text for s in sets.digit_strings(digits, 2)]


def test_noise_is_as_loud_as_it_says() -> None:
    """What is added to a tone has the power that the ratio asks for."""
    tone = np.sin(np.arange(32_000) / 5).astype(np.float32)
    for snr_db in (20, 5):
        heard = conditions.noisy(tone, np.random.default_rng(3), snr_db)
        gain = float(heard @ tone / (tone @ tone))
        noise = heard - gain * tone
        assert 10 * np.log10(np.mean((gain * tone) ** 2) / np.mean(noise**2)) == pytest.approx(snr_db, abs=0.5)


def test_a_telephone_carries_its_band_only() -> None:
    """A tone within 300 to 3400 Hz comes through; below and above next to nothing does."""
    t = np.arange(16_000) / 16_000

    def power(hz: float) -> float:
        tone = np.sin(2 * np.pi * hz * t).astype(np.float32)
        return float(np.mean(conditions.telephone(tone, np.random.default_rng(0)) ** 2))

    assert power(1_000) > 1e3 * max(power(100), power(5_000))


def test_mu_law_has_256_values_and_is_finer_near_zero() -> None:
    """A ramp comes out in steps that grow with the level and are never far from what went in."""
    ramp = np.linspace(-1, 1, 100_001, dtype=np.float32)
    steps = np.unique(conditions.mu_law(ramp))
    assert len(steps) == 255  # zero has one value here
    assert np.diff(steps)[127] < np.diff(steps)[-1] / 100
    assert np.abs(conditions.mu_law(ramp) - ramp).max() < 0.03


def test_a_far_speaker_is_heard_after_the_sound_has_ended() -> None:
    """The tail of a click decays by about 60 dB in 0.6 s, over the noise."""
    click = np.zeros(16_000, np.float32)
    click[1_600] = 1.0
    heard = conditions.augment.convolve(
        click, conditions.augment.decaying(np.random.default_rng(1), conditions.FAR_T60_S, (3.0, 3.0))
    )
    early, late = heard[1_900:2_700], heard[1_900 + 4_800 : 2_700 + 4_800]  # 0.3 s later: 30 dB
    assert 10 * np.log10(np.mean(early**2) / np.mean(late**2)) == pytest.approx(30, abs=3)


def test_conditions_are_those_of_undisturbed_clips(clips: list[Utterance]) -> None:
    """Every condition has the same texts, and "clean" the clips as they are."""
    heard = conditions.under_conditions(clips, 1)
    by_set = {name: [u for u in heard if u.set == name] for name in dict.fromkeys(u.set for u in heard)}
    assert set(by_set) == {f"{s}_seen_{c}" for s in ("narrow", "general") for c in conditions.CONDITIONS}
    for name, some in by_set.items():
        assert [u.text for u in some] == [u.text for u in by_set[name.partition("_seen_")[0] + "_seen_clean"]]
    assert all(u.sound is c.sound for u, c in zip(by_set["narrow_seen_clean"], clips[0:12:2], strict=True))


def test_shuffled_texts_stay_in_their_set() -> None:
    """No text is left at its place, and none leaves its set."""
    utterances = [Utterance(QUIET, "", name, "v") for name in "aaabb"]
    assert shuffled(utterances, list("12345")) == ["2", "3", "1", "5", "4"]


def test_non_speech_is_of_every_kind() -> None:
    """Half an hour at least in all, silent where it says silence."""
    pieces = live.made_non_speech(1, 1)
    kinds = [piece.kind for piece in pieces]
    assert {"music", "murmur", "mixed", "silence"} <= set(kinds)
    assert sum(piece.hours for piece in pieces) * live.PIECES_OF_A_KIND >= 0.5
    assert [bool(piece.sound.any()) for piece in pieces] == [kind != "silence" for kind in kinds]


def test_errors_come_from_the_sound(recogniser: Recogniser, clips: list[Utterance]) -> None:
    """The real model reads narrow clips, hears nothing in silence, and texts of other clips are nearly all wrong."""
    narrow = [clip for clip in clips if clip.set == "narrow_seen"]
    noises = [live.NonSpeech(np.zeros(32_000, np.float32), kind) for kind in ("silence", "silence", live.RECORDED)]
    noises.append(live.NonSpeech(np.pad(narrow[0].sound, 16_000), "speech"))
    talk = live.talks(narrow, ["narrow_seen"], 1)
    found = measure(recogniser, Material(narrow, narrow, noises, talk))
    assert found.scores["narrow_seen", "all"].wer.value < 0.3
    assert found.shuffled.wer.value > 0.8
    assert found.silent.wer.value == 1
    assert found.silent.errors.del_ == found.silent.errors.n > 0
    assert found.is_from_sound
    assert not replace(found, shuffled=found.scores["narrow_seen", "all"]).is_from_sound
    assert found.inventions["silence"].hours == pytest.approx(4 / 3600)
    assert found.inventions["recorded"].hours == pytest.approx(2 / 3600)
    assert found.inventions["silence"].captioned.value == found.inventions["silence"].decoded.value == 0
    said = len(narrow[0].text.split())
    heard = found.inventions["speech"]
    assert (heard.captioned.value, heard.decoded.value) == pytest.approx((said / heard.hours,) * 2)
    assert found.inventions["made"].captioned.value == pytest.approx(said / (heard.hours + 4 / 3600))
    captions = found.captions["narrow_seen_talk"]
    assert captions.offline.errors.n == captions.streaming.errors.n == len(talk[0].text.split())
    assert captions.streaming.wer.value < 0.5
    assert captions.erasure.value >= 0
    told = json.loads(json.dumps(as_json(found)))
    assert told["controls"]["passed"]
    assert told["written"]["narrow_seen"]["wer"]["value"] >= told["sets"]["narrow_seen"]["wer"]["value"]
    assert "| narrow_seen | 12 |" in readable({"float32": found}, {})
