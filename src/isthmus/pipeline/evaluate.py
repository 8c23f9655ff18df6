"""`evaluate`: the metrics of a trained run, measured again or on other data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from isthmus.config import DataConfig
from isthmus.data.batching.split import Splits, align_labels, split
from isthmus.data.objects import read_object
from isthmus.data.pairs.targets import read_targets
from isthmus.data.read import allowed
from isthmus.data.samples import Samples
from isthmus.data.streaming import must_stream, on_disk
from isthmus.errors import DataError, UsageError
from isthmus.evaluation.metrics.likelihood_bound import importance_bound
from isthmus.evaluation.verdicts.judge import about_series, judge
from isthmus.evaluation.verdicts.set_check import check_set
from isthmus.evaluation.verdicts.verdicts import OF_TRAINING
from isthmus.models.autoencoder import coded
from isthmus.runs import finding
from isthmus.runs.folder import RunFolder
from isthmus.runs.record import data_fingerprint, digests
from isthmus.system import devices
from isthmus.system.progress import tell
from isthmus.tools.inference.intake import read_given, read_input
from isthmus.training import prepare
from isthmus.training.display import Quiet
from isthmus.training.prepared import IN_MEMORY, Prepared


def evaluate(
    run: str | Path | RunFolder,
    data: Any = None,
    *,
    target: Any = None,
    module: nn.Module | None = None,
    nll: int | None = None,
    binarize: str = "none",
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The metrics of a trained run, measured again; on other `data`, on all of it as test, whose name they then bear.

    `run`: a `Run`, its folder, a name under `runs/`, or "latest". `data`: a name or path, or an array, tensor, data
    frame, Dataset or DataLoader; `target` the same of what should come out of it, for noisy data. A run that was
    trained on data in memory is measured as at its end where it is given that data once more.
    Where the training data cannot be had, the baselines, which are made from it, are absent. `nll` draws a sample add
    the importance-weighted bound of a VAE, under `bound`; `binarize` says whether its pixels are made black and white
    before: "none", "threshold" or "sample". `settings` are reading options for `data` that were given again, such as
    `{"resize": "28"}`.

    Raises: UsageError where the data is needed; DataError if it does not fit the model, or has changed since.
    """
    run = run.current() if isinstance(run, RunFolder) and module is None else RunFolder(_folder(run), module=module)
    _refuse_without(run, data, settings, target)
    known, other = _data(run, data, settings, target)
    model = run.model.to(known.device)
    tell("measuring")
    try:
        metrics = judge(known, model, run.history, _ending(run), of_other=other)
        if nll is not None:
            test, seed = known.tensor(known.splits.test), run.config.training.seed
            metrics["bound"] = importance_bound(coded(model), test, draws=nll, seed=seed, binarize=binarize)
        metrics["set"] = check_set(run, known.splits.test).as_dict()
    finally:
        model.cpu()  # a `Run` that was handed over keeps its model where it was
    if other:
        metrics["data"] = _about_other(known)
        del metrics["mean_cost"]  # that of the run's own validation samples
        # It says nothing about how the training went, only where it was trained on.
        seen = [{k: v[k] for k in v if k != "try"} for v in metrics["verdicts"] if _is_seen(v)]
        metrics["verdicts"] = [v for v in metrics["verdicts"] if v["id"] not in OF_TRAINING] + seen
    return metrics


def _about_other(prepared: Prepared) -> dict[str, Any]:
    """The `data` block where other data than the run's own was measured; `trained_on` names that."""
    test = prepared.splits.test
    about = {"name": test.name, "n_test": len(test), "shape": list(prepared.preprocess.raw_shape)}
    return about | about_series(prepared) | {"trained_on": prepared.config.data.source}


def _is_seen(verdict: dict[str, Any]) -> bool:
    """Whether a verdict says that samples were seen in training; what it would try is about the run's own data."""
    return verdict["id"] == "train-test-overlap" and verdict["level"] != "pass"


