"""The built-in folder in transformers and faster-whisper: the same text in float32, padded to 30 s."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from ctranslate2.converters import TransformersConverter
from faster_whisper import WhisperModel
from numpy.typing import NDArray
from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

from amanuensis.npu import store
from amanuensis.npu.engine.api import EngineConfig
from amanuensis.npu.loading import LoadedModel, load_model
from amanuensis.npu.log_mel import SAMPLE_RATE, log_mel_spectrogram
from amanuensis.npu.store import StoreError
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import DecodeOptions, WindowJob

CLIPS = 40
PADDED_SAMPLES = 30 * SAMPLE_RATE
MAX_TOKENS = 100
READABLE = "narrow"  # the sets that the built-in model can read


@dataclass(frozen=True)
class Clip:
    """A bundled synthetic recording at 16 kHz."""

    name: str
    samples: NDArray[np.float32]

    @property
    def padded(self) -> NDArray[np.float32]:
        """The samples followed by silence to 30 s; faster-whisper itself would pad features, not sound."""
        return np.pad(self.samples, (0, PADDED_SAMPLES - len(self.samples)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in model as `amanuensis models export` writes it."""
    target = tmp_path_factory.mktemp("export") / "builtin"
    try:
        store.export_model("builtin", target)
    except StoreError as error:
        pytest.skip(f"no built-in model here: {error}")
    return target


@pytest.fixture(scope="module")
def ours(folder: Path) -> LoadedModel:
    """The exported folder in our own engine."""
    return load_model(EngineConfig(folder, device="cpu", threads=1, precision="float32"))


@pytest.fixture(scope="module")
def clips(repository: Path) -> list[Clip]:
    """Bundled clips of the sets that the model can read."""
    data = repository / "tests" / "data" / "synthetic"
    entries = [json.loads(line) for line in (data / "manifest.jsonl").read_text().splitlines()]
    names = [entry["path"] for entry in entries if entry["set"].startswith(READABLE)][:CLIPS]
    assert len(names) >= 10
    return [Clip(name, soundfile.read(data / name, dtype="float32")[0]) for name in names]


def our_tokens(model: LoadedModel, clip: Clip) -> tuple[int, ...]:
    """Decode a clip padded to 30 s, greedily, without timestamps."""
    job = WindowJob(log_mel_spectrogram(clip.padded, model.info.n_mels), options=DecodeOptions(max_tokens=MAX_TOKENS))
    return model.decode(job).tokens


def test_same_tokens_as_transformers(folder: Path, ours: LoadedModel, clips: list[Clip]) -> None:
    """Transformers' generate, with its own feature extractor, gives the same tokens for every clip."""
    extractor = WhisperFeatureExtractor.from_pretrained(folder)
    model = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    end = model.generation_config.eos_token_id
    for clip in clips:
        features = extractor(clip.samples, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features
        generated = model.generate(features, max_new_tokens=MAX_TOKENS, num_beams=1, do_sample=False)[0].tolist()
        text = [token for token in generated if token < end]
        assert text == list(our_tokens(ours, clip)), clip.name


def test_same_text_as_faster_whisper(folder: Path, ours: LoadedModel, clips: list[Clip], tmp_path: Path) -> None:
    """faster-whisper on the converted folder gives the same text for every clip."""
    converted = tmp_path / "ct2"
    TransformersConverter(str(folder), copy_files=["tokenizer.json", "preprocessor_config.json"]).convert(
        str(converted), quantization="float32"
    )
    model = WhisperModel(str(converted), device="cpu", compute_type="float32", cpu_threads=1)
    tokenizer = Tokenizer(folder)
    for clip in clips:
        segments, _ = model.transcribe(
            clip.padded,
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
        text = "".join(segment.text for segment in segments)
        assert text.strip() == tokenizer.decode(our_tokens(ours, clip)).strip(), clip.name
