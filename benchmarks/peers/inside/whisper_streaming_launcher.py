"""Start the server of a whisper_streaming checkout, on the CPU.

It asks for CUDA in float16 in its source and tells its users to edit that line; this gives the line that it names for
the CPU, int8, and changes nothing else. Run in its environment: `python FILE CHECKOUT ARGUMENT...`.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Run `whisper_online_server.py` as its own command does."""
    import faster_whisper

    checkout = Path(sys.argv[1])
    wanted = faster_whisper.WhisperModel

    def on_cpu(path: str, device: str, compute_type: str, **others: Any) -> Any:
        assert (device, compute_type) == ("cuda", "float16"), "the line that is replaced has changed"
        return wanted(path, device="cpu", compute_type="int8", **others)

    faster_whisper.WhisperModel = on_cpu
    sys.path.insert(0, str(checkout))
    sys.argv = [str(checkout / "whisper_online_server.py"), *sys.argv[2:]]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
