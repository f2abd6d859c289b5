"""Which GPUs Cycles is told to use: the choice, and Cycles' preferences after it, with GPUs that nobody has."""

import pytest

from blender_addon.renderer.devices import Choice, Device, choose

from .blenders import Blender

ADA = Device("OPTIX", "CUDA_ada_OptiX", "Ada")
BOB = Device("OPTIX", "CUDA_bob_OptiX", "Bob")
ADA_CUDA = Device("CUDA", "CUDA_ada", "Ada")
BOB_CUDA = Device("CUDA", "CUDA_bob", "Bob")
THERE = [ADA, BOB, ADA_CUDA, BOB_CUDA]


@pytest.mark.parametrize(
    ("wanted", "choice"),
    [
        (["GPU"], Choice("OPTIX", frozenset({ADA.id, BOB.id}), cpu=False)),
        (["gpu", "cpu"], Choice("OPTIX", frozenset({ADA.id, BOB.id}), cpu=True)),
        (["CUDA"], Choice("CUDA", frozenset({ADA_CUDA.id, BOB_CUDA.id}), cpu=False)),
        (["Bob"], Choice("OPTIX", frozenset({BOB.id}), cpu=False)),
        ([BOB_CUDA.id], Choice("CUDA", frozenset({BOB_CUDA.id}), cpu=False)),
        ([BOB_CUDA.id, "Ada"], Choice("CUDA", frozenset({ADA_CUDA.id, BOB_CUDA.id}), cpu=False)),
        (["CPU"], Choice()),
        (["HIP"], Choice(missing=("HIP",))),
        (["Ada", "Eve"], Choice("OPTIX", frozenset({ADA.id}), cpu=False, missing=("Eve",))),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_choice(wanted: list[str], choice: Choice) -> None:
    assert choose(wanted, THERE) == choice


@pytest.mark.parametrize("wanted", [["GPU"], ["CUDA", "Ada"], ["CPU"]])
def test_without_a_gpu_it_is_the_cpu(wanted: list[str]) -> None:
    choice = choose(wanted, [])
    assert (choice.kind, choice.ids, choice.cpu) == ("", frozenset(), True)


FAKE = """
import _cycles
from blender_addon.renderer import devices, loop

cpu = _cycles.available_devices("CPU")[0]

def fake(kind):
    there = [cpu]
    for name in ("ada", "bob"):
        if kind == "CUDA":
            there.append((name, kind, "CUDA_" + name, *cpu[3:]))
    return tuple(there)

_cycles.available_devices = fake
kinds = _cycles.get_device_types()
_cycles.get_device_types = lambda: (True,) * len(kinds)
tell([[device.kind, device.id, device.name] for device in devices.available()])
scene = bpy.context.scene
preferences = bpy.context.preferences.addons["cycles"].preferences
tell(["gpu" in loop.features(wanted) for wanted in ([], ["bob"], ["CPU"], ["eve"])])
for wanted in ([], ["bob"], ["bob", "CPU"], ["eve"]):
    devices.use(scene, wanted)
    tell([scene.cycles.device, preferences.compute_device_type,
          sorted(entry.id for entry in preferences.devices if entry.use)])
devices.use(scene, ["bob"])
tell("gpu" in loop.features([]))
"""


@pytest.mark.blender
def test_cycles_is_told(blender: Blender) -> None:
    answer = blender.run(FAKE)
    available, announced, untouched, bob, both, nobody, by_preferences = answer.told
    assert announced == [False, True, False, False], "what jobs that ask for a GPU look at"
    assert by_preferences
    assert available == [["CUDA", "CUDA_ada", "ada"], ["CUDA", "CUDA_bob", "bob"]]
    assert untouched[:2] == ["CPU", "NONE"]
    assert bob == ["GPU", "CUDA", ["CUDA_bob"]]
    assert both == ["GPU", "CUDA", ["CPU", "CUDA_bob"]]
    assert nobody[0] == "CPU"
    assert answer.printed == [
        "netrender: no device 'eve', rendering on the CPU; this machine has ada (CUDA, CUDA_ada), bob (CUDA, CUDA_bob)"
    ]
