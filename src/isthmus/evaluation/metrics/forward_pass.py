"""The output of a model on test samples: numbers for all of them, and the outputs themselves only if they are needed.

The floats of a whole set are never in memory: samples are processed in chunks, and outputs for pictures are recomputed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from isthmus.data.batching.batches import as_x, in_order
from isthmus.data.batching.preprocess import Preprocess
from isthmus.evaluation.metrics import metrics
from isthmus.models.abstract_model import AbstractModel, evaluation
from isthmus.models.costs import costs_of, is_deterministic, penalty_weights, sample_costs
from isthmus.parts.corruptions import Pair
from isthmus.randomness import generator_for

TEST_NOISE = "test"  # purpose of the noise on test images, for its generator: always the same, unlike validation noise


class PassedSamples(NamedTuple):
    """Samples before and after the model, all (n, *shape) on the scale of x, on the CPU."""

    x: Tensor
    x_in: Tensor
    x_hat: Tensor


@dataclass(frozen=True, eq=False)
class Passed:
    """Numbers for every sample (N,) on the CPU: the `costs`, and `values` by the name of the metric.

    `z` (N, z_size) are the codes; None if there are none. `rows` recomputes single samples.
    """

    costs: Tensor
    z: Tensor | None
    values: dict[str, Tensor]
    model: AbstractModel = field(repr=False)
    data: Tensor = field(repr=False)
    seed: int

    def __len__(self) -> int:
        return len(self.costs)

    @property
    def errors(self) -> Tensor:
        """The squared error of each sample per value, (N,) float64."""
        return self.values["mse"]

    def rows(self, wanted: Iterable[int]) -> PassedSamples:
        """The samples of these rows, in that order, with the same noise as in the pass; where x is transparent, all
        three are x."""
        order = torch.as_tensor([int(row) for row in wanted], dtype=torch.int64)
        found: list[PassedSamples] = []
        at = 0
        with torch.no_grad(), evaluation(self.model):
            for x, pair in _noisy(self.model, self.data, self.seed):
                here = order[(order >= at) & (order < at + len(x))].unique() - at
                at += len(x)
                if len(here):
                    x, x_in = x[here.to(x.device)], pair.x_in[here.to(x.device)]
                    x_hat = self.model.x_hat(x_in)
                    if self.model.preprocess.alpha:
                        x_in, x_hat = (self.model.preprocess.known_only(x, t) for t in (x_in, x_hat))
                    found.append(PassedSamples(x.cpu(), x_in.cpu(), x_hat.cpu()))
                if not len(order) or at > int(order.max()):
                    break
        if not found:
            nothing = torch.zeros(0, *self.model.preprocess.shape)
            return PassedSamples(nothing, nothing, nothing)
        places = torch.searchsorted(order.unique(), order)  # each chunk has its rows sorted and without repeats
        return PassedSamples(*(torch.cat(part)[places] for part in zip(*found, strict=True)))

    def inputs(self, wanted: Iterable[int]) -> Tensor:
        """x of these rows, in that order, on the CPU, without running the model."""
        rows = torch.as_tensor([int(row) for row in wanted], dtype=torch.int64, device=self.data.device)
        return self.model.target(as_x(self.data[rows], self.model.preprocess)).cpu()

    def pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """(x, x_in) of all samples, in chunks, with the same noise as in the pass."""
        return ((x, pair.x_in) for x, pair in _noisy(self.model, self.data, self.seed))

    def first(self, n: int) -> PassedSamples:
        return self.rows(range(min(n, len(self))))


def pass_through(model: AbstractModel, data: Tensor, seed: int, *, judged: bool = False) -> Passed:
    """Runs the model on `data` (a resident tensor): on pairs as they are, else with the model's noise and a fixed seed.

    `values` has the squared errors ("mse"); if `judged`, also the others that `quality` in `measure.py` needs. If clean
    images are unknown, it only has the squared errors of predicting noisy pixels that were left out.
    """
    measures, at = _measures(model, judged) if has_truth(model, data) else {}, 0
    weights = penalty_weights(model)
    # Filled in place: small lasting tensors allocated between large temporary ones would fragment the memory.
    values = {name: torch.empty(len(data), dtype=torch.float64) for name in measures}
    costs = torch.empty(len(data)) if is_deterministic(model) else None
    z = torch.empty(len(data), model.z_size) if model.has_code else None
    with torch.no_grad(), evaluation(model):
        for x, pair in _noisy(model, data, seed):
            output, part = model(pair.x_in), slice(at, at + len(x))
            x_hat = model.preprocess.known_only(x, model.likelihood.mean(output.params.float()))
            share = model.preprocess.shares(x)
            x, x_hat = model.preprocess.evened(x), model.preprocess.evened(x_hat)
            for name, measure in measures.items():
                found = measure(x, x_hat)
                values[name][part] = found if share is None or name == "ssim" else found / share
            if z is not None:
                z[part] = output.code.z.float().flatten(1)
            if costs is not None:
                costs[part] = costs_of(model, pair, output, weights)
            at += len(x)
    if costs is None:  # the objective draws codes or depends on batches, so it needs another pass
        costs = sample_costs(model, data, model.device, seed, TEST_NOISE).cpu()
    if not measures:
        values = {"mse": costs.double()}
    return Passed(costs, z, values, model, data, seed)


def has_truth(model: AbstractModel, data: Tensor) -> bool:
    """Whether clean targets are known for `data`: it contains them, or is clean itself."""
    return model.corruption.has_truth or data.shape[1] != model.preprocess.shape[0]


def _measures(model: AbstractModel, judged: bool) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    found: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mse": metrics.squared_errors}
    if judged and model.likelihood.range == (0.0, 1.0):
        found |= {"bce": metrics.cross_entropies, "bce_floor": lambda x, _: metrics.entropies(x)}
    if judged and is_picture(model.preprocess):
        found["ssim"] = metrics.ssim
    return found


def is_picture(preprocess: Preprocess) -> bool:
    """Whether samples are images of a known range, which is what PSNR and SSIM are defined for."""
    return preprocess.is_image and preprocess.range is not None


def floors(model: AbstractModel, data: Tensor) -> Tensor:
    """The lowest possible cost of each sample (N,): for a Bernoulli likelihood, the entropy of gray values, else 0."""
    if model.likelihood.range != (0.0, 1.0):
        return torch.zeros(len(data), dtype=torch.float64)
    return torch.cat([metrics.entropies(model.target(x)) for x in in_order(data, model.preprocess, model.device)])


def _noisy(model: AbstractModel, data: Tensor, seed: int) -> Iterator[tuple[Tensor, Pair]]:
    """(target, pair) of all samples, in chunks on the device; the noise is determined by the seed and the order."""
    generator = generator_for(seed, TEST_NOISE, "noise", device=model.device)
    for x in in_order(data, model.preprocess, model.device):
        pair = model.judged_pair(x, generator)
        yield pair.target, pair
