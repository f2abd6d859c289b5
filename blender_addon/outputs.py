"""Where the files of an animation go: where its output paths led when it began, whatever its file is called since."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy

from . import borrowed, compat

Place = tuple[str, str, str]  # a tree of nodes, a node in it, and its property; empty for the scene's own output


class Outputs:
    """Plain values: nothing of bpy is kept over ticks."""

    def __init__(self, scene: Any) -> None:
        self._blend = str(bpy.data.filepath)
        self._began = {place: path for place, _, path in _paths(scene)}

    def hold(self, scene: Any) -> dict[Place, str]:
        """Have the paths lead there, until ``let_go`` gets what this returns.

        A path that the user has changed since is his will, and so is any path of a file that was not saved at all then.
        """
        before: dict[Place, str] = {}
        if not self._blend or self._blend == bpy.data.filepath:
            return before
        for place, owner, path in _paths(scene):
            there = compat.path_from(path, self._blend)
            if self._began.get(place) == path != there:
                if place[2]:
                    before[place] = path
                    setattr(owner, place[2], there)
                else:
                    borrowed.borrow(scene, filepath=there)
        return before


def let_go(scene: Any, before: dict[Place, str]) -> None:
    """Put the paths back as they were."""
    borrowed.give_back(scene, "filepath")
    for place, owner, _ in list(_paths(scene)):
        if place in before:
            setattr(owner, place[2], before[place])


def _paths(scene: Any) -> Iterator[tuple[Place, Any, str]]:
    """Each place with a path, what has it, and the path."""
    yield ("", "", ""), scene.render, scene.render.filepath
    tree = compat.compositor(scene)
    for each in _with_groups(tree, set()) if tree is not None else ():
        for node in each.nodes:
            if node.type == "OUTPUT_FILE":
                name = compat.file_output_property(node)
                yield (each.name, node.name, name), node, getattr(node, name)


def _with_groups(tree: Any, seen: set[str]) -> Iterator[Any]:
    yield tree
    for node in tree.nodes:
        group = node.node_tree if node.type == "GROUP" else None
        if group is not None and group.name not in seen:
            seen.add(group.name)
            yield from _with_groups(group, seen)
