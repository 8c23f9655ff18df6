"""What happens in a locked run folder: training, saving, judging, drawing; for new runs and for those that go on."""

from __future__ import annotations

import shlex
import time
from typing import Any

from isthmus import files, prepare, runs
from isthmus.checkpoint import Checkpoints
from isthmus.display import Quiet
from isthmus.errors import DivergedError, Interrupted
from isthmus.judge import judge
from isthmus.latent import keep_latent
from isthmus.measure import cost_unit, mean_cost_of_mean
from isthmus.model import Model
from isthmus.monitor import Monitor
from isthmus.pictures import draw_pictures
from isthmus.prepare import Prepared
from isthmus.runs import Run
from isthmus.threads import using_threads
from isthmus.trainer import Progress, Trainer


def execute(
    run: Run, prepared: Prepared, model: Model, shown: Quiet, *, going_on: bool = False, extended: bool = False
) -> Run:
    """Trains, saves, judges and draws, in a locked run folder."""
    with using_threads(prepared.config.training.threads):
        return _trained(run, prepared, model, shown, going_on, extended)


def _trained(run: Run, prepared: Prepared, model: Model, shown: Quiet, going_on: bool, extended: bool) -> Run:
    validation = prepared.tensor(prepared.splits.validation)
    mean_cost = mean_cost_of_mean(model, validation, prepare.mean_sample(prepared))
    patience = prepared.config.training.patience
    monitor = Monitor(model, run.path, patience=patience, start_below=mean_cost)
    trainer = Trainer(model, prepare.batches_of(prepared), validation, prepared.config.training, monitor)
    found = Checkpoints(run.path / "checkpoint").load() if going_on else None
    if found is not None:
        trainer.restore(*found)
    if extended:
        monitor.renew_patience()
    _announce(run, prepared, model, trainer, shown, going_on)
    progress = _run(run, trainer, shown)
    model.save(run.path / runs.MODEL)
    monitor.write_history()
    ending = {
        "epochs": monitor.epoch,
        "best_epoch": monitor.best_epoch,
        "seconds": round(progress.train_seconds, 3),
        "images_per_second": round(progress.samples_per_second, 1),
        "stopped_by": progress.stopped_by,
        "path": str(run.path),
        "mean_cost": mean_cost,
    }
    run.write_record(ended=progress.stopped_by, seconds=round(sum(r["seconds"] for r in monitor.history), 3))
    shown.say(f"best epoch: {monitor.best_epoch} of {monitor.epoch}; its weights are kept")
    shown.say("judging …")
    try:
        metrics = judge(prepared, model, monitor.history, ending)
        files.write_json(run.path / runs.METRICS, metrics)
        draw_pictures(run.path, prepared, model, monitor, metrics, cost_unit(model))
        keep_latent(run.path, prepared, model)
    except KeyboardInterrupt:
        fix = f"judge it with `isthmus resume {shlex.quote(str(run.path))}`"
        message = "stopped while judging; the trained model is saved."
        raise Interrupted("INTERRUPTED", message, exit_code=130, fix=fix) from None
    finished = Run(run.path, module=model.own)
    finished.__dict__["model"] = model.cpu().eval()
    return finished


def _run(run: Run, trainer: Trainer, shown: Quiet) -> Progress:
    begun = time.time()
    try:
        with shown.training(trainer.progress):
            progress = trainer.run(lambda row: _shown_epoch(row, trainer, shown), shown.step)
    except DivergedError as error:
        trainer.monitor.write_history()
        run.write_record(ended="diverged", error=error.message, seconds=round(time.time() - begun, 3))
        raise
    for line in progress.log:
        shown.say(line)
    if progress.stopped_by == "interrupted":
        run.write_record(ended="interrupted")
        done = f"epoch {progress.epoch + 1}, step {progress.batch} of {progress.batches}"
        raise Interrupted(
            "INTERRUPTED",
            f"stopped in {done}; everything up to there is saved.",
            exit_code=progress.exit_code,
            fix=f"go on with `isthmus resume {shlex.quote(str(run.path))}`",
        )
    return progress


def _shown_epoch(row: dict[str, Any], trainer: Trainer, shown: Quiet) -> None:
    from isthmus.curves import live_curve

    shown.epoch(row, trainer.progress)
    if type(shown) is not Quiet:
        live_curve(trainer.monitor.history)


def _announce(run: Run, prepared: Prepared, model: Model, trainer: Trainer, shown: Quiet, going_on: bool) -> None:
    for sentence in prepared.said:
        shown.say(f"note: {sentence}")
    c, s, p = prepared.config, prepared.splits, trainer.progress
    kind = "denoising autoencoder" if c.model.noise != "none" else "autoencoder"
    shown.say(
        f"{kind} on {s.train.name}: {len(s.train):,} samples to train on, {len(s.validation):,} for validation, "
        f"{len(s.test):,} for the test; code of {model.z_size} numbers, {model.n_parameters:,} weights, "
        f"recipe {c.recipe}, {p.epochs} epochs, {c.training.precision} on {c.training.device}"
    )
    if going_on:
        shown.say(f"going on after epoch {p.epoch}" + (f", step {p.batch}" if p.batch else ""))
    shown.say(f"run folder: {run.path}")
