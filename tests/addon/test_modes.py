"""Master and Slave: what ``engine.render`` does while a person looks at an empty render window, until Esc."""

import socket
from pathlib import Path

import pytest

from ..process_farm import ProcessFarm
from .blenders import Blender

pytestmark = pytest.mark.blender

SCRIPT = """
from blender_addon import modes, processes, session
from tests.addon import films
films.enable()
scene = bpy.context.scene

class Engine:
    # Like Blender's, with somebody who presses Esc when a word is on the screen.
    def __init__(self, word):
        self.word, self.lines = word, []
    def update_stats(self, stats, info):
        self.lines.append(info)
    def test_break(self):
        return any(self.word in line for line in self.lines)

def serve(word):
    engine, said = Engine(word), ""
    try:
        modes.serve(engine, scene)
    except Exception as error:
        said = str(error)
    tell([said, engine.lines, len(processes._running), session.own_master])
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_a_master_serves_until_esc(extended: Blender, tmp_path: Path) -> None:
    port = free_port()
    script = SCRIPT + 'scene.netrender.mode = "MASTER"\nscene.netrender.port = int(arguments[0])\nserve("slaves,")'
    ((error, lines, running, line),) = extended.run(script, str(port)).told
    assert error == ""
    assert lines[0] == "Netrender Master: starting"
    assert f"http://127.0.0.1:{port}" in lines[-1]
    assert "0 slaves, 0 of 0 jobs open" in lines[-1]
    assert (running, line) == (0, "")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_a_slave_works_until_esc(extended: Blender, farm: ProcessFarm) -> None:
    script = (
        SCRIPT
        + """
scene.netrender.mode, scene.netrender.address = "SLAVE", arguments[0]
serve("connected to the coordinator")
"""
    )
    with farm.client as client:
        before = {slave.id for slave in client.slaves()}
        ((error, lines, running, _),) = extended.run(script, farm.url).told
        (ours,) = [slave for slave in client.slaves() if slave.id not in before]
    assert error == ""
    assert lines[0] == "Netrender Slave: looking for a master"
    assert farm.url in lines[-1]
    assert running == 0
    assert not ours.connected, "it said goodbye"


def test_a_child_that_ends_is_an_error(extended: Blender) -> None:
    """From the operator too, which a script may call."""
    script = (
        SCRIPT
        + """
scene.netrender.mode, scene.netrender.port = "MASTER", int(arguments[0])
serve("never")
try:
    bpy.ops.netrender.start()
except RuntimeError as error:
    tell(str(error))
scene.netrender.mode = "CLIENT"
try:
    bpy.ops.netrender.start()
except RuntimeError as error:
    tell(str(error))
"""
    )
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (error, _, running, _), from_operator, client = extended.run(script, str(port)).told
    assert f"port {port}" in error
    assert running == 0
    assert f"port {port}" in from_operator
    assert "choose Master or Slave" in client
