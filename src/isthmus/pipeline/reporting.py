"""Writes `report.html`, at the end of a run or later, and pages that compare several runs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from isthmus.errors import DataError, IsthmusError, ModelFileError, UsageError
from isthmus.models.abstract_model import AbstractModel
from isthmus.models.autoencoder import Model
from isthmus.report import RunData, compare, compose
from isthmus.report.page import render
from isthmus.report.run_data import CodeMoments
from isthmus.runs import finding
from isthmus.runs import folder as runs
from isthmus.runs.folder import RunFolder
from isthmus.runs.latent import Latent
from isthmus.runs.stored import blaming
from isthmus.runs.training_data import ReadOnce, read_again
from isthmus.system import files
from isthmus.system.progress import tell
from isthmus.tools.sampling.traversal import movements
from isthmus.training.display import AbstractDisplay
from isthmus.wording import shell_word

REPORT, COMPARISON = "report.html", "comparison"
MEASURED = 128  # units whose effect is measured, twice as many as the page shows; each costs as much as 128 samples


@dataclass(frozen=True)
class WrittenReport:
    """The path and size of the page, and what is missing from it."""

    path: Path
    n_bytes: int
    missing: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {"report": str(self.path), "bytes": self.n_bytes, "left_out": list(self.missing)}


def report(
    *names: str | Path | RunFolder, out: str | Path | None = None, module: nn.Module | None = None
) -> WrittenReport:
    """Writes `report.html` into the folder of a run; for several runs, a comparison next to the first one.

    `names`: run folders, names under `runs/`, or "latest". `out` names another file. If the data of a run cannot be
    read again, or its model is a custom class that is not passed as `module`, the page says what is missing.

    Raises: UsageError for no run, or an unfinished one; ModelFileError for a run with a broken file.
    """
    if not names:
        raise UsageError("USAGE-RUN", "no run is named.", fix="name a run folder, or latest")
    read = ReadOnce()
    runs = [_run(name, module) for name in names]
    with ExitStack() as stack:
        for run in runs:
            stack.enter_context(blaming(run.path))
        found = [run_data_of(run, read) for run in runs]
        tell("writing the page")
        page = _page(found[0]) if len(found) == 1 else _comparison(found)
    if len(found) == 1:
        path, within = (Path(out), None) if out else (found[0].path / REPORT, found[0].path)
        return _write(path, page, found[0].missing, within)
    missing = [f"{m.name}: {text}" for m in found for text in m.missing]
    return _write(Path(out) if out else _free(found[0].path.parent), page, tuple(missing))


def report_at_end(run_data: RunData, display: AbstractDisplay) -> None:
    """Writes the page of a run that has just been judged. A failure here is reported but not raised."""
    try:
        _write(run_data.path / REPORT, _page(run_data), (), run_data.path)
    except IsthmusError as error:  # a full disk
        display.say(f"note: {REPORT} was not written: {error.message}")
    except Exception as error:  # whatever it is, the run is complete
        again = f"isthmus report {shell_word(run_data.path)} --debug"
        message = f"{REPORT} was not written; the rest of the run is complete. `{again}` shows why: {error!r}"
        warnings.warn(message, RuntimeWarning, stacklevel=2)


def run_data_of(run: RunFolder, read: ReadOnce | None = None) -> RunData:
    """The contents of a run folder, with its data and model if available; several runs can share `read`.

    Raises: UsageError for a run that has not been judged yet.
    """
    if not run.metrics:
        fix = f"finish it with `isthmus resume {shell_word(run.path)}`"
        raise UsageError("USAGE-REPORT", f"{run.path} has no {runs.METRICS} yet, because it is not finished.", fix=fix)
    model, prepared, missing = None, None, ()
    try:
        model = run.model
        prepared = read_again(run.path, run.config, run.record, model.preprocess, read)
        run = RunFolder(run.path, module=run.module, model=model, prepared=prepared)
        model.to(prepared.device)
    except (DataError, ModelFileError) as error:
        lost = "the pictures of test images" if len(run.metrics["data"]["shape"]) == 3 else "the columns and rows"
        missing = (f"{lost}, the codes, and the data counts, because {error.message}",)
    latent, lost = _latent(run) if model is not None else (None, ())
    moments, missing = code_moments(latent, model), (*missing, *lost)
    return RunData(run.path, run.metrics, run.history, run.record, run.config, prepared, model, moments, missing)


def _latent(run: RunFolder) -> tuple[Latent | None, tuple[str, ...]]:
    """The contents of latent/, computed again if necessary, or None; and a note for the page if latent/ is broken."""
    try:
        return run.latent, ()
    except ModelFileError as error:
        return None, (f"new samples, because {error.message}",)
    except IsthmusError:
        return None, ()


def code_moments(latent: Latent | None, model: AbstractModel | None = None) -> CodeMoments | None:
    """The statistics of the codes for the page; None for a model without a code."""
    if latent is None:
        return None
    moved = _movement(latent, model) if isinstance(model, Model) and model.bottleneck.continuous else None
    return CodeMoments(latent.mean, latent.covariance, latent.class_means, latent.classes, moved)


def _movement(latent: Latent, model: Model) -> np.ndarray:
    """(Z,) how much each unit changes the output; NaN beyond the `MEASURED` units with the largest spread."""
    moved, units = np.full(latent.z_size, np.nan), np.argsort(-latent.std, kind="stable")[:MEASURED]
    moved[units] = movements(model, latent, units)
    return moved


def _run(name: str | Path | RunFolder, module: nn.Module | None) -> RunFolder:
    if isinstance(name, RunFolder) and module is None:
        return name
    return RunFolder(name.path if isinstance(name, RunFolder) else finding.find(name).path, module=module)


def _page(run_data: RunData) -> str:
    composed = compose(run_data)
    script = {section.id: dict(section.script) for section in composed.sections if section.script}
    return render("report.html", composed.name, script, report=composed)


def _comparison(found: Sequence[RunData]) -> str:
    composed = compare(found)
    script = {section.id: dict(section.script) for section in composed.sections if section.script}
    return render("comparison.html", composed.name, script, report=composed)


def _write(path: Path, page: str, missing: tuple[str, ...], within: Path | None = None) -> WrittenReport:
    files.write_text(path, page, within=within)
    return WrittenReport(path, len(page.encode()), missing)


def _free(folder: Path) -> Path:
    """The first free name: comparison.html, comparison-2.html …"""
    candidates = (folder / f"{COMPARISON}{f'-{n}' if n > 1 else ''}.html" for n in range(1, 100_000))
    return next(path for path in candidates if not path.exists())


__all__ = ["WrittenReport", "report", "report_at_end", "run_data_of"]
