"""Live captions of the microphone: `python live_captions.py [INPUT]`; Ctrl-C makes the last words final."""

import asyncio
import sys

from amanuensis.client import Client, stop_on_signals


async def main(sound: str = "default") -> None:
    """Print each utterance when it is over."""
    with stop_on_signals() as stop:
        async for event in Client().listen(sound, stop=stop):
            if event["type"] == "final":
                print(event["text"].strip(), flush=True)


asyncio.run(main(*sys.argv[1:]))
