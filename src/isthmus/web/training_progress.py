"""How far a training is, read from its run folder alone: state, curves, and the sanity check of its last checkpoint.

The training is another process, which knows nothing of this one; a server that starts anew reads the same folder.
"""

from __future__ import annotations

import math
import os
import signal
import socket
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
from isthmus.system.lock import NAME, is_held
from isthmus.system.places import refuse_link
from isthmus.system.swapping import standing
from isthmus.training import prepare
from isthmus.training.display import Quiet
from isthmus.training.prepared import Prepared
from isthmus.web.image_encoding import uri

SHOWN = 10  # samples of the sanity check, as in the run's own


class TrainingStatus:
    """What can be told of a run folder at this moment; `sanity` keeps the data once it was read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._prepared: Prepared | None = None
        self._sanity: tuple[str, dict[str, Any]] | None = None
        self._stopped: int | None = None  # the process that was asked to stop

    def snapshot(self) -> dict[str, Any]:
        """State, epochs, the newest numbers and the chart. What is being written just now is left for the next time."""
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
        elif running and self._stopped is not None:
            state = "stopping"
        return {
            "state": state,
            "name": run.path.name,
            "epoch": len(history),
            "epochs": settings.epochs,
            "last": files.finite_or_null(history[-1]) if history else None,
            "seconds": sum(row.get("seconds", 0.0) for row in history),
            "best": _best(history),
            "chart": _chart(history),
            "model": standing(self.path / MODEL).is_dir() and not running,
        }

    def sanity(self) -> dict[str, Any] | None:
        """Test samples and what the last checkpoint makes of them; None before the first, or for a table."""
        run = RunFolder(self.path)
        try:
            latest = regular.read_text(self.path / CHECKPOINT / "latest").strip()
            if self._sanity is not None and self._sanity[0] == latest:
                return self._sanity[1]
            found = self._of_checkpoint(run, latest)
        except (OSError, ValueError, KeyError, RuntimeError, IsthmusError):
            return None if self._sanity is None else self._sanity[1]  # replaced while it was read: the next will do
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
    def stopping(self) -> bool:
        """Whether the training was asked to end."""
        return self._stopped is not None

    def stop(self) -> int:
        """Asks the training, as Ctrl-C would, to save and end; returns its process number.

        Raises: UsageError where nothing trains here, or not on this machine, or not as this user.
        """
        if self._stopped is not None and not is_held(self.path):
            return self._stopped  # it has ended meanwhile
        holder = self._holder()
        if self._stopped == holder:
            return holder  # a second signal would end it at once, without saving
        if os.name == "nt":
            raise UsageError(
                "USAGE-STOP",
                "a training can be stopped from here on Linux and macOS only.",
                fix="press Ctrl-C where it runs",
            )
        try:
            os.kill(holder, signal.SIGINT)
        except (ProcessLookupError, PermissionError) as error:
            raise UsageError(
                "USAGE-STOP", f"process {holder} cannot be stopped: {error.strerror}.", fix="press Ctrl-C where it runs"
            ) from None
        self._stopped = holder
        return holder

    def _holder(self) -> int:
        """The process that holds the folder's lock. The lock dies with it, so the number in it cannot be another's."""
        if not is_held(self.path):
            raise UsageError("USAGE-STOP", "no training runs in this folder.", fix="start one with `isthmus resume`")
        try:
            holder = regular.read_json(self.path / NAME)
            pid, host = int(holder["pid"]), str(holder["host"])
        except (OSError, ValueError, KeyError, TypeError):
            raise UsageError(
                "USAGE-STOP", "the folder does not say which process trains in it.", fix="press Ctrl-C where it runs"
            ) from None
        if host != socket.gethostname() or pid <= 1 or pid == os.getpid():
            raise UsageError(
                "USAGE-STOP",
                f"the training runs as process {pid} on {host}, out of reach.",
                fix="press Ctrl-C where it runs",
            )
        return pid


def _best(history: list[dict[str, float]]) -> dict[str, float] | None:
    rows = [row for row in history if math.isfinite(row.get("validation_cost", math.nan))]
    if not rows:
        return None
    row = min(rows, key=lambda r: r["validation_cost"])
    return {"epoch": row["epoch"], "validation_cost": row["validation_cost"]}


def _chart(history: list[dict[str, float]]) -> str | None:
    """The curves as the report draws them."""
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