def _folder(run: str | Path | RunFolder) -> Path:
    return run.path if isinstance(run, RunFolder) else finding.find(run).path


def _refuse_without(run: RunFolder, data: Any, settings: Mapping[str, Any] | None, target: Any) -> None:
    """Raises: UsageError where a run cannot be measured without data from the caller; before anything is read."""
    if target is not None and data is None:
        message = "a target is named, and the noisy data that it belongs to is not."
        raise UsageError("USAGE-EVALUATE", message, fix=f"isthmus evaluate {run.path} NOISY --target CLEAN")
    if settings and data is None:
        message = f"{', '.join(settings)}: reading options are for other data, which is not named."
        raise UsageError("USAGE-EVALUATE", message, fix="name the data after the run, or leave the options out")
    if data is None and IN_MEMORY in (run.config.data.source, run.config.data.target):
        message = f"{run.path} was trained on data in memory, which is not kept with it."
        fix = "name data to measure it on, or call isthmus.evaluate(path, data=…) with that data"
        raise UsageError("USAGE-EVALUATE", message, fix=fix)


def _data(run: RunFolder, data: Any, settings: Mapping[str, Any] | None, target: Any) -> tuple[Prepared, bool]:
    """What the run is measured on, and whether that is other data than its own."""
    if data is None:
        return run.prepared, False
    in_memory = IN_MEMORY in (run.config.data.source, run.config.data.target)
    if in_memory and not isinstance(data, str | Path):
        own = _own(run, data, target)
        if own is not None:
            return _ready(run, own), False
    test = (read_input if isinstance(data, str | Path) else read_given)(run, data, settings, target)
    test = _from_disk_or_memory(test, settings)
    if in_memory:
        return _ready(run, _only(test)), True
    try:
        return _ready(run, replace(run.prepared.splits, test=test)), True
    except DataError:  # the training data is gone or has changed; what is measured on `data` alone still holds
        return _ready(run, _only(test)), True


def _from_disk_or_memory(samples: Samples, settings: Mapping[str, Any] | None) -> Samples:
    """The samples in memory, or read from disk piece by piece where memory does not hold them."""
    options = DataConfig(memory=(settings or {}).get("memory"))
    with allowed(options):
        stored = on_disk(samples, options)
        return stored if must_stream(stored, options) else samples


def _own(run: RunFolder, data: Any, target: Any) -> Splits | None:
    """The three sets that the run was trained, watched and tested on, if `data` is what they were drawn from."""
    try:
        training, options = run.config.training, run.config.data
        if options.window is not None:
            return _if_same(run, prepare.read_splits(run.config, data, Quiet()))
        bundle = read_object(data, options)
        if target is not None and (targets := read_targets(options, target)) is not None:
            bundle = targets.of_bundle(bundle)
        splits = split(bundle, seed=training.seed, limit=options.limit, rule=options.split)
    except DataError:  # too few samples for three sets
        return None
    return _if_same(run, splits)


def _if_same(run: RunFolder, splits: Splits) -> Splits | None:
    return splits if data_fingerprint(digests(splits)) == run.record.get("data_sha256") else None


def _only(test: Samples) -> Splits:
    """A test set without anything to compare it with."""
    none = replace(test.changed(lambda x: x[:0]), labels=None, ids=None, groups=None, owner=None)
    return Splits(train=none, validation=none, test=test)


def _ready(run: RunFolder, splits: Splits) -> Prepared:
    preprocess = run.model.preprocess
    splits = replace(splits, test=align_labels(splits.test, preprocess.classes))
    device = devices.pick_device("auto")  # it may have been trained on another machine
    ready = Prepared(run.config, splits, preprocess, device, said=())
    prepare.check_targets(ready)
    return ready


def _ending(run: RunFolder) -> dict[str, Any]:
    known = ("epochs", "best_epoch", "seconds", "images_per_second", "mean_cost")
    return {k: run.metrics.get(k) for k in known} | {
        "stopped_by": run.record.get("ended", "budget"),
        "path": str(run.path),
    }


__all__ = ["evaluate"]
