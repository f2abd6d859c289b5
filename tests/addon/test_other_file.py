"""Another file is opened while something of the first one goes on: no frame, no job and no setting gets into it."""

from pathlib import Path

import pytest

from ..coordinators import RunningCoordinator
from ..process_farm import ProcessFarm
from ..scripted_slave import scripted_slave
from . import pixels
from .blenders import PROGRAM, Blender
from .test_animation import SIMPLE, files, result

__all__ = ["result"]

pytestmark = pytest.mark.blender

# `films`: shot_a and shot_b, each with a scene called "Scene" and an output folder of its own.
FILES = (
    SIMPLE
    + """
import time
from blender_addon import addresses, animation, borrowed, compat, gathering, open_file, outputs, results
from blender_addon import job_operators, leaving, session, writing
folder = Path(arguments[1])

def save(name, frames=4):
    bpy.ops.wm.read_homefile()
    scene = simple(frames)
    scene.render.filepath = str(folder / name / "####")
    if name == "b":
        films.compositor(scene, ["Image"])
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / f"shot_{name}.blend"))

def open_file_of(name):
    bpy.ops.wm.open_mainfile(filepath=str(folder / f"shot_{name}.blend"))

def settings():
    scene = bpy.context.scene
    return [scene.render.engine, scene.frame_start, scene.frame_end, scene.frame_step, scene.render.filepath,
            scene.netrender.job, scene.netrender.borrowed]

def when_written(number, action):
    # When so many frames are written, each by itself, Blender does something else, once.
    first_run, wrote, done = gathering.first_run, gathering.Gathering.wrote, []
    def wrote_and(self, run):
        wrote(self, run)
        if not done and len(self.written) >= number:
            done.append(number)
            action()
    gathering.first_run = lambda frames: gathering.Run(frames[0], frames[0])
    gathering.Gathering.wrote = wrote_and

save("b")
save("a")
"""
)


@pytest.mark.parametrize("handlers", ["there", "cleared"])
def test_frames_are_written_for_their_own_file_alone(
    extended: Blender, farm: ProcessFarm, tmp_path: Path, handlers: str
) -> None:
    script = (
        FILES
        + f"""
if {handlers == "cleared"}:  # by another extension
    bpy.app.handlers.load_pre.clear()
    bpy.app.handlers.load_post.clear()
before = settings()
when_written(2, lambda: open_file_of("b"))
attempt(bpy.ops.netrender.animation)
after = settings()
open_file_of("b")
tell([after, settings() == after, len(results.sources), len(results.engines)])
open_file_of("a")
job = bpy.context.scene.netrender.job
if {handlers == "cleared"}:
    animation.recall_jobs(session.cache())
    job = bpy.context.scene.netrender.job
attempt(bpy.ops.netrender.gather)
tell([settings() == before[:5] + [job, ""], bool(job)])
scene = bpy.context.scene
scene.render.filepath = str(folder / "local" / "####")
bpy.ops.render.render(animation=True)
"""
    )
    told = extended.run(script, farm.url, tmp_path).told
    said, (opened, unchanged, sources, engines), gathered, (as_before, job) = told
    assert "Animation of shot_a.blend: 2 of 4 frames are written; gathering ended because another file" in said
    assert "open shot_a.blend and press Get Animation" in said
    assert opened[0] == "CYCLES" and opened[3] == 1 and not opened[5] and not opened[6]
    assert unchanged and not sources and not engines
    assert not files(tmp_path / "b"), "nothing was written for the other file"
    assert gathered == ["FINISHED"]
    assert as_before and job
    assert files(tmp_path / "a") == files(tmp_path / "local") != []
    assert pixels.folders(tmp_path / "local", tmp_path / "a") == []


WAYS = [
    "bpy.ops.wm.read_homefile()",
    "bpy.ops.wm.read_homefile(use_empty=True)",
    "bpy.ops.wm.revert_mainfile()",
    "bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)",
]
if PROGRAM is None:  # a program takes the extension away in the midst of its own operator, and Blender with it
    WAYS.append("bpy.ops.wm.read_factory_settings(use_empty=True); films.enable()")


