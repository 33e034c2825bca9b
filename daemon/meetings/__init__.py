"""Meetings: recorded, kept, searched, exported, played."""
