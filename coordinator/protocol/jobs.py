"""What a job is (its manifest), and how jobs, frames and slaves are reported."""

from collections.abc import Collection

from attrs import field, frozen, validators

from ..errors import BadRequestError
from . import codec, limits
from .frames import FrameRange
from .limits import check_sha256, check_tags
from .paths import check_folder, check_tree_path, is_absolute, without_token
from .states import FrameOrder, FrameState, JobState


@frozen(kw_only=True)
class File:
    """One file of the job's own tree."""

    path: str  # in the job's tree, relative, forward slashes
    sha256: str  # the blob that holds its bytes
    size: int  # bytes
    frames: str = ""  # canonical frame range: only these frames need it; empty for all

    def __attrs_post_init__(self) -> None:
        check_tree_path(self.path)
        check_sha256(self.sha256)
        if self.size < 0:
            raise BadRequestError(f"file {self.path!r}: size {self.size} is negative")
        if self.frames and str(FrameRange.parse(self.frames)) != self.frames:
            raise BadRequestError(f"file {self.path!r}: frames {self.frames[:80]!r} is not in its canonical form")

    def needed_by(self, frames: Collection[int]) -> bool:
        """Whether one of these frames needs it."""
        if not self.frames:
            return True
        own = FrameRange.parse(self.frames)
        return any(frame in own for frame in frames)


@frozen(kw_only=True)
class Mapped:
    """A path in a .blend that does not lead to its file by itself; the renderer sets it.

    ``blend`` and ``path`` are in the job's tree, or absolute as the client has them: then they are on a drive that the
    farm shares, and a slave finds them by its own path maps.
    """

    blend: str  # the .blend that has the path: the job's own, or a library
    stored: str = field(validator=validators.min_len(1))  # the path as it has it
    path: str  # where it has to lead: a file, a folder, or a set of tiles ("a.<UDIM>.png")

    def __attrs_post_init__(self) -> None:
        for path in (self.blend, self.path):
            if not is_absolute(path):
                check_tree_path(without_token(path))


@frozen(kw_only=True)
class RenderSettings:
    """What is rendered of the .blend, where it differs from what the .blend says."""

    scene: str  # name of the scene
    engine: str  # CYCLES, BLENDER_EEVEE_NEXT, ...: named always, as a Blender without it would fall back silently
    view_layers: tuple[str, ...] = ()  # only these; empty for those that the scene renders
    samples: int | None = field(default=None, validator=validators.optional([validators.ge(1), validators.le(2**24)]))
    percentage: int | None = field(default=None, validator=validators.optional([validators.ge(1), validators.le(1000)]))


