# ruff: noqa: RUF001 - the characters of IPA
"""Tests of the synthesisers, on the real libraries; skipped where one is not installed."""

import re
from itertools import groupby

import numpy as np
import pytest

from amanuensis.training import voices_espeak, voices_festival, voices_flite, voices_kokoro, voices_pico
from amanuensis.training.cast import FESTIVAL_SEEN, Part, missing, perform, perform_festival
from amanuensis.training.speech import PHONE_ID, Manner, Speech, SynthesisError

TEXT = "Turn on the kitchen lights, at twenty two past two two seven."
ENGINES = [
    pytest.param(
        "flite:slt", marks=pytest.mark.skipif(not voices_flite.available(), reason="libflite1 is not installed")
    ),
    pytest.param(
        "espeak:en-us+f3",
        marks=pytest.mark.skipif(not voices_espeak.available(), reason="libespeak-ng1 is not installed"),
    ),
    *(
        pytest.param(
            f"pico:{voice}", marks=pytest.mark.skipif(not voices_pico.available(), reason="ttspico is not installed")
        )
        for voice in voices_pico.VOICES
    ),
    *(
        pytest.param(
            f"kokoro:{voice}",
            marks=pytest.mark.skipif(not voices_kokoro.available(), reason="Kokoro is not in this environment"),
        )
        for voice in ("af_heart", "bm_daniel*0.40+am_adam")
    ),
    pytest.param(
        "festival:kal", marks=pytest.mark.skipif(not voices_festival.available(), reason="festival is not installed")
    ),
]


@pytest.mark.parametrize("voice", ENGINES)
def test_every_word_has_its_time(voice: str) -> None:
    """Words follow each other inside the sound, with the pause of the comma between two of them."""
    speech = perform(TEXT, Part(voice, Manner()))
    seconds = len(speech.samples) / speech.rate
    assert len(speech.words) == len(TEXT.split())
    edges = np.array(speech.words)
    assert (edges[:, 1] > edges[:, 0]).all()
    assert (edges[1:, 0] >= edges[:-1, 1] - 1e-6).all()
    assert edges[0, 0] >= 0
    assert edges[-1, 1] <= seconds + 0.02
    comma = TEXT.split().index("lights,")
    assert edges[comma + 1, 0] - edges[comma, 1] > 0.05


@pytest.mark.parametrize("voice", ENGINES)
def test_phones_cover_the_sound_in_order(voice: str) -> None:
    """Phone ends never go back and most phones are known."""
    speech = perform(TEXT, Part(voice, Manner()))
    ends = [end for end, _ in speech.phones]
    assert ends == sorted(ends)
    assert np.mean([phone < 200 for _, phone in speech.phones]) > 0.9


@pytest.mark.parametrize("voice", ENGINES)
@pytest.mark.parametrize("text", ["That's S A I D.", "A N N A", "J A N E, A."])
def test_a_spelled_a_is_not_read_as_the_article(voice: str, text: str) -> None:
    """Every A among letters has the vowel of its name, as J has."""
    speech = perform(text, Part(voice, Manner()))
    named = sum(phone == PHONE_ID["ey"] for _, phone in speech.phones)
    assert named == text.count("A") + text.count("J")
    assert len(speech.words) == len(text.split())


@pytest.mark.parametrize("voice", ENGINES[:4])
def test_tempo_makes_speech_shorter(voice: str) -> None:
    """Half as fast again takes about two thirds of the time."""
    slow = len(perform(TEXT, Part(voice, Manner())).samples)
    fast = len(perform(TEXT, Part(voice, Manner(tempo=1.5))).samples)
    assert 0.5 < fast / slow < 0.85


PICO = pytest.mark.skipif(
    not (voices_pico.available() and voices_flite.available()), reason="ttspico or libflite1 is not installed"
)


@PICO
@pytest.mark.parametrize("voice", voices_pico.VOICES)
def test_pico_names_the_phones_that_flite_names(voice: str) -> None:
    """The codes of both languages stand for the right phones."""
    plain = "sells two big red boats yes man thinks five cheap jobs"
    pico, flite = voices_pico.speak(plain, voice, Manner()), voices_flite.speak(plain, "slt", Manner())
    assert _phones(pico) == _phones(flite)


def _phones(speech: Speech) -> list[int]:
    return [phone for phone, _ in groupby(phone for _, phone in speech.phones)]


