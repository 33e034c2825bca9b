"""whisper_streaming's LocalAgreement on a simulated clock: one decode at each tick, however long it takes.

So it costs what its policy costs, also on a machine on which it would fall behind and decode less often. Run in its
environment: `python FILE CHECKOUT MODEL AUDIO.npy TICK_S THREADS`; prints one JSON object `{"shown": ..., "sent": ...,
"cpu_s": ..., "rss_mb": ...}` (shown and sent as benchmarks/measures.py has them).
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000


def stream(online: Any, audio: NDArray[np.float32], tick_s: float) -> dict[str, list[list[Any]]]:
    """Give an `OnlineASRProcessor` the sound tick by tick; return what it committed at which media time."""
    shown: list[list[Any]] = []
    sent: list[list[Any]] = []
    step = round(tick_s * SAMPLE_RATE)
    for start in range(0, len(audio), step):
        piece = audio[start : start + step]
        at_s = (start + len(piece)) / SAMPLE_RATE
        sent.append([at_s, at_s])
        online.insert_audio_chunk(piece)
        shown += [[at_s, "commit", text] for _, _, text in [online.process_iter()] if text]
    shown += [[at_s, "commit", text] for _, _, text in [online.finish()] if text]
    return {"shown": shown, "sent": sent}


def main() -> None:
    """Stream once and print."""
    checkout, model, audio_file, tick_s, threads = sys.argv[1:]
    sys.path.insert(0, checkout)
    import faster_whisper
    from whisper_online import FasterWhisperASR, OnlineASRProcessor

    def load_model(_: Any, modelsize: object = None, cache_dir: object = None, model_dir: str = "") -> Any:
        del modelsize, cache_dir
        return faster_whisper.WhisperModel(model_dir, device="cpu", compute_type="int8", cpu_threads=int(threads))

    FasterWhisperASR.load_model = load_model  # its own asks for CUDA
    audio = np.load(Path(audio_file))
    asr = FasterWhisperASR("en", model_dir=model)
    asr.transcribe(audio[:SAMPLE_RATE])
    before = time.process_time()
    told: dict[str, Any] = stream(OnlineASRProcessor(asr), audio, float(tick_s))
    told["cpu_s"] = time.process_time() - before
    told["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(told))


if __name__ == "__main__":
    main()
