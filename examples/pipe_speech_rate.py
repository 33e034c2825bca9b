"""What a program in a pipe may do: `amanuensis watch --json | python pipe_speech_rate.py` prints words a minute."""

import json
import sys

for line in sys.stdin:
    event = json.loads(line)
    if event["type"] == "final" and event["to"] > event["from"]:
        rate = len(event["text"].split()) * 60_000 / (event["to"] - event["from"])
        print(f"{rate:5.0f} words a minute: {event['text'].strip()}", flush=True)
