"""Messages of WhisperLiveKit's server, cut down to the fields that are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from amanuensis.benchmarks.peers.peer import Setup, Weights
from amanuensis.benchmarks.peers.whisperlivekit import SILENCE, Lines, WhisperLiveKit


def message(partial: str, *texts: str | None) -> dict[str, Any]:
    """A message with lines; None is a pause."""
    lines = [{"speaker": SILENCE if text is None else 1, "text": text} for text in texts]
    return {"status": "active_transcription", "lines": lines, "buffer_transcription": partial}


def test_words_that_are_new_in_the_lines_are_committed() -> None:
    """Lines hold all that was said; pauses between them and their number do not matter."""
    lines = Lines()
    assert lines.read(message(" good")) == [("partial", " good")]
    assert lines.read(message(" is it", " good morning what time")) == [
        ("commit", " good morning what time"),
        ("partial", " is it"),
    ]
    assert lines.read(message("", " good morning what time is it", None, " It is")) == [
        ("commit", " is it It is"),
        ("partial", ""),
    ]


def test_a_message_without_news_says_nothing() -> None:
    """The server sends twenty messages a second; those of another kind have no lines."""
    lines = Lines()
    lines.read(message("", " good"))
    assert lines.read(message("", " good")) == []
    assert lines.read({"type": "config", "useAudioWorklet": True}) == []


def test_the_second_policy_takes_the_decoder_with_its_vocabulary(tmp_path: Path) -> None:
    """AlignAtt runs its own decoder on faster-whisper's encoder; LocalAgreement needs only the latter's folder."""
    fast, slow = tmp_path / "ct2", tmp_path / "base.en"
    fast.mkdir()
    slow.mkdir()
    (slow / "alignment_heads").write_text("ABzY8abc")
    setup = Setup(Weights(ctranslate2=fast, whisperlivekit=slow), 2, 0.5, tmp_path / "warm-up.wav")
    python = tmp_path / "bin/python"
    agreement = WhisperLiveKit("localagreement").command(python, setup, 8000)
    assert agreement[0] == str(tmp_path / "bin/wlk")
    assert agreement[agreement.index("--model_dir") + 1] == str(fast)
    simultaneous = WhisperLiveKit("simulstreaming").command(python, setup, 8000)
    assert simultaneous[simultaneous.index("--decoder-model-path") + 1] == str(slow)
    assert "--custom-alignment-heads=ABzY8abc" in simultaneous
