"""What can be wrong with a design."""

from __future__ import annotations


class DesignError(ValueError):
    """A design that the toolchain would refuse or the device would corrupt; names the thing, the value, the limit."""


class DeadlockError(RuntimeError):
    """Nothing can go on although the sequence has not ended; says who waits for what."""


class UnbalancedError(RuntimeError):
    """The sequence ended and left something in the array that the next dispatch would find."""
