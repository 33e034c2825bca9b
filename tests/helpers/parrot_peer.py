"""A system to compare with that is a program of a few lines: `python FILE < PCM`, see benchmarks/peers/library.py.

It says "half" when it has half a second of sound, and how much it had when the sound ends.
"""

from __future__ import annotations

import json
import sys

BYTES_PER_S = 32_000


def show(row: dict[str, object]) -> None:
    """Print a row at once."""
    print(json.dumps(row), flush=True)


def main() -> None:
    """Hear standard input."""
    show({"ready": True})
    heard = len(sys.stdin.buffer.read(BYTES_PER_S // 2))
    show({"kind": "partial", "text": " half"})
    heard += len(sys.stdin.buffer.read())
    show({"kind": "final", "text": f" {heard / BYTES_PER_S:.1f} seconds"})


if __name__ == "__main__":
    main()
