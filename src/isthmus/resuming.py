"""`resume`: a run that was stopped goes on, a finished one is trained longer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from isthmus import files, prepare, runs
from isthmus import settings as configs
from isthmus.display import Quiet, shown_by
from isthmus.errors import UsageError
from isthmus.execution import execute
from isthmus.lock import FolderLock
from isthmus.prepare import IN_MEMORY
from isthmus.record import conditions_changed
from isthmus.runs import Run


def resume(
    path: str | Path,
    *,
    epochs: int | None = None,
    data: Any = None,
    module: nn.Module | None = None,
    show: bool | Quiet = True,
) -> Run:
    """Goes on with a run where it stopped; with `epochs`, extends a finished one.

    On the same machine the weights end bit-equal to those of an undisturbed run. `data` is needed where the run was
    trained on data in memory, `module` where it was a module of your own.

    Raises: UsageError if the data is not what the run began with, or nothing is left to do; ModelFileError.
    """
    run, shown = Run(runs.find(path).path, module=module), shown_by(show)
    config, started_as = run.config, run.record
    if data is None and config.data.source == IN_MEMORY:
        raise UsageError(
            "USAGE-RESUME", f"{run.path} was trained on data in memory.", fix="call isthmus.resume(path, data=…)"
        )
    if started_as.get("module") and module is None:
        message = f"{run.path} trains a module of your own, {started_as['module']}."
        raise UsageError("USAGE-RESUME", message, fix="call isthmus.resume(path, module=…)")
    finished = started_as.get("ended") in {"budget", "patience"} and bool(run.metrics)
    if finished and (epochs is None or epochs <= len(run.history)):
        asked = "" if epochs is None else f" ({epochs} is not)"
        more = f"--epochs N with N over {len(run.history)} trains it longer{asked}"
        shown.say(f"{run.path} is finished after {len(run.history)} epochs; {more}.")
        return run
    if epochs is not None:
        config = replace(config, training=replace(config.training, epochs=epochs))
        if config.training.schedule == "one-cycle" and run.history:
            longer = "the longer run, so the learning rate rises again" if finished else f"{epochs} epochs"
            shown.say(f"the schedule is laid anew over {longer}.")
    with FolderLock(run.path):
        prepared = prepare.prepare(config, prepare.read_splits(config, data, shown))
        for sentence in conditions_changed(run, prepared):
            shown.say(f"note: {sentence}")
        files.write_text(run.path / runs.CONFIG, configs.write(prepared.config))
        run.write_record(ended=None)
        model = prepare.fresh_model(prepared, module, started_as.get("flatten", "auto"))
        return execute(run, prepared, model, shown, going_on=True, extended=finished)
