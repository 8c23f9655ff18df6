"""Trains, saves, judges and draws in a locked run folder, for new runs and for resumed ones."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from isthmus.errors import DataLostError, DivergedError, Interrupted, IsthmusError, PeerLostError, UsageError
from isthmus.evaluation.figures.cost_curves import live_curve
from isthmus.evaluation.figures.run_pictures import draw_pictures
from isthmus.evaluation.metrics.forward_pass import pass_through
from isthmus.evaluation.metrics.measure import cost_unit, rivals_of
from isthmus.evaluation.verdicts import collapse
from isthmus.evaluation.verdicts.judge import judge
from isthmus.models.abstract_model import AbstractModel
from isthmus.pipeline.beginning import Checkpoint, begin
from isthmus.pipeline.reporting import code_moments, report_at_end
from isthmus.pipeline.rescue import reached, rescuing
from isthmus.randomness import generator_for
from isthmus.report.run_data import RunData
from isthmus.runs import folder
from isthmus.runs.fill_errors import keep_fill_errors
from isthmus.runs.folder import RunFolder
from isthmus.runs.latent import keep_latent
from isthmus.runs.set_facts import keep_set_facts
from isthmus.runs.state import has_begun
from isthmus.runs.training_rows import keep_training_rows
from isthmus.system import checksums, files
from isthmus.system.process_group import ONE, AbstractGroup
from isthmus.system.progress import tell
from isthmus.system.requests import Requests
from isthmus.system.signals import StopSignals
from isthmus.tools.anomaly.evidence import keep_evidence
from isthmus.tools.anomaly.step_detector import keep_steps
from isthmus.training.checkpoint import Checkpoints
from isthmus.training.display import AbstractDisplay
from isthmus.training.prepared import IN_MEMORY, Prepared
from isthmus.training.threads import seconds_a_step, using_threads
from isthmus.training.trainer import Progress, Trainer
from isthmus.wording import counted, time_span

JUDGING = "judging, step"


def execute(
    run: RunFolder,
    prepared: Prepared,
    model: AbstractModel,
    display: AbstractDisplay,
    *,
    going_on: bool = False,
    extended: bool = False,
    finish: bool = False,
    group: AbstractGroup = ONE,
) -> RunFolder:
    """Trains, saves, judges and draws, in a locked run folder; with `finish`, no further training.

    If `group` has several processes, the first one runs this, and the others run `follow`.

    Raises: DivergedError; Interrupted after a signal, once everything trained is saved; ResourceError.
    """
    with using_threads(prepared.config.training.threads), StopSignals() as stop, _recorded(run, stop, going_on):
        with stop.at_once():
            found = Checkpoints(run.path / folder.CHECKPOINT).load() if going_on else None
            requests = Requests(run.path, finish=finish, say=display.say)
            trainer, mean_cost = begin(
                group, prepared, model, requests, found, lambda *given: _restore(run, *given), extended=extended
            )
        with rescuing(run, prepared, trainer):
            with stop.at_once():
                _announce(run, prepared, model, trainer, display, going_on)
                about: dict[str, Any] = {"planned_epochs": trainer.progress.epochs}
                if going_on and (resumed := run.record.get("resumed")):
                    about["resumed"] = [*resumed[:-1], resumed[-1] | {"after_epoch": trainer.progress.epoch}]
                run.write_record(**about)
            progress = _run(run, trainer, display)
            _keep(run, model, trainer, progress)
            display.say(f"best epoch: {trainer.monitor.best_epoch} of {trainer.monitor.epoch}; its weights are kept")
            with stop.at_once():
                display.say("judging …")
                _judge(run, prepared, model, trainer, mean_cost, display)
                run.write_record(judged=True)
                group.first_of(str(run.path))
    held = IN_MEMORY in (prepared.config.data.source, prepared.config.data.target)  # cannot be read again
    return RunFolder(run.path, module=model.own, model=model.cpu().eval(), prepared=prepared if held else None)


def _keep(run: RunFolder, model: AbstractModel, trainer: Trainer, progress: Progress) -> None:
    """Saves the trained model, its history, and how the training ended."""
    model.save(run.path / folder.MODEL)
    trainer.monitor.write_history()
    seconds = round(sum(row["seconds"] for row in trainer.monitor.history), 3)
    run.write_record(ended=progress.stopped_by, seconds=seconds, judged=False)


def _restore(run: RunFolder, trainer: Trainer, found: Checkpoint) -> None:
    """Raises: UsageError for a custom module that is built differently from the one that the run began with."""
    try:
        trainer.restore(*found)
    except (RuntimeError, ValueError, KeyError) as error:
        if trainer.model.own is None:
            raise
        problems = [line.strip() for line in str(error).splitlines()[1:]]
        message = f"the module is not built like the one that {run.path} trains."
        fix = "build the module exactly as for the first call"
        raise UsageError("USAGE-RESUME", message, fix=fix, problems=problems) from None


def _judge(
    run: RunFolder,
    prepared: Prepared,
    model: AbstractModel,
    trainer: Trainer,
    mean_cost: float,
    display: AbstractDisplay,
) -> None:
    """Writes metrics, pictures, the report, and the files for the tools into the run folder."""
    monitor, progress = trainer.monitor, trainer.progress
    ending = {
        "epochs": monitor.epoch,
        "best_epoch": monitor.best_epoch,
        "seconds": round(progress.train_seconds, 3),
        "images_per_second": round(progress.samples_per_second, 1),
        "stopped_by": progress.stopped_by,
        "path": str(run.path),
        "mean_cost": mean_cost,
    }
    seed = prepared.config.training.seed
    tell(f"{JUDGING} 1 of 6: passing the test set through the model")
    passed = pass_through(model, prepared.pairs(prepared.splits.test), seed, judged=True)
    tell(f"{JUDGING} 2 of 6: fitting the baselines")
    rivals = rivals_of(prepared, model.z_size)
    tell(f"{JUDGING} 3 of 6: measuring, and the verdicts")
    metrics = files.finite_or_null(judge(prepared, model, monitor.history, ending, passed, rivals))
    checksums.write_json(run.path / folder.METRICS, metrics)
    tell(f"{JUDGING} 4 of 6: drawing the pictures")
    draw_pictures(run.path, prepared, model, monitor, metrics, cost_unit(model), passed)
    tell(f"{JUDGING} 5 of 6: saving what `score`, `impute` and `sample` need")
    latent = keep_latent(run.path, prepared, model)
    keep_evidence(run.path, prepared, model)
    keep_steps(run.path, prepared, model)
    keep_fill_errors(run.path, prepared, model)
    keep_training_rows(run.path, prepared.splits.train)
    keep_set_facts(run.path, prepared, model)
    tell(f"{JUDGING} 6 of 6: writing the report")
    report_at_end(
        RunData(
            run.path,
            metrics,
            monitor.history,
            run.record,
            prepared.config,
            prepared=prepared,
            model=model,
            moments=code_moments(latent, model),
            given_passed=passed,
            given_rivals=rivals,
        ),
        display,
    )


@contextmanager
def _recorded(run: RunFolder, stop: StopSignals, going_on: bool) -> Iterator[None]:
    """Records how a run ended if not as planned; a signal becomes `Interrupted`, with a fix that says how to resume."""
    try:
        yield
    except (DivergedError, Interrupted, PeerLostError, DataLostError, UsageError):
        raise  # recorded where they occur, or raised before anything was done
    except KeyboardInterrupt:
        raise _stopped(run, stop.exit_code, going_on) from None
    except Exception as error:
        with suppress(IsthmusError):  # the disk may be what failed
            run.write_record(ended="failed", error=getattr(error, "message", repr(error)))
        raise


def _stopped(run: RunFolder, exit_code: int, going_on: bool) -> Interrupted:
    """The error for a signal that takes effect at once: before the first step, a second signal, or while judging."""
    if run.record.get("ended") in folder.DONE:
        message, fix = "stopped while judging; the trained model is saved.", f"judge it with `{run.how_to_go_on}`"
    elif going_on or has_begun(run.path):
        run.write_record(ended="interrupted")
        message, fix = "stopped at once; the last checkpoint is kept.", f"continue with `{run.how_to_go_on}`"
    else:
        message, fix = "stopped before anything was trained.", None
    return Interrupted("INTERRUPTED", message, exit_code=exit_code, fix=fix)


def _run(run: RunFolder, trainer: Trainer, display: AbstractDisplay) -> Progress:
    begun = time.time()
    try:
        with display.training(trainer.progress):
            progress = trainer.run(lambda row: _show_epoch(row, trainer, display), display.step)
    except DivergedError as error:
        trainer.monitor.write_history()
        run.write_record(ended="diverged", error=error.message, seconds=round(time.time() - begun, 3))
        raise
    except (PeerLostError, DataLostError) as error:
        raise _left_alone(run, trainer, error) from None
    for line in progress.log:
        display.say(line)
    if progress.stopped_by == "interrupted":
        run.write_record(ended="interrupted")
        raise Interrupted(
            "INTERRUPTED",
            f"stopped {_place(progress)}; everything trained so far is saved.",
            exit_code=progress.exit_code,
            fix=f"continue with `{run.how_to_go_on}`",
        )
    return progress


def _left_alone(
    run: RunFolder, trainer: Trainer, error: PeerLostError | DataLostError
) -> PeerLostError | DataLostError:
    """Saves all finished steps, and returns the error with a message that says so."""
    trainer.save()
    run.write_record(ended="interrupted", error=error.message)
    message = f"{error.message} Everything up to {reached(trainer.progress)} is saved."
    fix = f"continue with `{run.how_to_go_on}`, with any number of processes"
    if isinstance(error, DataLostError):
        fix = f"{error.fix}, then continue with `{run.how_to_go_on}`"
    said = type(error)(error.code, message, fix=fix)
    said.is_told, said.exit_code = error.is_told, error.exit_code
    return said


def _place(progress: Progress) -> str:
    if not progress.step:
        return "before the first step"
    return f"{'in' if progress.batch else 'after'} {reached(progress)}"


def _show_epoch(row: dict[str, Any], trainer: Trainer, display: AbstractDisplay) -> None:
    display.epoch(row, trainer.progress)
    _warn_live(trainer.monitor.history, trainer.progress.epochs, display)
    if display.draws:
        live_curve(trainer.monitor.history)


def _warn_live(history: list[dict[str, Any]], epochs: int, display: AbstractDisplay) -> None:
    """Warns once if the code collapses, but not in the first tenth of training, when it may still recover."""
    rows = [collapse.live(row) for row in history if row["epoch"] > epochs / 10]
    if rows and rows[-1] is not None and not any(rows[:-1]):
        display.say(f"warning: {rows[-1]}")


def _announce(
    run: RunFolder, prepared: Prepared, model: AbstractModel, trainer: Trainer, display: AbstractDisplay, going_on: bool
) -> None:
    for sentence in prepared.said:
        display.say(f"note: {sentence}")
    c, s, p = prepared.config, prepared.splits, trainer.progress
    kind = "denoising autoencoder" if c.model.noise != "none" else "autoencoder"
    code = f"code of {counted(model.z_size, 'number')}"
    if not model.has_code:
        kind, code = "denoiser", "no code"
    display.say(
        f"{kind} on {s.train.name}: {len(s.train):,} samples to train on, {len(s.validation):,} for validation, "
        f"{len(s.test):,} for the test; {code}, {model.n_parameters:,} weights, "
        f"recipe {c.recipe}, {_length(p, len(trainer.batches))}, {c.training.precision} on {c.training.device}"
        + _time_needed(prepared, model, trainer)
    )
    if going_on:
        display.say(f"continuing {_place(p)}")
    display.say(f"run folder: {run.path}")


def _length(progress: Progress, batches: int) -> str:
    """`40 epochs`, or `220 steps` if training ends before the first epoch does."""
    return counted(*((progress.batches, "step") if progress.batches < batches else (progress.epochs, "epoch")))


def _time_needed(prepared: Prepared, model: AbstractModel, trainer: Trainer) -> str:
    """`, at most about 5 s to train` for a table, from timed steps; for images the first epochs show the time."""
    if prepared.preprocess.is_image or model.own is not None:
        return ""
    x = trainer.batches.take(trainer.batches.rows(0)[0], generator_for(prepared.config.training.seed, "time"))
    steps = trainer.progress.epochs * trainer.progress.batches - trainer.progress.step
    seconds = steps * seconds_a_step(model, x, prepared.config.training)
    return f", at most about {time_span(max(1.0, seconds))} to train"
