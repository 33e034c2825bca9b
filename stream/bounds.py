"""The check that the settings of a part lie within their bounds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

__all__ = ["Bound", "check_bounds"]

Bound: TypeAlias = tuple[str, float, float]  # name of the setting, lowest and highest value allowed


def check_bounds(part: str, settings: object, bounds: Iterable[Bound]) -> None:
    """Refuse a setting of `part` that lies outside its bounds.

    Raises:
        ValueError: names the part, the setting, its value and what is allowed.

    """
    for name, low, high in bounds:
        value = getattr(settings, name)
        if not low <= value <= high:
            raise ValueError(f"{part} {name} {value!r} is not allowed: it must be {low:g} to {high:g}")
