"""A .blend to a manifest and the files of its job; and then to the coordinator.

Everything that can be wrong is found before anything is sent.
"""

import asyncio
import hashlib
import logging
import math
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from attrs import evolve, frozen

from . import blendfile, errors, renderer
from .client import Client
from .constants import HASH_TRIES, MAX_FRAMES_PER_JOB
from .placement import Placed, place
from .protocol import codec, limits
from .protocol.frames import FrameRange
from .protocol.jobs import Accepted, File, Manifest, RenderSettings
from .protocol.states import FrameOrder
from .renderer import ExternalFile, Inspection
from .unpacking import unpacked

logger = logging.getLogger(__name__)

LISTED = 30  # missing files that an error names one by one


@frozen(kw_only=True)
class Wishes:
    """What the user asks for, where it is not what the .blend says."""

    frames: str = ""  # empty for the scene's own range
    scene: str | None = None
    view_layers: tuple[str, ...] = ()
    engine: str | None = None
    samples: int | None = None
    percentage: int | None = None
    chunk: int = 0
    priority: int = 1
    order: FrameOrder = FrameOrder.SEQUENCE
    tags: tuple[str, ...] = ()
    gpu: bool = False  # only slaves that have one
    memory: int = 0  # bytes; 0 for any
    only_slaves: tuple[str, ...] = ()
    never_slaves: tuple[str, ...] = ()
    max_slaves: int = 0
    after: tuple[str, ...] = ()  # ids of jobs
    paused: bool = False
    start: float = 0.0  # seconds since the epoch; 0 for at once
    attempts: int = 0
    stall: float = 0.0
    discard: bool = False
    name: str = ""  # empty for the .blend's
    again: int = 0
    allow_missing: bool = False
    shared: tuple[str, ...] = ()  # folders on a drive that the slaves reach too: their files are not sent
    results_to: str = ""  # a folder that the slaves reach: they also write the results there
    blender: str | None = None  # the Blender that inspects; None for the bpy package


@frozen(kw_only=True)
class Prepared:
    """A job that can be announced."""

    manifest: Manifest
    sources: dict[str, Path]  # the local file of each blob
    warnings: tuple[str, ...] = ()


def parse_frames(text: str) -> FrameRange:
    """A range that a job may have. Raises BadFramesError."""
    frames = FrameRange.parse(text)
    if len(frames) > MAX_FRAMES_PER_JOB:
        raise errors.BadFramesError(
            f"frames {text!r}: {len(frames)} frames are more than a job may have ({MAX_FRAMES_PER_JOB}); "
            "submit them in several jobs"
        )
    return frames


def prepare(blend: Path, wishes: Wishes) -> Prepared:
    """Look into the .blend and make its job. Sends nothing.

    Raises BadSceneError, BadFramesError, MissingFilesError, BadPathError, BlenderNotFoundError or StorageError.
    """
    if wishes.frames:
        parse_frames(wishes.frames)
    command = renderer.command(wishes.blender)
    blend = Path(os.path.abspath(blend))  # noqa: PTH100  # not resolve(): links are where Blender looks from
    blendfile.check(blend)
    with _hashing() as pool:
        plain = pool.submit(unpacked, blend)  # while Blender starts
        early = pool.submit(lambda: _hash(plain.result()))
        found = asyncio.run(
            renderer.inspect(
                command,
                blend,
                scene=wishes.scene,
                engine=wishes.engine,
                view_layers=wishes.view_layers,
                frames=parse_frames(wishes.frames) if wishes.frames else None,
                on_log=lambda line: logger.debug("inspection: %s", line),
            )
        )
        prepared = _make(blend, found, wishes, {str(blend): early}, pool)
    sources = {sha256: plain.result() if path == blend else path for sha256, path in prepared.sources.items()}
    return evolve(prepared, sources=sources)


