"""Record a meeting: `python meeting_recorder.py minutes.srt [INPUT]`; the daemon needs `[recording] mode = "asked"`."""

import asyncio
import sys
from pathlib import Path

from amanuensis.client import Client, stop_on_signals


async def main(minutes: str, sound: str = "system") -> None:
    """Have the daemon keep sound and words; at the end write the words as subtitles."""
    client, session = Client(), ""
    with stop_on_signals() as stop:
        async for event in client.listen(sound, record=True, stop=stop):
            if event["type"] == "ready":
                session = event["session"]
                print(f"recording as {session}; Ctrl-C ends the meeting", flush=True)
    Path(minutes).write_text(await client.transcript(session, "srt"), encoding="utf-8")


asyncio.run(main(*sys.argv[1:]))
