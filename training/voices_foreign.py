"""Festival's voices of all languages, reading English as well as they can: for their timbre, not for their words.

Needs Debian's `festival` and any of the packages `festvox-*`.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile

from amanuensis.training import voices_festival
from amanuensis.training.speech import Float32

# Name here, name in festival. Two of them are people whom flite has too: `slt-hts` and the `kal` left out here.
VOICES = {
    "slt-hts": "cmu_us_slt_arctic_hts",
    "ked": "ked_diphone",
    "lj": "suo_fi_lj_diphone",
    "mv": "hy_fi_mv_diphone",
    "lp": "lp_diphone",
    "pc": "pc_diphone",
    "ona": "upc_ca_ona_hts",
    "nsh": "msu_ru_nsh_clunits",
    "dita": "czech_dita",
    "krb": "czech_krb",
    "machac": "czech_machac",
    "ph": "czech_ph",
}
_TIMEOUT_S_PER_SENTENCE = 10
_SCHEME = """
(define (say_to text name)
  (let ((utt (utt.synth (eval (list 'Utterance 'Text text)))))
    (utt.save.wave utt name 'riff)))
(define (say_or_not text name) (unwind-protect (say_to text name) nil))
"""


@dataclass(frozen=True)
class Reading:
    """One sentence for a voice; `stretch` is a factor on all durations."""

    voice: str
    text: str
    stretch: float


@cache
def installed() -> tuple[str, ...]:
    """Return which of `VOICES` festival has."""
    if not voices_festival.available():
        return ()
    listing = subprocess.run(
        ["festival", "--batch", "(print (voice.list))"], check=False, capture_output=True, text=True, timeout=60
    ).stdout
    known = listing.replace("(", " ").replace(")", " ").split()
    return tuple(name for name, voice in VOICES.items() if voice in known)


def read_all(readings: list[Reading]) -> Iterator[tuple[Float32, int] | None]:
    """Yield (samples float32 [n], rate in Hz) of each reading in one run; None where the voice could not read it."""
    if not readings:
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script = folder / "say.scm"
        lines = [_SCHEME]
        for index, reading in enumerate(readings):
            lines.append(f"(voice_{VOICES[reading.voice]})")
            lines.append(f"(Parameter.set 'Duration_Stretch {reading.stretch:.3f})")
            lines.append(f'(say_or_not "{reading.text}" "{folder}/{index:05d}.wav")')
        script.write_text("\n".join(lines))
        subprocess.run(
            ["festival", "--batch", str(script)],
            check=False, capture_output=True, timeout=60 + _TIMEOUT_S_PER_SENTENCE * len(readings),
        )  # fmt: skip
        for index in range(len(readings)):
            yield _read(folder / f"{index:05d}.wav")


def _read(path: Path) -> tuple[Float32, int] | None:
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, RuntimeError):
        return None
    return (np.asarray(samples[:, 0], np.float32), rate) if len(samples) > rate else None
