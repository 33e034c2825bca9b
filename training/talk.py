"""Generated talk, without bound: names, spelling, hesitations, meetings, requests, small talk, news and technics."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from amanuensis.training import words
from amanuensis.training.inflection import participle, past, plural, progressive, third_person, with_article
from amanuensis.training.narrow import DAYS, DIGITS, MONTHS, TENS, cardinal, ordinal

_SINGULAR = ("he", "she", "it", "everyone", "nobody", "somebody", "one of them")
_FILLERS = ("um", "uh", "er", "you know", "I mean", "well", "like", "sort of", "so", "let's see", "how do I say this")
_DOMAINS = ("com", "org", "net", "co dot uk", "edu", "info")
_CAN_BE_MISTAKEN = ("as in", "for", "like")


def _person(rng: random.Random) -> str:
    return f"the {rng.choice(words.PEOPLE)}"


def _named(rng: random.Random) -> str:
    first, family = rng.choice(words.FIRST_NAMES), rng.choice(words.FAMILY_NAMES)
    title = rng.choice(("Mr.", "Mrs.", "Dr.", "Professor"))
    return rng.choice((first, first, f"{first} {family}", f"{first} {family}", f"{title} {family}"))


def _subject(rng: random.Random) -> tuple[str, bool]:
    """Return who does something, and whether that is one other person."""
    kind = rng.random()
    if kind < 0.38:
        return rng.choice(("I", "I", "we", "we", "you", "they", "my friends", "most people", "some of us")), False
    if kind < 0.5:
        return rng.choice(_SINGULAR), True
    if kind < 0.65:
        return rng.choice((_person(rng), f"{rng.choice(('my', 'our', 'her', 'his'))} {rng.choice(words.PEOPLE)}")), True
    if kind < 0.75:
        return f"{rng.choice(('the', 'many', 'both', 'all the'))} {plural(rng.choice(words.PEOPLE))}", False
    return (_named(rng), True) if kind < 0.9 else (rng.choice(words.GROUPS), True)


def _object(rng: random.Random, theme: words.Theme) -> str:
    thing = rng.choice(theme.things)
    said = f"{rng.choice(theme.adjectives)} {thing}" if rng.random() < 0.35 else thing
    kind = rng.random()
    if kind < 0.36:
        return f"{rng.choice(('the', 'the', 'the', 'this', 'that', 'my', 'your', 'our', 'their', 'her', 'his'))} {said}"
    if kind < 0.6:
        return with_article(said)
    if kind < 0.7:
        return f"{_named(rng)}'s {said}"
    if kind < 0.8:
        return f"{cardinal(rng.randrange(2, 100) if rng.random() < 0.6 else rng.randrange(100, 3000))} {plural(said)}"
    some = ("some", "any", "the", "these", "those", "several", "a few", "many", "most of the", "all the", "no", "more")
    return f"{rng.choice(some)} {plural(said)}"


def _where(rng: random.Random) -> str:
    return rng.choice((rng.choice(words.WHERE), f"in {rng.choice(words.PLACES)}"))


def _deed(rng: random.Random, theme: words.Theme) -> tuple[str, str]:
    """Return (a verb in its base form, the rest of the predicate)."""
    if rng.random() < 0.15:
        return rng.choice(words.INTRANSITIVE), rng.choice(("", f" {_where(rng)}"))
    return rng.choice(theme.verbs), f" {_object(rng, theme)}{rng.choice(('', '', '', f' {_where(rng)}'))}"


def _clause(rng: random.Random, theme: words.Theme) -> str:
    """Return a statement without a mark at its end."""
    (who, single), (verb, rest) = _subject(rng), _deed(rng, theme)
    manner = f"{rng.choice(words.MANNERS)} " if rng.random() < 0.12 else ""
    before, after = (
        rng.choice(("", "", f" {rng.choice(words.WHEN)}")),
        rng.choice(("", "", f" {rng.choice(words.LATER)}")),
    )
    am = "am" if who == "I" else "is" if single else "are"
    was = "was" if single or who == "I" else "were"
    modal = rng.choice(("can", "could", "should", "must", "might", "may", "would", "can't", "couldn't", "shouldn't"))
    adverb = rng.choice(("", "already ", "never ", "just "))
    denials = ("did not", "didn't", "didn't")
    willing = rng.choice(("want to", "need to", "have to", "like to", "hope to", "plan to", "try to", "tend to"))
    return rng.choice((
        f"{who} {manner}{past(verb)}{rest}{before}",
        f"{who} {manner}{past(verb)}{rest}{before}",
        f"{who} {third_person(verb) if single else verb}{rest}",
        f"{who} {manner}{third_person(verb) if single else verb}{rest} {rng.choice(('every day', 'all the time'))}",
        f"{who} will {manner}{verb}{rest}{after}",
        f"{who} won't {verb}{rest}{after}",
        f"{who} {am} going to {verb}{rest}{after}",
        f"{who} {am} {progressive(verb)}{rest}",
        f"{who} {was} {progressive(verb)}{rest}{before}",
        f"{who} {'has' if single else 'have'} {adverb}{participle(verb)}{rest}",
        f"{who} {modal} {verb}{rest}{after}",
        f"{who} {rng.choice(denials)} {verb}{rest}{before}",
        f"{who} {third_person(willing) if single else willing} {verb}{rest}{after}",
        f"{who} used to {verb}{rest}",
    ))  # fmt: skip


def _theme(rng: random.Random) -> words.Theme:
    return rng.choice(tuple(words.THEMES.values()))


def _statement(rng: random.Random) -> str:
    theme = _theme(rng)
    one = _clause(rng, theme)
    link = rng.choice(("and", "but", "because", "so", "while", "although", "until", "before", "after", "since", "when"))
    comma = "," if link in ("and", "but", "so", "although") else ""
    start = rng.choice(words.MARKERS)
    return rng.choice((
        f"{one}.", f"{one}.", f"{one}.", f"{start}, {one}.", f"{one}{comma} {link} {_clause(rng, theme)}.",
        f"If {_clause(rng, theme)}, {one}.", f"When {_clause(rng, theme)}, {one}.", f"{one}, right?",
        f"I {rng.choice(('think', 'believe', 'guess', 'hope', 'suppose', 'know', 'heard', 'doubt'))} that {one}.",
        f"{one}, {rng.choice(('you know', 'I think', 'I guess', 'of course', 'as usual'))}.",
        f"{_named(rng)} {rng.choice(('said', 'told me', 'explained', 'mentioned', 'claims', 'thinks'))} that {one}.",
    ))  # fmt: skip


def _description(rng: random.Random) -> str:
    theme = _theme(rng)
    thing, other = rng.choice(theme.things), rng.choice(theme.things)
    first, second = rng.sample(theme.adjectives, 2)
    degree = rng.choice(("very", "quite", "really", "too", "so", "rather", "not very", "a bit", "extremely", "pretty"))
    who, feeling = _named(rng), rng.choice(words.FEELINGS)
    return rng.choice((
        f"The {thing} is {degree} {first}.", f"The {plural(thing)} were {degree} {first}.",
        f"It was {with_article(first)}, {second} {thing}.", f"What {with_article(f'{first} {thing}')}!",
        f"This {thing} looks {first}, but that one is {second}.", f"There's {with_article(f'{first} {thing}')} here.",
        f"There were {cardinal(rng.randrange(2, 60))} {plural(thing)} and {with_article(other)} {_where(rng)}.",
        f"I've never seen such {with_article(f'{first} {thing}')}.", f"{who} seems {degree} {feeling} today.",
        f"I prefer the {first} {thing} to the {second} one.", f"{who} was {feeling} because of the {thing}.",
        f"The {thing} next to the {other} is mine.", f"Neither the {thing} nor the {other} is {first}.",
        f"We bought {with_article(thing)}, {with_article(other)}, and {with_article(rng.choice(theme.things))}.",
        f"I'm {degree} {feeling}, to be honest.",
        f"My {rng.choice(words.PEOPLE)} is {feeling} and {rng.choice(words.FEELINGS)}.",
    ))  # fmt: skip


def _question(rng: random.Random) -> str:
    theme = _theme(rng)
    (who, single), (verb, rest) = _subject(rng), _deed(rng, theme)
    wh = rng.choice(("Why", "When", "Where", "How", "How often"))
    thing = rng.choice(theme.things)
    return rng.choice((
        f"{'Does' if single else 'Do'} {who} {verb}{rest}?", f"Did {who} {verb}{rest} {rng.choice(words.WHEN)}?",
        f"{wh} did {who} {verb}{rest}?", f"{wh} {'does' if single else 'do'} {who} {verb}{rest}?",
        f"Have you ever {participle(verb)}{rest}?", f"Will {who} {verb}{rest} {rng.choice(words.LATER)}?",
        f"Who {past(verb)}{rest}?", f"Which {thing} is the {rng.choice(theme.adjectives)} one?",
        f"How much is the {thing}?", f"How many {plural(thing)} are there?", f"Where is the {thing}?",
        f"What happened to the {thing}?", f"Is it {rng.choice(theme.adjectives)}?", f"Whose {thing} is this?",
        f"What do you think of the {rng.choice(theme.adjectives)} {thing}?", f"Would you like {with_article(thing)}?",
    ))  # fmt: skip


def _introduction(rng: random.Random) -> str:
    first, family = rng.choice(words.FIRST_NAMES), rng.choice(words.FAMILY_NAMES)
    full, other = f"{first} {family}", _named(rng)
    place, job, company = rng.choice(words.PLACES), rng.choice(words.PEOPLE), rng.choice(words.COMPANIES)
    hello = rng.choice(("Hello", "Hi", "Hi there", "Good morning", "Good afternoon", "Good evening", "Hey"))
    return rng.choice((
        f"My name is {full}.", f"{hello}, my name is {full}.", f"This is {full} speaking.", f"This is {first}.",
        f"{hello}, this is {full} from {company}.", f"I'm {full}, and I'm {with_article(job)} from {place}.",
        f"{hello}, {first}, it's {other}.", f"May I speak to {other}, please?", f"{full} here, how can I help you?",
        f"I'd like you to meet my {job}, {full}.", f"Please welcome {full}.", f"Have you met {other} from {company}?",
        f"Our next speaker is {full}, {with_article(job)} from {place}.", f"Is {other} there?", f"Thanks, {first}.",
        f"{other} is on the line from {place}.", f"{hello}, {first}, how are you?", f"You can call me {first}.",
        f"I was born in {place}, but I live in {rng.choice(words.PLACES)} now.", f"{first}, do you want to go next?",
        f"I'll hand over to {other}.", f"Tell {other} that {full} called.",
        f"{full}, {family} with {_letter(rng, family[0])}.",
    ))  # fmt: skip


def _letter(rng: random.Random, letter: str) -> str:
    return f"{letter} {rng.choice(_CAN_BE_MISTAKEN)} {words.SPELLING_WORDS[letter.upper()]}"


def _spelling(rng: random.Random) -> str:
    name = rng.choice(rng.choice((words.FIRST_NAMES, words.FAMILY_NAMES, words.PLACES)))
    if rng.random() < 0.2:
        name = rng.choice(_theme(rng).things).capitalize()
    spelled = " ".join(re.sub(r"[^A-Z]", "", name.upper())[:12])
    if rng.random() < 0.3:
        spelled = re.sub(r"\b([A-Z]) \1\b", r"double \1", spelled)
    initials = " ".join(rng.choice("BCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(rng.choice((2, 3, 3, 4))))
    code = " ".join(
        rng.choice((rng.choice("BCDEFGHJKLMNPQRSTUVWXYZ"), rng.choice(DIGITS))) for _ in range(rng.randrange(3, 8))
    )
    letters = rng.sample("BCDEFGHIJKLMNOPQRSTUVWXYZ", 3)
    return rng.choice((
        f"That's {spelled}.", f"{name}, that's {spelled}.", f"It's spelled {spelled}.", f"{name}, {spelled}.",
        f"My name is {name}, {spelled}.", f"How do you spell {name}?", f"You write it {spelled}.", f"{spelled}.",
        f"{name} is spelled {spelled}.", f"The code is {code}.", f"My reference number is {code}.", f"{code}.",
        f"It's {_letter(rng, letters[0])}, {_letter(rng, letters[1])}, {_letter(rng, letters[2])}.",
        f"The {initials} report is out.", f"It says {initials} on the label.", f"We sent it to the {initials}.",
        f"Choose option {letters[0]}.", f"Go to gate {letters[0]} {rng.choice(TENS)}.", f"It starts with {letters[1]}.",
        f"Was that {letters[0]} or {letters[1]}?", f"{spelled}, like the {rng.choice(words.PEOPLE)}.",
    ))  # fmt: skip


def _address(rng: random.Random) -> str:
    first, family = rng.choice(words.FIRST_NAMES).lower(), rng.choice(words.FAMILY_NAMES).lower()
    thing, adjective = (
        rng.choice(x).replace(" ", rng.choice(("", " dash "))) for x in (_theme(rng).things, _theme(rng).adjectives)
    )
    thing = thing.replace("'", "")
    user = rng.choice((
        first, f"{first} dot {family}", f"{first[0].upper()} dot {family}", f"{first} underscore {family}", "info",
        "support", f"{thing} {rng.choice(TENS)}",
    ))  # fmt: skip
    site = f"{rng.choice((thing, f'{adjective} {thing}', f'{thing} {family}', 'example'))} dot {rng.choice(_DOMAINS)}"
    return rng.choice((
        f"{user} at {site}.", f"My email address is {user} at {site}.", f"Send it to {user} at {site}.",
        f"Go to W W W dot {site}.", f"The website is {site}.", f"You can find it on {site} slash {thing}.",
        f"Is it {user} at {site}?", f"Write to {user} at {site}, please.",
    ))  # fmt: skip


def _when(rng: random.Random) -> str:
    day = f"{rng.choice(MONTHS)} {ordinal(rng.randrange(1, 32))}"
    minute = rng.choice(("o'clock", "thirty", "fifteen", "forty five"))
    hour = f"{cardinal(rng.randrange(1, 13))} {minute}"
    return rng.choice((f"on {day}", f"on {rng.choice(DAYS)}", f"at {hour}", f"on {rng.choice(DAYS)} at {hour}",
                       f"by {day}", f"next {rng.choice(DAYS)}", f"until {day}"))  # fmt: skip


def _meeting(rng: random.Random) -> str:
    theme, work = _theme(rng), words.THEMES["work"]
    topic = rng.choice(
        (rng.choice(work.things), f"{rng.choice(theme.things)} {rng.choice(work.things)}", rng.choice(theme.things))
    )
    other, who, third = rng.choice(work.things), rng.choice(words.FIRST_NAMES), _named(rng)
    task = f"{rng.choice(work.verbs)} the {topic}"
    when, n = _when(rng), cardinal(rng.randrange(2, 90))
    return rng.choice((
        "Can everyone hear me?", f"{who}, can you hear me?", "Can you hear me now?", "You're on mute.",
        f"{who}, I think you're on mute.", "I'll share my screen.", "Can you see my screen?", "Let's get started.",
        f"Let me share the {topic} with you.", "Let's move on.", f"Let's move on to the {topic}.",
        f"Let's come back to the {topic} {when}.", f"The next item on the agenda is the {topic}.",
        "Any other business?",
        f"The first point is the {topic}, and the second is the {other}.", "Could you repeat that, please?",
        f"{third} will take the minutes.", "Does anyone have any questions?", f"Are there any comments on the {topic}?",
        f"The minutes of the last meeting were approved {when}.", "I'd like to call the meeting to order.",
        f"I move that we {task}.", "I second the motion.", "All in favor, say aye.", "The motion is carried.",
        f"All those in favor of the {topic}, please raise your hands.", "The meeting is adjourned.",
        f"Who wants to {task}?", f"{who}, could you {task} {when}?", f"I'll {task} {when}.", f"We need to {task}.",
        f"The action for {third} is to {task} {when}.", f"{who}, what's the status of the {topic}?",
        f"We're still waiting for the {topic}.", f"The {topic} is due {when}.", f"We have {n} minutes left.",
        f"We spent {n} percent of the {topic} budget.", f"Sales went up by {n} percent in {rng.choice(MONTHS)}.",
        f"Let's take a {n} minute break.", f"I agree with {third}.", f"I don't agree with {third} on the {topic}.",
        f"{who}, do you want to say something about the {topic}?", "Let's take this offline.", "Sorry, go ahead.",
        f"I have a question about slide {n}.",
        f"As you can see on slide {n}, the {topic} is {rng.choice(work.adjectives)}.",
        f"Our next meeting is {when}.", f"Thank you all for coming, and see you {when}.", f"I have to leave {when}.",
        f"I'll send out the {rng.choice(('notes', 'slides', 'link', 'recording'))} {rng.choice(words.LATER)}.",
        f"Before we {task}, let's talk about the {other}.", f"To sum up, the {topic} is {rng.choice(work.adjectives)}.",
        f"Is the {topic} on track?", f"What are the next steps for the {topic}?", "That sounds good to me.",
        f"We decided to {task}, and {third} will {rng.choice(work.verbs)} the {other}.", f"{who}, you go first.",
        f"We've got {n} people on the call from {rng.choice(words.PLACES)}.", "I'm sorry I'm late.",
        "Let's vote on it.",
    ))  # fmt: skip


def _request(rng: random.Random) -> str:
    theme = _theme(rng)
    thing, verb, item = rng.choice(theme.things), rng.choice(theme.verbs), _object(rng, theme)
    mass, other = rng.choice(words.MASS), rng.choice(words.FIRST_NAMES)
    return rng.choice((
        f"Could you {verb} {item}, please?", f"Please {verb} {item}.",
        f"Would you mind {progressive(verb)} the {thing}?",
        f"Can I have {with_article(thing)}, please?", f"I'd like some {mass}, please.", f"Don't {verb} the {thing}.",
        f"Let's {verb} {item}.", f"{other}, please {verb} {item} {rng.choice(words.LATER)}.", f"Pass me the {thing}.",
        f"Do you have any {mass}?", f"We're out of {mass}.", f"I need {with_article(thing)} and some {mass}.",
        f"How do I {verb} {with_article(thing)}?", f"Show me how to {verb} {with_article(thing)}.",
        f"Give me a hand with the {thing}.",
        f"Remind me to {verb} the {thing} {_when(rng)}.", f"Be careful with the {thing}!", f"Help me {verb} {item}.",
        f"There isn't enough {mass} for the {thing}.", f"You should {verb} {item} first.",
        f"Never {verb} {with_article(thing)}!",
        f"First {verb} the {thing}, then {rng.choice(theme.verbs)} the {rng.choice(theme.things)}.",
        f"Would you rather {verb} {with_article(thing)} or {rng.choice(theme.verbs)} the {rng.choice(theme.things)}?",
    ))  # fmt: skip


def _small_talk(rng: random.Random) -> str:
    who, place, thing = rng.choice(words.FIRST_NAMES), rng.choice(words.PLACES), rng.choice(_theme(rng).things)
    weather = rng.choice(
        ("sunny", "cold", "windy", "cloudy", "warm", "hot", "rainy", "foggy", "freezing", "nice", "humid")
    )
    reply = rng.choice(
        ("Yeah", "Yes", "No", "Oh", "Okay", "Sure", "Right", "Well", "Great", "Wow", "Exactly", "Uh huh")
    )
    said = rng.choice((
        "how are you?", f"how's it going, {who}?", "I'm fine, thanks, and you?", "not too bad.", "nice to meet you.",
        "long time no see.", f"how was your trip to {place}?", f"it's {weather} in {place} today.", "I don't know.",
        f"it's going to be {weather} {rng.choice(words.LATER)}.", f"did you sleep well, {who}?", "what's up?",
        "that's a good point.", "that makes sense.", "I see what you mean.", "I have no idea.", "it doesn't matter.",
        f"I'm going to {place} {_when(rng)}.", f"have you been to {place} before?", f"{who} says hello.", "take care!",
        "see you later.", f"see you {_when(rng)}.", f"happy birthday, {who}!", f"congratulations on the {thing}!",
        "I'm sorry to hear that.", "no problem.", "you're welcome.", f"thanks for the {thing}, {who}.", "no way!",
        f"I really like your {thing}.", f"where did you get that {thing}?", "let me think about it.", "it's up to you.",
        f"I've been looking for {with_article(thing)} for {cardinal(rng.randrange(2, 30))} years.", "you're kidding.",
        f"my {rng.choice(words.PEOPLE)} turned {cardinal(rng.randrange(18, 100))} {rng.choice(words.WHEN)}.",
        "I think so.",
        f"what do you do for a living, {who}?", f"I work as {with_article(rng.choice(words.PEOPLE))} in {place}.",
        f"we should get together {_when(rng)}.", "it depends.", "I couldn't agree more.", "what a pity.", "good luck!",
    ))  # fmt: skip
    said = re.sub(r"^i\b", "I", said)
    return f"{reply}, {said}" if rng.random() < 0.45 else said


def _news(rng: random.Random) -> str:
    theme = words.THEMES["public"]
    thing, other, adjective = rng.choice(theme.things), rng.choice(theme.things), rng.choice(theme.adjectives)
    place, far, who, verb = rng.choice(words.PLACES), rng.choice(words.PLACES), _named(rng), rng.choice(theme.verbs)
    n = cardinal(rng.randrange(2, 100) if rng.random() < 0.5 else rng.randrange(1, 50) * 100, "")
    people = plural(rng.choice(words.PEOPLE))
    day = rng.choice(DAYS)
    return rng.choice((
        f"The {thing} in {place} was {participle(verb)} on {day}.",
        f"{place} {past(verb)} the {adjective} {thing} on {day}.",
        f"At least {n} {people} were injured in {with_article(thing)} near {place}.",
        f"Police in {place} {past(verb)} the {thing}.",
        f"{who}, the {rng.choice(words.PEOPLE)} of {place}, {past(verb)} the {thing}.",
        f"Prices rose by {n} percent in {place}.",
        f"The government of {place} wants to {verb} the {thing}.", f"More than {n} {people} took part in the {thing}.",
        f"After {with_article(f'{adjective} {thing}')}, {place} and {far} agreed on {with_article(other)}.",
        f"Critics say the {thing} is {adjective}, but {who} {past(verb)} it.", f"{who} won the {thing} with {n} votes.",
        f"The {adjective} {thing} will cost {n} million {rng.choice(('dollars', 'euros', 'pounds'))}.",
        f"Our correspondent {who} reports from {place}.",
        f"Experts expect the {thing} to end {rng.choice(words.LATER)}.",
        f"Thousands of {people} protested against the {thing} in {place} on {day}.",
        f"In {place}, the {thing} continues.",
        f"{rng.choice(('Rain', 'Snow', 'Fog', 'Strong winds'))} in {place} {rng.choice(words.LATER)}.",
        f"According to {with_article(f'{adjective} {other}')}, {n} {people} in {place} support the {thing}.",
        f"{place} beat {far} by {cardinal(rng.randrange(2, 40))} points on {day}.",
        f"The trial of {who} begins in {place} on {day}.",
    ))  # fmt: skip


def _technical(rng: random.Random) -> str:
    theme = words.THEMES[rng.choice(("technology", "technology", "science"))]
    thing, other, third = rng.sample(theme.things, 3)
    verb, adjective, second = rng.choice(theme.verbs), *rng.sample(theme.adjectives, 2)
    n = cardinal(rng.randrange(2, 1000), "")
    unit = rng.choice(
        ("milliseconds", "megabytes", "kilobytes", "percent", "seconds", "volts", "degrees", "meters", "hertz", "bits")
    )
    return rng.choice((
        f"The {thing} {third_person(verb)} the {other} {rng.choice(words.MANNERS)}.",
        f"You can't {verb} the {thing} without the {other}.",
        f"If the {thing} is {adjective}, {verb} the {other} first.", f"The {adjective} {thing} takes {n} {unit}.",
        f"Each {thing} has {cardinal(rng.randrange(2, 20))} {plural(other)}.",
        f"We {past(verb)} the {thing}, and the {other} is {adjective} now.",
        f"The {other} between the {thing} and the {third} is {adjective}.",
        f"This {thing} depends on the {adjective} {other}.",
        f"Compared with the {second} {other}, the {adjective} {thing} is {n} {unit} shorter.",
        f"{n} {unit} is too much.",
        f"To {verb} the {thing}, you need {with_article(f'{adjective} {other}')}.",
        f"The {thing} failed with {with_article(other)}.",
        f"Why is the {thing} {adjective}?", f"The {thing} was {adjective}, so I had to {verb} the {other}.",
        f"{with_article(f'{second} {other}')} is not the same as {with_article(f'{adjective} {thing}')}.",
        f"The {third} of the {thing} increases with the {other}.",
        f"Don't forget to {verb} the {thing} before you {rng.choice(theme.verbs)} it.",
        f"Version {cardinal(rng.randrange(1, 13))} point {rng.choice(DIGITS)} of the {thing} is {adjective}.",
    ))  # fmt: skip


def _hesitant(rng: random.Random) -> str:
    """Return a sentence as people say it before they have thought: fillers, repeated words, restarts."""
    said = rng.choice((_statement, _statement, _meeting, _request, _small_talk, _question, _technical))(rng).split()
    for _ in range(rng.choice((1, 1, 2))):
        at, filler = rng.randrange(len(said)), rng.choice(_FILLERS)
        again, kind = said[at].rstrip(",.?!"), rng.random()
        if at == 0 and kind < 0.75:
            said = [f"{filler.capitalize()},", _lowered(said[0]), *said[1:]]
        elif kind < 0.5:
            said[at - 1] = said[at - 1].rstrip(",") + ","
            said.insert(at, f"{filler},")
        elif kind < 0.8:
            said.insert(at, f"{again},")
            said[at + 1] = _lowered(said[at + 1])
        else:
            start, mending = max(0, at - 2), rng.choice(("no", "sorry", "I mean", "or rather"))
            said = [*said[:at], f"{again},", f"{mending},", _lowered(said[start]), *said[start + 1 :]]
    return " ".join(said)


def _lowered(word: str) -> str:
    """Return a word without the capital that the beginning of a sentence gave it, as far as that is certain."""
    return word.lower() if word.rstrip(",.?!").lower() in _SENTENCE_STARTS else word


_SENTENCE_STARTS = frozenset(
    words.listed(
        "the, this, that, these, those, he, she, it, we, you, they, my, our, your, his, her, their, a, an, some, many, "
        "both, all, most, nobody, everyone, somebody, one, if, when, why, where, how, who, what, which, do, does, did, "
        "have, has, is, are, was, were, will, would, can, could, please, let's, don't, there, there's, actually, "
        "basically, honestly, of, in, by, for, as, on, to, at, sure, right, okay, anyway, meanwhile, however, so, now, "
        "first, well, then, any, not, no, yes, yeah, oh"
    )
)

KINDS: tuple[tuple[Callable[[random.Random], str], int], ...] = (
    (_statement, 24), (_description, 10), (_question, 9), (_introduction, 9), (_spelling, 7), (_address, 3),
    (_meeting, 14),
    (_request, 8), (_small_talk, 7), (_news, 8), (_technical, 8), (_hesitant, 13),
)  # fmt: skip


def talk_sentence(rng: random.Random) -> str:
    """Return one random sentence with case and marks; `text.sentence` may still refuse it as too long."""
    kinds, weights = zip(*KINDS, strict=True)
    said = rng.choices(kinds, weights)[0](rng)
    return said[0].upper() + said[1:]
