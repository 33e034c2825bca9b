"""Names that `--input` takes for what the machine plays."""

from __future__ import annotations

from typing import Final

SYSTEM: Final = "system"
APP: Final = "app:"  # before the name of an application
