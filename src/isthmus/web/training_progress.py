"""The progress of a training, read only from its run folder: state, curves, sanity check of the last checkpoint.

The training is another process that does not know about this one; a restarted server reads the same folder.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from isthmus.errors import IsthmusError, UsageError
from isthmus.evaluation.figures.data_pictures import one_of_each
from isthmus.evaluation.figures.run_pictures import without_noise
from isthmus.models.autoencoder import Model
from isthmus.report.plots import Axis, Line, line_chart, y_axis
from isthmus.runs.folder import CHECKPOINT, DONE, MODEL, RunFolder
from isthmus.system import files, regular
from isthmus.system.lock import is_held
from isthmus.system.places import refuse_link
from isthmus.system.requests import FINISH, PAUSE, ask, asked, withdraw
from isthmus.system.swapping import standing
from isthmus.training import prepare
from isthmus.training.display import Quiet
from isthmus.training.prepared import Prepared
from isthmus.web.image_encoding import uri
from isthmus.wording import shell_word

GO_ON = "go-on"
SHOWN = 10  # samples of the sanity check, as in the run's picture


class TrainingStatus:
    """The current status of a run folder; `sanity` caches the data after reading it once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._prepared: Prepared | None = None
        self._sanity: tuple[str, dict[str, Any]] | None = None

    def snapshot(self) -> dict[str, Any]:
        """State, epochs, the newest numbers and the chart. A file that is being written is left for the next call."""
        run = RunFolder(self.path)
        try:
            record, history, settings = run.record, run.history, run.config.training
        except (IsthmusError, OSError, ValueError) as error:
            return {"state": "waiting", "told": f"The run folder cannot be read yet: {error}.", "epoch": 0}
        running = is_held(self.path)
        ended = record.get("ended")
        state = "running" if running else "finished" if ended in DONE else str(ended or "stopped")
        if running and ended in DONE:
            state = "judging"
        elif running and (request := self.asked):
            state = {FINISH: "finishing", PAUSE: "paused"}[request]
        epoch, epochs = len(history), record.get("planned_epochs") or settings.epochs
        seconds = sum(row.get("seconds", 0.0) for row in history)
        return {
            "state": state,
            "name": run.path.name,
            "epoch": epoch,
            "epochs": epochs,
            "last": files.finite_or_null(history[-1]) if history else None,
            "seconds": seconds,
            "seconds_left": _seconds_left(epoch, epochs, seconds) if state in {"running", "paused"} else None,
            "best": _best(history),
            "chart": _chart(history),
            "model": standing(self.path / MODEL).is_dir() and not running,
        }

    def sanity(self) -> dict[str, Any] | None:
        """Test samples and their reconstructions by the last checkpoint; None before the first one, or for a table."""
        run = RunFolder(self.path)
        try:
            latest = regular.read_text(self.path / CHECKPOINT / "latest").strip()
            if self._sanity is not None and self._sanity[0] == latest:
                return self._sanity[1]
            found = self._of_checkpoint(run, latest)
        except (OSError, ValueError, KeyError, RuntimeError, IsthmusError):
            return None if self._sanity is None else self._sanity[1]  # replaced meanwhile: the next call will succeed
        if found is not None:
            self._sanity = latest, found
        return found

    def _of_checkpoint(self, run: RunFolder, latest: str) -> dict[str, Any] | None:
        if run.record.get("module") or Path(latest).name != latest:
            return None
        if self._prepared is None:
            self._prepared = prepare.prepare(run.config, prepare.read_splits(run.config, None, Quiet()))
        prepared = self._prepared
        if not prepared.preprocess.is_image:
            return None
        folder = self.path / CHECKPOINT / latest
        refuse_link(folder.parent)
        refuse_link(folder)
        files.verify_folder(folder)
        model = Model(prepared.config.model, prepared.preprocess)
        model.load_state_dict(load_file(folder / "model.safetensors"))
        test = prepared.splits.test
        x = prepared.preprocess.to_x(torch.from_numpy(np.array(test.x[one_of_each(test, SHOWN)])))
        given, _, made = without_noise(model.eval(), x)
        step = int(latest.rpartition("-")[2] or 0)
        return {"step": step, "x": [uri(p) for p in given], "x_hat": [uri(p) for p in made]}

    @property
    def asked(self) -> str | None:
        """The pending request to the training, if any."""
        return asked(self.path)

    def ask(self, what: str) -> str:
        """Asks the training to PAUSE, to FINISH, or to continue after a pause (GO_ON).

        Raises: UsageError if no training is running here; ResourceError if the folder cannot be written.
        """
        if not is_held(self.path):
            fix = f"finish the run with `isthmus finish {shell_word(self.path)}`, or continue it with `isthmus resume`"
            raise UsageError("USAGE-REQUEST", "no training is running in this folder.", fix=fix)
        if what == GO_ON:
            withdraw(self.path)
        else:
            ask(self.path, what)
        return what


def _seconds_left(epoch: int, epochs: int | None, seconds: float) -> float | None:
    """Estimated from the mean time per epoch so far."""
    return None if not epoch or epochs is None else max(epochs - epoch, 0) * seconds / epoch


def _best(history: list[dict[str, float]]) -> dict[str, float] | None:
    rows = [row for row in history if math.isfinite(row.get("validation_cost", math.nan))]
    if not rows:
        return None
    row = min(rows, key=lambda r: r["validation_cost"])
    return {"epoch": row["epoch"], "validation_cost": row["validation_cost"]}


def _chart(history: list[dict[str, float]]) -> str | None:
    """The curves, drawn as in the report."""
    if not history:
        return None
    xs = [float(row["epoch"]) for row in history]
    names = (("training", "train_cost", "s0"), ("validation", "validation_cost", "s1"))
    lines = [Line(name, xs, [row.get(key, math.nan) for row in history], kind) for name, key, kind in names]
    y = y_axis(lines, (), log=True) or y_axis(lines, (), log=False)
    if y is None:
        return None
    x = Axis(xs[0], max(xs[-1], xs[0] + 1))
    return str(line_chart(lines, (), x, y, label=f"Cost over {len(history)} epochs"))


__all__ = ["TrainingStatus"]
