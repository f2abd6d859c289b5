"""Frames of a job that a slave without a renderer delivers, as Blender can show them."""

import tempfile
from pathlib import Path

import numpy
import OpenEXR

from .coordinators import RunningCoordinator
from .scripted_slave import scripted_slave

BRIGHTEST = 40  # the frame that is red


def picture(frame: int) -> bytes:
    """A result of a slave: the more to the right the brighter, and each frame in another colour."""
    ramp = numpy.tile(numpy.linspace(0, 1, 320, dtype=numpy.float32), (180, 1))
    levels = (frame / BRIGHTEST, 0.5, 1 - frame / BRIGHTEST, 1)
    channels = {f"ViewLayer.Combined.{name}": ramp * level for name, level in zip("RGBA", levels, strict=True)}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.exr"
        with OpenEXR.File(header, channels) as file:
            file.write(str(path))
        return path.read_bytes()


def deliver(running: RunningCoordinator, job: str, frames: int) -> None:
    """A slave comes, renders until so many frames of the job are done, and goes."""
    with running.client as client:
        events = client.events(job)
        before = client.job(job).counts.done
        with scripted_slave(running.url, permits=frames - before, render=picture):
            while client.job(job).counts.done < frames:
                next(events)
