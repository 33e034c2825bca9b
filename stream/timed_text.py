"""Words to files in which every word has its time: labels, SRT and WebVTT."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate

from amanuensis.stream.events import Word
from amanuensis.stream.subtitles import (
    VTT_ENTITIES,
    Cue,
    CueRules,
    Utterance,
    clock,
    make_cues,
    named_where_several,
    srt_of,
    vtt_of,
)

__all__ = ["label", "stamped", "to_labels", "to_timed_vtt", "to_word_srt", "word_cues"]


def label(start_ms: float, end_ms: float, text: str) -> str:
    """Return a word as a line of a label track, as audio editors read it: start and end in seconds, and the text."""
    return f"{start_ms / 1000:.3f}\t{end_ms / 1000:.3f}\t{' '.join(text.split())}"


def to_labels(utterances: Iterable[Utterance]) -> str:
    """Return one line a word; a speaker's name stands before the first word of each turn."""
    return "".join(
        label(word.start_ms, word.end_ms, f"{word.spk}: {word.text}" if new_turn else word.text) + "\n"
        for word, new_turn in _with_turns(
            word for words in named_where_several(utterances) for word in words if word.text.strip()
        )
    )


def to_word_srt(utterances: Iterable[Utterance]) -> str:
    """Return a SubRip file with one cue a word."""
    return srt_of(word_cues(named_where_several(utterances)))


def word_cues(utterances: Iterable[Utterance]) -> list[Cue]:
    """Return one cue a word."""
    return make_cues(((word,) for words in utterances for word in words), CueRules(min_ms=1))


def to_timed_vtt(utterances: Iterable[Utterance]) -> str:
    """Return a WebVTT file with the usual cues, in which a timestamp stands before each word but the first."""
    return vtt_of(make_cues(named_where_several(utterances)), stamped)


def stamped(cue: Cue) -> str:
    """Return the text of a cue with timestamps, which must lie inside the cue and grow."""
    lines: list[str] = []
    line_ends = list(accumulate(len("".join(line.split())) for line in cue.lines))
    at, shown_ms, text = 0, cue.start_ms, ""
    for word in cue.words:
        bare = word.text.strip()
        stamp_ms = round(word.start_ms)
        stamp = ""
        if shown_ms < stamp_ms < cue.end_ms:
            stamp, shown_ms = f"<{clock(stamp_ms, '.')}>", stamp_ms
        space = " " if text and word.text[:1].isspace() else ""
        text += f"{space}{stamp}{bare.translate(VTT_ENTITIES)}"
        at += len("".join(bare.split()))
        if at >= line_ends[len(lines)]:
            lines.append(text)
            text = ""
    return "\n".join(lines)


def _with_turns(words: Iterable[Word]) -> Iterator[tuple[Word, bool]]:
    """Yield each word, and whether another speaker begins with it."""
    spk: str | None = None
    for word in words:
        yield word, word.spk is not None and word.spk != spk
        spk = word.spk
