"""The same folder in the loaders of others, transformers and faster-whisper: the proof that it is a standard one.

Needs their environment (script/peers).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from amanuensis.npu.log_mel import SAMPLE_RATE
from amanuensis.training.speech import Float32

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

PADDED = 30 * SAMPLE_RATE
MAX_TOKENS = 100


def with_transformers(folder: Path, sounds: Sequence[Float32]) -> list[str]:
    """Return what transformers reads, greedily in float32, with its own feature extractor and tokeniser."""
    import torch
    from transformers import WhisperForConditionalGeneration, WhisperProcessor

    processor = WhisperProcessor.from_pretrained(folder)
    model = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    texts = []
    for sound in sounds:
        features = processor(sound, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features
        tokens = model.generate(features, max_new_tokens=MAX_TOKENS, num_beams=1, do_sample=False)
        texts += processor.batch_decode(tokens, skip_special_tokens=True)
    return [text.strip() for text in texts]


def with_faster_whisper(folder: Path, sounds: Sequence[Float32]) -> list[str]:
    """Return what faster-whisper reads, greedily in float32, from the folder converted for CTranslate2."""
    from ctranslate2.converters import TransformersConverter
    from faster_whisper import WhisperModel

    with TemporaryDirectory() as work:
        target = f"{work}/converted"
        copied = ["tokenizer.json", "preprocessor_config.json"]
        TransformersConverter(str(folder), copy_files=copied).convert(target, quantization="float32")
        model = WhisperModel(target, device="cpu", compute_type="float32", cpu_threads=1)
        return [_read(model, np.pad(sound, (0, PADDED - len(sound)))) for sound in sounds]


def _read(model: WhisperModel, sound: Float32) -> str:
    segments, _ = model.transcribe(
        sound,
        language="en",
        beam_size=1,
        temperature=0.0,
        without_timestamps=True,
        condition_on_previous_text=False,
        suppress_tokens=[],
        suppress_blank=False,
        max_new_tokens=MAX_TOKENS,
        no_speech_threshold=None,
    )
    return "".join(segment.text for segment in segments).strip()


LOADERS = {"transformers": with_transformers, "faster-whisper": with_faster_whisper}


def disagreements(ours: Sequence[str], folder: Path, sounds: Sequence[Float32]) -> dict[str, list[tuple[str, str]]]:
    """Return by loader the (our, its) texts that differ; ours are of the same sounds, padded to 30 s, in float32.

    Raises:
        ImportError: the environment has no such loader.

    """
    return {
        name: [(a, b) for a, b in zip(ours, read(folder, sounds), strict=True) if a != b]
        for name, read in LOADERS.items()
    }
