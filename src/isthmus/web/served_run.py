"""`ServedRun`: the run that a server shows; it is loaded once there is a trained model."""

from __future__ import annotations

import threading
from pathlib import Path

from isthmus.errors import UsageError
from isthmus.models.denoiser import Denoiser
from isthmus.runs.folder import CHECKPOINT, HISTORY, MODEL, RECORD, RunFolder
from isthmus.system.lock import is_held
from isthmus.system.swapping import standing
from isthmus.web.loaded_run import LoadedRun
from isthmus.web.photograph_panel import Networks

PAGES = {"report": "report.html"}  # pages of a run folder that may be linked; nothing else in it is served
PICTURES = {name: f"{name}.png" for name in ("curves", "data", "sanity", "denoising", "worst")}


class ServedRun:
    """One run folder. Its files have fixed names here; no text from a request becomes a path."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).resolve()
        self._bench: LoadedRun | None = None
        self._lock = threading.Lock()

    def loaded(self) -> LoadedRun:
        """The run, opened again after further training. Raises: ModelFileError while there is no trained model."""
        with self._lock:
            if self._bench is None or self._bench.run.is_replaced():
                self._bench = LoadedRun(RunFolder(self.path))
            return self._bench

    def networks(self) -> Networks:
        """The networks that denoise photographs. Raises: UsageError for a model that takes images of one size."""
        model = self.loaded().model
        if not isinstance(model, Denoiser):
            message = "this model takes images of one fixed size, not photographs."
            raise UsageError("USAGE-PHOTO", message, fix="serve `photo`, or a run of --recipe photo")
        return Networks(lambda _: model, leaves_clean=False)

    def has_model(self) -> bool:
        """Whether there is a trained model, and no training is about to replace it."""
        return standing(self.path / MODEL).is_dir() and not is_held(self.path)

    def file(self, name: str) -> Path | None:
        """The file called `name`, or None if it is unknown, missing, or a link out of the folder."""
        known = (PAGES | PICTURES).get(name)
        if known is None:
            return None
        try:
            path = (self.path / known).resolve(strict=True)
        except (OSError, RuntimeError):  # not there, or a loop of links
            return None
        return path if path.is_file() and path.is_relative_to(self.path) else None

    def stamp(self) -> tuple[int, ...]:
        """A value that changes whenever the run has news."""
        return tuple(_changed(self.path / name) for name in (HISTORY, RECORD, f"{CHECKPOINT}/latest"))


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


__all__ = ["ServedRun"]
