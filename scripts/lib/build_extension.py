"""Builds the extension's zips with Blender's own builder, which the bpy package carries and plain Python runs.

What is staged is blender_addon/ with coordinator/ as a sub-folder, and the locked wheels. Copies, because the builder
skips symbolic links; and our own code not as a wheel, because Blender never installs the same version of a wheel again.
"""

import argparse
import hashlib
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "scripts" / "lib" / "wheels.lock"
NO_WHEELS = re.compile(r"^wheels = \[\].*$", re.MULTILINE)
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date that a zip can hold
NOT_CODE = shutil.ignore_patterns("__pycache__", ".*")


def build(output: Path, platforms: Sequence[str] = ()) -> list[Path]:
    """Build and validate one zip a platform (default: all that the manifest names); the same input, the same bytes."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="netrender-extension-") as temp:
        source = Path(temp) / "netrender"
        stage(source)
        built = Path(temp) / "zips"
        built.mkdir()
        blender_ext("build", f"--source-dir={source}", f"--output-dir={built}", "--split-platforms")
        zips = []
        for path in sorted(built.glob("*.zip")):
            if not platforms or any(path.stem.endswith(name.replace("-", "_")) for name in platforms):
                zips.append(output / path.name)
                rewrite(path, zips[-1])
                blender_ext("validate", str(zips[-1]))
    return zips


def stage(source: Path) -> None:
    """What goes into the zip, as a folder."""
    shutil.copytree(ROOT / "blender_addon", source, ignore=NOT_CODE)
    shutil.copytree(ROOT / "coordinator", source / "coordinator", ignore=NOT_CODE)
    shutil.copy(ROOT / "LICENSE", source)
    shutil.copytree(wheels(), source / "wheels")
    names = sorted(path.name for path in (source / "wheels").glob("*.whl"))
    lines = "".join(f'    "./wheels/{name}",\n' for name in names)
    manifest = source / "blender_manifest.toml"
    text, count = NO_WHEELS.subn(f"wheels = [\n{lines}]", manifest.read_text(encoding="utf-8"))
    assert count == 1, f"{manifest} has no line for the wheels"
    manifest.write_text(text, encoding="utf-8")
    assert tomllib.loads(text)["wheels"] == [f"./wheels/{name}" for name in names]


def wheels() -> Path:
    """A folder with the locked wheels; downloaded when the lock has changed."""
    lock = LOCK.read_bytes()
    folder = ROOT / "build" / f"wheels-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not folder.is_dir():
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temp:
            downloaded = Path(temp) / "wheels"
            command = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check"]
            # Pure Python only: the same files serve every platform and every Python from Blender 4.2 to 5.2.
            pure = [
                "--only-binary=:all:",
                "--platform=any",
                "--implementation=py",
                "--abi=none",
                "--python-version=3.11",
            ]
            subprocess.run([*command, "--require-hashes", "--no-deps", *pure, "-r", LOCK, "-d", downloaded], check=True)
            try:
                downloaded.rename(folder)
            except OSError:
                if not folder.is_dir():  # another build was not faster
                    raise
    return folder


def rewrite(source: Path, target: Path) -> None:
    """The same content without what differs from build to build: order, times, permissions."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compresslevel=9) as new:
        for name in sorted(old.namelist()):
            info = zipfile.ZipInfo(name, EPOCH)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_STORED if name.endswith(".whl") else zipfile.ZIP_DEFLATED
            new.writestr(info, old.read(name))


def blender_ext(*arguments: str) -> None:
    """Blender's builder; what it says is shown if it fails."""
    done = subprocess.run([sys.executable, str(_builder()), *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"blender_ext {arguments[0]} failed:\n{done.stdout}{done.stderr}")


def _builder() -> Path:
    spec = importlib.util.find_spec("bpy")
    assert spec is not None and spec.origin is not None, "the bpy package is not installed"
    (found,) = Path(spec.origin).parent.glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the Blender extension, one zip a platform.")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "extension")
    parser.add_argument("--platform", action="append", default=[], help="only this one; may be given several times")
    args = parser.parse_args()
    for path in build(args.output, args.platform):
        print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
