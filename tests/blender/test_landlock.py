"""The renderer's confinement by itself: which rights a kernel knows, which calls are refused, and what is said of both.

Each case runs in a process of its own, as there is no way back. What a renderer can reach with it is in
tests/addon/test_confinement.py.
"""

import errno
import json
import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from blender_addon.renderer import landlock, needed, seccomp

ROOT = Path(__file__).parents[2]

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has it")

BEFORE = """
import errno, json, os, sys, threading
from pathlib import Path
from blender_addon.renderer import confinement, landlock, seccomp
tree, temp, outside = map(Path, sys.argv[1:4])

def can(act):
    try:
        act()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"

def tell():
    held = confinement.check()
    print(json.dumps({
        "holds": held.holds,
        "why": held.why,
        "inside": can((tree / "file").read_bytes),
        "outside": can((outside / "file").read_bytes),
        "temporary": can(lambda: (temp / "mine").write_text("")),
    }))
"""


def run(tmp_path: Path, script: str) -> dict[str, Any]:
    """Run it after ``BEFORE``; what it told."""
    places = [tmp_path / name for name in ("tree", "temp", "outside")]
    for place in places:
        place.mkdir()
        (place / "file").write_text("here")
    done = subprocess.run(
        [sys.executable, "-c", BEFORE + script, *map(str, places)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(places[1])},
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return {**told, "log": done.stderr}


@pytest.mark.parametrize(
    ("version", "files", "network", "scoped"),
    [
        # samples/landlock/sandboxer.c of the kernel
        (1, 0x1FFF, 0, 0),
        (2, 0x3FFF, 0, 0),
        (3, 0x7FFF, 0, 0),
        (4, 0x7FFF, 3, 0),
        (5, 0xFFFF, 3, 0),
        (6, 0xFFFF, 3, 3),
        (7, 0xFFFF, 3, 3),
        (99, 0xFFFF, 3, 3),
    ],
)
def test_what_each_version_of_landlock_can_refuse(version: int, files: int, network: int, scoped: int) -> None:
    assert landlock.handled(version) == (files, network, scoped)


@linux
@pytest.mark.parametrize("version", range(1, 8))
def test_what_an_older_kernel_is_told_holds_files_all_the_same(tmp_path: Path, version: int) -> None:
    """This kernel, told what one of that version would be told."""
    if landlock.version() < version:
        pytest.skip("this kernel is older itself")
    told = run(tmp_path, f"landlock.version = lambda: {version}\nconfinement.enforce(str(tree))\ntell()\n")
    assert (told["inside"], told["outside"], told["temporary"]) == ("done", "EACCES", "done")
    assert told["holds"] == ["files", "network", "processes"][: 3 if version >= 6 else 2]
    assert ("signal" in told["why"]) == (version < 6)


@linux
def test_a_kernel_that_says_more_than_it_can(tmp_path: Path) -> None:
    """One of Red Hat 9 says 6 and refuses to scope signals."""
    told = run(
        tmp_path,
        "create = landlock._create\n"
        "def refusing(version, files, network, scoped):\n"
        "    if scoped & 2:\n        raise OSError(errno.EINVAL, 'Invalid argument')\n"
        "    return create(version, files, network, scoped)\n"
        "landlock._create = refusing\nconfinement.enforce(str(tree))\ntell()\n",
    )
    assert told["holds"] == ["files", "network"]
    assert "signal" in told["why"]


@linux
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_kernel_without_landlock_is_told(tmp_path: Path, number: int) -> None:
    told = run(
        tmp_path,
        f"def version():\n    raise OSError({number}, os.strerror({number}))\n"
        "landlock.version = version\nconfinement.enforce(str(tree))\ntell()\n",
    )
    assert told["outside"] == "done"
    assert told["holds"] == ["network"]
    assert "no Landlock" in told["why"] and os.strerror(number) in told["why"]
    assert "Landlock does not work here" in told["log"]


@linux
def test_a_system_that_takes_no_filter_is_told(tmp_path: Path) -> None:
    told = run(
        tmp_path,
        "def install():\n    raise OSError(errno.EINVAL, 'Invalid argument')\n"
        "seccomp.install = install\nconfinement.enforce(str(tree))\ntell()\n",
    )
    assert told["holds"] == ["files", "processes"]
    assert "filter of system calls" in told["why"]


@linux
def test_a_thread_that_is_not_held_is_seen(tmp_path: Path) -> None:
    """As if a Blender that has threads were not started again."""
    told = run(
        tmp_path,
        "confinement._start_again = lambda: None\nwait = threading.Event()\n"
        "threading.Thread(target=wait.wait, daemon=True).start()\n"
        "confinement.enforce(str(tree))\ntell()\nsys.stdout.flush()\nos._exit(0)\n",
    )
    assert told["outside"] == "EACCES", "this thread is held"
    assert told["holds"] == []


@linux
def test_a_program_with_threads_starts_again_and_then_all_are_held(tmp_path: Path) -> None:
    told = run(
        tmp_path,
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "if confinement.AGAIN not in sys.argv:\n"
        "    os.set_inheritable(os.open('/', os.O_RDONLY), True)\n"
        "    confinement.enforce(str(tree), [os.getcwd()])  # the script imports from there again\n"
        "    raise SystemExit('it was not started again')\n"
        "opened = [os.readlink(each) for each in Path('/proc/self/fd').iterdir() if each.is_symlink()]\n"
        "assert '/' not in opened, opened\n"
        "tell()\nsys.stdout.flush()\nos._exit(0)\n",
    )
    assert told["holds"] == ["files", "network", "processes"]
    assert told["outside"] == "EACCES"


@linux
def test_root_gives_up_what_others_do_not_have(tmp_path: Path) -> None:
    """A file that is read-only is read-only to it, too; and no program brings it back."""
    told = run(
        tmp_path,
        "import subprocess\n(tree / 'file').chmod(0o444)\nconfinement.enforce(str(tree))\n"
        "assert can(lambda: os.open(tree / 'file', os.O_RDWR)) == 'EACCES'\n"
        "assert can(lambda: (tree / 'file').chmod(0o666)) == 'EPERM'\n"
        "code = 'import ctypes, struct; b = ctypes.create_string_buffer(24);'\n"
        "code += 'h = struct.pack(\"=Ii\", 0x20080522, 0);'\n"
        "code += 'ctypes.CDLL(None).capget(h, b); print(struct.unpack(\"=6I\", b.raw)[:2])'\n"
        "child = subprocess.run([sys.executable, '-S', '-c', code], capture_output=True, text=True, check=True)\n"
        "assert child.stdout.strip() in ('(0, 0)', '(4, 4)'), child.stdout\n"
        "kept = Path('/proc/thread-self/status').read_text().partition('CapEff:')[2].split()[0]\n"
        "assert int(kept, 16) in (0, 4), kept\ntell()\n",
    )
    assert (told["inside"], told["outside"]) == ("done", "EACCES")


@linux
def test_a_mapped_folder_may_be_a_file_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "drive").mkdir()
    (tmp_path / "drive" / "asset").write_text("x")
    told = run(
        tmp_path,
        "drive = tree.parent / 'drive'\n"
        "confinement.enforce(str(tree), [str(drive), str(outside / 'file'), str(outside / 'not mounted yet'), ''])\n"
        "assert can((drive / 'asset').read_bytes) == 'done'\n"
        "assert can(lambda: (drive / 'asset').write_text('')) == 'EACCES'\n"
        "assert can(lambda: os.listdir(outside)) == 'EACCES'\ntell()\n",
    )
    assert (told["outside"], told["holds"]) == ("done", ["files", "network", "processes"])