@frozen(kw_only=True)
class Manifest:
    """A job as it is announced. Its id is a hash of this, so that announcing it twice announces it once."""

    name: str = field(validator=[validators.min_len(1), validators.max_len(200)])
    blend: str  # the path, among `files`, of the .blend to open
    files: tuple[File, ...]
    frames: str  # canonical frame range
    render: RenderSettings
    blender: str  # "4.5": the oldest Blender that can open the file as it is
    features: tuple[str, ...] = ()  # what a slave must have, such as "denoiser" or "gpu"
    mapped: tuple[Mapped, ...] = ()
    colors: str = ""  # the path, among `files`, of the OpenColorIO configuration; empty for Blender's own
    tags: tuple[str, ...] = ()  # every one of these must be among the tags that a slave was started with
    memory: int = field(default=0, validator=validators.ge(0))
    """Bytes: a slave must have them, a renderer gets no more; 0 for any."""
    only_slaves: tuple[str, ...] = ()  # names of slaves: no other gets the job; empty for all
    never_slaves: tuple[str, ...] = ()  # names of slaves that do not get the job
    max_slaves: int = field(default=0, validator=limits.A_COUNT)  # that have frames of it at once; 0 for no limit
    after: tuple[str, ...] = ()  # ids of jobs of which every frame must be done first
    paused: bool = False  # announced as paused
    start: float = field(default=0.0, validator=limits.A_TIME)  # not before; 0 for at once
    order: FrameOrder = FrameOrder.SEQUENCE
    results: str = ""  # a folder, as the client names it, to which slaves also write each result; empty for none
    chunk: int = field(default=0, validator=[validators.ge(0), validators.le(10_000)])  # frames; 0 is automatic
    priority: int = field(default=1, validator=limits.A_PRIORITY)
    attempts: int = field(default=0, validator=[validators.ge(0), validators.le(100)])
    """Different slaves on which a frame must fail until it is given up; 0 for the coordinator's own number."""
    stall: float = field(default=0.0, validator=limits.A_STALL)
    """Seconds without any sign of progress after which a renderer is ended; 0 adapts to the job's frames."""
    discard: bool = False  # results are not sent nor kept: to try a scene, or to measure a farm
    again: int = 0  # a different number makes a new job of an equal one

    def __attrs_post_init__(self) -> None:
        if str(FrameRange.parse(self.frames)) != self.frames:
            raise BadRequestError(f"frames: {self.frames!r} is not in its canonical form")
        seen: dict[str, str] = {}
        for file in self.files:
            # Two names that differ only in case are one file on Windows and macOS.
            folded = file.path.casefold()
            if folded in seen:
                raise BadRequestError(
                    f"files: {seen[folded]!r} and {file.path!r} are the same on some operating systems"
                )
            seen[folded] = file.path
        for path in seen:
            parent, slash, _ = path.rpartition("/")
            while slash:
                if parent in seen:
                    raise BadRequestError(f"files: {seen[parent]!r} is a file, and {seen[path]!r} would be inside it")
                parent, slash, _ = parent.rpartition("/")
        if self.blend not in (file.path for file in self.files):
            raise BadRequestError(f"blend: {self.blend!r} is not among the files")
        if self.colors and self.colors not in (file.path for file in self.files):
            raise BadRequestError(f"colors: {self.colors!r} is not among the files")
        check_tags(self.tags)
        for job in self.after:
            if not limits.JOB_ID.fullmatch(job):
                raise BadRequestError(f"after: {job[:40]!r} is not a job's id of 16 hexadecimal digits")
        if both := set(self.only_slaves) & set(self.never_slaves):
            raise BadRequestError(f"only_slaves and never_slaves: {min(both)!r} is in both")
        if self.results:
            check_folder(self.results)
        if not limits.SERIES.fullmatch(self.blender):
            raise BadRequestError(f"blender: {self.blender!r} is not a version such as 4.5")

    @property
    def id(self) -> str:
        """16 hexadecimal digits."""
        return codec.digest(self)[:16]

    @property
    def scene(self) -> str:
        """Jobs with an equal one render the same open scene: a slave that has it begins at once.

        Empty if some files come only with the frames that need them: then what is open may lack them.
        """
        if any(file.frames for file in self.files):
            return ""
        return codec.digest([self.blend, self.files, self.render, self.mapped, self.colors])[:32]

    @property
    def blobs(self) -> dict[str, int]:
        """Size in bytes of every blob that the job needs, by SHA-256."""
        return {file.sha256: file.size for file in self.files}

    def files_for(self, frames: Collection[int]) -> list[File]:
        """What a slave must have to render these frames."""
        return [file for file in self.files if file.needed_by(frames)]


@frozen(kw_only=True)
class JobChanges:
    """What can be changed of a job after it was announced. None leaves it as it is."""

    priority: int | None = field(default=None, validator=limits.either(limits.A_PRIORITY))
    max_slaves: int | None = field(default=None, validator=limits.either(limits.A_COUNT))


@frozen(kw_only=True)
class Accepted:
    """The answer to an announced job."""

    id: str = field(validator=limits.A_JOB)
    state: JobState
    new: bool  # False if the same manifest was announced before
    missing: tuple[str, ...] = field(validator=limits.each(limits.A_SHA256))  # to upload; the job waits for them
    bases: dict[str, str]  # for some of them a blob that is there and may be similar: an earlier version of the file


@frozen(kw_only=True)
class Counts:
    """How many frames are in each state."""

    queued: int = field(default=0, validator=limits.A_COUNT)
    dispatched: int = field(default=0, validator=limits.A_COUNT)
    done: int = field(default=0, validator=limits.A_COUNT)
    error: int = field(default=0, validator=limits.A_COUNT)

    @property
    def total(self) -> int:
        return self.queued + self.dispatched + self.done + self.error


