"""Commands that are run when a meeting begins and ends."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from amanuensis.daemon.meetings.hooks import run_hook


async def test_a_hook_gets_the_meeting_on_its_standard_input(tmp_path: Path) -> None:
    """As JSON, with no shell between."""
    target = tmp_path / "$(got).json"
    program = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.stdin.read())"
    assert await run_hook([sys.executable, "-c", program, str(target)], {"event": "end"}, 60)
    assert json.loads(target.read_text()) == {"event": "end"}


@pytest.mark.parametrize("command", [["/nowhere/at/all"], [sys.executable, "-c", "raise SystemExit(3)"]])
async def test_a_hook_that_fails_is_logged(command: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """And nothing more."""
    assert not await run_hook(command, {}, 60)
    assert command[0] in caplog.text


@pytest.mark.parametrize("program", ["for _ in range(300): print('x' * 99_999)", "import os; os.close(0)"])
async def test_a_hook_may_shout_and_not_listen(program: str) -> None:
    """What it prints goes nowhere, and what it does not read is not waited for."""
    assert await run_hook([sys.executable, "-c", program], {"text": "long " * 200_000}, 60)


async def test_a_hook_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    """The child holds a pipe open until it dies."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    program = f"import subprocess; subprocess.run(['sh', '-c', 'exec 9>{pipe}; exec sleep 600'])"
    try:
        assert not await run_hook([sys.executable, "-c", program], {}, 1.0)
        os.set_blocking(reader, True)
        assert os.read(reader, 1) == b""
    finally:
        os.close(reader)
