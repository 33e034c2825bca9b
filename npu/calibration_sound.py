"""Sound to calibrate on and to report quality on: the demo clip that comes with the package, synthetic and our own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files as package_files
from typing import Any, Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from amanuensis.npu.calibration import Window
from amanuensis.npu.log_mel import SAMPLE_RATE, log_mel_spectrogram
from amanuensis.npu.tokenizer import Tokenizer

CLIP_PACKAGE, CLIP_FOLDER, CLIP = "amanuensis.daemon", "data", "demo"  # a file of that package, none of its code
WINDOW_S: Final = 12.0  # as long as the longest window of the built-in model
CALIBRATION, HELD_OUT = slice(0, 2), slice(2, 3)  # windows of the clip


def demo_windows(tokenizer: Tokenizer, n_mels: int, which: slice = CALIBRATION) -> list[Window]:
    """Return windows of the demo clip, with the tokens of what is said in them.

    Args:
        tokenizer: of the model.
        n_mels: of the model.
        which: windows of WINDOW_S or less, each cut before an utterance.

    """
    utterances, samples = _clip()
    return [_window(samples, group, tokenizer, n_mels) for group in _groups(utterances)[which]]


@dataclass(frozen=True, slots=True)
class TimedWindow:
    """Speech whose words have known times.

    Attributes:
        features: log-mel, float32 [n_mels, n].
        tokens: from <|startoftranscript|> to the end of the text.
        first_row: the row that predicts the first token of the text.
        starts: for each word the row, counted from there, that predicts its first token, and where it begins.

    """

    features: NDArray[np.float32]
    tokens: tuple[int, ...]
    first_row: int
    starts: tuple[tuple[int, float], ...]


def timed_windows(tokenizer: Tokenizer, n_mels: int) -> list[TimedWindow]:
    """Return windows of the demo clip with the times of their words, written as Whisper writes them."""
    utterances, samples = _clip()
    return [_timed_window(samples, group, tokenizer, n_mels) for group in _groups(utterances)]


def _clip() -> tuple[list[dict[str, Any]], NDArray[np.float32]]:
    folder = package_files(CLIP_PACKAGE) / CLIP_FOLDER
    utterances = json.loads((folder / f"{CLIP}.json").read_text(encoding="utf-8"))
    with (folder / f"{CLIP}.flac").open("rb") as file:
        samples, _ = soundfile.read(file, dtype="float32")
    return utterances, samples


def _groups(utterances: Sequence[dict[str, object]]) -> list[list[dict[str, object]]]:
    groups: list[list[dict[str, object]]] = []
    for utterance in utterances:
        if groups and _seconds(utterance, "end_s") - _seconds(groups[-1][0], "start_s") <= WINDOW_S - 1:
            groups[-1].append(utterance)
        else:
            groups.append([utterance])
    return groups


def _seconds(utterance: dict[str, object], key: str) -> float:
    return float(str(utterance[key]))


def _window(
    samples: NDArray[np.float32], group: Sequence[dict[str, object]], tokenizer: Tokenizer, n_mels: int
) -> Window:
    features, _ = _features(samples, group, n_mels)
    text = "".join(f" {utterance['text']}" for utterance in group)
    start = tokenizer.sot_sequence("en", "transcribe", timestamps=False)
    return Window(features, (*start, *tokenizer.encode(text), tokenizer.eot))


def _timed_window(
    samples: NDArray[np.float32], group: Sequence[dict[str, Any]], tokenizer: Tokenizer, n_mels: int
) -> TimedWindow:
    features, begin_s = _features(samples, group, n_mels)
    start = tokenizer.sot_sequence("en", "transcribe", timestamps=False)
    text: list[int] = []
    starts = []
    for utterance in group:
        for word, (_, start_s, _) in zip(utterance["text"].split(), utterance["words"], strict=True):
            starts.append((len(text), 1000 * (start_s - begin_s)))
            text += tokenizer.encode(f" {word}")
    return TimedWindow(features, (*start, *text), len(start) - 1, tuple(starts))


def _features(
    samples: NDArray[np.float32], group: Sequence[dict[str, object]], n_mels: int
) -> tuple[NDArray[np.float32], float]:
    """Return the log-mel features of some utterances, and where in the clip they begin, in seconds."""
    start_s, end_s = max(0.0, _seconds(group[0], "start_s") - 0.5), _seconds(group[-1], "end_s") + 0.5
    sound = samples[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)]
    return log_mel_spectrogram(sound, n_mels), start_s
