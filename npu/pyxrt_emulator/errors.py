"""The errors of the layers below `pyxrt`, in their words; in Python all of them are RuntimeErrors."""

from __future__ import annotations

import os


class ShimError(RuntimeError):
    """What the driver's user-space part throws (amd/xdna-driver, `shim_debug.h`): the number and what it means.

    Args:
        number: an errno, negative where it comes from the kernel.
        text: what failed.

    """

    def __init__(self, number: int, text: str) -> None:
        super().__init__(f"{text} (err={number}): {os.strerror(abs(number))}")


class StrictError(RuntimeError):
    """A mistake that the real binding lets pass in silence; only the strict emulator raises it."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text} (the strict emulator refuses what real pyxrt accepts in silence)")
