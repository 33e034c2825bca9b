"""How well text is written: words with their case and marks, which captions show and word errors leave out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from amanuensis.benchmarks.measures import pairs
from amanuensis.stream.wer import word_errors
from amanuensis.training.evaluation.scores import Ratio, ratio
from amanuensis.training.evaluation.sets import Utterance
from amanuensis.training.text import MARKS, normal_form, spoken_words


@dataclass(frozen=True)
class Token:
    """A written word, taken apart."""

    spoken: str
    core: str  # with its case
    mark: str  # what follows it, "" if nothing

    @property
    def is_title(self) -> bool:
        """Whether it is written short ("Mr."), and its point is no mark of the sentence."""
        return self.spoken != normal_form(self.core)


def tokens(text: str) -> list[Token]:
    """Return the words of a written text, apart at hyphens; marks that stand alone are left out."""
    found = []
    for word in text.replace("-", " ").split():
        core = word.strip("\"'()" + MARKS)
        if spoken := " ".join(spoken_words(core)):
            tail = word[word.index(core) + len(core) :]
            found.append(Token(spoken, core, next((c for c in tail if c in MARKS), "")))
    return found


@dataclass(frozen=True)
class Written:
    """Counts of one utterance; case and marks are those of words that are right."""

    words: int
    errors: int  # with case and marks counted
    right: int
    other_case: int
    marks: int  # of the reference
    marks_heard: int  # of the model
    marks_right: int

    @classmethod
    def of(cls, reference: str, text: str) -> Written:
        """Compare what a model wrote with what should stand there."""
        wanted, heard = tokens(reference), tokens(text)
        found = pairs([t.spoken for t in wanted], [t.spoken for t in heard])
        both = [(wanted[a], heard[b]) for a, b in found]
        marked = [(a.mark, b.mark) for a, b in both if not (a.is_title or b.is_title)]
        return cls(
            len(wanted),
            word_errors([a.core + a.mark for a in wanted], [b.core + b.mark for b in heard]).total,
            len(both),
            sum(a.core != b.core and a.core.lower() == b.core.lower() for a, b in both),
            sum(bool(a) for a, _ in marked),
            sum(bool(b) for _, b in marked),
            sum(a == b != "" for a, b in marked),
        )


def written_scores(utterances: Sequence[Utterance], texts: Sequence[str]) -> dict[str, dict[str, Ratio]]:
    """Return, by set, `wer` with case and marks, `case` errors, and `precision` and `recall` of marks.

    Utterances whose written form is not known are left out.
    """
    sets: defaultdict[str, list[Written]] = defaultdict(list)
    for utterance, text in zip(utterances, texts, strict=True):
        if utterance.written:
            sets[utterance.set].append(Written.of(utterance.written, text))
    return {name: _ratios(some) for name, some in sets.items()}


def _ratios(some: Sequence[Written]) -> dict[str, Ratio]:
    def share(above: str, below: str) -> Ratio:
        return ratio([getattr(w, above) for w in some], [getattr(w, below) for w in some])

    return {
        "wer": share("errors", "words"),
        "case": share("other_case", "right"),
        "precision": share("marks_right", "marks_heard"),
        "recall": share("marks_right", "marks"),
    }
