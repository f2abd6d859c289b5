"""How fast frames come, and how long the rest will take. Pure: the caller has the clock."""

from collections import deque

from attrs import define, field

WINDOW = 30  # frames that the rate is measured over: long enough to be calm, short enough to follow a new slave


@define
class Pace:
    """Fed with the moment at which rendering began, and those at which each frame was done."""

    total: int
    done: int = 0
    _moments: deque[float] = field(factory=lambda: deque(maxlen=WINDOW + 1), init=False)

    def began(self, now: float) -> None:
        """Rendering goes on now; only the first time counts."""
        if not self._moments:
            self._moments.append(now)

    def frame_done(self, now: float) -> None:
        self.done += 1
        self._moments.append(now)

    def was_done_before(self) -> None:
        """A frame that counts, but says nothing about the rate."""
        self.done += 1

    @property
    def per_minute(self) -> float | None:
        """None until it can be told."""
        if len(self._moments) < 2 or self._moments[-1] <= self._moments[0]:
            return None
        return 60 * (len(self._moments) - 1) / (self._moments[-1] - self._moments[0])

    @property
    def remaining(self) -> float | None:
        """Seconds."""
        rate = self.per_minute
        return None if rate is None else 60 * (self.total - self.done) / rate
