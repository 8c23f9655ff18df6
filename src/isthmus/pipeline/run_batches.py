"""Several runs on the same data, one after the other, in one folder; interrupted runs continue where they stopped."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from isthmus.errors import Interrupted, IsthmusError, ModelFileError, UsageError
from isthmus.pipeline import train
from isthmus.pipeline.resume import resume
from isthmus.runs import finding
from isthmus.runs import folder as runs
from isthmus.runs.folder import RunFolder
from isthmus.settings import merge
from isthmus.system import files, regular
from isthmus.training.display import AbstractDisplay
from isthmus.training.trainer import Progress
from isthmus.wording import duration, shell_word


@dataclass(frozen=True)
class Job:
    """One run of a series: the `name` of its folder, its recipe, and nested settings that override the recipe."""

    name: str
    recipe: str
    settings: Mapping[str, Any]


def folder_for(out: str | Path | None, name: str) -> Path:
    """The folder of a series: `out`, which may contain the beginning of the series, or a new one under runs/."""
    return finding.new_folder(None, name) if out is None else Path(out)


def carry_out(
    folder: Path, jobs: Sequence[Job], data: str, show: AbstractDisplay
) -> dict[str, RunFolder | IsthmusError]:
    """Trains what is not finished yet. A job that fails does not stop the others; its error is its result.

    Raises: UsageError for a folder with another series, or an unknown setting; ModelFileError if the plan of the series
    cannot be read; Interrupted; the first error if every job fails.
    """
    for job in jobs:
        train.configure(data, job.recipe, job.settings, {})  # finds mistakes in any job before the first one trains
    _write_plan(folder, jobs, data)
    done: dict[str, RunFolder | IsthmusError] = {}
    begun, trained = time.monotonic(), 0
    for i, job in enumerate(jobs):
        left = "" if not trained else f"; {duration((time.monotonic() - begun) / trained * (len(jobs) - i))} left"
        show.say(f"[{i + 1} of {len(jobs)}] {job.name}{left}")
        path = folder / job.name
        if not _finished(path):
            trained += 1
        try:
            done[job.name] = _one(path, job, data, show)
        except Interrupted as error:
            error.fix = f"continue with the same command and --out {shell_word(folder)}"
            raise
        except IsthmusError as error:
            show.say(f"{job.name} failed: {error.message}")
            done[job.name] = error
    errors = [found for found in done.values() if isinstance(found, IsthmusError)]
    if len(errors) == len(jobs):  # there is nothing to compare
        raise errors[0]
    return done


def _one(path: Path, job: Job, data: str, show: AbstractDisplay) -> RunFolder:
    """The run of a job: finished, resumed, or new."""
    if _finished(path):
        return RunFolder(path)
    quiet = _Within(show)
    if (path / runs.RECORD).is_file():
        return resume(path, show=quiet)
    return train.train(train.configure(data, job.recipe, job.settings, {}), data, out=path, show=quiet)


def _finished(path: Path) -> bool:
    if not (path / runs.RECORD).is_file():
        return False
    run = RunFolder(path)
    return run.record.get("ended") in runs.DONE and run.is_judged


@final
class _Within(AbstractDisplay):
    """Shows the progress of a run, but not its messages: those of ten runs would hide what matters."""

    def __init__(self, outer: AbstractDisplay) -> None:
        self.outer, self.draws = outer, outer.draws

    def say(self, text: str) -> None: ...

    def step(self, progress: Progress) -> None:
        self.outer.step(progress)

    def epoch(self, row: dict[str, Any], progress: Progress) -> None:
        self.outer.epoch(row, progress)

    def training(self, progress: Progress) -> AbstractContextManager[None]:
        return self.outer.training(progress)

    def counting(self, what: str) -> AbstractContextManager[Callable[[int, int], None]]:
        return nullcontext(lambda done, total: None)


def _write_plan(folder: Path, jobs: Sequence[Job], data: str) -> None:
    plan = {"data": data, "jobs": [{"name": j.name, "recipe": j.recipe, "settings": merge(j.settings)} for j in jobs]}
    plan = json.loads(json.dumps(plan, default=str))
    path = folder / finding.PLAN
    if path.is_file() and any(folder.glob(f"*/{runs.RECORD}")):  # a plan may change until its first run begins
        if _read_plan(path) != plan:
            message = f"{folder} contains a series with other settings or data."
            fix = "repeat the command that began it, or name another folder with --out"
            raise UsageError("USAGE-SERIES", message, fix=fix)
        return
    if folder.is_dir() and any(other != path for other in folder.iterdir()):
        raise UsageError("USAGE-SERIES", f"{folder} is not empty.", fix="name a new folder with --out")
    files.write_json(path, plan)


def _read_plan(path: Path) -> Any:
    try:
        return regular.read_json(path)
    except (OSError, ValueError) as error:
        message = f"{path} cannot be read: {regular.reason(error)}."
        raise ModelFileError("RUN-FILE", message, fix="name another folder with --out") from None


__all__ = ["Job", "carry_out", "folder_for"]
