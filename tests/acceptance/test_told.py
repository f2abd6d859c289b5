"""What clients get of a slave tells the job's names, and not where the slave keeps things: results, logs, failures."""

from pathlib import Path

import pytest

from coordinator.protocol.states import FrameState
from tests import scenes
from tests.process_farm import process_farm
from tests.submissions import manifest, sha256

pytestmark = pytest.mark.blender


def test_results_logs_and_failures_tell_no_folder_of_the_slave(tmp_path: Path) -> None:
    client = tmp_path / "client"
    client.mkdir()
    blend = scenes.build("simple", client / "shot.blend", frames=1)
    damaged = client / "damaged.blend"
    damaged.write_bytes(blend.read_bytes()[:5000])
    broken = manifest("1", files={"film/damaged.blend": damaged.read_bytes()}, blender="4.5", attempts=1)
    with process_farm(tmp_path / "farm", ["one"]) as farm:
        job = farm.submit(blend)
        (result,) = farm.gather(job, tmp_path / "frames")
        log = farm.client.log(job, 1).decode()
        with farm.client as other:
            other.announce(broken)
            other.upload(damaged, sha256(damaged.read_bytes()))
            farm.run("gather", broken.id, "--coordinator", farm.url, "--output", str(tmp_path / "none"), check=False)
            (failed,) = other.frames(broken.id)
            failure_log = other.log(broken.id, 1).decode()
    assert 'Read blend: "shot.blend"' in log
    assert "Saved: '1.exr.part'" in log
    assert failed.state is FrameState.ERROR
    assert failed.error is not None
    assert "cannot open film/damaged.blend: it is damaged" in failed.error
    assert "cannot open film/damaged.blend: it is damaged" in failure_log
    for said in (log, failed.error, failure_log):
        assert str(tmp_path / "farm") not in said
    assert str(tmp_path / "farm").encode() not in result.read_bytes()
