"""From settings and data to everything that training needs: sets, preprocessing, final settings, a new model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import nn

from isthmus.config import Config, DataConfig
from isthmus.data.batching.batches import AbstractBatches, Batches
from isthmus.data.batching.patches import Patches
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.batching.preprocess_fitting import fit_preprocess
from isthmus.data.batching.split import Splits, align_labels
from isthmus.data.batching.streamed_batches import SliceOf, StreamedBatches
from isthmus.data.batching.value_checks import refuse_gaps, refuse_other_values, refuse_out_of_range
from isthmus.data.images.channels import like
from isthmus.data.objects import read_object
from isthmus.data.pairs.targets import read_targets
from isthmus.data.read import allowed, read, read_samples
from isthmus.data.samples import Bundle, Samples
from isthmus.data.series.series_reading import as_series, known_series, refuse_series_options
from isthmus.data.series.series_split import divide_series
from isthmus.data.stored_rows import StoredRows
from isthmus.data.unrepeated import without_duplicates
from isthmus.errors import DataError, UsageError
from isthmus.models.abstract_model import AbstractModel
from isthmus.models.building import build_model
from isthmus.models.footprint import refuse_too_large
from isthmus.models.starting import start_from
from isthmus.parts.component_start import refuse_start, start_layers
from isthmus.parts.likelihoods import likelihood
from isthmus.parts.networks import is_without_code
from isthmus.parts.own_module import check_trainable
from isthmus.parts.shortcuts import has_shortcut, start_linear
from isthmus.randomness import generator_for
from isthmus.system.devices import pick_device
from isthmus.training import notes
from isthmus.training.data_pass import drawn_from
from isthmus.training.display import AbstractDisplay
from isthmus.training.prepared import Prepared, TrainingStatistics
from isthmus.training.settling import settle_model, settle_training
from isthmus.training.size_trial import offering_that_of, offering_what_fits
from isthmus.training.streamed_data import divided, memory_for_pairs, settled_streaming
from isthmus.training.threads import pick_threads


def read_splits(config: Config, data: Any, display: AbstractDisplay, target: Any = None) -> Splits:
    """Reads the data that `config` names, or the object `data`, and splits it.

    `target` is the clean target, if it is an object in memory; otherwise the configuration names it.
    """
    options = config.data
    refuse_series_options(options)
    if options.window is not None:
        options = replace(options, digits="float64")  # the type for columns of several kinds, also for arrays
    halves = target is not None or options.target is not None
    with display.counting("reading") as progress, offering_what_fits(config), memory_for_pairs(halves):
        named = data is None or isinstance(data, str | Path)  # if so, the configuration names it too
        bundle: Bundle = read(options.source, options, progress) if named else read_object(data, options)
        wanted = _digits_of(bundle.train, options)
        if bundle.test is not None and _digits_of(bundle.test, options) != wanted:
            options = replace(options, digits=wanted)
            bundle = read(options.source, options, progress) if named else read_object(data, options)
    if options.group is not None and bundle.train.group_column is None:
        message = f"{bundle.train.name} has no columns, so --group {options.group} cannot be used."
        fix = (
            "leave out --group; pieces of one image are kept together automatically, and rows of an array need a table"
        )
        raise DataError("DATA-GROUP", message, fix=fix)
    options = replace(options, digits=wanted)
    if options.window is not None:
        return _series_splits(config, bundle, options, target)
    with allowed(options), memory_for_pairs(halves, bundle.train):
        known, targets = bundle.train.schema, read_targets(options, target)
    if known is None and options.missing == "auto" and not bundle.train.is_image:
        options = replace(options, missing="median")  # no message about missing values is needed for the other parts
    others: dict[str, Samples | None] = {}
    for role in ("validation", "test"):
        source = getattr(options, role)
        with offering_that_of(bundle.train):
            found = read_samples(source, options, expected=known) if source is not None else None
        others[role] = None if found is None else like(found, bundle.train)
    if targets is not None:
        bundle = targets.of_bundle(bundle)
        paired = {role: targets.of_further(found, bundle.train) for role, found in others.items() if found is not None}
        others = others | paired
    if options.duplicates == "drop":
        bundle, others = without_duplicates(bundle, others)
    with allowed(options):
        return divided(bundle, options, config.training.seed, others)


def _series_splits(config: Config, bundle: Bundle, options: DataConfig, target: Any) -> Splits:
    """Splits a table whose rows are a time series in time order."""
    if target is not None or options.target is not None:
        message = "the rows of a series are not pairs, so --target cannot be used."
        raise UsageError("USAGE-WINDOW", message, fix="leave out --target; --noise gaussian:0.3 trains a denoiser")
    series, others = as_series(bundle.train, options), {}
    for role in ("validation", "test"):
        source = getattr(options, role)
        if source is not None:
            table = read_samples(source, options, expected=series.layout.table)
        else:
            table = bundle.test if role == "test" else None
        if table is not None:
            others[role] = known_series(table, series.layout).rows
    return divide_series(series.rows, series.layout, others, options.limit)


def _digits_of(samples: Samples, options: DataConfig) -> Literal["auto", "float32", "float64"]:
    """The type for the other sets of a table: that of the training part, so that all are the same."""
    if samples.is_image or samples.x.dtype not in (np.float32, np.float64):
        return options.digits
    return "float64" if samples.x.dtype == np.float64 else "float32"


def prepare(config: Config, splits: Splits) -> Prepared:
    """Replaces every `auto`, checks the ranges, and collects notes on what was chosen.

    Raises: DataError for targets that the likelihood does not accept; ResourceError for a device that is missing.
    """
    for samples in (splits.train, splits.validation, splits.test):
        refuse_gaps(samples, config.data.missing)
    data, streaming = settled_streaming(config.data, splits)
    preprocess = fit_preprocess(splits.train, data.scale, data.digits, data.range, data.missing, splits.series)
    if splits.series is not None:
        data = replace(data, time=splits.series.time, stride=splits.series.stride)
    splits = _aligned(splits, preprocess)
    known, device = TrainingStatistics(splits.train, preprocess), pick_device(config.training.device)
    training, about_training = settle_training(config, known, device)
    about_data = [*notes.about_range(known), *notes.about_noise(config.model.noise, preprocess)]
    about_data += notes.about_pairs(splits.train, preprocess)
    model, about_model = settle_model(config.model, training, splits, known)
    said = [*splits.train.notes, *streaming, *notes.about_sameness(splits.train), *about_training, *about_data]
    config = replace(config, data=data, model=model, training=training)
    prepared = Prepared(config, splits, preprocess, device, (*said, *about_model), known)
    check_targets(prepared)
    return prepared


def _aligned(splits: Splits, preprocess: Preprocess) -> Splits:
    """Numbers the labels of validation and test data as in the training part.

    Raises: DataError for values that cannot have the same meaning as in the training part.
    """
    for samples in (splits.validation, splits.test):
        refuse_other_values(samples, preprocess)
    others = {role: align_labels(getattr(splits, role), preprocess.classes) for role in ("validation", "test")}
    return replace(splits, **others)


def check_targets(prepared: Prepared) -> None:
    """Refuses values outside of the likelihood's range, in all three sets, before the first epoch.

    If the output goes through a sigmoid, the range is 0 to 1, except for images with black and white from the data.
    """
    if (
        prepared.preprocess.is_image
        and prepared.preprocess.offset is None
        and prepared.splits.train.x.dtype == np.uint8
    ):
        return  # bytes divided by 255 are always in [0, 1]
    for role in ("train", "validation", "test"):
        samples: Samples = getattr(prepared.splits, role)
        text, what = prepared.config.model.likelihood, f"the {'training' if role == 'train' else role} data"
        cost = likelihood(text)
        allowed = (0.0, 1.0) if cost.logits and prepared.preprocess.ends is None else cost.range
        refuse_out_of_range(prepared.tensor(samples), allowed, what=what, likelihood=text)


def settle_threads(prepared: Prepared, model: AbstractModel) -> Prepared:
    """Sets the number of threads, timed on the model if the user did not set it."""
    training = prepared.config.training
    if training.threads is not None:
        return prepared
    batches = batches_of(prepared)
    x = batches.take(batches.rows(0)[0], generator_for(training.seed, "threads", device=prepared.device))
    threads = pick_threads(model, x, training)
    return replace(prepared, config=replace(prepared.config, training=replace(training, threads=threads)))


def fresh_model(prepared: Prepared, own: nn.Module | None = None, flatten: bool | str = "auto") -> AbstractModel:
    """The untrained model on the device, with weights from the seed."""
    config = prepared.config
    batch_size, m = config.training.batch_size, config.model
    if own is None and m.init == "components":
        refuse_start(m.network, m.activation, m.bottleneck, m.likelihood)
    if own is None:
        refuse_too_large(config.model, _trained_on(prepared), batch_size=batch_size, device=prepared.device)
    model = build_model(config.model, prepared.preprocess, own=own, flatten=flatten)
    if own is not None:
        check_trainable(own, lambda x: model(x).params, prepared.preprocess.shape, batch_size)
    mean = prepared.mean if config.model.output_bias == "mean" and own is None else None
    model = model.initialize(generator_for(config.training.seed, "weights"), mean)
    if own is None and has_shortcut(model):
        _start_at_components(model, prepared)
    if own is None and config.model.init == "components":
        start_layers(*model.sides, prepared.rough_code(model.z_size), logits=model.likelihood.logits)
    if config.training.start is not None:
        model = start_from(model, config.training.start)
    return model.to(prepared.device)


def _start_at_components(model: AbstractModel, prepared: Prepared) -> None:
    """Initializes the linear path of a new model with the principal components of the training data.

    Only for squared error on x itself; otherwise components are not the best start, and the random weights stay.
    """
    if prepared.config.model.likelihood != "gaussian":
        return
    start_linear(*model.sides, prepared.linear_code(model.z_size))


def batches_of(prepared: Prepared, slice_of: SliceOf | None = None) -> AbstractBatches:
    """The training batches; `slice_of` selects the samples of a batch for this process, if not all."""
    t, train = prepared.config.training, prepared.splits.train
    if is_without_code(prepared.config.model.network):
        return _patches_of(prepared)
    known = {"batch_size": t.batch_size, "augment": t.augment, "seed": t.seed, "device": prepared.device}
    if isinstance(train.x, StoredRows):
        buffer = prepared.config.data.buffer or len(train)
        return StreamedBatches(train.x, prepared.preprocess, buffer=buffer, slice_of=slice_of, **known)
    return Batches(prepared.pairs(train), prepared.preprocess, **known)


def _patches_of(prepared: Prepared) -> Patches:
    """Patches of the whole images if they were kept, otherwise of the samples themselves."""
    t, train = prepared.config.training, prepared.splits.train
    whole, chosen = drawn_from(train)
    settings = {"patch": t.patch, "augment": t.augment, "batch_size": t.batch_size, "seed": t.seed}
    return Patches(whole, chosen, prepared.preprocess, **settings, device=prepared.device)


def _trained_on(prepared: Prepared) -> Preprocess:
    """The preprocessing of the samples of a step, which are patches for some networks."""
    preprocess, patch = prepared.preprocess, prepared.config.training.patch
    if not is_without_code(prepared.config.model.network):
        return preprocess
    C, *sides = preprocess.shape
    return replace(preprocess, shape=(C, *(min(side, patch) for side in sides)))