def prepare_snapshot(blend: Path, found: Inspection, wishes: Wishes, replaced: Mapping[str, Path]) -> Prepared:
    """The job of a scene that a Blender has open as ``blend``, which it inspected itself. Sends nothing.

    ``replaced`` has the files, ``blend`` among them, whose bytes are elsewhere: what was saved for this job alone.
    Raises as ``prepare`` does.
    """
    with _hashing() as pool:
        hashes = {source: pool.submit(_hash, path) for source, path in replaced.items()}
        prepared = _make(blend, found, wishes, hashes, pool)
    sources = {sha256: replaced.get(str(path), path) for sha256, path in prepared.sources.items()}
    return evolve(prepared, sources=sources)


@contextmanager
def _hashing() -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="hash")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _make(
    blend: Path, found: Inspection, wishes: Wishes, known: "dict[str, Future[Hashed]]", pool: ThreadPoolExecutor
) -> Prepared:
    _check_scene(blend, found, wishes)
    frames = _frames(blend, found, wishes)
    warnings = _check_missing(blend, found, wishes)
    placement = place(blend, found.files, wishes.shared)
    hashes = _hash_all(pool, placement.files, known, {file.path: file for file in found.files})
    files = [_file(item, hashes[item.source]) for item in placement.files]
    colors = [item.path for item in placement.files if item.source == found.colors]
    manifest = Manifest(
        name=_name(wishes.name or blend.stem),
        blend=placement.files[0].path,
        files=tuple(sorted(files, key=lambda file: file.path)),
        frames=str(frames),
        render=RenderSettings(
            scene=found.scene,
            engine=found.engine,
            view_layers=wishes.view_layers,
            samples=wishes.samples,
            percentage=wishes.percentage,
        ),
        blender=found.blender,
        features=found.features + (("gpu",) if wishes.gpu else ()),
        mapped=placement.mapped,
        colors=colors[0] if colors else "",
        tags=wishes.tags,
        memory=wishes.memory,
        only_slaves=wishes.only_slaves,
        never_slaves=wishes.never_slaves,
        max_slaves=wishes.max_slaves,
        after=wishes.after,
        paused=wishes.paused,
        start=wishes.start,
        order=wishes.order,
        results=wishes.results_to,
        chunk=wishes.chunk,
        priority=wishes.priority,
        attempts=wishes.attempts,
        stall=wishes.stall,
        discard=wishes.discard,
        again=wishes.again,
    )
    _check_text(manifest)
    sources = {hashes[item.source][0]: Path(item.source) for item in placement.files}
    return Prepared(manifest=manifest, sources=sources, warnings=warnings)


