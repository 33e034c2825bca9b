"""The figures as Markdown for the model card, and as JSON for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from amanuensis.training.evaluation import live
from amanuensis.training.evaluation.measure import Measured
from amanuensis.training.evaluation.scores import WHOLE, Ratio, Score

Forms = dict[str, Measured]


def as_json(measured: Measured) -> dict[str, Any]:
    """Return the figures of one form by name; rates as shares, words in non-speech per hour."""
    return {
        "sets": {name: s.as_json() for (name, voice), s in measured.scores.items() if voice == WHOLE},
        "voices": [
            {"set": name, "voice": voice, **s.as_json()}
            for (name, voice), s in measured.scores.items()
            if voice != WHOLE
        ],
        "written": {name: {k: r.as_json() for k, r in some.items()} for name, some in measured.written.items()},
        "controls": {
            "shuffled": measured.shuffled.as_json(),
            "silence": measured.silent.as_json(),
            "passed": measured.is_from_sound,
        },
        "non_speech": {
            kind: {"hours": round(i.hours, 4), "captioned": i.captioned.as_json(), "decoded": i.decoded.as_json()}
            for kind, i in measured.inventions.items()
        },
        "live": {
            name: {
                "seconds": round(c.seconds, 1),
                "offline": c.offline.as_json(),
                "streaming": c.streaming.as_json(),
                "more": c.more.as_json(),
                "normalised_erasure": c.erasure.as_json(),
            }
            for name, c in measured.captions.items()
        },
    }


def readable(forms: Forms, against_first: dict[str, dict[str, Ratio]]) -> str:
    """Return all tables; `against_first` are the differences of the other forms from the first by form and set."""
    last = list(forms)[-1]
    parts = [
        "Word error rate, with its 95 % interval",
        _word_errors(forms),
        *(part for name, some in against_first.items() for part in _differences(name, some)),
        f"By voice ({last})",
        _voices(forms[last]),
        "As it is written: word error rate with case and marks; of right words those with other case; marks after them",
        _each(forms, "set | WER | other case | precision | recall", lambda m: (
            (name, *map(str, some.values())) for name, some in m.written.items()
        )),
        "Words per hour where nobody speaks: captioned live, and by the model alone, 10 s at a time; "
        "of single kinds those with words",
        _each(forms, "sound | minutes | captioned | model alone", lambda m: (
            (kind, f"{60 * i.hours:.1f}", _per_hour(i.captioned), _per_hour(i.decoded))
            for kind, i in m.inventions.items() if kind in live.WHOLES or i.captioned.value or i.decoded.value
        )),
        "Live captions against whole recordings",
        _each(forms, "set | seconds | words | whole | live | live less whole | normalised erasure", lambda m: (
            (name, f"{c.seconds:.0f}", str(c.offline.errors.n), str(c.offline.wer), str(c.streaming.wer),
             _points(c.more), f"{c.erasure.value:.2f}")
            for name, c in m.captions.items()
        )),
        "Controls",
        _each(forms, "shuffled texts | silence | of its words deleted | passed", lambda m: [
            (str(m.shuffled.wer), str(m.silent.wer), f"{m.silent.errors.del_} of {m.silent.errors.n}",
             "yes" if m.is_from_sound else "NO")
        ]),
    ]  # fmt: skip
    return "\n\n".join(parts)


def table(heads: str, rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; `heads` are its columns, with `|` between them."""
    lines = [f"| {heads} |", "| --- " * (heads.count("|") + 1) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _each(forms: Forms, heads: str, rows: Callable[[Measured], Iterable[Sequence[str]]]) -> str:
    return table(f"form | {heads}", ((name, *row) for name, m in forms.items() for row in rows(m)))


def _word_errors(forms: Forms) -> str:
    first = next(iter(forms.values())).scores
    return table(
        f"set | utterances | words | {' | '.join(forms)}",
        (
            (name, str(s.utterances), str(s.errors.n), *(str(m.scores[name, voice].wer) for m in forms.values()))
            for (name, voice), s in first.items()
            if voice == WHOLE
        ),
    )


def _differences(form: str, by_set: dict[str, Ratio]) -> tuple[str, str]:
    rows = ((name, _points(r)) for name, r in by_set.items())
    return f"{form} less the first form, in points", table("set | difference", rows)


def _voices(measured: Measured) -> str:
    def row(name: str, voice: str, s: Score) -> Sequence[str]:
        return name, voice, str(s.utterances), str(s.errors.n), str(s.wer)

    rows = sorted((name, voice) for name, voice in measured.scores if voice != WHOLE)
    several = {name for name, _ in rows if sum(name == other for other, _ in rows) > 1}
    return table(
        "set | voice | utterances | words | WER",
        (row(name, voice, measured.scores[name, voice]) for name, voice in rows if name in several),
    )


def _points(r: Ratio) -> str:
    return r.written("{:+.2f}", 100)


def _per_hour(r: Ratio) -> str:
    return r.written("{:.0f}")
