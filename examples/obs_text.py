"""Captions for a text source of OBS ("read from file"): `python obs_text.py captions.txt [SESSION]`."""

import sys
from pathlib import Path

from amanuensis.client import BlockingClient

path, *session = sys.argv[1:]
before, said = "", ""
for event in BlockingClient().watch(*session):
    partial = event["text"] if event["type"] == "partial" else ""
    if event["type"] == "commit":
        said += "".join(word["text"] for word in event["words"])
    elif event["type"] == "final":
        before, said = event["text"], ""
    Path(path).write_text(f"{before.strip()}\n{(said + partial).strip()}\n", encoding="utf-8")
