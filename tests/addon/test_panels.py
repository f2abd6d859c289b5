"""What the panels show in which situation. How it looks is seen in a real window, by tests/window."""

import pytest

from .blenders import Blender

pytestmark = pytest.mark.blender

PANELS = """
import socket, types
from blender_addon import addresses, animation, compat, farm_panels, gathering, lists, panels, session
from tests.addon import films, test_watching
from tests.addon.layouts import Layout
films.enable()
scene = bpy.context.scene
messages = test_watching.messages

# Drawing must not wait for anybody.
def forbidden(*arguments):
    raise AssertionError("a panel touched the network")
socket.socket.connect = socket.getaddrinfo = forbidden

class Panel:
    def __init__(self):
        self.layout = Layout()

def context():
    return types.SimpleNamespace(
        scene=scene,
        window_manager=bpy.context.window_manager,
        # Without a window Blender's own says that the interface is scaled to nothing.
        preferences=types.SimpleNamespace(system=types.SimpleNamespace(ui_scale=1.0)),
        region=types.SimpleNamespace(width=260),
    )

def draw(name):
    cls = getattr(panels, "NETRENDER_PT_" + name)
    panel = Panel()
    cls.draw(panel, context())
    return panel.layout

def know(*events):
    session._watch = object()
    session.state.clear()
    session.state.connected = True
    for event in events:
        session.state.take(event)
    lists.update()

job, slave = test_watching.job, test_watching.slave
"""


def test_the_buttons_of_each_mode(extended: Blender) -> None:
    script = (
        PANELS
        + """
for mode in ("CLIENT", "MASTER", "SLAVE"):
    scene.netrender.mode = mode
    layout = draw("network")
    tell([layout.names, [button.text for button in layout.buttons][0], layout.properties])
    tell(bool(panels.NETRENDER_PT_job.poll(context())))
scene.netrender.mode, session.own_master = "MASTER", "netrender://host:8470/#key"
tell(draw("network").names)
"""
    )
    client, client_job, master, master_job, slave, slave_job, running = extended.run(script).told
    assert client[0] == ["animation", "send", "gather", "image", "play"]
    assert client[2] == ["mode", "address", "port", "engine"]
    assert master == [["start"], "Start Master", ["mode", "address", "port"]]
    assert slave == [["start"], "Start Slave", ["mode", "address", "port"]]
    assert (client_job, master_job, slave_job) == (True, False, False)
    assert running == ["start", "copy"], "others need the line of a master that runs"


def test_where_the_address_comes_from(extended: Blender) -> None:
    script = (
        PANELS
        + """
from blender_addon import preferences
def shown(*, mode="CLIENT", scene_says="", preferred="", environment="", master=""):
    scene.netrender.mode, scene.netrender.address, session.own_master = mode, scene_says, master
    preferences.read = lambda: types.SimpleNamespace(pairing_line=preferred, coordinator="")
    os.environ["NETRENDER_COORDINATOR"] = environment
    layout = draw("network")
    tell([layout.placeholders["address"], " ".join(layout.texts)])

line = "netrender://10.0.0.7:9000/#secret"
for mode in ("CLIENT", "SLAVE"):
    shown(mode=mode)
    shown(mode=mode, environment=line)
    shown(mode=mode, environment=line, preferred="farm")
    shown(mode=mode, environment=line, preferred=line, scene_says="here")
shown(environment="ftp://10.0.0.7/#secret")
shown(mode="MASTER", environment=line, preferred=line)
shown(mode="MASTER", environment=line, preferred=line, master="netrender://10.0.0.8:9001/#secret")
"""
    )
    told = extended.run(script).told
    assert told[:4] == told[4:8]
    assert told[:4] == [
        ["Found by itself", ""],
        ["From the environment", "Master 10.0.0.7:9000, of the environment variable NETRENDER_COORDINATOR"],
        ["From the preferences", "Master farm:8470, of the extension's preferences"],
        ["", ""],
    ]
    wrong, stopped, running = told[8:]
    assert wrong[0] == "From the environment"
    assert "an address that is none" in wrong[1]
    assert stopped == ["This computer only", "0.0.0.0 lets other computers in"]
    assert running[1].startswith("This Blender is the master at 10.0.0.8:9001")
    assert "secret" not in str(told)


def test_the_job_settings_are_all_there(extended: Blender) -> None:
    script = (
        PANELS
        + """
lists.allow(scene, "attic")
layout = draw("job")
tell([layout.properties, layout.texts])
"""
    )
    ((properties, texts),) = extended.run(script).told
    assert set(properties) >= {"name", "frames", "chunk", "priority", "tags", "use_local", "delete_after"}
    assert "Not on attic" in texts


