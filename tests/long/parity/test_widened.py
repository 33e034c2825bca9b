"""The widened built-in model in our engine, transformers, CTranslate2 and OpenAI's reference: the built-in's words."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from faster_whisper import WhisperModel
from numpy.typing import NDArray

from amanuensis.benchmarks.clips import SYNTHETIC, Clip, load_clips
from amanuensis.benchmarks.peers import offline_driver
from amanuensis.benchmarks.widened_folder import widened_folder
from amanuensis.benchmarks.widened_forms import widened_form
from amanuensis.npu.engine.api import EngineConfig
from amanuensis.npu.float_model import FloatModel
from amanuensis.npu.loading import load_model
from amanuensis.npu.log_mel import SAMPLE_RATE, log_mel_spectrogram
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import DecodeOptions, WindowJob
from amanuensis.stream.wer import word_errors
from tests.long.parity import transformers_model

CLIPS = 12
MAX_TOKENS = 100
PYTHON = Path(sys.executable)


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    """Bundled clips of the sets that the built-in model can read."""
    return [clip for clip in load_clips(SYNTHETIC, CLIPS) if clip.set.startswith("narrow")][:CLIPS]


def our_texts(folder: Path, clips: list[Clip], precision: str) -> list[str]:
    """Decode clips greedily at their length."""
    model = load_model(EngineConfig(folder, device="cpu", threads=1, precision=precision))
    tokenizer, options = Tokenizer(folder), DecodeOptions(max_tokens=MAX_TOKENS)
    jobs = [WindowJob(log_mel_spectrogram(clip.samples, model.info.n_mels), options=options) for clip in clips]
    return [tokenizer.decode(model.decode(job).tokens) for job in jobs]


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_our_engine_says_what_it_says_with_the_built_in_model(
    builtin_model: Path, clips: list[Clip], precision: str
) -> None:
    """The same text, clip by clip."""
    assert len(clips) == CLIPS
    assert our_texts(widened_folder(), clips, precision) == our_texts(builtin_model, clips, precision)


def test_transformers_computes_the_logits_of_the_built_in_model(builtin_model: Path, clips: list[Clip]) -> None:
    """Its answer on the widened folder is our float32 model's on the built-in one."""
    features = log_mel_spectrogram(clips[0].samples, 80)
    narrow, wide = Tokenizer(builtin_model), Tokenizer(widened_folder())
    text = narrow.encode(" " + clips[0].text)
    model = FloatModel(ModelFiles.load(builtin_model))
    ours = model.decode(model.encode(features), [narrow.sot, narrow.no_timestamps, *text])
    theirs = transformers_model.ask(widened_folder(), features, [wide.sot, wide.no_timestamps, *text]).logits
    np.testing.assert_allclose(theirs[:, : narrow.eot], ours[:, : narrow.eot], rtol=0, atol=1e-3)
    np.testing.assert_allclose(theirs[:, wide.eot], ours[:, narrow.eot], rtol=0, atol=1e-3)


def test_own_conversion_for_ctranslate2_is_that_of_its_converter(clips: list[Clip], tmp_path: Path) -> None:
    """faster-whisper writes the same tokens from both, equally likely."""
    from ctranslate2.converters import TransformersConverter

    stock = tmp_path / "stock"
    TransformersConverter(str(widened_folder()), copy_files=["tokenizer.json"]).convert(str(stock), quantization="int8")
    for clip in clips[:4]:
        answers = []
        for folder in (widened_form("ctranslate2", python=PYTHON), stock):
            model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)
            segments, _ = model.transcribe(clip.samples, language="en", beam_size=1, without_timestamps=True)
            answers.append([(segment.tokens, segment.avg_logprob) for segment in segments])
        (own,), (theirs,) = answers
        assert own[0] == theirs[0]
        assert own[1] == pytest.approx(theirs[1], abs=1e-3)


@pytest.mark.parametrize(("system", "form"), [("faster-whisper", "ctranslate2"), ("openai", "openai")])
def test_other_systems_say_the_words(
    builtin_model: Path, clips: list[Clip], tmp_path: Path, system: str, form: str
) -> None:
    """Each clip padded to 30 s: at most one word in ten differs from the built-in model's own on the same."""
    sound: NDArray[np.float32] = np.concatenate([np.pad(clip.samples, (0, 8000)) for clip in clips])
    edges = np.cumsum([0, *(len(clip.samples) + 8000 for clip in clips)]) / SAMPLE_RATE
    np.save(tmp_path / "sound.npy", sound)
    (tmp_path / "clips.json").write_text(json.dumps(list(pairwise(edges))))
    weights = widened_form(form, python=PYTHON)
    paths = (weights, widened_folder(), tmp_path / "sound.npy", tmp_path / "clips.json")
    command = [sys.executable, offline_driver.__file__, system, *map(str, paths), "1"]
    done = subprocess.run(command, input="clips\n", check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.splitlines()[1])["text"].split()
    wanted = " ".join(our_texts(builtin_model, clips, "float32")).split()
    assert len(wanted) > 30
    assert word_errors(wanted, found).rate <= 0.1
