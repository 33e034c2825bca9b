"""Tests of the generator of talk."""

import random
import re

from amanuensis.training.talk import KINDS, talk_sentence
from amanuensis.training.text import MAX_WORDS, sentence


def test_every_sentence_can_be_spoken_word_for_word() -> None:
    """Whatever the kind, a sentence is refused for nothing but its length, and rarely so."""
    rng = random.Random(1)
    for kind, _ in KINDS:
        made = [kind(rng) for _ in range(300)]
        long = [said for said in made if len(said.replace("-", " ").split()) > MAX_WORDS]
        assert len(long) <= 9, kind.__name__
        assert [said for said in made if sentence(said, "general") is None] == long


def test_sentences_are_written_as_people_write() -> None:
    """A capital first, a mark last, no mark without its word, no two spaces."""
    rng = random.Random(2)
    for _ in range(2_000):
        said = talk_sentence(rng)
        assert re.fullmatch(r"[A-Z][A-Za-z' ,.?!:-]*[a-zA-Z][.?!]", said), said
        assert not re.search(r"  | [,.?!:]|[,?!:][^ ]", said[:-1]), said


def test_the_same_seed_gives_the_same_sentences() -> None:
    """Sentences depend on the generator that is passed in and on nothing else."""
    first, second = random.Random(5), random.Random(5)
    assert [talk_sentence(first) for _ in range(50)] == [talk_sentence(second) for _ in range(50)]


def test_talk_is_varied() -> None:
    """Of 5,000 sentences 4,500 are different, of at least 3,000 different words."""
    rng = random.Random(3)
    made = {talk_sentence(rng) for _ in range(5_000)}
    assert len(made) >= 4_500
    assert len({word for said in made for word in re.findall(r"[a-z']+", said.lower())}) >= 3_000