def test_the_progress_of_what_is_sent_and_gathered(extended: Blender) -> None:
    script = (
        PANELS
        + """
def bars():
    layout = draw("network")
    tell([[list(bar) for bar in layout.bars], layout.names[-1], layout.texts])

session.upload = (0, 0)
bars()
session.upload = (2_500_000, 10_000_000)
bars()
session.upload = None
needs = {frame: frozenset({("Scene", frame)}) for frame in (1, 2, 3, 4)}
session.animation = running = animation.prepared(scene, addresses.Where(), session.cache(), None, 1)
running.upload = (1_000_000, 2_000_000)
bars()
running.gathering = gathering.Gathering(needs, whole=False)
running.gathering.arrive(("Scene", 1))
running.gathering.arrive(("Scene", 2))
running.gathering.fail(("Scene", 3), "no")
running.gathering.wrote(gathering.Run(1, 1))
bars()
running.jobs.append(test_watching.JOB)
know(messages.JobChanged(job=job()))
bars()
"""
    )
    packing, sending, also_sending, gathering, alone = extended.run(script).told
    assert packing[:2] == [[["Packing", 0.0]], "stop"]
    assert sending[:2] == [[["Sent 2.5 of 10.0 MB", 0.25]], "stop"]
    assert also_sending[0] == [["Sent 1.0 of 2.0 MB", 0.5]]
    assert gathering[0] == [["2 of 4 frames rendered, 1 written, 1 failed", 3 / 8]]
    assert "start one" in " ".join(alone[2]), "the person is told that no slave is there"


def test_jobs_and_what_can_be_done_with_them(extended: Blender) -> None:
    script = (
        PANELS
        + """
session.state.line = "no coordinator at http://127.0.0.1:1: start one"
layout = draw("jobs")
tell([layout.lists, " ".join(layout.texts)])
State, Counts = test_watching.JobState, test_watching.Counts
for state, counts in (
    (State.WAITING, Counts(queued=4)), (State.QUEUED, Counts(queued=3, error=1)), (State.PAUSED, Counts(queued=4)),
    (State.FINISHED, Counts(done=4)), (State.FINISHED, Counts(done=3, error=1)), (State.CANCELLED, Counts(queued=4)),
):
    know(messages.JobChanged(job=job(state=state, counts=counts)))
    layout = draw("jobs")
    assert {button.job for button in layout.buttons} == {test_watching.JOB}
    row = Layout()
    lists.draw_job(row, session.state.jobs[test_watching.JOB])
    tell([layout.lists, layout.names[3:], [list(bar) for bar in row.bars]])
"""
    )
    unknown, *known = extended.run(script).told
    assert unknown == [[], "no coordinator at http://127.0.0.1:1: start one"]
    assert all(lists == ["NETRENDER_UL_jobs"] for lists, _, _ in known)
    assert [commands for _, commands, _ in known] == [
        ["pause", "cancel"],
        ["pause", "reset", "cancel"],
        ["resume", "cancel"],
        [],
        ["reset"],
        ["reset"],
    ]
    assert [bars for _, _, bars in known][3:5] == [[["4 of 4", 1.0]], [["3 of 4, 1 failed", 1.0]]]


def test_slaves_and_what_they_do(extended: Blender) -> None:
    script = (
        PANELS
        + """
know(messages.JobChanged(job=job()), messages.SlaveChanged(slave=slave()), test_watching.STARTED)
layout = draw("slaves")
tell([layout.lists, layout.texts])
lists.allow(scene, "one")
row = Layout()
lists.draw_slave(row, scene, next(iter(session.state.slaves.values())))
tell([row.names, row.buttons[0].slave, row.texts])
session._watch = None
tell(panels.NETRENDER_PT_slaves.poll(context()))
"""
    )
    panel, row, shown = extended.run(script).told
    assert panel == [["NETRENDER_UL_slaves"], ["host, Blender 4.5.1, 2 threads"]]
    assert row == [["allow"], "one", ["one", "pearls, frame 1"]]
    assert not shown


def test_lists_keep_what_is_chosen_and_forget_what_is_gone(extended: Blender) -> None:
    script = (
        PANELS
        + """
rows = bpy.context.window_manager.netrender
def jobs(*created):
    know(*(messages.JobChanged(job=job(id=f"{c:016x}", created=float(c))) for c in created))
    tell([[int(row.name, 16) for row in rows.jobs], rows.job])
jobs(1, 2)
rows.job = 1
jobs(1, 2, 3)
tell(int(lists.chosen_job(context()).id, 16))
jobs(2, 3)
jobs()
tell(lists.chosen_job(context()) is None)
"""
    )
    assert extended.run(script).told == [[[2, 1], 0], [[3, 2, 1], 2], 1, [[3, 2], 0], [[], 0], True]


def test_they_are_below_the_choice_of_the_engine_whatever_it_is(extended: Blender) -> None:
    script = (
        PANELS
        + """
tell(panels.NETRENDER_PT_network.bl_parent_id)
tell(bool(bpy.types.RENDER_PT_context.poll(context())))
tell([hasattr(cls, "COMPAT_ENGINES") for cls in panels.CLASSES])
"""
    )
    parent, polled, bound = extended.run(script).told
    assert parent == "RENDER_PT_context"
    assert polled
    assert not any(bound)
