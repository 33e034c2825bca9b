"""How fast one client may send: bytes and messages a second, with bursts. Pure.

Who is faster is not refused: its socket is read more slowly, and TCP holds it back.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

MAX_CLIENTS: Final = 4096  # that are remembered; a bucket that was not used for longest is forgotten, and is full anew


@dataclass(frozen=True, slots=True)
class Rates:
    """What one client may send.

    Attributes:
        bytes_per_s: of messages.
        messages_per_s: of any kind.
        burst_s: so many seconds' worth may come at once.

    """

    bytes_per_s: float
    messages_per_s: float
    burst_s: float


@dataclass(slots=True)
class Bucket:
    """What one client has in hand, in seconds of each rate; may be negative, as a message is taken whole."""

    at_s: float
    bytes_s: float
    messages_s: float


@dataclass(slots=True)
class Flow:
    """The buckets of all clients.

    Attributes:
        rates: may be replaced.

    """

    rates: Rates
    _buckets: OrderedDict[str, Bucket] = field(default_factory=OrderedDict)

    def take(self, client: str, n_bytes: int, now_s: float) -> float:
        """Count a message; return how long to wait before the next one of this client is read."""
        rates = self.rates
        bucket = self._buckets.pop(client, None) or Bucket(now_s, rates.burst_s, rates.burst_s)
        gained_s, bucket.at_s = max(0.0, now_s - bucket.at_s), now_s
        bucket.bytes_s = min(rates.burst_s, bucket.bytes_s + gained_s) - n_bytes / rates.bytes_per_s
        bucket.messages_s = min(rates.burst_s, bucket.messages_s + gained_s) - 1 / rates.messages_per_s
        self._buckets[client] = bucket
        while len(self._buckets) > MAX_CLIENTS:
            self._buckets.popitem(last=False)
        return max(0.0, -bucket.bytes_s, -bucket.messages_s)
