"""Protocols of other programs, spoken over the same sessions: Deepgram's live API and Wyoming."""
