"""What the sound server of this session plays, as its own programs tell: `pactl`, or `pw-dump` where there is none.

Pure readers of their answers, and the one call that asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from amanuensis.daemon.sources.base import SourceError
from amanuensis.daemon.sources.process import end, start

ASK_S: Final = 10.0  # a sound server that does not answer within is none
PLAIN: Final = {"LC_ALL": "C"}  # pactl translates what it says
NODE: Final = "PipeWire:Interface:Node"
NO_SINK: Final = ("@DEFAULT_SINK@", "n/a", "(null)")  # what pactl says of none, by version
PROPERTY: Final = re.compile(r'^\s*([\w.-]+) = "(.*)"$')
ESCAPED: Final = re.compile(r"\\(.)")
NAMES: Final = ("application.name", "application.process.binary", "node.name", "media.name")


@dataclass(frozen=True, slots=True)
class Playing:
    """One stream of an application.

    Attributes:
        target: what the recorder calls it.
        names: the application's own name first, then others by which a person may mean it.
        corked: it is paused.

    """

    target: str
    names: tuple[str, ...]
    corked: bool = False

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.names[0]


def parse_default_sink(info: str) -> str | None:
    """Return the name of the default sink in an answer of `pactl info`; None where there is none."""
    found = re.search(r"^Default Sink: (\S+)$", info, re.MULTILINE)
    return found[1] if found and found[1] not in NO_SINK else None


def parse_sink_inputs(listing: str) -> list[Playing]:
    """Return the streams in an answer of `pactl list sink-inputs`."""
    found = []
    for block in re.split(r"^Sink Input #", listing, flags=re.MULTILINE)[1:]:
        found_here = [match for line in block.splitlines() if (match := PROPERTY.match(line))]
        properties = {match[1]: ESCAPED.sub(r"\1", match[2]) for match in found_here}
        if names := _names(properties):
            found.append(Playing(block.split("\n", 1)[0].strip(), names, "Corked: yes" in block))
    return found


def parse_pipewire(dump: str) -> list[Playing]:
    """Return the streams in an answer of `pw-dump`."""
    try:
        objects: list[dict[str, Any]] = json.loads(dump)
        nodes = [thing["info"] for thing in objects if thing.get("type") == NODE and "info" in thing]
        properties = [node["props"] | {"state": node.get("state")} for node in nodes]
    except (ValueError, TypeError, KeyError):
        raise SourceError("pw-dump says what is not understood; install pulseaudio-utils (pactl and parec)") from None
    return [
        Playing(str(facts.get("object.serial", facts.get("object.id"))), names, facts["state"] != "running")
        for facts in properties
        if facts.get("media.class") == "Stream/Output/Audio" and (names := _names(facts))
    ]


def choose_playing(wanted: str, playing: Sequence[Playing]) -> Playing | None:
    """Return the stream of the application that a person means.

    The exact name comes before a part of one, what plays before what is paused, the newest first.
    """
    name = wanted.casefold()
    exact = [stream for stream in playing if name in (own.casefold() for own in stream.names)]
    found = exact or [stream for stream in playing if any(name in own.casefold() for own in stream.names)]
    return next((stream for stream in reversed(found) if not stream.corked), found[-1] if found else None)


async def ask(*command: str) -> str:
    """Return what a program of the sound server says.

    Raises:
        SourceError: it is not installed, or fails.

    """
    process = await start(command, os.environ | PLAIN)
    try:
        async with asyncio.timeout(ASK_S):
            out, err = await process.communicate()
    except TimeoutError:
        raise SourceError(f"the sound server does not answer within {ASK_S:.0f} s") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            await end(process)
    if process.returncode:
        why = " ".join(err.decode(errors="replace").split()) or f"exit status {process.returncode}"
        raise SourceError(f"{command[0]}: {why}; is PipeWire or PulseAudio running?")
    return out.decode(errors="replace")


def _names(properties: dict[str, Any]) -> tuple[str, ...]:
    names = [str(properties[key]) for key in NAMES if properties.get(key)]
    return tuple(dict.fromkeys(names))
