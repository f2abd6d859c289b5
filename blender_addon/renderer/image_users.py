"""How each user of an image sequence plays it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import bpy

from .. import compat


@dataclass(frozen=True)
class ImageUser:
    """How one node or texture plays a sequence; the fields as in bpy.types.ImageUser."""

    start: int  # scene's frame that shows the first image
    duration: int  # images
    offset: int  # added to the number in the name
    cyclic: bool
    animated: bool  # the others change while the scene plays

    def number(self, frame: int) -> int:
        """The number in the file name at ``frame``: BKE_image_user_frame_get in Blender."""
        position = frame - self.start + 1
        if self.cyclic:
            position = position % self.duration or self.duration
        return min(max(position, 1), self.duration) + self.offset


def image_users() -> dict[int, list[ImageUser]]:
    """The users of each image, by the image's address."""
    users: dict[int, list[ImageUser]] = defaultdict(list)
    for owner, image, user in _pairs():
        if image is not None and user is not None:
            animated = any("image_user" in path for path in compat.animated_paths(owner))
            users[image.as_pointer()].append(
                ImageUser(user.frame_start, user.frame_duration, user.frame_offset, user.use_cyclic, animated)
            )
    return users


def _pairs() -> Iterator[tuple[Any, Any, Any]]:
    for _, tree in compat.node_trees():
        for node in tree.nodes:
            yield tree, getattr(node, "image", None), getattr(node, "image_user", None)
    for texture in bpy.data.textures:
        yield texture, getattr(texture, "image", None), getattr(texture, "image_user", None)
