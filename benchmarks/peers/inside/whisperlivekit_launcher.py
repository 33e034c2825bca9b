"""Start `wlk` with the vocabulary of the model that it is given, instead of GPT-2's.

WhisperLiveKit's own decoder finds the text of a token in a file beside its module; this names another folder for it and
changes nothing else. Run in its environment: `python FILE FOLDER ARGUMENT...`; the file is FOLDER/assets/gpt2.tiktoken.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Run its command line."""
    from whisperlivekit.whisper import tokenizer

    folder = Path(sys.argv[1])
    tokenizer.__file__ = str(folder / "tokenizer.py")
    sys.argv = ["wlk", *sys.argv[2:]]
    from whisperlivekit.cli import main as wlk

    wlk()


if __name__ == "__main__":
    main()
