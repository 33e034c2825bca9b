"""What a host answers, as values: so errors keep their types on the way back, which Ray does not promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

from amanuensis.npu.engine.api import (
    EngineBusyError,
    EngineError,
    EngineLostError,
    NoMoreVoicesError,
    NotEmbeddedError,
    PoisonWindowError,
    SupersededError,
)

KINDS: Final[Mapping[str, type[EngineError]]] = {
    kind.__name__: kind
    for kind in (EngineBusyError, EngineLostError, NoMoreVoicesError, NotEmbeddedError, SupersededError)
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of the engine.

    Attributes:
        kind: name of its class.
        message: its text.
        crashes, why: of a poison window.

    """

    kind: str
    message: str
    crashes: int = 0
    why: str = ""

    @classmethod
    def of(cls, error: EngineError) -> Refusal:
        """Return what stands for an error on the way."""
        if isinstance(error, PoisonWindowError):
            return cls(PoisonWindowError.__name__, str(error), error.crashes, error.why)
        return cls(type(error).__name__, str(error))

    def again(self) -> NoReturn:
        """Raise the error again; one of a kind that is not part of the engine's interface as EngineError."""
        if self.kind == PoisonWindowError.__name__:
            raise PoisonWindowError(self.crashes, self.why)
        raise KINDS.get(self.kind, EngineError)(self.message)
