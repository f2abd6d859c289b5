"""Our engine has the passes of the engine that it stands for, to the last name and type."""

import pytest

from .blenders import Blender

pytestmark = pytest.mark.blender

SCRIPT = """
from tests.addon import films
films.enable()
scene = films.plain()
films.enable()
layer = scene.view_layers[0]
films.every_pass(layer)
tree = films.compositor(scene, ["Image"])
(node,) = [node for node in tree.nodes if node.type == "R_LAYERS"]

def sockets():
    layer.update_render_passes()
    return [[socket.name, socket.type] for socket in node.outputs if socket.enabled]

for engine in ("CYCLES", "BLENDER_EEVEE" if films.NEW else "BLENDER_EEVEE_NEXT", "BLENDER_WORKBENCH"):
    scene.render.engine = engine
    own = sockets()
    scene.netrender.engine, scene.render.engine = engine, "NETRENDER"
    tell([engine, own, sockets()])
    scene.netrender.engine = ""
"""


def test_the_compositor_has_the_sockets_of_the_real_engine(extended: Blender) -> None:
    told = extended.run(SCRIPT).told
    assert len(told) == 3
    counts = {}
    for engine, own, ours in told:
        assert ours == own, engine
        counts[engine] = len(own)
    cycles, eevee, workbench = counts.values()
    assert cycles > eevee > workbench > 1
