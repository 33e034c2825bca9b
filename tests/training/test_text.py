"""Tests of the normal form of text and of the hold-out."""

import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.training.text import (
    HELD_OUT_ONE_IN,
    Sentence,
    is_held_out,
    narrow_sentences,
    normal_form,
    read_general,
    sentence,
    talk_sentences,
)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("Yes, it's all right.", "yes it's all right"),
        ("Mr. Jones met Mrs. Smith", "mister jones met missus smith"),
        ("a well-known man; here's a game!' cried Sam", "a well known man here's a game cried sam"),
        ("'Tis twenty-six.", "tis twenty six"),
    ],
)
def test_lines_have_one_normal_form(line: str, text: str) -> None:
    """Case, marks, hyphens and abbreviations do not survive; apostrophes inside words do."""
    made = sentence(line, "general")
    assert made is not None
    assert made.text == text


@pytest.mark.parametrize(
    "line",
    [
        "In 1999 it rained",
        "caf\N{LATIN SMALL LETTER E WITH ACUTE} au lait",
        "the NATO pact",
        "",
        " ".join(["word"] * 25),
    ],
)
def test_lines_that_synthesisers_read_in_their_own_way_are_refused(line: str) -> None:
    """Digits, accents, capital words, lone marks and overlong lines have no certain words."""
    assert sentence(line, "general") is None


@pytest.mark.parametrize(
    ("line", "spoken", "written"),
    [
        ("where is Mr. Jones?", "where is mister Jones?", "Where is Mr. Jones?"),
        ("Well, Anna, no", "Well, Anna, no", "Well, Anna, no."),
        ("a 'well-known' man;", "a well known man;", "A well known man."),
        ("Dr. May, stop!", "doctor May, stop!", "Dr. May, stop!"),
        ("That's S M I T H.", "That's S M I T H.", "That's S M I T H."),
    ],
)
def test_sentences_are_written_with_case_and_marks(line: str, spoken: str, written: str) -> None:
    """A capital at the beginning, a mark at the end, titles in short; synthesisers are given them in full."""
    made = sentence(line, "general")
    assert made is not None
    assert (made.spoken, made.written) == (spoken, written)


@given(st.text(alphabet=st.characters(codec="ascii", exclude_categories=("Cc",)), max_size=80))
def test_spoken_and_written_words_correspond(line: str) -> None:
    """Whatever the line, a sentence has as many spoken words as written ones, and its normal form letters only."""
    made = sentence(line, "general")
    if made is not None:
        assert len(made.spoken.split(" ")) == len(made.text.split(" ")) == len(made.written.split(" "))
        assert made.written.endswith((".", "?", "!"))
        assert re.fullmatch(r"[a-z']+( [a-z']+)*", made.text)
        assert normal_form(made.text) == made.text


def test_the_hold_out_depends_on_content_and_has_its_share() -> None:
    """About one sentence in 200 is held out, always the same ones."""
    share = sum(is_held_out(f"sentence number {i}") for i in range(40_000)) / 40_000
    assert 0.8 / HELD_OUT_ONE_IN < share < 1.2 / HELD_OUT_ONE_IN


@pytest.mark.parametrize(("sentences", "domain"), [(narrow_sentences, "narrow"), (talk_sentences, "general")])
def test_training_never_meets_a_held_out_sentence(sentences: Callable[..., Iterator[Sentence]], domain: str) -> None:
    """A generator's two streams are disjoint, and listed sentences belong to the tests."""
    train = {made.text for made in islice(sentences(1, held_out=False), 3_000)}
    test = list(islice(sentences(1, held_out=True), 15))
    assert not train & {made.text for made in test}
    assert {made.domain for made in test} == {domain}
    listed = frozenset(islice(sorted(train), 100))
    excluded = {made.text for made in islice(sentences(1, held_out=False, exclude=listed), 3_000)}
    assert not excluded & listed


def test_a_text_folder_is_split_by_hash_and_by_its_test_files(tmp_path: Path) -> None:
    """A sentence of a `*_test.txt` is a test wherever else it stands."""
    (tmp_path / "general.txt").write_text("Mother is here.\nFather is there.\nIn 1999.\n")
    (tmp_path / "general_test.txt").write_text("Father is there.\n")
    train, test = read_general(tmp_path)
    assert [made.text for made in train] == ["mother is here"]
    assert [made.text for made in test] == ["father is there"]


def test_no_text_folder_means_the_narrow_domain_only(tmp_path: Path) -> None:
    """Without a folder there are no general sentences; a folder without general.txt is named."""
    assert read_general(None) == ([], [])
    with pytest.raises(FileNotFoundError, match=r"general\.txt"):
        read_general(tmp_path)
