"""Words to subtitle files: SRT, WebVTT, plain text and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from amanuensis.stream.events import Word
from amanuensis.stream.voice_names import is_letters

__all__ = [
    "Cue",
    "CueRules",
    "Utterance",
    "clock",
    "make_cues",
    "named_where_several",
    "srt_of",
    "to_json",
    "to_srt",
    "to_text",
    "to_vtt",
    "vtt_of",
]

Utterance: TypeAlias = Sequence[Word]
SENTENCE_END: Final = (".", "?", "!", "…", "\u3002", "\uff1f", "\uff01")  # the last three: Chinese and Japanese
WORD_JOINER: Final = "\u2060"  # invisible; keeps a player from taking text for markup
SRT_MARKUP: Final = re.compile(r"<(?=[A-Za-z/!])|(?<=-)(?=->)|\{(?=\\)")
VTT_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


@dataclass(frozen=True, slots=True)
class CueRules:
    """How words are cut into cues; the defaults are those common in broadcasting.

    Attributes:
        line_chars: characters of a line.
        max_lines: lines of a cue.
        max_ms: a cue is shown no longer.
        min_ms: a cue is shown at least so long where the next one leaves room.
        pause_ms: a pause between words that begins a new cue.

    """

    line_chars: int = 42
    max_lines: int = 2
    max_ms: int = 7000
    min_ms: int = 1000
    pause_ms: int = 1500

    def __post_init__(self) -> None:
        if self.line_chars < 1 or self.max_lines < 1 or not 0 < self.min_ms <= self.max_ms or self.pause_ms < 0:
            raise ValueError(f"{self} is not allowed: lines and times must be positive and min_ms at most max_ms")


@dataclass(frozen=True, slots=True)
class Cue:
    """A caption on the screen: whole milliseconds, one or more lines of words, one speaker or none."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    spk: str | None = None
    words: Utterance = field(default=(), compare=False)


def make_cues(utterances: Iterable[Utterance], rules: CueRules | None = None) -> list[Cue]:
    """Cut utterances into cues that never overlap, each of at least 1 ms.

    A cue ends where the utterance or the speaker's turn ends, at a pause, at the end of a sentence once it has a
    line full of text, and where it would grow too long.
    """
    rules = rules or CueRules()
    cues: list[Cue] = []
    for utterance in utterances:
        for words in _groups(list(_printable(utterance, rules)), rules):
            begin = max(cues[-1].end_ms if cues else 0, round(words[0].start_ms))
            end = max(begin + 1, min(round(words[-1].end_ms), begin + rules.max_ms))
            cues.append(Cue(begin, end, _lines(words, rules), words[0].spk, words))
    return _lengthen(cues, rules)


def to_srt(utterances: Iterable[Utterance], rules: CueRules | None = None) -> str:
    """Return a SubRip file; a speaker's name stands before the first words of each turn."""
    return srt_of(make_cues(named_where_several(utterances), rules))


def srt_of(cues: Iterable[Cue]) -> str:
    """Return a SubRip file of cues, which may overlap."""
    blocks = []
    spk: str | None = None
    for number, cue in enumerate(cues, 1):
        text = SRT_MARKUP.sub(lambda match: match[0] + WORD_JOINER, _named("\n".join(cue.lines), cue.spk, spk))
        spk = cue.spk
        blocks.append(f"{number}\n{clock(cue.start_ms, ',')} --> {clock(cue.end_ms, ',')}\n{text}\n")
    return "\n".join(blocks)


def to_vtt(utterances: Iterable[Utterance], rules: CueRules | None = None) -> str:
    """Return a WebVTT file; speakers are voice tags."""
    return vtt_of(make_cues(named_where_several(utterances), rules))


def vtt_of(cues: Iterable[Cue], text_of: Callable[[Cue], str] | None = None) -> str:
    """Return a WebVTT file of cues, which may overlap; with the text that is given for each, if any."""
    blocks = ["WEBVTT\n"]
    for cue in cues:
        text = (text_of or _escaped)(cue)
        if cue.spk is not None:
            text = f"<v {_one_line(cue.spk).translate(VTT_ENTITIES)}>{text}"
        blocks.append(f"{clock(cue.start_ms, '.')} --> {clock(cue.end_ms, '.')}\n{text}\n")
    return "\n".join(blocks)


def to_text(utterances: Iterable[Utterance]) -> str:
    """Return one line an utterance and speaker; a speaker's name stands before the first words of each turn."""
    lines = []
    spk: str | None = None
    for utterance in named_where_several(utterances):
        for turn in _turns(utterance):
            text = _one_line("".join(word.text for word in turn))
            if text:
                lines.append(_named(text, turn[0].spk, spk) + "\n")
                spk = turn[0].spk
    return "".join(lines)


