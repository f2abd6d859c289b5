"""What a renderer answers. The commands and answers: docs/protocol.md, "Agent and renderer"."""

from attrs import field, frozen

from ..protocol import limits


@frozen(kw_only=True)
class Ready:
    """What the renderer is, once it can take commands."""

    blender: str = field(validator=limits.A_VERSION)  # "4.5.15"
    engines: tuple[str, ...]
    features: tuple[str, ...] = field(validator=limits.each(limits.A_NAME))
    pid: int
    confined: tuple[str, ...] = ()  # of CONFINABLE
    unconfined: str = ""  # why not all of it


@frozen(kw_only=True)
class Progress:
    """How far the frame is that renders."""

    frame: int
    sample: int = field(validator=limits.A_COUNT)
    samples: int = field(validator=limits.A_COUNT)


@frozen(kw_only=True)
class ExternalFile:
    """A file that a .blend refers to."""

    kind: str  # "image", "library", ...
    name: str  # of the datablock
    stored: str  # the path as the .blend has it; empty where Blender itself knows where to look
    path: str  # absolute
    target: str = ""  # absolute: what `stored` means, where that is not this file: a folder, or a set of tiles
    blend: str = ""  # absolute: the library that has the path; empty for the .blend itself
    frames: str = ""  # canonical frame range: only these need it; empty for all


@frozen(kw_only=True)
class Inspection:
    """What a client must know of a .blend before it sends it."""

    blender: str  # "4.5": the version that saved it
    scene: str  # the scene that will be rendered
    scenes: tuple[str, ...]
    engine: str  # that will render it
    engines: tuple[str, ...]  # that this Blender has
    view_layers: tuple[str, ...]
    camera: bool
    frames: tuple[int, ...]  # first, last, step
    features: tuple[str, ...]  # that a slave must have
    colors: str  # absolute: the OpenColorIO configuration; empty for Blender's own
    files: tuple[ExternalFile, ...]
    missing: tuple[ExternalFile, ...]
