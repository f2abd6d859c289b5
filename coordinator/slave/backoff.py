"""How long to wait before the next try."""

import random

from attrs import define

from ..constants import RECONNECT_FIRST, RECONNECT_MOST


@define(kw_only=True)
class Backoff:
    """Exponential, with full jitter: slaves that lost one coordinator must not come back in step."""

    first: float = RECONNECT_FIRST  # seconds
    most: float = RECONNECT_MOST  # seconds
    _tries: int = 0

    def next(self) -> float:
        """Seconds to wait before the next try."""
        limit = min(self.most, self.first * 2 ** min(self._tries, 30))
        self._tries += 1
        return random.uniform(0, limit)

    def reset(self) -> None:
        self._tries = 0
