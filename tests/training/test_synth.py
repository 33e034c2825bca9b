"""Tests of what a shard is made of."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from amanuensis.training.synth import (
    NATURAL_SENTENCES,
    NATURAL_WORDS,
    SENTENCES_PER_SHARD,
    Plan,
    choose,
    choose_natural,
)
from amanuensis.training.text import Sentence, is_held_out, sentence

GENERAL = [
    made for i in range(26 * 26) if (made := sentence(f"Word {chr(97 + i // 26)}x{chr(97 + i % 26)}.", "general"))
]


def chosen(text: Path | None, general: list[Sentence], index: int, **shares: float) -> list[Sentence]:
    """The sentences of one shard."""
    return list(choose(Plan(Path(), text, n_shards=20, seed=1, **shares), general, index))


@pytest.mark.parametrize(("index", "narrow"), [(0, 425), (4, 288), (8, 150), (19, 150)])
def test_the_narrow_domain_comes_first(tmp_path: Path, index: int, narrow: int) -> None:
    """Its share falls over the first shards; 15 % of the others are made up, the rest are those of the folder."""
    made = chosen(tmp_path, GENERAL, index)
    assert len(made) == SENTENCES_PER_SHARD
    assert Counter(one.domain for one in made) == {"narrow": narrow, "general": SENTENCES_PER_SHARD - narrow}
    known = {one.text for one in GENERAL}
    of_folder = [one.text for one in made if one.text in known]
    assert len(of_folder) == pytest.approx(0.85 * (SENTENCES_PER_SHARD - narrow), abs=1)
    assert len(set(of_folder)) == len(of_folder)


def test_without_a_text_folder_all_general_sentences_are_made_up() -> None:
    """No sentence of the narrow domain takes their place, and none is held out for tests."""
    made = chosen(None, [], 12)
    assert sum(one.domain == "general" for one in made) == 350
    assert not any(is_held_out(one.text) for one in made)


def test_listed_sentences_are_left_out(tmp_path: Path) -> None:
    """What the folder keeps for tests is not trained on, made up or not."""
    first = chosen(tmp_path, GENERAL, 3, talk_share=1.0)
    other = tmp_path / "listed"
    other.mkdir()
    (other / "made_test.txt").write_text("\n".join(one.text for one in first))
    assert not {one.text for one in first} & {one.text for one in chosen(other, GENERAL, 3, talk_share=1.0)}


def _general(sentences: Iterable[Sentence]) -> set[str]:
    return {one.text for one in sentences if one.domain == "general"}


def test_natural_voices_say_other_sentences(tmp_path: Path) -> None:
    """Half are narrow, and as many single words are beside them; those of the folder are from its order's other end."""
    plan = Plan(tmp_path, tmp_path, n_shards=20, seed=1)
    made = list(choose_natural(plan, GENERAL, 1))
    half = NATURAL_SENTENCES // 2
    assert Counter(one.domain for one in made) == {"narrow": half + NATURAL_WORDS, "general": half}
    assert sum(" " not in one.text for one in made) >= NATURAL_WORDS
    for others in (chosen(tmp_path, GENERAL, 0), choose_natural(plan, GENERAL, 0)):
        assert not _general(made) & _general(others)
