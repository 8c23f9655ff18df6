"""`evaluate`: the metrics of a trained run, measured again or on other data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from isthmus import prepare, runs
from isthmus.display import Quiet
from isthmus.errors import UsageError
from isthmus.judge import judge
from isthmus.prepare import IN_MEMORY
from isthmus.runs import Run
from isthmus.verdicts import OF_TRAINING


def evaluate(path: str | Path, data: Any = None, *, module: nn.Module | None = None) -> dict[str, Any]:
    """The metrics of a trained run, measured again; on other `data`, on all of it as test.

    Raises: DataError if the data does not fit the model.
    """
    run = Run(runs.find(path).path, module=module)
    config = run.config
    if data is not None:
        from isthmus.apply import read_input

        found = read_input(run, data)
        if config.data.source == IN_MEMORY:
            raise UsageError(
                "USAGE-EVALUATE", f"{run.path} was trained on data in memory.", fix="use isthmus.load(path) in Python"
            )
        splits = replace(prepare.read_splits(config, None, Quiet()), test=found)
    else:
        splits = prepare.read_splits(config, None, Quiet())
    prepared = prepare.prepare(config, splits)
    prepared = replace(prepared, preprocess=run.model.preprocess)
    metrics = judge(prepared, run.model.to(prepared.device), run.history, _ending(run))
    if data is not None:  # other data says nothing about how the training went
        metrics["verdicts"] = [v for v in metrics["verdicts"] if v["id"] not in OF_TRAINING]
    return metrics


def _ending(run: Run) -> dict[str, Any]:
    known = ("epochs", "best_epoch", "seconds", "images_per_second", "mean_cost")
    return {k: run.metrics.get(k) for k in known} | {
        "stopped_by": run.record.get("ended", "budget"),
        "path": str(run.path),
    }
