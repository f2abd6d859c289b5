"""Which files of an image sequence the scene shows, and when: that is up to each user of the image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import bpy


@dataclass(frozen=True)
class ImageUser:
    """How one node or texture plays a sequence; the fields as in bpy.types.ImageUser."""

    start: int  # scene's frame that shows the first image
    duration: int  # images
    offset: int  # added to the number in the name
    cyclic: bool

    def number(self, frame: int) -> int:
        """The number in the file name at ``frame``: BKE_image_user_frame_get in Blender."""
        position = frame - self.start + 1
        if self.cyclic:
            position = position % self.duration or self.duration
        return min(max(position, 1), self.duration) + self.offset

    def numbers(self, frames: tuple[int, int]) -> set[int]:
        """The numbers that the frames from first to last show."""
        if self.duration < 1:
            return set()
        first, last = frames
        # Outside its own range a sequence only repeats itself.
        last = (
            min(last, max(first, self.start) + self.duration) if not self.cyclic else min(last, first + self.duration)
        )
        return {self.number(frame) for frame in range(first, last + 1)}

    @property
    def all_numbers(self) -> range:
        """The numbers that any frame can show."""
        return range(1 + self.offset, self.duration + 1 + self.offset)


def image_users() -> dict[int, list[ImageUser]]:
    """The users of each image, by the image's address."""
    users: dict[int, list[ImageUser]] = defaultdict(list)
    for image, user in _pairs():
        if image is not None and user is not None:
            users[image.as_pointer()].append(
                ImageUser(user.frame_start, user.frame_duration, user.frame_offset, user.use_cyclic)
            )
    return users


def _pairs() -> Iterator[tuple[Any, Any]]:
    trees = [
        block.node_tree
        for blocks in (bpy.data.materials, bpy.data.worlds, bpy.data.lights, bpy.data.textures)
        for block in blocks
        if block.node_tree is not None
    ]
    for tree in [*trees, *bpy.data.node_groups]:
        for node in tree.nodes:
            yield getattr(node, "image", None), getattr(node, "image_user", None)
    for texture in bpy.data.textures:
        yield getattr(texture, "image", None), getattr(texture, "image_user", None)
