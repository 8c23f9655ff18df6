"""What a command wrote, and the check that it does not overwrite its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isthmus.evaluation.verdicts.set_check import SetCheck
from isthmus.runs.folder import RunFolder
from isthmus.system.outputs import refuse_inputs
from isthmus.tools.inference.cleaned_files import CleanedFile

TABLES = {".csv", ".parquet"}


@dataclass(frozen=True)
class Written:
    """What was written, where, and the notes about it."""

    path: Path
    n: int
    said: tuple[str, ...]
    set: SetCheck | None = None
    files: tuple[CleanedFile, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        about: dict[str, Any] = {"out": str(self.path), "n": self.n, "said": list(self.said)}
        if self.files:
            about["files"] = [file.as_dict() for file in self.files]
        return about if self.set is None else about | {"set": self.set.as_dict()}


def keep_inputs(run: RunFolder, source: str | Path, out: str | Path) -> None:
    """Raises: UsageError if writing to `out` would replace or extend the input, or replace the run's own data."""
    data = run.config.data
    refuse_inputs(out, source, kept=[path for path in (data.source, data.target, data.validation, data.test) if path])


__all__ = ["TABLES", "Written", "keep_inputs"]
