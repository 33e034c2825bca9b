"""Sentences of the narrow domain, without bound: digits, numbers, dates, times, money, measures, commands."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

_QUESTION = re.compile(r"((computer|okay|hey), )?(please )?(can|could) you |.*\b(what|how far)\b")


def _names(text: str) -> list[str]:
    return text.split(", ")


DIGITS = _names("zero, one, two, three, four, five, six, seven, eight, nine")
TEENS = _names(
    "ten, eleven, twelve, thirteen, fourteen, fifteen, sixteen, seventeen, eighteen, nineteen"  # from 10
)
TENS = _names("twenty, thirty, forty, fifty, sixty, seventy, eighty, ninety")  # from 20
MONTHS = _names("January, February, March, April, May, June, July, August, September, October, November, December")
DAYS = _names("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday")
_IRREGULAR_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
UNITS = _names(
    "dollars, euros, pounds, cents, percent, miles, kilometers, meters, feet, inches, degrees, kilograms, grams, "
    "liters, volts, watts, seconds, minutes, hours, days, weeks, months, years, people, pages, points, times, steps"
)
THINGS = _names(
    "lights, lamp, heater, fan, television, radio, music, alarm, timer, phone, screen, computer, camera, door, "
    "window, garage, oven, kettle, printer, speaker, microphone, recording, volume, thermostat, engine, car, router, "
    "curtains, blinds, shower, pump"
)
ROOMS = _names(
    "kitchen, bedroom, bathroom, living room, office, hall, garage, garden, cellar, attic, dining room, study"
)
PLACES = _names(
    "the station, the airport, the hospital, the office, home, school, the market, the hotel, the museum, the library"
)
PEOPLE = _names(
    "mother, father, Anna, Peter, Mary, John, Sarah, David, Laura, Thomas, "
    "the doctor, the office, my sister, my brother"
)
SWITCH = _names(
    "turn on, turn off, switch on, switch off, start, stop, open, close, lock, unlock, "
    "reset, restart, check, move, mute"
)
SHORT = _names(
    "yes, no, stop, go, start, left, right, up, down, on, off, next, previous, back, forward, cancel, okay, help, "
    "repeat, pause, resume, play, record, save, send, delete, undo, louder, quieter, faster, slower, hello, goodbye, "
    "thank you, please, wait, continue, go back, go forward, turn left, turn right, go home, wake up, good morning, "
    "good night, stop it, not now, try again, never mind, that is all, yes please, no thank you, go up, go down, "
    "computer, ready, enter, exit, menu, search"
)


def cardinal(n: int, join: str = "and ") -> str:
    """Return 0 <= n < 10**9 in words; `join` stands between hundreds and the rest."""
    if n < 20:
        return DIGITS[n] if n < 10 else TEENS[n - 10]
    if n < 100:
        return TENS[n // 10 - 2] + (f"-{DIGITS[n % 10]}" if n % 10 else "")
    for size, name in ((10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if n >= size:
            head, rest = divmod(n, size)
            link = join if rest and (size == 100 or rest < 100) else ""
            return f"{cardinal(head, join)} {name}" + (f" {link}{cardinal(rest, join)}" if rest else "")
    raise AssertionError(n)


def ordinal(n: int) -> str:
    """Return 1 <= n < 100 as an ordinal in words."""
    head, _, last = cardinal(n).rpartition("-")
    word = _IRREGULAR_ORDINALS.get(last, last[:-1] + "ieth" if last.endswith("y") else last + "th")
    return f"{head}-{word}" if head else word


def _number(rng: random.Random) -> int:
    return rng.randrange(10 ** rng.choice((1, 2, 2, 3, 3, 4, 4, 5, 6)))


def _digits(rng: random.Random) -> str:
    names = list(DIGITS)
    if rng.random() < 0.4:
        names[0] = "oh"
    words = [rng.choice(names) for _ in range(rng.choice((1, 2, 3, 3, 4, 4, 5, 6, 6, 7, 8, 9, 10, 11)))]
    if len(words) > 5 and rng.random() < 0.3:
        words[rng.choice((2, 3))] += ","
    lead = rng.choice(("", "", "", "", "", "call ", "dial ", "my number is ", "the code is ", "room ", "extension "))
    return lead + " ".join(words)


def _cardinal(rng: random.Random) -> str:
    return cardinal(_number(rng), rng.choice(("and ", "")))


def _measure(rng: random.Random) -> str:
    number = _cardinal(rng)
    if rng.random() < 0.2:
        number += " point " + " ".join(rng.choice(DIGITS) for _ in range(rng.choice((1, 1, 2))))
    elif rng.random() < 0.1:
        return f"{rng.choice(('minus', 'plus', 'about', 'number', 'page', 'chapter'))} {number}"
    lead = rng.choice(("", "", "", "", "it costs ", "that is ", "add ", "I need ", "at least ", "only "))
    return f"{lead}{number} {rng.choice(UNITS)}"


def _year(rng: random.Random) -> str:
    year = rng.randrange(1800, 2100)
    high, low = divmod(year, 100)
    if low == 0:
        return f"{cardinal(high)} hundred" if high != 20 else "two thousand"
    if low < 10:
        return f"two thousand and {cardinal(low)}" if high == 20 else f"{cardinal(high)} oh {cardinal(low)}"
    return f"{cardinal(high)} {cardinal(low)}"


def _date(rng: random.Random) -> str:
    month, day = rng.choice(MONTHS), ordinal(rng.randrange(1, 32))
    date = rng.choice((f"{month} {day}", f"the {day} of {month}", f"{month} the {day}"))
    if rng.random() < 0.45:
        date = f"{rng.choice(DAYS)} {date}"
    if rng.random() < 0.5:
        date += rng.choice((" ", ", ")) + _year(rng)
    if rng.random() < 0.1:
        return rng.choice(
            (f"on {rng.choice(DAYS)}", f"next {rng.choice(DAYS)}", f"in {month}", _year(rng), f"in {_year(rng)}")
        )
    return rng.choice(("", "", "", "on ", "until ", "since ")) + date


def _clock(rng: random.Random) -> str:
    hour, minute = cardinal(rng.randrange(1, 13)), rng.randrange(60)
    spoken = cardinal(minute) if minute > 9 else f"oh {cardinal(minute)}"
    plain = f"{hour} {spoken}" if minute else rng.choice((f"{hour} o'clock", hour))
    past = rng.choice(("quarter past", "half past", "quarter to", f"{cardinal(rng.randrange(1, 30))} minutes past",
                       "ten past", "twenty to", "five past", "five to"))  # fmt: skip
    return rng.choice((plain, plain, f"{past} {hour}"))


def _time(rng: random.Random) -> str:
    tail = rng.choice(("", "", "", " in the morning", " in the afternoon", " in the evening", " at night", " today",
                       " tomorrow", " P M", " A M"))  # fmt: skip
    return rng.choice(("", "", "at ", "it is ", "wake me at ", "the train leaves at ", "from ")) + _clock(rng) + tail


def _command(rng: random.Random) -> str:
    room = rng.choice(ROOMS)
    thing, minutes = rng.choice(THINGS), cardinal(rng.randrange(1, 61))
    thing = f"{room} {thing}" if rng.random() < 0.15 else thing
    place, person = rng.choice(PLACES), rng.choice(PEOPLE)
    body = rng.choice((
        f"{rng.choice(SWITCH)} the {thing}", f"{rng.choice(SWITCH)} the {thing}", f"{rng.choice(SWITCH)} the {thing}",
        f"turn the {thing} {rng.choice(('on', 'off', 'up', 'down'))}",
        f"{rng.choice(SWITCH)} the {thing} in the {room}", f"{rng.choice(SWITCH)} the {thing} in {minutes} minutes",
        f"set a timer for {minutes} {rng.choice(('minutes', 'seconds', 'hours'))}", f"set the alarm for {_clock(rng)}",
        f"set the {rng.choice(('volume', 'temperature', 'brightness'))} to {_cardinal(rng)}",
        f"call {person}", f"send a message to {person}", f"remind me {rng.choice(('at', 'before'))} {_clock(rng)}",
        f"drive to {place}", f"how far is {place}", f"play {rng.choice(('some', 'the', 'more'))} music",
        "what time is it", "what is the weather like", f"what is the weather on {rng.choice(DAYS)}",
        f"go {rng.choice(('forward', 'back', 'up', 'down', 'left'))} {minutes} "
        f"{rng.choice(('meters', 'steps', 'feet'))}",
        f"go to {rng.choice(('page', 'channel', 'line', 'track', 'chapter'))} {_cardinal(rng)}",
        f"add {_cardinal(rng)} and {_cardinal(rng)}",
        f"what is {_cardinal(rng)} {rng.choice(('plus', 'minus', 'times'))} {_cardinal(rng)}",
        f"book a table for {cardinal(rng.randrange(2, 13))} {rng.choice(('on', 'next'))} {rng.choice(DAYS)}",
        f"the meeting is {rng.choice(('on', 'next'))} {rng.choice(DAYS)} at {_clock(rng)}",
    ))  # fmt: skip
    lead = rng.choice(("", "", "", "", "please ", "can you ", "could you ", "computer, ", "okay, ", "hey, "))
    return lead + body + rng.choice(("", "", "", "", "", " please", " now", " again"))


def _short(rng: random.Random) -> str:
    return ", ".join(rng.choice(SHORT) for _ in range(rng.choice((1, 1, 1, 2, 2, 3))))


_KINDS: tuple[tuple[Callable[[random.Random], str], int], ...] = (
    (_digits, 26), (_cardinal, 10), (_measure, 12), (_date, 14), (_time, 12), (_command, 20), (_short, 5),
)  # fmt: skip


def narrow_word(rng: random.Random) -> str:
    """Return one word of the domain as a sentence, mostly a digit, as who dictates says it."""
    words = rng.choice((DIGITS, DIGITS, DIGITS, [*TEENS, *TENS], [*MONTHS, *DAYS], UNITS, SHORT))
    return f"{rng.choice([word for word in words if ' ' not in word])}."


def narrow_sentence(rng: random.Random) -> str:
    """Return one random sentence, as it is written for a synthesiser (capitals, hyphens, marks)."""
    kinds, weights = zip(*_KINDS, strict=True)
    words = rng.choices(kinds, weights)[0](rng)
    return f"{words}{'?' if _QUESTION.match(words) else '.'}"
