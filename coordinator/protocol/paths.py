"""Which paths a manifest may name: relative, inside the job's own folder, possible on every operating system."""

import re
import unicodedata

from ..errors import BadPathError

MAX_PART, MAX_PATH = (
    200,
    800,
)  # bytes in UTF-8; the shortest limits among the systems, less room for temporary names

# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_ABSOLUTE = re.compile(r"/|[A-Za-z]:|\\\\")  # of any operating system
TILE = "1001"  # the number of the first
TILE_TOKENS = ("<UDIM>", "<UVTILE>")  # what stands for the number of a tile in an image's path
_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f]')


def check_tree_path(path: str) -> str:
    """Return ``path`` (relative, with forward slashes), or raise BadPathError that says what is wrong with it."""

    def refuse(why: str) -> BadPathError:
        return BadPathError(f"path {path[:120]!r} {why}")

    if not path or _ABSOLUTE.match(path):
        raise refuse("is not relative to the job's folder")
    if len(path.encode(errors="surrogatepass")) > MAX_PATH:
        raise refuse(f"is longer than {MAX_PATH} bytes")
    for part in path.split("/"):
        if part in ("", ".", ".."):
            raise refuse(f"has the part {part!r}; nothing may lead out of the job's folder")
        if _FORBIDDEN.search(part) or any(unicodedata.category(c) == "Cs" for c in part):
            raise refuse("has a character that some operating system does not allow in a name")
        if _RESERVED.fullmatch(part) or part[-1] in " .":
            raise refuse(f"has the part {part!r}, a name that Windows cannot hold")
        if len(part.encode()) > MAX_PART:
            raise refuse(f"has a part that is longer than {MAX_PART} bytes")
    return path


def is_absolute(path: str) -> bool:
    """Absolute on some operating system, whichever this is."""
    return _ABSOLUTE.match(path) is not None


def check_folder(path: str) -> str:
    """Return an absolute folder of any operating system, in either kind of slash, or raise BadPathError."""

    def refuse(why: str) -> BadPathError:
        return BadPathError(f"folder {path[:120]!r} {why}")

    if not is_absolute(path):
        raise refuse("is not an absolute path")
    if len(path.encode(errors="surrogatepass")) > MAX_PATH:
        raise refuse(f"is longer than {MAX_PATH} bytes")
    if ".." in re.split(r"[/\\]", path):
        raise refuse("has the part '..'; name the folder itself")
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in path):
        raise refuse("has a character that is none of a name")
    return path


def without_token(path: str) -> str:
    """The path of a set of tiles with a number instead of its token, to be checked as a path."""
    for token in TILE_TOKENS:
        path = path.replace(token, TILE)
    return path
