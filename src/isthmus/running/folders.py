"""What state a run folder is in, and what becomes of one whose run failed before it had begun."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from isthmus import lock
from isthmus.errors import ModelFileError
from isthmus.running.runs import CHECKPOINT, CONFIG, DONE, HISTORY, MODEL, RECORD, SKIPPED, Run


def has_begun(path: Path) -> bool:
    """Whether anything trained is kept in the run folder."""
    return any(path.glob(f"{CHECKPOINT}/*")) or (path / MODEL).is_dir()


@contextmanager
def kept_if_begun(path: Path) -> Iterator[None]:
    """Around a new run: if it fails before anything trained was saved, the folder is taken away again.

    Only what a run writes before its first checkpoint is removed. A run that diverged stays: its record says why.
    """
    try:
        yield
    except BaseException:
        if not has_begun(path) and _ended(path) != "diverged":
            for name in (RECORD, CONFIG, HISTORY, SKIPPED, lock.NAME):
                with suppress(OSError):
                    (path / name).unlink()
            with suppress(OSError):  # there is something else in it, or the disk has failed
                path.rmdir()
        raise


def _ended(path: Path) -> str | None:
    try:
        return Run(path).record.get("ended")
    except ModelFileError:
        return None


def state(run: Run) -> str:
    """How a run ended (budget, patience, interrupted, diverged, failed, unjudged, killed), or "running"."""
    ended = run.record.get("ended")
    if lock.is_held(run.path):
        return "running"
    if ended is None:
        return "killed"
    return "unjudged" if ended in DONE and not run.is_judged else ended
