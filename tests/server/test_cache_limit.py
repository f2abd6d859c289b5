"""The coordinator's blobs stay within their limit, but for what a job that is not over needs."""

from pathlib import Path

from coordinator.client import Client

from ..coordinators import running_coordinator
from ..submissions import manifest, sha256


def send(client: Client, folder: Path, data: bytes) -> str:
    accepted = client.announce(manifest(files={"scene.blend": data}))
    path = folder / "scene.blend"
    path.write_bytes(data)
    for missing in accepted.missing:
        client.upload(path, missing)
    return accepted.id


def test_files_of_jobs_that_are_over_go_first(tmp_path: Path) -> None:
    scenes = [bytes([number]) * 1000 for number in range(4)]
    with running_coordinator(tmp_path / "data", cache_limit=2500) as running, running.client as client:

        def there() -> set[int]:
            blobs = {path.name for path in (tmp_path / "data" / "blobs").rglob("*")}
            return {number for number, data in enumerate(scenes) if sha256(data) in blobs}

        first = send(client, tmp_path, scenes[0])
        send(client, tmp_path, scenes[1])
        send(client, tmp_path, scenes[2])
        assert there() == {0, 1, 2}, "all of them are needed"
        client.command(first, "cancel")
        send(client, tmp_path, scenes[3])
        assert there() == {1, 2, 3}
        assert client.command(first, "reset").state == "waiting"
        send(client, tmp_path, scenes[0])
        assert client.job(first).state == "queued"
