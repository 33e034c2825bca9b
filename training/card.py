"""The table of the model card: word error rates of several forms of one model side by side."""

from __future__ import annotations

from amanuensis.training.evaluate import Score


def comparison(forms: dict[str, dict[tuple[str, str], Score]]) -> str:
    """Return a Markdown table with one row for each set and one column for each form of the model."""
    first = next(iter(forms.values()))
    lines = ["| set | utterances | words | " + " | ".join(forms) + " |", "| --- " * (3 + len(forms)) + "|"]
    for name, voice in first:
        if voice == "all":
            cells = [f"{scores[name, voice].wer:.1%}" for scores in forms.values()]
            whole = first[name, voice]
            lines.append(f"| {name} | {whole.utterances} | {whole.words} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
