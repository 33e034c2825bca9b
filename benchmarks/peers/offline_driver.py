"""Whole recordings in other systems. Run in the environment of the system, by path, for `amanuensis bench offline`.

`python offline_driver.py SYSTEM WEIGHTS FOLDER AUDIO.npy CLIPS.json THREADS`: FOLDER is the Hugging Face form of the
weights, CLIPS a list of [start_s, end_s]. Prints a line of versions when the model is loaded; then each line on
standard input names a case and is answered by a line `{"wall_s": ..., "cpu_s": ..., "text": ...}`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
BATCH = 8  # faster-whisper's default
# As in faster-whisper's pipeline; the built-in model reads text before it badly, and fallbacks would only cost.
UNPROMPTED: Any = {"without_timestamps": True, "condition_on_previous_text": False, "temperature": 0.0}
Sound = NDArray[np.float32]
Clips = list[tuple[float, float]]
Cases = Mapping[str, Callable[[], str]]


def faster_whisper(weights: Path, _: Path, sound: Sound, clips: Clips, threads: int) -> Cases:
    """Return faster-whisper's cases, with its own settings but for UNPROMPTED."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    model = WhisperModel(str(weights), device="cpu", compute_type="int8", cpu_threads=threads)
    pipeline = BatchedInferencePipeline(model)
    parts = [{"start": start_s, "end": end_s} for start_s, end_s in clips]

    def text(found: tuple[Iterable[Any], Any]) -> str:
        return "".join(segment.text for segment in found[0])

    return {
        "batched": lambda: text(pipeline.transcribe(sound, language="en", batch_size=BATCH)),
        "batched clips": lambda: text(
            pipeline.transcribe(sound, language="en", batch_size=BATCH, clip_timestamps=parts)
        ),
        "clips": lambda: text(
            model.transcribe(
                sound,
                language="en",
                **UNPROMPTED,
                clip_timestamps=[edge for clip in clips for edge in clip],
            )
        ),
    }


def openai(weights: Path, folder: Path, sound: Sound, clips: Clips, threads: int) -> Cases:
    """Return the reference's cases, with the settings of its `transcribe` but for UNPROMPTED.

    Its vocabulary is part of its package; the model's own is put in its place.
    """
    import torch
    import whisper

    torch.set_num_threads(threads)
    encoding = _encoding(folder, whisper.tokenizer.get_encoding("gpt2"))
    whisper.tokenizer.get_encoding = lambda *_, **__: encoding
    model = whisper.load_model(str(weights))
    edges = [edge for clip in clips for edge in clip][:-1]  # the last ends with the sound: an end after it never comes

    def text() -> str:
        found = whisper.transcribe(model, sound, language="en", clip_timestamps=edges, fp16=False, **UNPROMPTED)
        return str(found["text"])

    return {"clips": text}


def _encoding(folder: Path, stock: Any) -> Any:
    """Return the folder's vocabulary with the stock special tokens, as OpenAI's tokeniser takes it."""
    import tiktoken

    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    to_byte = {chr(byte): byte for byte in printable} | {chr(256 + k): byte for k, byte in enumerate(others)}
    texts = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    return tiktoken.Encoding(
        name="widened",
        pat_str=stock._pat_str,
        mergeable_ranks={bytes(to_byte[each] for each in text): token for text, token in texts.items()},
        special_tokens=stock._special_tokens,
    )


def openvino(weights: Path, _: Path, sound: Sound, clips: Clips, threads: int) -> Cases:
    """Return OpenVINO GenAI's cases."""
    import openvino_genai

    pipeline = openvino_genai.WhisperPipeline(str(weights), "CPU", INFERENCE_NUM_THREADS=threads)

    def text() -> str:
        return "".join(
            pipeline.generate(sound[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)].tolist()).texts[0]
            for start_s, end_s in clips
        )

    return {"clips": text}


SYSTEMS = {
    "faster-whisper": (faster_whisper, ("faster-whisper", "ctranslate2")),
    "openai": (openai, ("openai-whisper", "torch")),
    "openvino": (openvino, ("openvino-genai", "openvino")),
}


def main() -> None:
    """Load, then serve."""
    system, weights, folder, audio, clips, threads = sys.argv[1:]
    start, libraries = SYSTEMS[system]
    parts = [(start_s, end_s) for start_s, end_s in json.loads(Path(clips).read_text())]
    cases = start(Path(weights), Path(folder), np.load(audio), parts, int(threads))
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries may print what they like
    print(json.dumps({name: version(name) for name in libraries}), file=answers, flush=True)
    for line in sys.stdin:
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        text = cases[line.strip()]()
        took = {"wall_s": time.perf_counter() - wall_s, "cpu_s": time.process_time() - cpu_s}
        print(json.dumps({**took, "text": text}), file=answers, flush=True)


if __name__ == "__main__":
    main()
