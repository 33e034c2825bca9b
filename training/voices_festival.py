"""Festival's voices: one process for a list of sentences, since its start is the slow part.

Needs Debian's `festival` with `festvox-kallpc16k`, `festvox-us-slt-hts` and (for tests) `festvox-kdlpc16k`.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile

from amanuensis.training.speech import PHONE_ID, SPELLED_A, UNKNOWN_PHONE, Manner, Speech, SynthesisError

VOICES = {"kal": "kal_diphone", "ked": "ked_diphone", "slt-hts": "cmu_us_slt_arctic_hts"}
_TIMEOUT_S_PER_SENTENCE = 10

_SCHEME = """
(define (say_one text name)
  (let ((utt (utt.synth (eval (list 'Utterance 'Text text)))))
    (utt.save.wave utt (string-append name ".wav") 'riff)
    (let ((out (fopen (string-append name ".times") "w")))
      (mapcar (lambda (seg)
        (format out "P %s %f\\n" (item.name seg) (item.feat seg "end"))) (utt.relation.items utt 'Segment))
      (mapcar (lambda (token)
        (format out "W")
        (mapcar (lambda (word)
          (format out " %f %f" (item.feat word "word_start") (item.feat word "word_end"))) (item.daughters token))
        (format out "\\n")) (all_tokens utt))
      (fclose out))))
(define (all_tokens utt)
  (let ((token (utt.relation.first utt 'Token)) (found nil))
    (while token (set! found (cons token found)) (set! token (item.next token)))
    (reverse found)))
"""


@dataclass(frozen=True)
class Order:
    """One sentence for festival; it follows `tempo` and, with diphone voices, `pitch`."""

    text: str
    voice: str
    manner: Manner


def available() -> bool:
    """Return whether festival is installed."""
    return shutil.which("festival") is not None


@cache
def installed() -> frozenset[str]:
    """Return which of `VOICES` festival has; it would stop at the first one that it lacks."""
    if not available():
        return frozenset()
    listing = subprocess.run(
        ["festival", "--batch", "(print (voice.list))"], check=False, capture_output=True, text=True, timeout=60
    ).stdout
    known = listing.replace("(", " ").replace(")", " ").split()
    return frozenset(name for name, voice in VOICES.items() if voice in known)


def speak_all(orders: list[Order]) -> Iterator[Speech | None]:
    """Yield the speech of each order; None where festival's words do not fit the text.

    Raises:
        SynthesisError: if festival is not installed or fails as a whole.

    """
    if not available():
        raise SynthesisError("festival is not installed")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script = folder / "say.scm"
        script.write_text(_SCHEME + "\n".join(_lines(orders, folder)))
        subprocess.run(
            ["festival", "--batch", str(script)],
            check=False, capture_output=True, timeout=60 + _TIMEOUT_S_PER_SENTENCE * len(orders),
        )  # fmt: skip
        for i, order in enumerate(orders):
            yield _read(folder / f"{i:05d}", order.text)


def _lines(orders: list[Order], folder: Path) -> Iterator[str]:
    for i, order in enumerate(orders):
        read = SPELLED_A.sub("ay", order.text)
        mean_hz = round(105 * order.manner.pitch / order.manner.formant)
        spread_hz = round(14 * order.manner.pitch_range)
        yield f"(voice_{VOICES[order.voice]})"
        yield f"(Parameter.set 'Duration_Stretch {order.manner.formant / order.manner.tempo:.3f})"
        yield (
            f"(set! int_lr_params '((target_f0_mean {mean_hz}) (target_f0_std {spread_hz})"
            " (model_f0_mean 170) (model_f0_std 34)))"
        )
        yield f'(say_one "{read}" "{folder}/{i:05d}")'


def _read(stem: Path, text: str) -> Speech | None:
    wave, times = stem.with_suffix(".wav"), stem.with_suffix(".times")
    if not wave.is_file() or not times.is_file():
        return None
    samples, rate = soundfile.read(wave, dtype="float32")
    words: list[tuple[float, float]] = []
    phones: list[tuple[float, int]] = []
    for line in times.read_text().splitlines():
        fields = line.split()
        if fields[0] == "P":
            phones.append((float(fields[2]), PHONE_ID.get(fields[1], UNKNOWN_PHONE)))
        else:
            # A mark after a word is a daughter of its token too, with an end of 0.
            spans = [(float(a), float(b)) for a, b in zip(fields[1::2], fields[2::2], strict=True) if float(b) > 0]
            words += [(spans[0][0], spans[-1][1])] if spans else []
    return Speech(np.asarray(samples, np.float32), rate, words, phones) if len(words) == len(text.split()) else None
