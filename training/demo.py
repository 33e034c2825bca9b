"""The demo conversation: a woman and a man, sentences that the model never meets in training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

from amanuensis.npu.log_mel import SAMPLE_RATE
from amanuensis.training import augment, cast
from amanuensis.training.cast import Part
from amanuensis.training.speech import Manner
from amanuensis.training.text import normal_form

DEMO = (
    ("flite:slt", "Good morning, what time is it?"),
    ("flite:rms", "It is nine forty-two in the morning."),
    ("flite:slt", "The meeting is on Thursday at quarter past ten."),
    ("flite:rms", "Please set the alarm for ten o'clock."),
    ("flite:slt", "My number is four eight one, six five zero two."),
    ("flite:rms", "Can you turn off the radio in the kitchen?"),
    ("flite:slt", "Set the temperature to sixty-eight."),
    ("flite:rms", "It costs two hundred and fifty-seven dollars."),
    ("flite:slt", "Remind me on Friday the seventeenth of April."),
    ("flite:rms", "The train leaves at seven thirty-five in the evening."),
    ("flite:slt", "How far is the station from here?"),
    ("flite:rms", "Only three miles, ten minutes."),
    ("flite:slt", "Okay, call my brother please."),
    ("flite:rms", "Yes, his number is nine three seven, two two eight one."),
    ("flite:slt", "Thank you. Goodbye."),
)
TEXTS = frozenset(normal_form(line) for _, line in DEMO)


def make_demo(flac: Path, turns: Path, seed: int) -> None:
    """Write the demo conversation (a woman and a man, pauses between) and its turns.

    A turn is {start_s, end_s, voice, text, words: [[word in normal form, start_s, end_s], ...]}.
    """
    rng = np.random.default_rng((seed, 9))
    pieces, rows, at_s = [np.zeros(int(0.8 * SAMPLE_RATE), np.float32)], [], 0.8
    for voice, text in DEMO:
        speech = cast.perform(text, Part(voice, Manner(tempo=1.0)))
        samples = augment.level(speech.samples, -22.0)
        begin_s, end_s = at_s + speech.words[0][0], at_s + speech.words[-1][1]
        words = [
            [normal_form(word), round(at_s + start_s, 3), round(at_s + stop_s, 3)]
            for word, (start_s, stop_s) in zip(text.split(), speech.words, strict=True)
        ]
        span = {"start_s": round(begin_s, 2), "end_s": round(end_s, 2)}
        rows.append(span | {"voice": voice, "text": text, "words": words})
        pause = np.zeros(int(rng.uniform(0.4, 1.1) * SAMPLE_RATE), np.float32)
        pieces += [samples, pause]
        at_s += (len(samples) + len(pause)) / SAMPLE_RATE
    sound = np.concatenate(pieces)
    sound += rng.standard_normal(len(sound)).astype(np.float32) * 10 ** (-66 / 20)
    soundfile.write(flac, sound, SAMPLE_RATE, subtype="PCM_16")
    lines = ",\n".join(json.dumps(row) for row in rows)
    turns.write_text(f"[\n{lines}\n]\n")
