"""faster-whisper as streaming servers call it: the growing window is padded to 30 s and decoded anew at each tick.

Run in `.venv-peers`: `python -m amanuensis.benchmarks.peers.faster_whisper_stream MODEL AUDIO.npy TICK_S RATE THREADS`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amanuensis.benchmarks.worker import serve_runs

SAMPLE_RATE = 16_000


def converted(model: Path) -> Path:
    """Return the CTranslate2 form of a Hugging Face folder, made beside it once."""
    target = model.with_name(model.name + "-ct2")
    if not (target / "model.bin").is_file():
        from ctranslate2.converters import TransformersConverter

        TransformersConverter(str(model), copy_files=["tokenizer.json"]).convert(str(target), quantization="int8")
    return target


def stream(model: Any, audio: NDArray[np.float32], tick_s: float, rate: float, beam: int) -> int:
    """Decode the growing window once per tick; return how many tokens were decoded in all.

    Random weights say nothing sensible, so the length is set: no special token may come, and decoding ends after as
    many tokens as the audio's length asks for and one more, which stands for <|endoftext|>.
    """
    ids = model.hf_tokenizer
    special = list(range(ids.token_to_id("<|endoftext|>"), ids.get_vocab_size()))
    decoded = 0
    for tick in range(1, round(len(audio) / SAMPLE_RATE / tick_s) + 1):
        wanted = int(rate * tick * tick_s) + 1
        segments, _ = model.transcribe(
            audio[: round(tick * tick_s * SAMPLE_RATE)],
            language="en",
            beam_size=beam,
            temperature=0.0,
            compression_ratio_threshold=None,
            log_prob_threshold=None,
            no_speech_threshold=None,
            without_timestamps=True,
            suppress_tokens=special,
            suppress_blank=False,
            # CTranslate2 ends at half of (prompt of 4 + this), or at this, whichever is less
            max_new_tokens=max(2 * wanted - 4, wanted),
        )
        made = sum(len(segment.tokens) for segment in segments)
        assert made in (wanted, wanted - 1), f"{made} tokens instead of {wanted}"
        decoded += made
    return decoded


def main() -> None:
    """Serve the cases `beam5` and `greedy`."""
    parser = argparse.ArgumentParser()
    for name, kind in (("model", Path), ("audio", Path), ("tick_s", float), ("rate", float), ("threads", int)):
        parser.add_argument(name, type=kind)
    args = parser.parse_args()
    from faster_whisper import WhisperModel

    model = WhisperModel(str(converted(args.model)), device="cpu", compute_type="int8", cpu_threads=args.threads)
    audio = np.load(args.audio)
    serve_runs(
        {
            "beam5": lambda: stream(model, audio, args.tick_s, args.rate, 5),
            "greedy": lambda: stream(model, audio, args.tick_s, args.rate, 1),
        },
        ["faster-whisper", "ctranslate2"],
    )


if __name__ == "__main__":
    main()
