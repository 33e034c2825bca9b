"""The progress bar on stderr."""

from __future__ import annotations

import io

import pytest

from amanuensis.daemon.progress import progress_bar


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_name_and_messages() -> None:
    """The bar names the file; messages are printed as they are; at the end the bar is gone."""
    out = Terminal()
    with progress_bar(out) as bar:
        with bar.task("talk [1].wav", 10.0):
            bar.advance(5.0)
            bar.message("amanuensis: [b]odd[/b]: no such file")
        bar.advance(7.0)
    shown = out.getvalue()
    assert "talk [1].wav" in shown
    assert "amanuensis: [b]odd[/b]: no such file" in shown
    assert "talk" not in shown.rpartition("\x1b[2K")[2]


@pytest.mark.parametrize("total_s", [None, 0.0])
def test_a_length_that_is_not_known_is_no_error(total_s: float | None) -> None:
    """A pipe has no length, a file may have none."""
    with progress_bar(Terminal()) as bar, bar.task("-", total_s):
        bar.advance(5.0)


def test_a_pipe_sees_messages_only(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody looks there is no bar."""
    out = io.StringIO()
    with progress_bar(out) as bar, bar.task("talk.wav", 10.0):
        bar.advance(5.0)
        bar.message("amanuensis: a message")
    assert out.getvalue() == ""
    assert capsys.readouterr().err == "amanuensis: a message\n"
