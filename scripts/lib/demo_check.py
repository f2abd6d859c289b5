"""What the demo does with its frames: some are rendered locally and compared, all go onto a contact sheet.

python scripts/lib/demo_check.py FOLDER      with FOLDER/demo.blend and FOLDER/frames/*.exr
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

import bpy  # noqa: E402
import numpy  # noqa: E402
from PIL import Image  # noqa: E402

from tests import exr  # noqa: E402


def differing_frames(blend: Path, frames: list[Path], local: Path) -> int:
    """Render these frames with nothing of Netrender, and count those in which any channel differs."""
    differing = 0
    for frame in frames:
        number = str(int(frame.stem))
        command = [sys.executable, str(ROOT / "tests" / "reference.py"), str(blend), str(local), "--frames", number]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found = exr.differences(local / frame.name, frame)
        print(f"frame {number}: {'; '.join(found) or 'every channel identical to the local render'}")
        differing += bool(found)
    return differing


def as_seen(frame: Path) -> Image.Image:
    """The combined pass through the scene's view transform, as Blender shows it."""
    pixels = exr.read(frame)
    height, width = next(iter(pixels.values())).shape
    rgba = numpy.zeros((height, width, 4), numpy.float32)
    for channel, letter in enumerate("RGBA"):
        (name,) = [name for name in pixels if name.endswith(f"Combined.{letter}")][:1]
        rgba[..., channel] = pixels[name]
    image = bpy.data.images.new(frame.stem, width, height, float_buffer=True, alpha=True)
    image.pixels.foreach_set(rgba[::-1].ravel())
    png = frame.parent.parent / "seen.png"
    settings = bpy.context.scene.render.image_settings
    settings.file_format, settings.color_mode = "PNG", "RGB"
    image.save_render(str(png), scene=bpy.context.scene)
    bpy.data.images.remove(image)
    picture = Image.open(png).convert("RGB")
    png.unlink()
    return picture


def contact_sheet(frames: list[Path], target: Path, columns: int = 4) -> None:
    pictures = [as_seen(frame) for frame in frames]
    width, height = pictures[0].size[0] * 2 // 3, pictures[0].size[1] * 2 // 3
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height))
    for index, picture in enumerate(pictures):
        place = (index % columns * width, index // columns * height)
        sheet.paste(picture.resize((width, height), Image.Resampling.LANCZOS), place)
    sheet.save(target)


def main() -> int:
    folder = Path(sys.argv[1]).resolve()
    frames = sorted((folder / "frames").glob("*.exr"))
    chosen = sorted({frames[0], frames[len(frames) // 2], frames[-1]})
    differing = differing_frames(folder / "demo.blend", chosen, folder / "local")
    bpy.ops.wm.open_mainfile(filepath=str(folder / "demo.blend"), load_ui=False)
    contact_sheet(frames, folder / "contact-sheet.png")
    print(f"scene          {folder / 'demo.blend'}")
    print(f"frames         {folder / 'frames'}  ({len(frames)} multilayer EXR)")
    print(f"local render   {folder / 'local'}")
    print(f"contact sheet  {folder / 'contact-sheet.png'}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