def to_json(utterances: Iterable[Utterance]) -> str:
    """Return `{text, utterances: [{text, from_ms, to_ms, words: [{text, from_ms, to_ms, conf, spk?}]}]}`."""
    items = [
        {
            "text": _one_line("".join(word.text for word in words)),
            "from_ms": words[0].start_ms,
            "to_ms": words[-1].end_ms,
            "words": [_word_json(word) for word in words],
        }
        for words in utterances
        if words
    ]
    document = {"text": " ".join(str(item["text"]) for item in items), "utterances": items}
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _escaped(cue: Cue) -> str:
    return "\n".join(cue.lines).translate(VTT_ENTITIES)


def _word_json(word: Word) -> dict[str, str | float]:
    item: dict[str, str | float] = {
        "text": word.text,
        "from_ms": word.start_ms,
        "to_ms": word.end_ms,
        "conf": round(word.conf, 4),
    }
    return item if word.spk is None else item | {"spk": word.spk}


def _one_line(text: str) -> str:
    return " ".join(text.split())


def named_where_several(utterances: Iterable[Utterance]) -> Iterable[Utterance]:
    """Leave the one voice of a text unnamed, if all that is known of it is a letter."""
    utterances = list(utterances)
    voices = {word.spk for words in utterances for word in words} - {None}
    if len(voices) != 1 or not is_letters(voices.pop() or ""):
        return utterances
    return [[replace(word, spk=None) for word in words] for words in utterances]


def _named(text: str, spk: str | None, spk_before: str | None) -> str:
    return text if spk is None or spk == spk_before else f"{_one_line(spk)}: {text}"


def _turns(words: Sequence[Word]) -> list[list[Word]]:
    turns: list[list[Word]] = []
    for word in words:
        if turns and turns[-1][0].spk == word.spk:
            turns[-1].append(word)
        else:
            turns.append([word])
    return turns


def _printable(words: Utterance, rules: CueRules) -> Iterator[Word]:
    """Yield words with white space made single and those longer than a line cut, their time shared out."""
    for word in words:
        text = _one_line(word.text)
        space = " " if word.text[:1].isspace() else ""
        n_pieces = -(-len(text) // rules.line_chars)
        for i in range(n_pieces):
            piece = text[i * rules.line_chars : (i + 1) * rules.line_chars]
            step = (word.end_ms - word.start_ms) / n_pieces
            start = word.start_ms + i * step
            yield replace(word, text=space * (i == 0) + piece, start_ms=start, end_ms=start + step)


def _groups(words: list[Word], rules: CueRules) -> list[list[Word]]:
    groups: list[list[Word]] = []
    for word in words:
        if groups and not _breaks_before(word, groups[-1], rules):
            groups[-1].append(word)
        else:
            groups.append([word])
    return groups


def _breaks_before(word: Word, group: list[Word], rules: CueRules) -> bool:
    last = group[-1]
    sentence_over = last.text.endswith(SENTENCE_END) and _length(group) >= rules.line_chars
    return (
        word.spk != last.spk
        or word.start_ms - last.end_ms >= rules.pause_ms
        or word.end_ms - group[0].start_ms > rules.max_ms
        or sentence_over
        or len(_fill([*group, word], rules.line_chars)) > rules.max_lines
    )


def _length(words: Sequence[Word]) -> int:
    return len("".join(word.text for word in words).strip())


def _fill(words: Sequence[Word], width: int) -> list[str]:
    """Fill lines of at most `width` characters greedily; a line breaks between words only."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1] + word.text) <= width:
            lines[-1] += word.text
        else:
            lines.append(word.text.lstrip())
    return lines


def _lines(words: Sequence[Word], rules: CueRules) -> tuple[str, ...]:
    """Break a cue into as few lines as it needs, as even in length as they go."""
    lines = _fill(words, rules.line_chars)
    for width in range(max(len(line) for line in lines) - 1, 0, -1):
        narrower = _fill(words, width)
        if len(narrower) > len(lines) or max(len(line) for line in narrower) > width:
            break
        lines = narrower
    return tuple(lines)


def _lengthen(cues: list[Cue], rules: CueRules) -> list[Cue]:
    """Show short cues for `min_ms` where the next one leaves room."""
    limits = [cue.start_ms for cue in cues[1:]] + [cues[-1].start_ms + rules.max_ms] if cues else []
    return [
        replace(cue, end_ms=max(cue.end_ms, min(cue.start_ms + rules.min_ms, limit)))
        for cue, limit in zip(cues, limits, strict=True)
    ]


def clock(ms: int, separator: str) -> str:
    """Return a time as HH:MM:SS with milliseconds behind the separator."""
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{separator}{ms:03}"
