"""Record a meeting: `python meeting_recorder.py TITLE [MINE] [THEIRS]`; the daemon needs `recording.mode = "asked"`."""

import asyncio
import secrets
import sys

from amanuensis.client import Client, stop_on_signals


async def main(title: str, mine: str = "default", theirs: str = "system") -> None:
    """Have the daemon keep sound and words of both sides as tracks of one meeting, and show what is said."""
    meeting = {"id": secrets.token_hex(6), "title": title}
    with stop_on_signals() as stop:

        async def record(track: str, sound: str) -> None:
            async for event in Client().listen(sound, meeting=meeting | {"track": track}, stop=stop):
                if event["type"] == "final":
                    print(f"{track}: {event['text']}", flush=True)

        await asyncio.gather(record("me", mine), record("them", theirs))
    print(f"amanuensis meetings show {meeting['id']}")


asyncio.run(main(*sys.argv[1:]))
