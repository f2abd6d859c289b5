"""What a slave is started with."""

from pathlib import Path

from attrs import field, frozen, validators

from ..pathmaps import PathMap


@frozen(kw_only=True)
class SlaveOptions:
    """The options of ``netrender slave``."""

    url: str  # of the coordinator: http://HOST:PORT
    token: str | None = None
    name: str | None = None  # None: the host's name and the slot's number
    threads: int = field(default=0, validator=validators.ge(0))  # that render; 0 for all cores
    blender: str | None = None  # a Blender, or a Python with bpy; None for this Python
    devices: tuple[str, ...] = ()  # that Cycles renders on; empty for what the scene and Blender's preferences say
    allow_scripts: bool = False  # run the scripts inside a .blend
    confine: bool = True  # the renderer, where the system can; see docs/adr/0015-the-renderer-confines-itself.md
    tags: tuple[str, ...] = ()  # for jobs that ask for them
    data: Path | None = None  # the slave's own folder; None for the first free slot in the user's data folder
    path_maps: tuple[PathMap, ...] = ()  # the only folders besides a job's own from which files are used
    results_folders: tuple[PathMap, ...] = ()  # the only folders to which a job may have its results written too
    trace: Path | None = None  # a file that gets the start and end of every render, upload, fetch and open
    cache_limit: int | None = field(default=None, validator=validators.optional(validators.ge(0)))  # bytes of files
