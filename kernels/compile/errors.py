"""What can go wrong when programs are compiled."""

from __future__ import annotations


class CompileError(RuntimeError):
    """Programs that cannot be compiled: the message says in one line what failed and what to do.

    Attributes:
        output: everything that the failing tool printed; empty where no tool ran.

    """

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output


class ToolchainError(CompileError):
    """A tool that compiling needs is not installed; the message says how to install it."""
