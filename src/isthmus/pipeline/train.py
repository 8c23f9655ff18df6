"""From data to a new run folder: `train` and `fit`, and `dry_run`, which only shows what would happen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from isthmus import settings as configs
from isthmus.config import Config
from isthmus.data.batching.split import Splits
from isthmus.data.samples import skipped_files
from isthmus.errors import UsageError
from isthmus.models.abstract_model import AbstractModel, evaluation
from isthmus.models.costs import penalty_weights
from isthmus.pipeline.following import follow
from isthmus.pipeline.joining import in_turn, joined, refuse_others, with_threads, with_words
from isthmus.recipes import resolve
from isthmus.runs import finding, folder
from isthmus.runs.folder import RunFolder
from isthmus.runs.record import new_record
from isthmus.runs.state import kept_if_begun
from isthmus.system import checksums, files
from isthmus.system.launch import launched
from isthmus.system.lock import FolderLock
from isthmus.system.process_group import ONE, AbstractGroup
from isthmus.training import prepare
from isthmus.training.choices import SIGMOID
from isthmus.training.display import AbstractDisplay, display_of
from isthmus.training.optimizer import plan
from isthmus.training.prepared import IN_MEMORY, Prepared
from isthmus.wording import counted

LOOKED_AT = 100  # samples on which the output range of a custom module is checked


def train(
    config: Config,
    data: Any = None,
    *,
    target: Any = None,
    out: str | Path | None = None,
    show: bool | AbstractDisplay = True,
    command: Sequence[str] | None = None,
    began: Callable[[RunFolder], object] | None = None,
) -> RunFolder:
    """Trains a new run with these settings; see `isthmus.train`."""
    with joined() as group:
        before = group.first_of(_begun_before(out))
        if before is not None:
            from isthmus.pipeline.resume import resume_in  # late: as below

            return resume_in(group, before, data=data, target=target, display=display_of(show))
        return _train(config, data, out, display_of(show), command, target=target, began=began, group=group)


def fit(
    module: nn.Module,
    data: Any = None,
    *,
    target: Any = None,
    output: str = "logits",
    flatten: bool | str = "auto",
    out: str | Path | None = None,
    show: bool | AbstractDisplay = True,
    settings: Mapping[str, Any],
) -> RunFolder:
    """Trains a custom module in a new run; see `isthmus.fit`."""
    if output not in {"logits", "probabilities"}:
        message = f'output is {output!r}, but must be "logits" or "probabilities".'
        raise UsageError(
            "USAGE-OUTPUT", message, fix='pass "probabilities" if the module ends in a sigmoid, else "logits"'
        )
    resolved = configure(data, None, None, {"network": "own", "bottleneck": "identity"} | dict(settings), target)
    display = display_of(show)
    about = {"target": target, "own": module, "flatten": flatten, "output": output}
    with joined() as group:
        return _train(resolved, data, out, display, None, **about, group=group)


def configure(
    data: Any,
    recipe: str | None,
    config: str | Path | Mapping[str, Any] | None,
    settings: Mapping[str, Any],
    target: Any = None,
) -> Config:
    """The checked configuration from these arguments. Later ones win: recipe, config, settings."""
    layer = configs.read(Path(config)) if isinstance(config, str | Path) else dict(config or {})
    top: dict[str, Any] = {} if recipe is None else {"recipe": recipe}
    if isinstance(data, str | Path):
        settings = {"data.source": str(data)} | dict(settings)
    elif data is not None:
        settings = {"data.source": IN_MEMORY} | dict(settings)
    if target is not None:
        settings = {"data.target": str(target) if isinstance(target, str | Path) else IN_MEMORY} | dict(settings)
    if layer.get("model", {}).get("network") == "own":
        message = "the settings are from a run of your own module, whose code is not saved with the run."
        raise UsageError("USAGE-CONFIG", message, fix="call isthmus.fit(module, data) in Python")
    where = str(config) if isinstance(config, str | Path) else "settings"
    resolved = resolve(layer, top, configs.nest(settings), where=where)
    if IN_MEMORY in (resolved.data.source if data is None else "", resolved.data.target if target is None else ""):
        message = "the settings are from a run that was trained on data in memory, which is not saved with the run."
        raise UsageError("USAGE-CONFIG", message, fix="name the data: `isthmus train DATA --config …`")
    return resolved


def dry_run(config: Config, data: Any = None, *, show: bool | AbstractDisplay = True) -> dict[str, Any]:
    """Does everything up to the first step: reads and checks the data, builds the model, returns the plan."""
    display = display_of(show)
    prepared = prepare.prepare(config, prepare.read_splits(config, data, display))
    model = prepare.fresh_model(prepared)
    batches = prepare.batches_of(prepared)
    epochs, steps = plan(prepared.config.training, len(batches))
    sizes = {role: len(getattr(prepared.splits, role)) for role in ("train", "validation", "test")}
    about = {"config": prepared.config.as_dict(), "samples": sizes, "shape": prepared.preprocess.raw_shape}
    return about | {
        "parameters": model.n_parameters,
        "epochs": epochs,
        "steps": epochs * steps,
        "said": prepared.said,
    }


def _train(
    config: Config,
    data: Any,
    out: str | Path | None,
    display: AbstractDisplay,
    command: Sequence[str] | None,
    *,
    target: Any = None,
    own: nn.Module | None = None,
    flatten: bool | str = "auto",
    output: str = "logits",
    began: Callable[[RunFolder], object] | None = None,
    group: AbstractGroup = ONE,
) -> RunFolder:
    if own is not None and not isinstance(own, nn.Module):
        got = f"the class {own.__name__}" if isinstance(own, type) else f"an object of type {type(own).__name__}"
        message = f"fit takes a torch.nn.Module, but got {got}."
        raise UsageError("USAGE-MODULE", message, fix="pass an instance of your class; isthmus.train needs none")
    with group.together():
        with in_turn(group, config):
            splits = prepare.read_splits(config, data, display, target)
        prepared, model = _ready(config, splits, display, own, flatten, output)
    refuse_others(group, prepared)
    prepared = with_words(group, prepared)
    if not group.is_first:
        return follow(group, prepared, model)
    from isthmus.pipeline.execution import execute  # late: a dry run needs neither matplotlib nor scikit-learn

    source = prepared.splits.train.name
    noise = prepared.config.model.noise
    name = f"{source}-{config.recipe}" + ("" if noise == "none" else f"-{noise.partition(':')[0]}")
    run = RunFolder(finding.new_folder(out, name))
    with FolderLock(run.path), kept_if_begun(run.path):
        checksums.write_text(run.path / folder.CONFIG, configs.write(prepared.config))
        _list_skipped(run, prepared, display)
        run.write_record(
            **new_record(prepared, command),
            processes=group.size,
            launch=_launch(),
            module=type(own).__name__ if own else None,
            flatten=flatten,
        )
        if began is not None:
            began(run)
        return execute(run, prepared, model, display, group=group)


def _ready(
    config: Config, splits: Splits, display: AbstractDisplay, own: nn.Module | None, flatten: bool | str, output: str
) -> tuple[Prepared, AbstractModel]:
    """Everything before the first step: the final settings with the data, and the untrained model."""
    prepared = prepare.prepare(config, splits)
    if own is not None:
        prepared = _for_own(prepared, output, config.model.likelihood)
    model = prepare.fresh_model(prepared, own, flatten)  # before the folder is made, in case a part's name is wrong
    penalty_weights(model)
    prepared = with_threads(prepare.settle_threads(prepared, model))
    if own is not None:
        _check_output(model, prepared, output, display)
        architecture = replace(prepared.config.model, z_size=model.z_size, hidden=())
        prepared = replace(prepared, config=replace(prepared.config, model=architecture))
    return prepared, model


def _begun_before(out: str | Path | None) -> str | None:
    """The run that these processes began before their launcher restarted them because one had failed."""
    launch = launched()
    if launch is None or not launch.attempt:
        return None
    runs = finding.list_runs() if out is None else [RunFolder(Path(out))]
    paths = [
        run.path for run in runs if (run.path / folder.RECORD).is_file() and run.record.get("launch") == launch.name
    ]
    return str(paths[-1]) if paths else None


def _launch() -> str | None:
    launch = launched()
    return None if launch is None else launch.name


def _list_skipped(run: RunFolder, prepared: Prepared, display: AbstractDisplay) -> None:
    """Writes `skipped.txt`: every file that `--skip-bad-files` skipped, with the reason."""
    splits = prepared.splits
    skipped = skipped_files(splits.train, splits.validation, splits.test)
    if skipped:
        files.write_text(run.path / folder.SKIPPED, "\n".join(skipped) + "\n")
        files_skipped = counted(len(skipped), "bad file")
        display.say(f"note: skipped {files_skipped}; the list is in {run.path / folder.SKIPPED}")


def _for_own(prepared: Prepared, output: str, asked: str) -> Prepared:
    """Sets the likelihood for the output of a custom module; `asked` is the one in the settings."""
    likelihood = prepared.config.model.likelihood
    if asked == "auto":  # a built-in network is followed by a sigmoid; a custom module returns the image itself
        likelihood = likelihood.removesuffix(f",{SIGMOID}")
    if likelihood == "bernoulli" and output == "probabilities":
        likelihood = "bernoulli,output=probabilities"
    return replace(
        prepared, config=replace(prepared.config, model=replace(prepared.config.model, likelihood=likelihood))
    )


def _check_output(model: AbstractModel, prepared: Prepared, output: str, display: AbstractDisplay) -> None:
    """Checks that the output of a custom module agrees with `output`.

    Raises: UsageError for probabilities outside of [0, 1]. Logits that are all inside only cause a note.
    """
    if model.likelihood.range is None:
        return
    with torch.no_grad(), evaluation(model):
        params = model(prepared.x(prepared.splits.train, LOOKED_AT).to(prepared.device)).params
    low, high = (float(v) for v in torch.aminmax(params))
    inside, what = low >= 0 and high <= 1, f"{type(model.own).__name__} returns values from {low:.3g} to {high:.3g}"
    if model.likelihood.params_range is not None and not inside:
        fix = 'pass output="logits"' if output == "probabilities" else 'pass likelihood="bernoulli"'
        raise UsageError("USAGE-OUTPUT", f"{what}, which are not probabilities.", fix=fix)
    if model.likelihood.params_range is None and inside:
        display.say(f'note: {what}, as if it ended in a sigmoid; if so, pass output="probabilities"')


__all__ = ["configure", "dry_run", "fit", "train"]
