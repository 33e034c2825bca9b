"""Ctrl-C asks first, then ends."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys

import pytest

from amanuensis.daemon.signals import stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_first_signal_asks(number: signal.Signals) -> None:
    """The event is set and the work goes on to its end."""
    with stop_on_signals() as stop:
        os.kill(os.getpid(), number)
        await asyncio.wait_for(stop.wait(), 10)


@pytest.mark.parametrize(("usual", "counts"), [(signal.SIG_DFL, True), (signal.SIG_IGN, False)])
async def test_a_hangup_asks_unless_it_is_to_be_ignored(
    usual: signal.Handlers, counts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under `nohup` the work goes on."""
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.StringIO())  # that of the tests stays
    before = signal.signal(signal.SIGHUP, usual)
    try:
        with stop_on_signals() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGTERM if not counts else signal.SIGHUP)
            await asyncio.wait_for(stop.wait(), 10)
        assert signal.getsignal(signal.SIGHUP) == usual
    finally:
        signal.signal(signal.SIGHUP, before)


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
