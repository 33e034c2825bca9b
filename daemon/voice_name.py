"""What a voice that is enrolled may be called."""

from __future__ import annotations

import unicodedata
from typing import Final

from amanuensis.stream.voice_names import is_letters

MAX_CHARS: Final = 40


class VoiceNameError(ValueError):
    """A voice cannot be called so; the message says how it can."""


def composed(text: str) -> str:
    """Return a name as it is compared: composed (NFC), without spaces around it, one between words."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def as_voice_name(text: str) -> str:
    """Return a name as it is kept: composed, on one line.

    Raises:
        VoiceNameError: it is empty, too long, not printable, or what a voice without a name is called.

    """
    name = composed(text)
    if not 0 < len(name) <= MAX_CHARS or not name.isprintable() or _hangs(name) or is_letters(name):
        raise VoiceNameError(
            f"name {text[: MAX_CHARS + 1]!r} is not allowed: give 1 to {MAX_CHARS} printable characters, and not just "
            "A to ZZ, which voices without a name are called"
        )
    return name


def _hangs(name: str) -> bool:
    """Whether it begins with a mark that would be drawn over what stands before it."""
    return unicodedata.category(name[0]).startswith("M")
