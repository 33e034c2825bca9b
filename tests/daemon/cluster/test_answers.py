"""Errors keep their types on the way back from a host."""

from __future__ import annotations

import pickle

import pytest

from amanuensis.daemon.cluster.answers import Refusal
from amanuensis.npu.engine.api import (
    EngineBusyError,
    EngineError,
    EngineLostError,
    NoMoreVoicesError,
    NotEmbeddedError,
    PoisonWindowError,
    SupersededError,
)
from amanuensis.npu.model_error import ModelError

KINDS = [EngineBusyError, EngineError, EngineLostError, NoMoreVoicesError, NotEmbeddedError, SupersededError]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_error_is_raised_again(kind: type[EngineError]) -> None:
    """Of the same class, with the same words."""
    with pytest.raises(kind, match=r"^why$") as told:
        pickle.loads(pickle.dumps(Refusal.of(kind("why")))).again()
    assert type(told.value) is kind


def test_a_poison_window_keeps_what_is_known_of_it() -> None:
    """How often and why."""
    with pytest.raises(PoisonWindowError) as told:
        Refusal.of(PoisonWindowError(2, "killed by SIGSEGV")).again()
    assert (told.value.crashes, told.value.why) == (2, "killed by SIGSEGV")


def test_an_error_of_another_part_is_one_of_the_engine() -> None:
    """Its words are kept, its class is not known at the other end."""
    with pytest.raises(EngineError, match="no such tensor") as told:
        Refusal.of(ModelError("no such tensor")).again()
    assert type(told.value) is EngineError
