"""The state of a run folder, and the removal of one whose run failed before anything was trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from isthmus.errors import ModelFileError
from isthmus.runs.folder import CHECKPOINT, CONFIG, DONE, HISTORY, MODEL, RECORD, SKIPPED, RunFolder
from isthmus.system import files, lock
from isthmus.system.places import is_gone
from isthmus.system.requests import REQUEST
from isthmus.wording import shell_word


def has_begun(path: Path) -> bool:
    """Whether anything trained has been saved in the run folder."""
    return any(path.glob(f"{CHECKPOINT}/*")) or (path / MODEL).is_dir()


@contextmanager
def kept_if_begun(path: Path) -> Iterator[None]:
    """Wraps a new run: if it fails before anything trained was saved, its folder is removed.

    Only files that a run writes before its first checkpoint are removed. A run that diverged stays: its record says
    why. So does anything that somebody else put in the place of the folder in the meantime.
    """
    try:
        yield
    except BaseException:
        if not is_gone(path) and not has_begun(path) and _ended(path) != "diverged":
            for name in (RECORD, CONFIG, HISTORY, SKIPPED, files.MANIFEST, REQUEST, lock.NAME):
                with suppress(OSError):
                    (path / name).unlink()
            for folder in (path / CHECKPOINT, path):
                with suppress(OSError):  # it holds other files, or the disk has failed
                    folder.rmdir()
        raise


def _ended(path: Path) -> str | None:
    try:
        return RunFolder(path).record.get("ended")
    except ModelFileError:
        return None


def damage(run: RunFolder) -> ModelFileError | None:
    """What is wrong with the trained model of a run: a file is missing, truncated or changed. None if it is intact, or
    if the run does not have a model yet."""
    folder = run.path / MODEL
    try:
        is_there = run.has_model
    except ModelFileError as error:
        return error
    if not is_there:
        if run.record.get("ended") not in DONE:
            return None
        config = shell_word(run.path / CONFIG)
        fix = f"use another copy of it, or train again with `isthmus train --config {config}`"
        return ModelFileError("MODEL-MISSING", f"{run.path} finished its training, but {MODEL}/ is gone.", fix=fix)
    try:
        files.steadily(folder, files.verify_folder)
    except ModelFileError as error:
        return error
    return None


def state(run: RunFolder) -> str:
    """How a run ended (budget, patience, request, interrupted, diverged, failed, unjudged, killed), or "running"."""
    ended = run.record.get("ended")
    if lock.is_held(run.path):
        return "running"
    if ended is None:
        return "killed"
    return "unjudged" if ended in DONE and not run.is_judged else ended
