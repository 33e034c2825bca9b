"""Ctrl-C asks first, then ends."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from amanuensis.daemon.signals import stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_first_signal_asks(number: signal.Signals) -> None:
    """The event is set and the work goes on to its end."""
    with stop_on_signals() as stop:
        os.kill(os.getpid(), number)
        await asyncio.wait_for(stop.wait(), 10)


async def test_the_second_signal_ends() -> None:
    """Work that does not end when asked is broken off."""

    async def stubborn() -> None:
        with stop_on_signals() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            await stop.wait()
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()

    with pytest.raises(KeyboardInterrupt):
        await stubborn()


async def test_afterwards_signals_do_what_they_did() -> None:
    """The handlers are taken away."""
    before = signal.getsignal(signal.SIGINT)
    with stop_on_signals():
        pass
    assert signal.getsignal(signal.SIGINT) == before
