"""Saves a training nearby if its run folder disappears, or if a link is put into it, while it trains."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from isthmus import settings as configs
from isthmus.errors import FolderGoneError, ModelFileError, ResourceError
from isthmus.runs import folder
from isthmus.runs.folder import RunFolder
from isthmus.runs.record import as_recorded
from isthmus.system import checksums
from isthmus.system.places import is_gone, nearest
from isthmus.training.prepared import Prepared
from isthmus.training.trainer import Progress, Trainer


@contextmanager
def rescuing(run: RunFolder, prepared: Prepared, trainer: Trainer) -> Iterator[None]:
    """If the run folder disappears in the block, saves the training in the nearest parent folder that is writable.

    Raises: the same error, with a message that names the new folder and a fix that says how to resume.
    """
    try:
        yield
    except (ResourceError, ModelFileError) as error:  # a file may have replaced the folder
        if not (isinstance(error, FolderGoneError) or error.code == "RUN-LINK" or is_gone(run.path)):
            raise
        kept = _saved_nearby(run, prepared, trainer)
        if kept is None:
            message = f"{error.message} The training could not be saved in any folder above it."
            raise type(error)(error.code, message, fix="free disk space, and train again") from None
        message = f"{error.message} Everything up to {reached(trainer.progress)} is saved in {kept.path}."
        raise type(error)(error.code, message, fix=f"continue with `{kept.how_to_go_on}`") from None


def _saved_nearby(run: RunFolder, prepared: Prepared, trainer: Trainer) -> RunFolder | None:
    """A new run folder with what is in memory, in the first parent folder that is writable."""
    for parent in [*nearest(run.path), Path(tempfile.gettempdir())]:
        with suppress(OSError, ResourceError):
            if parent.is_dir():
                return _saved(RunFolder(_made(parent, f"{run.path.name}-rescued")), run, prepared, trainer)
    return None


def _saved(kept: RunFolder, run: RunFolder, prepared: Prepared, trainer: Trainer) -> RunFolder:
    progress, path = trainer.progress, kept.path
    checksums.write_text(path / folder.CONFIG, configs.write(prepared.config))
    trainer.monitor.move(path)
    trainer.save()
    ended = "interrupted"
    if trainer.is_done or progress.stopped_by == "request":
        ended = progress.stopped_by
        trainer.model.save(path / folder.MODEL)
    about = {"ended": ended, "judged": False, "rescued_from": str(run.path), "error": None}
    kept.write_record(**run.record | {"settings": as_recorded(prepared.config)} | about)
    return kept


def _made(parent: Path, name: str) -> Path:
    """A new folder: NAME, NAME-2, …"""
    for number in count(1):
        path = parent / (name if number == 1 else f"{name}-{number}")
        with suppress(FileExistsError):
            path.mkdir()
            return path
    raise AssertionError("counting ends")


def reached(progress: Progress) -> str:
    """The last step that was trained: `epoch 4, step 8 of 10`, or `epoch 4 of 5` if that epoch is complete."""
    if progress.batch:
        return f"epoch {progress.epoch + 1}, step {progress.batch} of {progress.batches}"
    return f"epoch {progress.epoch} of {progress.epochs}"


__all__ = ["reached", "rescuing"]
