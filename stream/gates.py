"""What of a hypothesis is not believed."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GateConfig"]


@dataclass(frozen=True, slots=True)
class GateConfig:
    """Thresholds."""