@pytest.mark.parametrize("leave", WAYS)
def test_every_way_out_of_a_file_ends_its_animation(
    extended: Blender, coordinator: RunningCoordinator, tmp_path: Path, result: bytes, leave: str
) -> None:
    script = (
        FILES
        + f"""
def leave():
    {leave}
when_written(2, leave)
attempt(bpy.ops.netrender.animation)
"""
    )
    with scripted_slave(coordinator.url, permits=1000, render=lambda frame: result):
        (said,) = extended.run(script, coordinator.url, tmp_path).told
    assert "Animation of shot_a.blend: 2 of 4 frames are written; gathering ended because" in said
    assert files(tmp_path / "a") == ["0001.png", "0002.png"]


def test_saving_undoing_and_a_file_that_does_not_open_end_nothing_but_what_they_must(
    extended: Blender, coordinator: RunningCoordinator, tmp_path: Path, result: bytes
) -> None:
    """The output folder is where it led when the animation began, though "//" is another folder by then."""
    script = (
        FILES
        + """
(folder / "elsewhere").mkdir()
bpy.context.scene.render.filepath = "//a/####"
bpy.ops.wm.save_mainfile()
def save_as():
    bpy.ops.ed.undo_push(message="one")
    bpy.context.scene.name = bpy.context.scene.name
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "elsewhere" / "shot_c.blend"))
when_written(2, save_as)
attempt(bpy.ops.netrender.animation)
tell(settings())
owner = open_file.Owner()
try:
    open_file_of("none")
except RuntimeError:
    tell([owner.is_here, owner.path == str(folder / "elsewhere" / "shot_c.blend")])
"""
    )
    with scripted_slave(coordinator.url, permits=1000, render=lambda frame: result):
        said, kept, here = extended.run(script, coordinator.url, tmp_path).told
    assert said == ["FINISHED"]
    assert kept[0] == "CYCLES" and kept[4] == "//a/####" and kept[6] == ""
    assert here == [True, True]
    assert files(tmp_path / "a") == [f"000{number}.png" for number in (1, 2, 3, 4)]
    assert files(tmp_path / "elsewhere") == ["shot_c.blend"]


def test_a_scene_of_the_same_name_is_another_one(
    extended: Blender, coordinator: RunningCoordinator, tmp_path: Path, result: bytes
) -> None:
    script = (
        FILES
        + """
def replace():
    old = bpy.context.scene
    new = bpy.data.scenes.new("New")
    bpy.data.scenes.remove(old)
    new.name, new.render.filepath = "Scene", str(folder / "b" / "####")
when_written(2, replace)
attempt(bpy.ops.netrender.animation)
scene = bpy.context.scene
tell([scene.name, scene.netrender.job, scene.netrender.borrowed])
"""
    )
    with scripted_slave(coordinator.url, permits=1000, render=lambda frame: result):
        said, scene = extended.run(script, coordinator.url, tmp_path).told
    assert "2 of 4 frames are written; gathering ended because" in said
    assert "was removed or renamed" in said
    assert scene == ["Scene", "", ""]
    assert not files(tmp_path / "b")


def test_a_job_that_is_sent_when_another_file_is_open_is_the_first_ones(
    extended: Blender, coordinator: RunningCoordinator, tmp_path: Path
) -> None:
    script = (
        FILES
        + """
where, work = job_operators.sending(bpy.context.scene, allow_missing=False)
take = job_operators.sent_to(bpy.context.scene)
open_file_of("b")
job_operators.wait(where, work, take)
tell([bpy.context.scene.netrender.job, session.note])
open_file_of("a")
tell(bpy.context.scene.netrender.job)
bpy.context.scene.netrender.job = ""
time.sleep(0.01)  # so that the file is newer
bpy.ops.wm.save_mainfile()
open_file_of("a")
tell(bpy.context.scene.netrender.job)
"""
    )
    others, its_own, saved = extended.run(script, coordinator.url, tmp_path).told
    assert others[0] == ""
    with coordinator.client as client:
        (job,) = client.jobs()
    assert others[1].startswith(f"shot_a of shot_a.blend is sent: job {job.id}")
    assert its_own == job.id
    assert saved == "", "a file that was saved since knows better"


