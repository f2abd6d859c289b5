"""The leases that the slave has, and when one of them is over. Pure."""

from collections import deque
from collections.abc import Callable, Iterable

from attrs import Factory, define, field

from ..protocol.messages import Failed, Work


@define(kw_only=True, eq=False)
class Lease:
    """The frames of one chunk, on their way from ``todo`` to the outbox."""

    number: int
    job: str
    todo: deque[int]  # not begun, in the order to render them
    left: set[int] = field(default=Factory(lambda self: set(self.todo), takes_self=True))
    """Neither in the outbox nor reported as failed."""
    failures: dict[int, Failed] = field(factory=dict)  # reported; told again to a coordinator that was away
    scene: str = ""  # what is open has to be equal to this; the job's id if nothing else is
    stall: float = 0.0  # seconds without a sign of progress after which a renderer hangs; 0 for never
    cancelled: bool = False
    on_settled: Callable[[int], None] = lambda number: None  # a frame is not the renderer's business any more

    @classmethod
    def of(cls, work: Work, on_settled: Callable[[int], None]) -> "Lease":
        return cls(
            number=work.lease,
            job=work.job,
            todo=deque(work.frames),
            scene=work.scene or work.job,
            stall=work.stall,
            on_settled=on_settled,
        )

    def settle(self, frame: int) -> None:
        """The frame is in the outbox, or reported as failed."""
        self.left.discard(frame)
        self.on_settled(self.number)

    def drop(self, frames: Iterable[int]) -> None:
        """These frames are not wanted from here any more."""
        for frame in frames:
            if frame in self.todo:
                self.todo.remove(frame)
            self.left.discard(frame)
            self.failures.pop(frame, None)
        if not self.left:
            self.on_settled(self.number)

    def give_back(self, frames: Iterable[int]) -> None:
        """What is not begun, and these frames, will not be rendered here; what is rendered will be delivered."""
        self.left -= {*self.todo, *frames}
        self.todo.clear()

    def cancel(self) -> None:
        self.cancelled = True
        self.todo.clear()
        self.left.clear()
