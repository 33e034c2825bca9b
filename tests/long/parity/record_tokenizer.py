"""Record what `make test` compares with: `.venv-peers/bin/python -m tests.long.parity.record_tokenizer`."""

from __future__ import annotations

import json

from tests.helpers.tokenizer_fixture import FOLDER, LANGUAGES, TEXTS
from tests.long.parity.openai_vocabulary import Vocabulary, words_of

VOCABULARY = Vocabulary(multilingual=True, names_timestamps=False, n_text=1500)


def answers() -> dict[str, list[dict[str, object]]]:
    """Return tokens and words of every text by language, by openai-whisper on the cut vocabulary."""
    result: dict[str, list[dict[str, object]]] = {}
    for language in LANGUAGES:
        reference = VOCABULARY.reference(language)
        encoded = [reference.encoding.encode(text, disallowed_special=()) for text in TEXTS]
        result[language] = [
            {"tokens": tokens, "words": [[word, part] for word, part in words_of(reference, tokens)]}
            for tokens in encoded
        ]
    return result


def main() -> None:
    """Write the vocabulary and the answers."""
    VOCABULARY.write(FOLDER)
    (FOLDER / "answers.json").write_text(json.dumps(answers(), ensure_ascii=False, separators=(",", ":")))


if __name__ == "__main__":
    main()
