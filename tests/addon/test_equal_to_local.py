"""*Animation on network* with two slaves writes the files that a local render writes, pixel by pixel."""

from pathlib import Path

import pytest

from ..process_farm import ProcessFarm
from . import pixels
from .blenders import PROGRAM, Blender

pytestmark = pytest.mark.blender

SCRIPT = """
from pathlib import Path
from tests.addon import films
films.enable()
tell(films.twice(arguments[0], Path(arguments[1]), arguments[2:]))
"""

# In groups, as starting a Blender takes longer than most of them. By name: how many files it writes.
GROUPS: dict[str, dict[str, int]] = {
    "formats": {"png_16": 3, "jpeg": 3, "exr_multilayer": 3, "ffmpeg": 1},
    "passes": {"identity": 2, "stereo": 6, "cryptomatte": 3, "transparent": 3},
    "regions": {"border": 3, "cropped": 3, "percentage": 3, "persistent": 3},
    "editing": {"file_output": 6, "strip": 2, "unforeseen": 2, "other_layers": 2},
    "frames": {"stepped": 3, "kept": 3, "workbench": 3},
}
if PROGRAM is not None:
    GROUPS["eevee"] = {"eevee": 3}  # compiles its shaders anew in each process: too slow for every day


@pytest.mark.parametrize("group", GROUPS)
def test_equal_to_a_local_render(extended: Blender, farm: ProcessFarm, tmp_path: Path, group: str) -> None:
    cases = GROUPS[group]
    (jobs,) = extended.run(SCRIPT, farm.url, tmp_path, *cases).told
    for name, count in cases.items():
        local, network = tmp_path / name / "local", tmp_path / name / "network"
        assert pixels.folders(local, network) == [], name
        assert len(list(network.iterdir())) == count, name
        with farm.client as client:
            info = client.job(jobs[name])
        assert info.counts.done == info.counts.total > 0, "the farm rendered it"
        assert set(info.slaves) <= {"one", "two"}
        if name == "kept":
            assert info.frames == "1,3", "what is there is not rendered again"
