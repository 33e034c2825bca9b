"""What the emulated device counts of itself, independently of the host code that drives it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Counters:
    """What was done since the emulator was configured; all times are modelled.

    Attributes:
        dispatches: commands that were started.
        failed: of these, the ones that ended, or will end, in another state than COMPLETED.
        switches: of these, the ones that were given to another context than the command before.
        bytes_to_device: moved by `sync` towards the device.
        bytes_from_device: moved by `sync` from the device.
        syncs: calls of `sync`.
        clone_copies: arguments of a foreign slot or bank, of which a copy was made.
        allocations: buffers and clones that were allocated.
        contexts: hardware contexts that were opened.
        device_us: the device was busy.
        overhead_us: between starts and the beginning of the work, waking included.
        blocked_us: `wait` and `wait2` held the interpreter's lock.
        elapsed_us: by the emulator's clock.
        operators: how many of each were executed, by name.
        faults: how many struck, by kind.

    """

    dispatches: int
    failed: int
    bytes_to_device: int
    bytes_from_device: int
    syncs: int
    clone_copies: int
    allocations: int
    contexts: int
    device_us: float
    overhead_us: float
    blocked_us: float
    elapsed_us: float
    operators: Mapping[str, int]
    faults: Mapping[str, int]
    switches: int = 0

    @property
    def busy_share(self) -> float:
        """The share of the elapsed time in which the device was busy, from 0 to 1."""
        return min(1.0, self.device_us / self.elapsed_us) if self.elapsed_us else 0.0


@dataclass(slots=True)
class Tally:
    """The counts as they grow; fields as in Counters, times in nanoseconds."""

    dispatches: int = 0
    failed: int = 0
    bytes_to_device: int = 0
    bytes_from_device: int = 0
    syncs: int = 0
    clone_copies: int = 0
    allocations: int = 0
    contexts: int = 0
    device_ns: int = 0
    overhead_ns: int = 0
    blocked_ns: int = 0
    operators: Counter[str] = field(default_factory=Counter)
    switches: int = 0

    def snapshot(self, elapsed_ns: int, faults: Mapping[str, int]) -> Counters:
        """Return the counts as they are now."""
        return Counters(
            dispatches=self.dispatches,
            failed=self.failed,
            bytes_to_device=self.bytes_to_device,
            bytes_from_device=self.bytes_from_device,
            syncs=self.syncs,
            clone_copies=self.clone_copies,
            allocations=self.allocations,
            contexts=self.contexts,
            device_us=self.device_ns / 1e3,
            overhead_us=self.overhead_ns / 1e3,
            blocked_us=self.blocked_ns / 1e3,
            elapsed_us=elapsed_ns / 1e3,
            operators=dict(self.operators),
            faults=dict(faults),
            switches=self.switches,
        )
