"""netrender.play: the frames that have come so far, as a film in an Image Editor, while the others still render.

They are shown before compositing, as they came from the slaves. A gap is shown as nothing, with a line that says so.
A strip at the bottom shows all frames of the job: which are there, which failed, which are missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy
from bpy.props import StringProperty

from . import editors, errands, farm, film, job_operators, open_file, session, strip, turn

IMAGE = "Network Render"


class Player:
    """One film on the screen. ``tick`` is called once a frame."""

    def __init__(self, scene: Any, job: str) -> None:
        self.job = job
        self.note = "Looking for frames"
        self.film: film.Film | None = None
        self._seconds = scene.render.fps_base / scene.render.fps
        self._loader: film.Loader | None = None
        self._asked: set[int] = set()
        self._size = (0, 0)
        self._shown = False  # whether an editor had it once
        self._errand: errands.Errand | None = None
        running = session.animation
        if running is None or running.job != job:
            cache = session.cache()
            self._errand = session.run(
                "play",
                session.where(scene),
                lambda client, tell: errands.fetch(client, job, "", cache, tell),
                self.take,
            )
        session.each_tick(self.follow)  # previews may still come when the errand is over

    def take(self, message: Any) -> None:
        """What the errand tells, and the loader."""
        match message:
            case errands.Fetching(frames=frames):
                self.begin(frames)
            case farm.gathering.FrameSaved(frame=frame, path=path):
                self._load(frame, Path(path))
            case farm.messages.FrameFailed(frame=frame, final=True):
                self._fail({frame})
            case errands.Ended(failed=failed):
                self._fail(set(failed))
            case errands.Broke(error=error):
                self.note = error.message
            case film.Preview(frame=frame) if self.film is not None:
                self.film.there[frame] = message
            case film.exr.Unreadable():
                self.note = str(message)

    def begin(self, frames: tuple[int, ...]) -> None:
        """These are the job's frames."""
        if self.film is None and frames:
            self.film, self.note = film.Film(frames), ""
            self._loader = film.Loader(len(frames), session.teller(self.take))

    def _load(self, frame: int, path: Path) -> None:
        if self._loader is not None and frame not in self._asked:
            self._asked.add(frame)
            self._loader.load(frame, path)

    def _fail(self, frames: set[int]) -> None:
        if self.film is not None:
            self.film.failed |= frames

    def follow(self) -> None:
        """What the animation that this Blender gathers has brought."""
        running = session.animation
        if self._errand is not None or running is None or running.job != self.job or running.gathering is None:
            return
        gathering = running.gathering
        self.begin(gathering.frames)
        for frame in sorted(gathering.arrived - self._asked):
            for scene, number in sorted(gathering.needs[frame])[:1]:
                self._load(frame, running.folders[scene] / farm.gathering.frame_name(number))
        self._fail(set(gathering.failed))

    def tick(self) -> float | None:
        """Blender's timer: the next frame. None, and the end, when nobody looks any more."""
        if self.film is not None:
            self.film.advance()
            self.show()
        areas = list(editors.showing(IMAGE))
        if not areas and self._shown:
            stop()
            return None
        self._shown = self._shown or bool(areas)
        for area in areas:
            area.tag_redraw()
        return self._seconds

    def show(self) -> None:
        """Put the frame that the film is at into the image; a gap is nothing at all."""
        assert self.film is not None
        preview = self.film.there.get(self.film.frame)
        size = preview.size if preview is not None else self._size
        if size == (0, 0):
            return
        image = self._image(size)
        if preview is None:
            image.pixels.foreach_set(numpy.zeros(size[0] * size[1] * 4, numpy.float32))
        else:
            image.pixels.foreach_set(preview.pixels.astype(numpy.float32).ravel())
        image.update()

    def _image(self, size: tuple[int, int]) -> Any:
        image = open_image()
        if tuple(image.size) != size:
            image.scale(*size)
        self._size = size
        return image

    def text(self) -> str:
        return self.note or (self.film.text() if self.film is not None else "")

    def close(self) -> None:
        session.no_more_ticks(self.follow)
        if self._errand is not None:
            self._errand.cancel()
        if self._loader is not None:
            self._loader.stop()


_player: Player | None = None
_handler: Any = None


def open_image() -> Any:
    """The image that editors show."""
    image = bpy.data.images.get((IMAGE, None))
    if image is None:
        image = bpy.data.images.new(IMAGE, 480, 270, alpha=True, float_buffer=True)
        image.generated_color = (0, 0, 0, 0)
        image.use_view_as_render = True  # the scene's own view transform
    return image


def is_playing() -> bool:
    return _player is not None


def play(scene: Any, job: str) -> None:
    """Begin."""
    global _player, _handler
    stop()
    _player = Player(scene, job)
    _handler = bpy.types.SpaceImageEditor.draw_handler_add(draw, (), "WINDOW", "POST_PIXEL")
    bpy.app.timers.register(_tick, persistent=True)


def _tick() -> float | None:
    return turn.take(_player.tick) if _player is not None else None


def stop() -> None:
    global _player, _handler
    if _player is not None:
        _player.close()
        _player = None
    if _handler is not None:
        bpy.types.SpaceImageEditor.draw_handler_remove(_handler, "WINDOW")
        _handler = None
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)


def draw() -> None:
    """Over each Image Editor that shows the film."""
    context: Any = bpy.context
    if _player is None or context.space_data.image is None or context.space_data.image.name != IMAGE:
        return
    strip.draw(context, _player.film, _player.text())


class NETRENDER_OT_play(bpy.types.Operator):
    """Play the frames that have come so far while the others still render"""

    bl_idname = "netrender.play"
    bl_label = "Play"

    job: StringProperty(name="Job", description="Its id. Empty: the last that was sent from this scene")

    def execute(self, context: Any) -> job_operators.Result:
        return job_operators.guarded(self, lambda: self._play(context))

    def _play(self, context: Any) -> job_operators.Result:
        if _player is not None:
            stop()
            return {"FINISHED"}
        if bpy.app.background:
            raise farm.errors.UsageError("nothing can be played without a window; netrender.gather writes the frames")
        running = session.animation
        job = self.job or (running.job if running is not None else "")
        play(context.scene, job_operators.chosen(context.scene, job))
        editors.show_image(context, open_image())
        return {"FINISHED"}


CLASSES = (NETRENDER_OT_play,)


def register() -> None:
    open_file.before_another(stop)  # or the film would get an image in the other file


def unregister() -> None:
    open_file.forget(stop)
    stop()
    image = bpy.data.images.get((IMAGE, None))
    if image is not None:
        bpy.data.images.remove(image)
