"""From data to a judged run folder: `train`, `fit`, `resume`, `evaluate`; for the command line and for people."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from isthmus import files, prepare, runs
from isthmus import settings as configs
from isthmus.checkpoint import Checkpoints
from isthmus.config import Config
from isthmus.costs import penalty_weights
from isthmus.display import Quiet, display
from isthmus.errors import DivergedError, Interrupted, UsageError
from isthmus.judge import judge
from isthmus.lock import FolderLock
from isthmus.measure import cost_unit, mean_cost_of_mean
from isthmus.model import Model, evaluation
from isthmus.monitor import Monitor
from isthmus.pictures import draw_pictures
from isthmus.prepare import IN_MEMORY, Prepared
from isthmus.recipes import resolve
from isthmus.record import conditions_changed, new_record
from isthmus.runs import Run
from isthmus.trainer import Progress, Trainer
from isthmus.verdicts import OF_TRAINING

LOOKED_AT = 100  # samples on which an own module shows what its output is


def train(
    data: Any = None,
    *,
    recipe: str | None = None,
    out: str | Path | None = None,
    config: str | Path | Mapping[str, Any] | None = None,
    show: bool | Quiet = True,
    command: Sequence[str] | None = None,
    **settings: Any,
) -> Run:
    """Trains an autoencoder on `data`, judges it, and leaves a run folder.

    `data`: a name or path as on the command line, or an array, tensor, data frame, Dataset or DataLoader. `settings`:
    any setting by its name (`z_size=16`, `noise="gaussian:0.5"`, `epochs=10`), over `config` (a TOML file or nested
    values), over `recipe`. `show=False` prints nothing.

    Raises: UsageError, DataError, ResourceError, DivergedError, FolderInUseError; Interrupted after Ctrl-C.
    """
    resolved = configure(data, recipe, config, settings)
    return _train(resolved, data, out, _display(show), command)


def fit(
    module: nn.Module,
    data: Any = None,
    *,
    output: str = "logits",
    flatten: bool | str = "auto",
    out: str | Path | None = None,
    show: bool | Quiet = True,
    **settings: Any,
) -> Run:
    """Trains a `torch.nn.Module` of your own, and judges it like any other.

    The module has `encoder` and `decoder`, or `encode` and `decode`, or only `forward`. `output` says whether it ends
    in a sigmoid ("probabilities") or not ("logits"); it matters for images only. The module is trained in place.

    Raises: as `train`; UsageError if the module does not give back what it is given.
    """
    if output not in {"logits", "probabilities"}:
        raise UsageError("USAGE-OUTPUT", f"output is {output!r}.", fix='use "logits" or "probabilities"')
    resolved = configure(data, None, None, {"network": "own", "bottleneck": "identity"} | settings)
    return _train(resolved, data, out, _display(show), None, own=module, flatten=flatten, output=output)


def configure(
    data: Any, recipe: str | None, config: str | Path | Mapping[str, Any] | None, settings: Mapping[str, Any]
) -> Config:
    """The checked configuration of these arguments; later ones win: recipe, config, settings."""
    layer = configs.read(Path(config)) if isinstance(config, str | Path) else dict(config or {})
    top: dict[str, Any] = {} if recipe is None else {"recipe": recipe}
    if isinstance(data, str | Path):
        settings = {"data.source": str(data)} | dict(settings)
    elif data is not None:
        settings = {"data.source": IN_MEMORY} | dict(settings)
    return resolve(
        layer, top, configs.nest(settings), where=str(config) if isinstance(config, str | Path) else "settings"
    )


def dry_run(config: Config, data: Any = None, *, show: bool | Quiet = True) -> dict[str, Any]:
    """Everything up to the first step: reads and checks the data, builds the model, and says what would happen."""
    shown = _display(show)
    prepared = prepare.prepare(config, prepare.read_splits(config, _object(data), shown))
    model = prepare.fresh_model(prepared)
    batches = prepare.batches_of(prepared)
    t = prepared.config.training
    epochs = t.epochs or max(1, round(t.steps / len(batches)))
    sizes = {role: len(getattr(prepared.splits, role)) for role in ("train", "validation", "test")}
    about = {"config": prepared.config.as_dict(), "samples": sizes, "shape": prepared.preprocess.shape}
    return about | {
        "parameters": model.n_parameters,
        "epochs": epochs,
        "steps": epochs * len(batches),
        "said": prepared.said,
    }


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
    run, shown = Run(runs.find(path).path, module=module), _display(show)
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
        prepared = prepare.prepare(config, prepare.read_splits(config, _object(data), shown))
        for sentence in conditions_changed(run, prepared):
            shown.say(f"note: {sentence}")
        files.write_text(run.path / runs.CONFIG, configs.write(prepared.config))
        run.write_record(ended=None)
        model = prepare.fresh_model(prepared, module, started_as.get("flatten", "auto"))
        return _execute(run, prepared, model, shown, going_on=True, extended=finished)


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


def _train(
    config: Config,
    data: Any,
    out: str | Path | None,
    shown: Quiet,
    command: Sequence[str] | None,
    *,
    own: nn.Module | None = None,
    flatten: bool | str = "auto",
    output: str = "logits",
) -> Run:
    if own is not None and not isinstance(own, nn.Module):
        message = f"fit takes a torch.nn.Module, and was given a {type(own).__name__}."
        raise UsageError("USAGE-MODULE", message, fix="hand over an instance of your class; isthmus.train needs none")
    prepared = prepare.prepare(config, prepare.read_splits(config, _object(data), shown))
    if own is not None:
        prepared = _for_own(prepared, output)
    prepared = prepare.settle_threads(prepared, own)
    model = prepare.fresh_model(prepared, own, flatten)  # before the folder: a mistake in a part's name leaves none
    penalty_weights(model)
    if own is not None:
        _check_output(model, prepared, output, shown)
        architecture = replace(prepared.config.model, z_size=model.z_size, hidden=())
        prepared = replace(prepared, config=replace(prepared.config, model=architecture))
    source = prepared.splits.train.name
    noise = prepared.config.model.noise
    name = f"{source}-{config.recipe}" + ("" if noise == "none" else f"-{noise.partition(':')[0]}")
    run = Run(runs.new_folder(out, name))
    with FolderLock(run.path):
        files.write_text(run.path / runs.CONFIG, configs.write(prepared.config))
        run.write_record(**new_record(prepared, command), module=type(own).__name__ if own else None, flatten=flatten)
        return _execute(run, prepared, model, shown)


def _for_own(prepared: Prepared, output: str) -> Prepared:
    likelihood = prepared.config.model.likelihood
    if likelihood == "bernoulli" and output == "probabilities":
        likelihood = "bernoulli,output=probabilities"
    return replace(
        prepared, config=replace(prepared.config, model=replace(prepared.config.model, likelihood=likelihood))
    )


def _check_output(model: Model, prepared: Prepared, output: str, shown: Quiet) -> None:
    """Whether what an own module gives can be what `output` says.

    Raises: UsageError for "probabilities" outside of [0, 1]. "Logits" that all lie inside are only said.
    """
    if model.likelihood.range is None:
        return
    with torch.no_grad(), evaluation(model):
        params = model(prepared.x(prepared.splits.train, LOOKED_AT).to(prepared.device)).params
    low, high = (float(v) for v in torch.aminmax(params))
    inside, what = low >= 0 and high <= 1, f"{type(model.own).__name__} gives values from {low:.3g} to {high:.3g}"
    if output == "probabilities" and not inside:
        raise UsageError("USAGE-OUTPUT", f"{what}, which are no probabilities.", fix='pass output="logits"')
    if output == "logits" and inside:
        shown.say(f'note: {what}, as if it ended in a sigmoid; if so, pass output="probabilities"')


def _execute(
    run: Run, prepared: Prepared, model: Model, shown: Quiet, *, going_on: bool = False, extended: bool = False
) -> Run:
    """Trains, saves, judges and draws, in a locked run folder."""
    with _threads(prepared.config):
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


@contextmanager
def _threads(config: Config) -> Iterator[None]:
    """The run's number of processor threads; afterwards that of the caller again."""
    before = torch.get_num_threads()
    torch.set_num_threads(config.training.threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _object(data: Any) -> Any:
    return None if isinstance(data, str | Path) else data


def _display(show: bool | Quiet) -> Quiet:
    return show if isinstance(show, Quiet) else display(quiet=not show)


__all__ = ["configure", "dry_run", "evaluate", "fit", "resume", "train"]
