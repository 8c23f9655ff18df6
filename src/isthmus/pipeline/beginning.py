"""Builds the trainer, at its first step or at a checkpoint, in the same state in every process of a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from isthmus.data.batching.batches import AbstractBatches
from isthmus.data.batching.split import held_apart
from isthmus.models.abstract_model import AbstractModel
from isthmus.models.costs import mean_cost_of_mean
from isthmus.system.process_group import AbstractGroup
from isthmus.system.requests import Requests
from isthmus.training import prepare
from isthmus.training.monitor import TrainingMonitor
from isthmus.training.prepared import Prepared
from isthmus.training.trainer import Trainer

Tensors = dict[str, dict[str, Tensor]]
Checkpoint = tuple[Tensors, dict[str, Any]]


def begin(
    group: AbstractGroup,
    prepared: Prepared,
    model: AbstractModel,
    requests: Requests,
    found: Checkpoint | None,
    restore: Callable[[Trainer, Checkpoint], None],
    *,
    extended: bool = False,
) -> tuple[Trainer, float]:
    """The trainer, and the cost of always predicting the mean.

    All processes use what the first process has: the checkpoint `found`, or its fresh weights if there is none, and its
    value of `extended`. A process writes to the run folder only if its `requests` have one.
    """
    training, rule = prepared.config.training, prepared.config.data.split
    watched, _ = held_apart(prepared.splits.validation, training.calibration, training.seed, rule=rule)
    mean_cost = mean_cost_of_mean(model, prepared.tensor(watched), prepared.mean)
    mean_cost, extended = group.first_of([mean_cost, extended])
    monitor = TrainingMonitor(model, requests.folder, patience=training.patience, start_below=mean_cost)
    batches = batches_for(group, prepared, model)
    trainer = Trainer(model, batches, prepared.pairs(watched), training, monitor, requests, group)
    found = _shared(group, found)
    if found is not None:
        restore(trainer, found)
    else:
        for value in model.state_dict().values():  # on another processor the same seed can differ in the last bits
            group.copy_(value)
    if extended:
        monitor.renew_patience()
    return trainer, mean_cost


def batches_for(group: AbstractGroup, prepared: Prepared, model: AbstractModel) -> AbstractBatches:
    """The training batches; this process reads only the part that it needs."""
    divided = group.size > 1 and not model.corruption.draws_by_value  # otherwise each process draws for all values
    return prepare.batches_of(prepared, group.slice_of if divided else None)


def _shared(group: AbstractGroup, found: Checkpoint | None) -> Checkpoint | None:
    """The checkpoint of the first process: the others may see an older one, or none, on a slow disk."""
    if group.size == 1:
        return found
    tensors, state = found or ({}, None)
    about = group.first_of([{name: _shapes(values) for name, values in tensors.items()}, state])
    if about[1] is None:
        return None
    if not group.is_first:
        tensors = {name: _empty(shapes) for name, shapes in about[0].items()}
    for values in tensors.values():
        for value in values.values():
            group.copy_(value)
    return tensors, about[1]


def _shapes(values: Mapping[str, Tensor]) -> dict[str, Any]:
    return {name: [str(v.dtype).removeprefix("torch."), list(v.shape)] for name, v in values.items()}


def _empty(shapes: Mapping[str, Any]) -> dict[str, Tensor]:
    return {name: torch.empty(shape, dtype=getattr(torch, dtype)) for name, (dtype, shape) in shapes.items()}


__all__ = ["Checkpoint", "batches_for", "begin"]
