"""What scripts/ remove: only what a script made. Python and pip are fakes here: what they do takes minutes."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

PYTHON = """#!/bin/sh
# Of the right version, makes environments, and installs nothing.
case "$*" in
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo made >>made.log ;;
    "-m pip install "*) exit "${PIP_FAILS:-0}" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder like the repository's root, in which a script may run."""
    folder = tmp_path / "a checkout"
    (folder / "scripts" / "lib").mkdir(parents=True)
    for name in ("demo", "lib/environment.sh"):
        (folder / "scripts" / name).write_bytes((ROOT / "scripts" / name).read_bytes())
    (folder / "pyproject.toml").write_text("[project]\n")
    python = folder / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    return folder


def bash(checkout: Path, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    variables = {"PATH": os.environ["PATH"], "PYTHON": str(checkout / "python"), **variables}
    script = f"set -euo pipefail; . scripts/lib/environment.sh; {command}"
    return subprocess.run(["bash", "-c", script], cwd=checkout, env=variables, capture_output=True, text=True)


def made(checkout: Path) -> int:
    """How many environments were made."""
    log = checkout / "made.log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_an_environment_is_made_once_and_again_when_its_recipe_changes(checkout: Path) -> None:
    assert bash(checkout, "environment one numpy").returncode == 0
    assert (checkout / "build" / "environments" / "one" / "bin" / "python").exists()
    assert bash(checkout, "environment one numpy").stderr == ""
    assert made(checkout) == 1
    assert bash(checkout, "environment one numpy attrs").returncode == 0
    assert made(checkout) == 2


def test_two_scripts_at_once_make_one_environment(checkout: Path) -> None:
    both = "environment one numpy & first=$!; environment one numpy & second=$!; wait $first; wait $second"
    assert bash(checkout, both).returncode == 0
    assert made(checkout) == 1


def test_an_environment_that_pip_could_not_fill_is_made_again(checkout: Path) -> None:
    failed = bash(checkout, "environment one numpy; echo went on", PIP_FAILS="1")
    assert failed.returncode != 0
    assert "went on" not in failed.stdout
    assert bash(checkout, "environment one numpy").returncode == 0
    assert made(checkout) == 2


@pytest.mark.parametrize("link", [False, True])
def test_a_folder_that_no_script_made_is_refused_and_stays(checkout: Path, link: bool) -> None:
    foreign = checkout / "build" / "environments" / "one"
    theirs = checkout / "theirs" if link else foreign
    theirs.mkdir(parents=True)
    (theirs / "precious").write_text("mine")
    if link:
        foreign.parent.mkdir(parents=True)
        foreign.symlink_to(theirs)
    refused = bash(checkout, "environment one numpy")
    assert refused.returncode != 0
    assert "build/environments/one was not made by this script" in refused.stderr
    assert (theirs / "precious").read_text() == "mine"
    assert made(checkout) == 0


@pytest.mark.parametrize("content", ["folder", "file"])
def test_the_demo_removes_no_folder_of_the_users(checkout: Path, content: str) -> None:
    target = checkout / "pictures"
    if content == "folder":
        target.mkdir()
    precious = target / "precious" if content == "folder" else target
    precious.write_text("mine")
    run = subprocess.run(["bash", "scripts/demo", "pictures"], cwd=checkout, capture_output=True, text=True)
    assert run.returncode == 1
    assert "pictures was not made by this script" in run.stderr
    assert precious.read_text() == "mine"


def test_no_script_names_an_environment_that_a_user_would_choose() -> None:
    scripts = [path for path in (ROOT / "scripts").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    scripts += [ROOT / ".ci" / "run", ROOT / "CONTRIBUTING.md"]
    text = {path: path.read_text() for path in scripts}
    named = [str(path) for path, content in text.items() if ".venv/" in content or " .venv " in content]
    assert not named
    assert any("environment bpy4.5 " in content for content in text.values())
