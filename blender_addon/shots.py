"""Which scenes an engine renders, and which of their frames, when Blender makes a frame of a scene.

Mostly the scene itself. But where its sequencer has strips Blender renders those alone, and of a scene strip that
scene; and the compositor may ask for the layers of other scenes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from . import compat, farm
from .renderer import channel, choices

Need = tuple[str, int]  # a scene's name, and one of its frames
Needs = dict[int, frozenset[Need]]  # by frame of the scene that is asked for


def needs(scene: Any, frames: Iterable[int]) -> Needs:
    """What a farm has to render for these frames. Empty sets where the sequencer has no scene to show.

    Raises BadSceneError as ``name_of`` does.
    """
    local = _with_other_cameras(scene)
    return {
        frame: frozenset(need for need in _needs(scene, frame, (scene,)) if need[0] not in local) for frame in frames
    }


def name_of(scene: Any) -> str:
    """What the farm calls the scene. Raises BadSceneError if another scene is meant by that, as a linked one may be."""
    try:
        choices.check_name(scene)
    except channel.Failure as failure:
        raise farm.errors.from_code(failure.code, failure.message) from failure
    return str(scene.name)


def scenes(found: Needs) -> dict[str, tuple[int, ...]]:
    """The frames of each scene, in their order."""
    frames: dict[str, set[int]] = {}
    for each in found.values():
        for name, frame in each:
            frames.setdefault(name, set()).add(frame)
    return {name: tuple(sorted(those)) for name, those in sorted(frames.items())}


def _needs(scene: Any, frame: int, above: tuple[Any, ...]) -> Iterator[Need]:
    if not _is_cut(scene):
        yield name_of(scene), frame
        for other in _composited(scene):
            if other not in above:
                yield name_of(other), frame
        return
    for strip in _scene_strips(scene.sequence_editor):
        shown = strip.scene
        if shown is None or shown in above:  # Blender shows nothing for a scene in itself
            continue
        times = compat.strip_times(strip)
        if not times.first <= frame < times.end:
            continue
        inside = _frame_inside(shown, strip, frame, times)
        if strip.scene_input == "SEQUENCER":
            yield from _needs(shown, inside, (*above, shown))
        else:
            yield name_of(shown), inside
            yield from ((name_of(other), inside) for other in _composited(shown) if other not in above)


def _is_cut(scene: Any) -> bool:
    """Whether the sequencer makes the picture."""
    editor = scene.sequence_editor
    if not scene.render.use_sequencer or editor is None:
        return False
    return any(strip.type != "SOUND" for strip in _heard(editor))


def _heard(holder: Any) -> Iterator[Any]:
    """The strips of a sequencer or of a meta strip that are not muted."""
    for strip in compat.strips(holder):
        if not strip.mute and not holder.channels[strip.channel].mute:
            yield strip


def _scene_strips(holder: Any) -> Iterator[Any]:
    for strip in _heard(holder):
        if strip.type == "META":
            yield from _scene_strips(strip)
        elif strip.type == "SCENE":
            yield strip


def _frame_inside(shown: Any, strip: Any, frame: int, times: compat.StripTimes) -> int:
    """The shown scene's own frame. Speed effects and retiming come to others, which are fetched when Blender asks."""
    index = min(max(frame - times.start, 0), max(0, times.length - 1))
    if strip.use_reverse_frames:
        index = max(0, times.length - 1) - index
    index -= index % max(1, strip.strobe)
    return int(shown.frame_start + index + times.trim)


def _composited(scene: Any) -> Iterator[Any]:
    """Other scenes whose layers the compositor asks for."""
    tree = compat.compositor(scene)
    if not scene.render.use_compositing or tree is None:
        return
    for node in tree.nodes:
        if node.type == "R_LAYERS" and not node.mute and node.scene not in (None, scene):
            yield node.scene


def _with_other_cameras(scene: Any) -> set[str]:
    """Scenes that a strip shows through a camera which is not theirs: the farm has no such pictures."""
    if not _is_cut(scene):
        return set()
    strips = _scene_strips(scene.sequence_editor)
    return {
        strip.scene.name
        for strip in strips
        if strip.scene is not None and strip.scene_camera not in (None, strip.scene.camera)
    }
