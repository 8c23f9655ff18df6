"""What a shell is offered to complete a command line with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from isthmus.api import Run


def offered(line: str, folder: Path) -> list[str]:
    """By the real entry point, as bash asks it."""
    asked = {"_ISTHMUS_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    command = [sys.executable, "-m", "isthmus"]
    done = subprocess.run(command, env=os.environ | asked, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("isthmus fin", ["finish"]),
        ("isthmus inter", ["interpolate"]),
        ("isthmus train --noi", ["--noise"]),
        ("isthmus train --device c", ["cpu", "cuda"]),
        ("isthmus feature lea", ["learn"]),
    ],
)
def test_commands_options_and_choices_are_completed(line: str, expected: list[str], tmp_path: Path) -> None:
    assert offered(line, tmp_path) == expected


def test_runs_are_completed(denoiser: Run, tmp_path: Path) -> None:
    shutil.copytree(denoiser.path, tmp_path / "runs" / "mine")
    assert offered("isthmus encode ru", tmp_path) == [str(Path("runs") / "mine")]
    assert offered("isthmus report la", tmp_path) == ["latest"]