@frozen(kw_only=True)
class JobInfo:
    """A job as it is reported."""

    id: str = field(validator=limits.A_JOB)
    name: str = field(validator=[validators.min_len(1), validators.max_len(200)])
    state: JobState
    reason: str = field(converter=limits.readable)  # why it is in this state
    frames: str
    counts: Counts
    priority: int = field(validator=limits.A_PRIORITY)
    blender: str = field(validator=limits.A_SERIES_OR_NONE)
    """The version that renders it ("4.5"), empty until its first frame pins it."""
    created: float = field(validator=limits.A_TIME)  # seconds since the epoch, as all times here
    started: float | None = field(validator=limits.either(limits.A_TIME))  # first dispatch
    finished: float | None = field(validator=limits.either(limits.A_TIME))
    slaves: dict[str, int] = field(validator=[limits.each(limits.A_NAME), limits.counts])
    """Frames done, by the slave's name."""
    max_slaves: int = field(default=0, validator=limits.A_COUNT)  # at once; 0 for no limit
    using: int = field(default=0, validator=limits.A_COUNT)  # slaves that have frames of it now
    barred: tuple[str, ...] = field(default=(), validator=limits.each(limits.A_NAME))
    """Names of the slaves that get no more of it: they failed too often, or cannot render it."""


@frozen(kw_only=True)
class FrameInfo:
    """A frame as it is reported. Frames that were never dispatched are not listed one by one."""

    frame: int = field(validator=limits.A_FRAME)
    state: FrameState
    attempts: int = field(default=0, validator=limits.A_COUNT)  # failures so far
    slave: str = field(default="", validator=limits.A_NAME)  # name of the last slave that had it
    seconds: float | None = field(default=None, validator=limits.either(limits.A_RENDER_TIME))
    sha256: str = field(default="", validator=limits.A_RESULT)
    size: int = field(default=0, validator=limits.A_SIZE)  # bytes of the result
    error: str = field(default="", converter=limits.readable)  # the last failure


CONFINABLE = ("files", "network", "processes")
"""What a renderer can give up before it opens a file: all files but its job's, connections, other processes."""


@frozen(kw_only=True)
class SlaveInfo:
    """A slave as it is reported."""

    id: str = field(validator=limits.A_SLAVE)
    name: str = field(validator=limits.A_NAME)
    host: str = field(validator=limits.A_HOST)
    blender: str = field(validator=limits.A_VERSION)
    threads: int = field(validator=limits.A_THREAD_COUNT)
    features: tuple[str, ...]
    connected: bool
    job: str = field(validator=limits.A_JOB_OR_NONE)  # id of the job that it renders, or empty
    frame: int | None = field(validator=limits.either(limits.A_FRAME))  # the frame that it renders
    last_seen: float = field(validator=limits.A_TIME)
    tags: tuple[str, ...] = ()
    memory: int = field(default=0, validator=limits.A_SIZE)  # bytes of the machine; 0 if it is not known
    confined: tuple[str, ...] = field(default=(), validator=limits.each(validators.in_(CONFINABLE)))
    """What its renderer has given up; empty also until a slave of an earlier run comes back."""
    sick: str = field(default="", converter=limits.readable)
    """Why it gets no work until it is healed; empty if it is well."""
    aside: str = field(default="", converter=limits.readable)
    """Why its machine can render nothing now; empty if it can."""


@frozen(kw_only=True)
class Fact:
    """One reason why something is as it is. A program reads the code, a person the text."""

    code: str  # stable: the names are in scheduling/explain.py
    text: str  # what is so, and where something can be done about it, what


@frozen(kw_only=True)
class Explanation:
    """Why a job has the slaves that it has, or why a slave is idle."""

    about: str  # id of the job or of the slave
    name: str
    facts: tuple[Fact, ...]  # the most important one first


@frozen(kw_only=True)
class Status:
    """The answer of GET /api/status."""

    netrender: str
    protocol: int
    problem: str  # why the coordinator can keep nothing at present, and what to do; empty while all is well


@frozen(kw_only=True)
class Version:
    """The answer of GET /api/version."""

    netrender: str
    protocol: int