@linux
def test_a_description_of_a_bake_may_be_opened_for_writing(tmp_path: Path) -> None:
    told = run(
        tmp_path,
        "confinement.enforce(str(tree))\nos.close(os.open(tree / 'file', os.O_RDWR))\n"
        "assert can((tree / 'file').unlink) == 'EACCES'\nassert can((tree / 'new').touch) == 'EACCES'\ntell()\n",
    )
    assert told["inside"] == "done"


@linux
def test_what_was_open_before_is_closed(tmp_path: Path) -> None:
    told = run(
        tmp_path,
        "left = os.open(outside, os.O_RDONLY)\nos.set_inheritable(left, True)\n"
        "confinement.enforce(str(tree))\nassert can(lambda: os.fstat(left)) == 'EBADF'\ntell()\n",
    )
    assert "files" in told["holds"]


def test_our_modules_are_compiled_before_nothing_can_be_written_beside_them(tmp_path: Path) -> None:
    package = shutil.copytree(
        ROOT / "blender_addon", tmp_path / "blender_addon", ignore=shutil.ignore_patterns("__pycache__")
    )
    script = "from blender_addon.renderer import confinement\nconfinement._keep_bytecode()\n"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True)
    stamp = {path: path.stat().st_mtime_ns for path in package.rglob("*.pyc")}
    assert {"compat", "loop", "scene", "paths", "seccomp"} <= {path.name.partition(".")[0] for path in stamp}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True)
    assert {path: path.stat().st_mtime_ns for path in package.rglob("*.pyc")} == stamp, "once"