def _name(text: str) -> str:
    """Make a job's name of what a file may be named: lines' ends and the like cannot be shown."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        return text  # it is refused, with all that is no text
    return limits.printable(text)[:200]


def send(client: Client, job: Prepared, progress: Callable[[int, int], None] = lambda done, total: None) -> Accepted:
    """Announce the job and upload what the coordinator lacks. ``progress`` gets bytes done and bytes in all."""
    accepted = client.announce(job.manifest)
    sizes = job.manifest.blobs
    total = sum(sizes.get(sha256, 0) for sha256 in accepted.missing)  # what is none of the job's is not sent
    logger.info("job %s: %d of %d blobs to send, %d bytes", accepted.id, len(accepted.missing), len(sizes), total)
    blobs = {sha256: job.sources[sha256] for sha256 in in_order(job.manifest, accepted.missing)}
    client.upload_all(blobs, lambda done: progress(done, total), accepted.bases)
    return accepted


def in_order(manifest: Manifest, missing: Iterable[str]) -> list[str]:
    """As the job can begin soonest: what all frames need, then what the first frames need."""
    wanted, ranks = set(missing), dict[str, float]()
    for file in manifest.files:
        if file.sha256 in wanted:
            rank = FrameRange.parse(file.frames)[0] if file.frames else -math.inf
            ranks[file.sha256] = min(rank, ranks.get(file.sha256, math.inf))
    return sorted(ranks, key=lambda sha256: (ranks[sha256], sha256))


# --- what may be wrong ---


def _check_scene(blend: Path, found: Inspection, wishes: Wishes) -> None:
    def refuse(what: str, wanted: str, there: Iterable[str]) -> errors.BadSceneError:
        return errors.BadSceneError(f"{blend} has no {what} {wanted!r}; it has: {', '.join(sorted(there))}")

    if wishes.scene is not None and wishes.scene not in found.scenes:
        raise refuse("scene", wishes.scene, found.scenes)
    for layer in wishes.view_layers:
        if layer not in found.view_layers:
            raise refuse("view layer", layer, found.view_layers)
    if found.engine not in found.engines:
        raise errors.BadSceneError(
            f"{blend}: this Blender has no render engine {found.engine!r}; it has: {', '.join(sorted(found.engines))}. "
            "Name one with --engine, or another Blender with --blender PATH"
        )
    if not found.camera:
        raise errors.BadSceneError(f"scene {found.scene!r} of {blend} has no camera: add one, and make it active")


def _check_text(manifest: Manifest) -> None:
    """Refuse what cannot be sent: Linux has names, and takes arguments, that are no UTF-8."""
    try:
        codec.dumps(manifest).encode()
    except UnicodeEncodeError as error:
        start = str(error.object).rfind('"', 0, error.start) + 1
        named = str(error.object)[start:].partition('"')[0]
        raise errors.BadPathError(
            f"{named[:200]!r}: this name is not text, which a job's have to be; rename it"
        ) from None


def _frames(blend: Path, found: Inspection, wishes: Wishes) -> FrameRange:
    if wishes.frames:
        return parse_frames(wishes.frames)
    first, last, step = found.frames
    try:
        return parse_frames(str(FrameRange.between(first, last, step)))
    except errors.BadFramesError as error:
        raise errors.BadFramesError(
            f"scene {found.scene!r} of {blend}: {error.message}; set its range, or give --frames"
        ) from error


def _check_missing(blend: Path, found: Inspection, wishes: Wishes) -> tuple[str, ...]:
    """What to warn of. Raises MissingFilesError if the user did not allow it."""
    missing = sorted({(file.kind, file.name, file.stored, file.path) for file in found.missing})
    if not missing:
        return ()
    lines = [f"{kind} {name!r}: {stored} ({path}{_oddity(path)})" for kind, name, stored, path in missing]
    if wishes.allow_missing:
        return tuple(f"missing {line}" for line in lines)
    rest = f"\n  and {len(lines) - LISTED} more" if len(lines) > LISTED else ""
    raise errors.MissingFilesError(
        f"{len(lines)} file{'s' if len(lines) > 1 else ''} that {blend.name} needs "
        f"{'are' if len(lines) > 1 else 'is'} not there; put them in place, or render without: --allow-missing\n  "
        + "\n  ".join(lines[:LISTED])
        + rest
    )


def _oddity(path: str) -> str:
    return " is there, but it is a folder or a device" if os.path.exists(path) else ""  # noqa: PTH110  # any text


# --- files ---


Hashed = tuple[str, int]  # SHA-256 and size in bytes


def _hash_all(
    pool: ThreadPoolExecutor,
    placed: Iterable[Placed],
    known: dict[str, Future[Hashed]],
    wanted: Mapping[str, ExternalFile],
) -> dict[str, Hashed]:
    for source in {item.source for item in placed} - known.keys():
        known[source] = pool.submit(_hash, Path(source))
    try:
        return {source: future.result() for source, future in known.items()}
    except FileNotFoundError as error:
        file = wanted.get(str(error.filename))
        who = f", which {file.kind} {file.name!r} needs," if file else ""
        raise errors.MissingFilesError(f"{error.filename}{who} disappeared while it was read; submit again") from error


def _hash(path: Path) -> Hashed:
    """Raises FileNotFoundError, or StorageError for what is no file or keeps changing while it is read."""
    try:
        for _ in range(HASH_TRIES):
            before = path.stat()
            if not stat.S_ISREG(before.st_mode):
                raise errors.StorageError(f"{path} is not a file but a folder or a device; it cannot be sent")
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                size = file.tell()
            after = path.stat()
            if (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, size):
                return digest, size
            logger.info("%s changed while it was read; it is read again", path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise errors.StorageError(f"{path} cannot be read: {error.strerror}") from error
    raise errors.StorageError(f"{path} keeps changing while it is read; wait until it is written, and submit again")


def _file(item: Placed, hashed: Hashed) -> File:
    return File(path=item.path, sha256=hashed[0], size=hashed[1], frames=item.frames)
