"""Jobs without a .blend, for tests that render nothing."""

import hashlib
from pathlib import Path

from coordinator.client import Client
from coordinator.protocol.jobs import File, Manifest, RenderSettings


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def manifest(blend: bytes, frames: str = "1-4", name: str = "scene") -> Manifest:
    """A job of one file with these bytes."""
    return Manifest(
        name=name,
        blend="scene.blend",
        files=(File(path="scene.blend", sha256=sha256(blend), size=len(blend)),),
        frames=frames,
        render=RenderSettings(scene="Scene", engine="CYCLES"),
        blender="4.5",
        chunk=1,
    )


def queue_job(client: Client, folder: Path, frames: str = "1-4", name: str = "scene") -> str:
    """A job that is ready to be dispatched; returns its id."""
    data = f"blend of {name}".encode()
    path = folder / f"{name}.blend"
    path.write_bytes(data)
    accepted = client.announce(manifest(data, frames, name))
    for missing in accepted.missing:
        client.upload(path, missing)
    return accepted.id