@linux
def test_a_folder_keeps_its_right_where_it_is_moved_to(tmp_path: Path) -> None:
    """What the slave relies on: an empty folder becomes the job's."""
    told = run(
        tmp_path,
        "import subprocess\nready, go = os.pipe(), os.pipe()\nif os.fork() == 0:\n"
        "    os.read(go[0], 1)\n    tree.rename(outside / 'moved')\n    os.write(ready[1], b'.')\n    os._exit(0)\n"
        "confinement.enforce(str(tree))\n"
        "os.write(go[1], b'.')\nos.read(ready[0], 1)\ntree = outside / 'moved'\ntell()\n",
    )
    assert (told["inside"], told["outside"]) == ("done", "EACCES")


def test_nothing_that_a_person_keeps_is_among_what_blender_needs() -> None:
    paths = [Path(path) for path in needed.to_read()]
    assert all(path.is_absolute() for path in paths)
    kept = [Path.home(), Path.home() / ".ssh", Path("/etc/shadow"), Path("/tmp/x"), Path("/var/lib/x"), ROOT / "tests"]
    kept += [Path(f"/proc/{os.getppid()}/environ"), Path("/run/user/0/bus"), Path("/root/x"), Path("/home/x/y")]
    for one in kept:
        assert not [path for path in paths if one.is_relative_to(path.resolve())], one


def test_relative_and_empty_places_are_not_granted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needed, "_python", lambda: iter(["", ".", "site-packages", "/usr/lib"]))
    assert not {"", ".", "site-packages"} & set(needed.to_read())


# --- the filter of system calls ---

HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW = 0x7FFF0000


def answer(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """What the filter says to a call: run as the kernel does, <linux/bpf_common.h>. An error's number, or ``ALLOW``."""
    architecture = ARCHITECTURES[machine] if architecture is None else architecture
    words = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=IIQ6Q", number, architecture, 0, *words)
    code = [struct.unpack("=HBBI", each) for each in re.findall(b"(?s).{8}", seccomp.program(machine))]
    at = held = 0
    while True:
        what, yes, no, value = code[at]
        at += 1
        if what == 0x20:
            (held,) = struct.unpack_from("=I", data, value)
        elif what == 0x54:
            held &= value
        elif what == 0x15:
            at += yes if held == value else no
        elif what == 0x35:
            at += yes if held >= value else no
        else:
            assert what == 0x06
            return int(value if value == ALLOW else value & 0xFFFF)


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_sockets_that_reach_nobody_else_may_be_made(machine: str) -> None:
    column = list(ARCHITECTURES).index(machine)
    unix, internet, netlink, stream, datagram, packets = 1, 2, 16, 1, 2, 5
    flags = 0o2000000 | 0o4000  # SOCK_CLOEXEC, SOCK_NONBLOCK
    for call in (seccomp.SOCKET[column], seccomp.SOCKETPAIR[column]):
        for kind in (stream, packets, stream | flags):
            assert answer(machine, call, unix, kind) == ALLOW
            assert answer(machine, call, unix | 1 << 32, kind | 1 << 32) == ALLOW, "the kernel sees 32 bits"
        assert answer(machine, call, unix, datagram) == errno.EACCES
        assert answer(machine, call, unix, datagram | flags) == errno.EACCES
        for family in (0, internet, 10, netlink, 17, 40):
            assert answer(machine, call, family, stream) == errno.EACCES
    assert answer(machine, (42, 203)[column], 3, 0, 16) == errno.EACCES, "connect"


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_limits_of_another_process_are_not_set(machine: str) -> None:
    """A limit of no time or no files ends the agent, or all that a person runs."""
    call = seccomp.PRLIMIT[list(ARCHITECTURES).index(machine)]
    assert answer(machine, call, 0, 7, 1, 0) == ALLOW
    for process in (1, 2**31, 1 << 32):
        assert answer(machine, call, process, 7, 1, 0) == errno.EPERM


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_calls_by_another_name_are_refused(machine: str) -> None:
    assert answer(machine, 0, architecture=0x40000003) == errno.EPERM, "those of a 32-bit program"
    assert answer(machine, 0x40000000 + 41) == errno.EPERM, "those of x32"
    assert answer(machine, 0) == ALLOW


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_the_numbers_are_the_kernels(machine: str) -> None:
    header = HEADERS[machine]
    if not header.exists():
        pytest.skip("this machine has no headers of the kernel")
    numbers = {
        name: int(number) for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)\b", header.read_text())
    }
    refused = {name for name, number in numbers.items() if answer(machine, number) == errno.EPERM}
    known = {*seccomp._CALLS, *(seccomp._X86_64 if machine == "x86_64" else ())}
    assert refused == known & numbers.keys()
    assert len(refused) > 35
    for name in ("read", "openat", "mmap", "clone", "execve", "futex", "memfd_create", "ioctl", "sendmsg"):
        assert answer(machine, numbers[name]) == ALLOW
