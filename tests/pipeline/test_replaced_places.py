"""Every path of a run folder is replaced by a link or a folder: nothing outside changes, and errors are clear."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

import isthmus
from isthmus.api import Run
from isthmus.errors import IsthmusError
from isthmus.pipeline.reporting import report

MORE = (".old-x", ".part-x", "checkpoint/.old-x", "checkpoint/.part-x", "latent/.part-x", "skipped.txt")
KINDS = ["link to a file", "link to a folder", "link to its copy", "dangling link", "folder"]
FOREIGN = ("step-foreign/b", "step-000000001/c", "model/d", ".part-mine", "latest", "copy/e")


def documents(folder: Path) -> Path:
    """A foreign folder, with names that a run also has."""
    for name in FOREIGN:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    found = {}
    for path in folder.rglob("*"):
        about = path.lstat()
        found[str(path)] = (about.st_ino, about.st_mtime_ns, path.read_bytes() if path.is_file() else b"")
    return found


def replace(place: Path, kind: str, docs: Path) -> None:
    """Replaces a file or folder of the run by a link or a folder, and moves the original to the documents."""
    if os.path.lexists(place):
        place.rename(docs / "moved")
    place.parent.mkdir(parents=True, exist_ok=True)
    if kind == "folder":
        place.mkdir()
        (place / "a").write_text("a")
        return
    targets = {
        "link to a file": "latest",
        "link to a folder": ".",
        "link to its copy": "moved",
        "dangling link": "none",
    }
    place.symlink_to(docs / targets[kind])


def outcome(run: Path) -> str:
    """Resumes and reports the run; returns success or an IsthmusError, and lets any other error pass."""
    ends = []
    for work in (lambda: isthmus.resume(run, epochs=4, show=False), lambda: report(run)):
        try:
            work()
            ends.append("0")
        except IsthmusError as error:
            ends.append(str(error.exit_code))
    return "/".join(ends)


@pytest.mark.filterwarnings("ignore::UserWarning")  # for damaged checkpoints that were moved
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # for a report that was not written
@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_fault_96_any_place_of_a_run_replaced_by_a_link_or_a_folder(kind: str, denoiser: Run, tmp_path: Path) -> None:
    step, start = (1, 0) if os.environ.get("ISTHMUS_LONG") else ((25 if kind == "folder" else 9), KINDS.index(kind))
    whole = [str(path.relative_to(denoiser.path)) for path in sorted(denoiser.path.rglob("*"))]
    seen: Counter[str] = Counter()
    for number, place in enumerate([*whole, *MORE]):
        if number % step != start or (kind == "link to its copy" and place in MORE):
            continue
        work = tmp_path / str(number)
        run, docs = Path(shutil.copytree(denoiser.path, work / "run")), documents(work / "docs")
        replace(run / place, kind, docs)
        before = snapshot(docs)
        end = outcome(run)
        assert snapshot(docs) == before, f"{place} as {kind} led outside ({end})"
        assert kind == "folder" or (run / place).is_symlink(), f"{place} as {kind} was replaced ({end})"
        if kind != "folder":
            assert end[0] in "24", f"{place} as {kind}: {end}"  # 2 if the record, which makes it a run, is missing
        seen[end] += 1
        shutil.rmtree(work)
    assert sum(seen.values()) >= 30 // step
