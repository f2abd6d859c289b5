"""A job that waits for slaves, made with the synchronous client."""

from pathlib import Path

from coordinator.client import Client

from .submissions import manifest


def queue_job(client: Client, folder: Path, frames: str = "1-4", name: str = "scene") -> str:
    """Announce a job of one file, and upload that; returns the job's id."""
    data = f"blend of {name}".encode()
    path = folder / f"{name}.blend"
    path.write_bytes(data)
    accepted = client.announce(manifest(frames, chunk=1, files={"scene.blend": data}, name=name))
    for missing in accepted.missing:
        client.upload(path, missing)
    return accepted.id