@pytest.mark.parametrize("voice", [param for param in ENGINES if param.values[0].startswith(("pico", "kokoro"))])
def test_sibilants_hiss_at_their_times(voice: str) -> None:
    """The samples change sign most within the sibilants as they are, less so within those 20 ms earlier or later."""
    speech = perform("six sheep cross this icy street so she sits still", Part(voice, Manner()))
    ends_s = [end_s for end_s, _ in speech.phones]
    hissing = np.isin([phone for _, phone in speech.phones], [PHONE_ID[name] for name in ("s", "sh", "z")])
    crossings = np.diff(np.sign(speech.samples + 1e-3)) != 0  # silence has none
    times_s = np.arange(len(crossings)) / speech.rate

    def rate(shift_s: float) -> float:
        inside = np.searchsorted(ends_s, np.clip(times_s - shift_s, 0, ends_s[-1]))
        return float(crossings[hissing[inside]].mean())

    assert rate(0) > rate(-0.02)
    assert rate(0) > rate(0.02)


@pytest.mark.skipif(not voices_espeak.available(), reason="libespeak-ng1 is not installed")
def test_an_unknown_voice_is_named() -> None:
    """A voice that espeak-ng does not have is an error, not silence."""
    with pytest.raises(SynthesisError, match=re.escape("'xx-nowhere'")):
        voices_espeak.speak("hello", "xx-nowhere", Manner())


@pytest.mark.skipif(not voices_espeak.available(), reason="libespeak-ng1 is not installed")
def test_sounds_are_told_in_ipa() -> None:
    """Each word has its sounds, as the accent has them."""
    assert voices_espeak.pronounce("nobody knew the lights", "en-us") == "nˈoʊbɑːdi nˈuː ðə lˈaɪts"
    assert voices_espeak.pronounce("nobody knew", "en") == "nˈəʊbɒdi njˈuː"
    with pytest.raises(SynthesisError, match=re.escape("'xx-nowhere'")):
        voices_espeak.pronounce("hello", "xx-nowhere")


@pytest.mark.skipif(not voices_festival.available(), reason="festival is not installed")
def test_festival_reads_a_list_in_one_run() -> None:
    """Sentences come back in their order, each with its words."""
    parts = [Part("festival:kal", Manner()), Part("festival:kal", Manner(tempo=1.2))]
    spoken = perform_festival(["one two", "three"], parts)
    assert [len(s.words) for s in spoken if s is not None] == [2, 1]


@pytest.mark.skipif(not voices_kokoro.available(), reason="Kokoro is not in this environment")
def test_voices_are_drawn_alone_and_in_blends() -> None:
    """None of them is one that is kept for tests."""
    rng = np.random.default_rng(0)
    drawn = {name for _ in range(1000) for name in re.split(r"[*+.\d]+", voices_kokoro.random_voice(rng)) if name}
    assert drawn == {*voices_kokoro.ENGLISH, *voices_kokoro.FOREIGN}
    assert not drawn & set(voices_kokoro.UNSEEN)


@pytest.mark.skipif(not voices_kokoro.available(), reason="Kokoro is not in this environment")
def test_a_blend_is_neither_of_its_voices() -> None:
    """All of one voice and nothing of another is that voice; half of each is a third one."""
    alone, whole, half, other = (
        voices_kokoro.speak("Nine forty two.", voice, Manner()).samples
        for voice in ("af_sky", "af_sky*1.00+am_echo", "af_sky*0.50+am_echo", "am_echo")
    )
    np.testing.assert_array_equal(whole, alone)
    assert not np.array_equal(half, alone)
    assert not np.array_equal(half, other)


@pytest.mark.skipif(not voices_kokoro.available(), reason="Kokoro is not in this environment")
def test_what_kokoro_cannot_read_is_refused() -> None:
    """A sentence of more characters than it takes is an error, not half a sentence."""
    with pytest.raises(SynthesisError, match="Kokoro cannot read"):
        voices_kokoro.speak("seventy " * 80, "af_sky", Manner())


def test_voices_that_are_not_installed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no program is found, festival's voices are missing, each by its name."""
    monkeypatch.setenv("PATH", "")
    voices_festival.installed.cache_clear()
    lacking = missing()
    voices_festival.installed.cache_clear()
    assert [name for name in lacking if name.startswith("festival:")] == [f"festival:{v}" for v in FESTIVAL_SEEN]


def test_a_trill_is_the_english_r_to_kokoro() -> None:
    """Both of espeak-ng's letters for it become the same single character."""
    assert voices_kokoro._characters("pˈɛrə", british=False) == "pˈɛɹə"
    assert voices_kokoro._characters("ɹˈɛd", british=True) == "ɹˈɛd"
