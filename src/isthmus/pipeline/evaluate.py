"""`evaluate`: measures the metrics of a trained run again, on its own data or on other data."""

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
from isthmus.wording import shell_word


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
    """Measures the metrics of a trained run again. Other `data` is all used as test data, and the metrics name it.

    `run`: a `Run`, its folder, a name under `runs/`, or "latest". `data`: a name or path, or an array, tensor, data
    frame, Dataset or DataLoader. `target`: the clean target for noisy `data`, in the same forms. If a run was trained
    on data in memory, pass that data to measure it as at the end of training.
    The baselines are computed from the training data, and are absent if it is not available. `nll` adds the
    importance-weighted bound of a VAE under `bound`, with this number of draws per sample; `binarize` says how pixels
    are made black and white first: "none", "threshold" or "sample". `settings` are reading options for `data`, such
    as `{"resize": "28"}`.

    Raises: UsageError if data must be passed; DataError if it does not fit the model, or has changed since training.
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
        model.cpu()  # the model of a `Run` that was passed in must not change its device
    if other:
        metrics["data"] = _about_other(known)
        del metrics["mean_cost"]  # it belongs to the run's own validation samples
        # Other data says nothing about how training went, but it may contain training samples.
        seen = [{k: v[k] for k in v if k != "try"} for v in metrics["verdicts"] if _is_seen(v)]
        metrics["verdicts"] = [v for v in metrics["verdicts"] if v["id"] not in OF_TRAINING] + seen
    return metrics


def _about_other(prepared: Prepared) -> dict[str, Any]:
    """The `data` block for other data than the run's own, which `trained_on` names."""
    test = prepared.splits.test
    about = {"name": test.name, "n_test": len(test), "shape": list(prepared.preprocess.raw_shape)}
    return about | about_series(prepared) | {"trained_on": prepared.config.data.source}


def _is_seen(verdict: dict[str, Any]) -> bool:
    """Whether a verdict says that samples were seen in training. Its suggestion is about the run's own data."""
    return verdict["id"] == "train-test-overlap" and verdict["level"] != "pass"


def _folder(run: str | Path | RunFolder) -> Path:
    return run.path if isinstance(run, RunFolder) else finding.find(run).path


def _refuse_without(run: RunFolder, data: Any, settings: Mapping[str, Any] | None, target: Any) -> None:
    """Raises: UsageError if the caller must pass data to measure this run; before anything is read."""
    if target is not None and data is None:
        message = "a target is given without the noisy data that it belongs to."
        clean = shell_word(target) if isinstance(target, str | Path) else "CLEAN"
        fix = f"name the noisy data as well: `isthmus evaluate {shell_word(run.path)} NOISY --target {clean}`"
        raise UsageError("USAGE-EVALUATE", message, fix=fix)
    if settings and data is None:
        message = f"{', '.join(settings)}: reading options apply only to other data, but no data is given."
        raise UsageError("USAGE-EVALUATE", message, fix="name the data after the run, or omit the options")
    if data is None and IN_MEMORY in (run.config.data.source, run.config.data.target):
        message = f"{run.path} was trained on data in memory, which is not saved with it."
        fix = "name the data to measure it on, or call isthmus.evaluate(path, data=…) with the training data"
        raise UsageError("USAGE-EVALUATE", message, fix=fix)


def _data(run: RunFolder, data: Any, settings: Mapping[str, Any] | None, target: Any) -> tuple[Prepared, bool]:
    """The data that the run is measured on, and whether it is other data than its own."""
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
    except DataError:  # the training data is gone or has changed; metrics of `data` alone are still valid
        return _ready(run, _only(test)), True


def _from_disk_or_memory(samples: Samples, settings: Mapping[str, Any] | None) -> Samples:
    """The samples in memory, or streamed from disk if they do not fit."""
    options = DataConfig(memory=(settings or {}).get("memory"))
    with allowed(options):
        stored = on_disk(samples, options)
        return stored if must_stream(stored, options) else samples


def _own(run: RunFolder, data: Any, target: Any) -> Splits | None:
    """The run's training, validation and test sets, if `data` is what it was trained on."""
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
    """The test set alone, with empty training and validation sets."""
    none = replace(test.changed(lambda x: x[:0]), labels=None, ids=None, groups=None, owner=None)
    return Splits(train=none, validation=none, test=test)


def _ready(run: RunFolder, splits: Splits) -> Prepared:
    preprocess = run.model.preprocess
    splits = replace(splits, test=align_labels(splits.test, preprocess.classes))
    device = devices.pick_device("auto")  # the run may have been trained on another machine
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
