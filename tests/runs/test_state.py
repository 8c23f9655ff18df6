"""How run folders are left: taken away if nothing was trained, named by how they ended."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from isthmus.api import Run
from isthmus.errors import ModelFileError
from isthmus.runs.state import damage, has_begun, kept_if_begun, state
from isthmus.system import files
from isthmus.system.lock import FolderLock


def begin(folder: Path, *names: str) -> None:
    """Writes files into a new run and fails."""
    with FolderLock(folder), kept_if_begun(folder):
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("{}")
        raise ValueError("failed")


def test_a_run_that_failed_before_it_had_begun_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="failed"):
        begin(tmp_path / "a", "run.json", "config.toml")
    assert list(tmp_path.iterdir()) == []


def test_a_run_whose_first_checkpoint_found_no_room_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a" / "checkpoint").mkdir(parents=True)
    with pytest.raises(ValueError, match="failed"):
        begin(tmp_path / "a", "run.json")
    assert list(tmp_path.iterdir()) == []


def test_what_others_put_into_the_folder_stays(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="failed"):
        begin(tmp_path / "a", "run.json", "notes.txt")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("name", ["checkpoint/step-1", "model/MANIFEST.json"])
def test_what_was_trained_stays(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="failed"):
        begin(tmp_path / "a", "run.json", name)
    assert has_begun(tmp_path / "a")
    assert (tmp_path / "a" / "run.json").is_file()


def test_a_run_that_diverged_stays(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()

    def diverge() -> None:
        with kept_if_begun(tmp_path / "a"):
            Run(tmp_path / "a").write_record(ended="diverged")
            raise ValueError("failed")

    with pytest.raises(ValueError, match="failed"):
        diverge()
    assert Run(tmp_path / "a").record["ended"] == "diverged"


def test_every_way_to_end_has_a_name(copy: Path) -> None:
    def ended(how: str | None, **values: object) -> str:
        Run(copy).write_record(ended=how, **values)
        return state(Run(copy))

    assert [ended(how) for how in ("budget", "patience", "interrupted", "diverged", "failed")] == [
        "budget",
        "patience",
        "interrupted",
        "diverged",
        "failed",
    ]
    assert ended(None) == "killed"
    assert ended("budget", judged=False) == "unjudged"
    with FolderLock(copy):
        assert state(Run(copy)) == "running"
    assert state(Run(copy)) == "unjudged"


def test_a_process_that_was_killed_holds_nothing(copy: Path) -> None:
    program = "import os, signal\nfrom pathlib import Path\nfrom isthmus.system.lock import FolderLock\n"
    program += f"FolderLock(Path({str(copy)!r})).__enter__()\nos.kill(os.getpid(), signal.SIGKILL)"
    ended = subprocess.run([sys.executable, "-c", program], env=os.environ, timeout=60)
    assert ended.returncode == -9
    assert "pid" in (copy / ".lock").read_text()
    Run(copy).write_record(ended=None)
    assert state(Run(copy)) == "killed"


@pytest.mark.parametrize(
    ("name", "cut", "words"),
    [
        ("model.safetensors", 1000, "model.safetensors is damaged: its 1,000 bytes"),
        ("config.json", None, "'config.json' is missing"),
        ("MANIFEST.json", 3, "MANIFEST.json cannot be read"),
    ],
)
def test_fault_a_model_that_is_not_whole_is_told(name: str, cut: int | None, words: str, copy: Path) -> None:
    assert damage(Run(copy)) is None
    path = copy / "model" / name
    path.unlink() if cut is None else os.truncate(path, cut)
    found = damage(Run(copy))
    assert found is not None
    assert words in found.message
    config = f"train again with `isthmus train --config {copy / 'config.toml'}`"
    assert found.fix == f"use another copy of it, or {config}"
    shutil.move(copy / "model", copy.parent / "alone")
    found = _refused(copy.parent / "alone")
    assert found.fix == "use another copy of it, or train again"


def _refused(model: Path) -> ModelFileError:
    with pytest.raises(ModelFileError) as caught:
        files.verify_folder(model)
    return caught.value


def test_a_model_that_is_gone_is_told_and_one_that_is_not_made_yet_is_not(copy: Path) -> None:
    shutil.rmtree(copy / "model")
    found = damage(Run(copy))
    assert found is not None
    assert (found.exit_code, found.code) == (4, "MODEL-MISSING")
    Run(copy).write_record(ended="interrupted")
    assert damage(Run(copy)) is None


def test_a_run_whose_metrics_are_gone_is_to_be_judged_again(copy: Path) -> None:
    assert state(Run(copy)) == "budget"
    (copy / "metrics.json").unlink()
    assert state(Run(copy)) == "unjudged"
