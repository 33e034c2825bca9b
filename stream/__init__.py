"""Sound to captions, as pure state machines: no asyncio, no files, no clock of its own."""
