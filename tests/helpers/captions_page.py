"""What stands on the captions page, as expressions of JavaScript for `Tab.until` and `Tab.value`."""

from __future__ import annotations

from typing import Final

STATE: Final = "document.getElementById('state').textContent"
PARTIAL: Final = "document.querySelector('#text .partial')"
COMMITTED: Final = (
    "[...document.querySelectorAll('#text p')].map((p) => [...p.querySelectorAll('.said')]"
    ".map((said) => said.textContent).join('')).filter(Boolean).join(' ')"
)
NOTES: Final = "[...document.querySelectorAll('#text .note')].map((note) => note.textContent)"
MICROPHONE: Final = "document.getElementById('microphone')"


def click(name: str) -> str:
    """Return an expression that clicks on the element of this id."""
    return f"document.getElementById({name!r}).click()"


def type_into(name: str, text: str, event: str = "input") -> str:
    """Return an expression that puts text into a field, as if it were typed or chosen."""
    element = f"document.getElementById({name!r})"
    return f"{element}.value = {text!r}, {element}.dispatchEvent(new Event({event!r}))"


def press(name: str, key: str) -> str:
    """Return an expression that presses a key, given as the fields of its event, in the element of this id."""
    return f"document.getElementById({name!r}).dispatchEvent(new KeyboardEvent('keydown', {key}))"
