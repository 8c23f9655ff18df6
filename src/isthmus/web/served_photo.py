"""`ServedPhoto`: serves the shipped denoiser for photographs instead of a run."""

from __future__ import annotations

from pathlib import Path

from isthmus.errors import UsageError
from isthmus.models.photo import PhotoDenoiser
from isthmus.web.loaded_run import LoadedRun
from isthmus.web.photograph_panel import Networks


class ServedPhoto:
    """It has no folder, no data and no code, and takes only photographs."""

    path = Path("photo")

    def __init__(self, model: PhotoDenoiser) -> None:
        self.model = model

    def loaded(self) -> LoadedRun:
        """Raises: UsageError."""
        message = "photo is not a run: it denoises photographs, and has neither a code nor data."
        raise UsageError("USAGE-PHOTO", message, fix="send photographs to /api/photograph, or serve a run")

    def networks(self) -> Networks:
        """The networks that denoise photographs."""
        return Networks(self.model.network_for, leaves_clean=True)

    def has_model(self) -> bool:
        """Whether there is a model with panels."""
        return False

    def file(self, name: str) -> Path | None:
        return None

    def stamp(self) -> tuple[int, ...]:
        return ()


__all__ = ["ServedPhoto"]