def test_what_is_sent_and_gathered_in_a_window_ends_when_its_file_does(
    extended: Blender, coordinator: RunningCoordinator, tmp_path: Path, result: bytes
) -> None:
    """What was sent half is sent to its end, and what is told of the first is not taken for the second's."""
    script = (
        FILES
        + """
def tick_until(wanted):
    while not wanted():
        session._tick()
        time.sleep(session.TICK)

told = []
leaving.report = told.append
where = session.where(bpy.context.scene)
begin = lambda tell_it: animation.begin(bpy.context.scene, where, session.cache(), tell_it, allow_missing=False)
session.begin(begin)
first = session.animation
open_file_of("b")
tell([session.animation is None, bool(first.left), session.note == told[0], session.upload is not None])
tell(session.note)
session.begin(begin)  # of the other one
second = session.animation
tick_until(lambda: second.gathering is not None and not first.is_sending and len(second.gathering.arrived) == 4)
tell([len(first.jobs), len(second.jobs), first.jobs != second.jobs, first.gathering is None, session.upload is None])
tell([bpy.context.scene.netrender.job == second.job, all(errand.cancelled for errand in session._errands)])
open_file_of("a")
tell([bpy.context.scene.netrender.job == first.job, session.animation is None, len(told)])
"""
    )
    with scripted_slave(coordinator.url, permits=1000, render=lambda frame: result):
        ended, note, mixed, jobs, again = extended.run(script, coordinator.url, tmp_path).told
    assert ended == [True, True, True, True]
    assert "Animation of shot_a.blend: it is still being sent; gathering ended because another file was opened" in note
    assert mixed == [1, 1, True, True, True]
    assert jobs == [True, True]
    assert again == [True, True, 2]


def test_settings_are_put_back_in_a_file_that_was_saved_while_they_were_others(
    extended: Blender, coordinator: RunningCoordinator, tmp_path: Path
) -> None:
    script = (
        FILES
        + """
scene = bpy.context.scene
scene.frame_step = 3
before = settings()
running = animation.prepared(scene, addresses.Where(), session.cache(), None, 1)
ended = writing.Writing.prepare("Scene", running.owner, running.outputs, gathering.Run(2, 2, 7), {"Scene": folder})
shown = writing.Shown([scene], scene)
bpy.ops.wm.save_mainfile()  # as Blender's own timer does, and whoever quits
meanwhile = settings()
open_file_of("b")
others = settings()
shown.restore()  # late: F12 looks at each tick whether it is over
tell([ended.restore(), settings() == others, bool(results.engines), bool(results.sources)])
open_file_of("a")
tell([meanwhile[0], meanwhile[3], settings() == before])
for text in ('{"engine": 3, "frame_end": "x", "frame_step": true, "other": 1}', "[1]", "{", "null"):
    bpy.context.scene.netrender.borrowed = text
    borrowed.give_all_back()
    tell(settings() == before)
"""
    )
    other, own, *hostile = extended.run(script, coordinator.url, tmp_path).told
    assert other == ["", True, False, False]
    assert own == ["NETRENDER", 7, True]
    assert hostile == [True] * 4


def test_places_of_files_are_those_of_the_beginning(
    extended: Blender, coordinator: RunningCoordinator, tmp_path: Path
) -> None:
    script = (
        FILES
        + """
scene = bpy.context.scene
films.compositor(scene, ["Image"])
tree = compat.compositor(scene)
node = tree.nodes.new("CompositorNodeOutputFile")
name = compat.file_output_property(node)
setattr(node, name, "//nodes/")
scene.render.filepath = "//a/####"
places = outputs.Outputs(scene)
def paths():
    return [scene.render.filepath, getattr(node, name)]
tell([places.hold(scene), paths()])
bpy.ops.wm.save_as_mainfile(filepath=str(folder / "b" / "other.blend")) if (folder / "b").mkdir() is None else None
held = places.hold(scene)
tell(paths())
outputs.let_go(scene, held)
tell(paths())
scene.render.filepath = "//mine/####"
held = places.hold(scene)
tell(paths())
outputs.let_go(scene, held)
tell(paths())
tell([compat.path_from("//{blend_name}/{blend_dir}", "/x/y{z}/shot.blend"), compat.VERSION >= (4, 5, 0)])
"""
    )
    still, held, as_before, mine, again, (template, new) = extended.run(script, coordinator.url, tmp_path).told
    assert still == [{}, ["//a/####", "//nodes/"]]
    assert held == [f"{tmp_path}/a/####", f"{tmp_path}/nodes/"]
    assert as_before == ["//a/####", "//nodes/"]
    assert mine == ["//mine/####", f"{tmp_path}/nodes/"]
    assert again == ["//mine/####", "//nodes/"]
    assert template == ("/x/y{{z}}/shot//x/y{{z}}" if new else "/x/y{z}/{blend_name}/{blend_dir}")
