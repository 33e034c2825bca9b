"""KoljaB/RealtimeSTT fed with sound, with live text switched on; all else as it comes (MIT). See `../library.py`.

Run in its environment: `python FILE MODEL THREADS TICK_S < PCM`. It loads the model twice, in a process of its own for
the final text and for the live one, and decodes an utterance again when it is over.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable

FEED_BYTES = 1024  # 512 samples, what its voice detection takes


def printer() -> Callable[[dict[str, object]], None]:
    """Return what prints a row on the true standard output; the library's own words go to standard error."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    lock = threading.Lock()

    def show(row: dict[str, object]) -> None:
        with lock:
            out.write(json.dumps(row) + "\n")
            out.flush()

    return show


def main() -> None:
    """Feed it until standard input ends."""
    model, _threads, tick_s = sys.argv[1:]
    show = printer()
    from RealtimeSTT import AudioToTextRecorder

    recorder = AudioToTextRecorder(
        model=model,
        realtime_model_type=model,
        language="en",
        device="cpu",
        compute_type="int8",
        use_microphone=False,
        spinner=False,
        no_log_file=True,
        enable_realtime_transcription=True,
        realtime_processing_pause=float(tick_s),
        on_realtime_transcription_update=lambda text: show({"kind": "partial", "text": text}),
    )

    def finals() -> None:
        while True:
            if text := recorder.text():
                show({"kind": "final", "text": text})

    threading.Thread(target=finals, daemon=True).start()
    show({"ready": True})
    while pcm := sys.stdin.buffer.read(FEED_BYTES):
        recorder.feed_audio(pcm)
    os._exit(0)  # its shutdown waits for threads that wait for sound


if __name__ == "__main__":
    main()
