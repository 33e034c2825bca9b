"""Commands on the device's line of time: each begins when the device is free, and its state follows from the clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from amanuensis.npu.pyxrt_emulator.enums import CommandState
from amanuensis.npu.pyxrt_emulator.memory import Memory, Span

FIRST_POLL_NS = 20_000  # what passes between the first two looks at a command; each next one takes twice as long


@dataclass(eq=False, slots=True)
class Command:
    """One dispatch.

    Attributes:
        begin_ns: when the device takes it.
        end_ns: when it is over, None where it never is.
        outcome: its state then.
        spans: what the device reads and writes of buffers.
        poll_ns: the time that passes at the next look at it.

    """

    begin_ns: int
    end_ns: int | None
    outcome: CommandState
    spans: tuple[Span, ...]
    poll_ns: int = FIRST_POLL_NS

    def is_over(self, now_ns: int) -> bool:
        """Say whether it is in its last state."""
        return self.end_ns is not None and now_ns >= self.end_ns

    def state(self, now_ns: int) -> CommandState:
        """Return its state at a time."""
        if self.is_over(now_ns):
            return self.outcome
        return CommandState.ERT_CMD_STATE_SUBMITTED if now_ns >= self.begin_ns else CommandState.ERT_CMD_STATE_QUEUED

    def abort(self, now_ns: int) -> None:
        """End it now, unless it is over."""
        if not self.is_over(now_ns):
            self.begin_ns = min(self.begin_ns, now_ns)
            self.end_ns, self.outcome = now_ns, CommandState.ERT_CMD_STATE_ABORT


@dataclass(slots=True)
class Timeline:
    """What the device has to do; one command at a time, in the order of their start.

    Attributes:
        commands: those that are not over yet, and perhaps some that are.
        last_ns: when the device was last in use.

    """

    commands: list[Command] = field(default_factory=list)
    last_ns: int = 0

    def under_way(self, now_ns: int) -> Sequence[Command]:
        """Return the commands that are not over."""
        self.commands = [command for command in self.commands if not command.is_over(now_ns)]
        return self.commands

    def free_ns(self, now_ns: int) -> int | None:
        """Return when the device is through with all of them, or None where it hangs."""
        ends = [command.end_ns for command in self.under_way(now_ns)]
        return None if None in ends else max([now_ns, *(end for end in ends if end is not None)])

    def add(self, command: Command) -> None:
        """Append a command."""
        self.commands.append(command)
        self.last_ns = max(self.last_ns, command.end_ns or command.begin_ns)

    def uses(self, memory: Memory, start: int, stop: int, now_ns: int) -> bool:
        """Say whether a command under way has to do with a range of a root buffer."""
        return any(span.overlaps(memory, start, stop) for command in self.under_way(now_ns) for span in command.spans)
