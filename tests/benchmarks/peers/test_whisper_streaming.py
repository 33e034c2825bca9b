"""Lines of whisper_streaming's server."""

from __future__ import annotations

from amanuensis.benchmarks.peers.whisper_streaming import read_line


def test_a_line_is_committed_text_without_its_times() -> None:
    """The two numbers before the text are its times in ms; the space between texts is ours."""
    assert read_line("1020 2020  good morning\n") == [("commit", " good morning")]


def test_padding_and_empty_lines_say_nothing() -> None:
    """The server's packets may be filled up with zero bytes."""
    assert read_line("\0\0\n") == []
    assert read_line("0 0 \n") == []
