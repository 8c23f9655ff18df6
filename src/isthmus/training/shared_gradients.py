"""Cost and gradients of one batch that several processes compute together, each its slice of it.

All draw the whole batch's random numbers and keep their own, so that the sum of their gradients is that of one process
but for rounding. What looks at several samples (the bottleneck with its penalties, the terms) is given the features of
the whole batch, which the processes exchange: a few numbers a sample. It then gives the same to each of them.

The gradients travel as one flat tensor, once a step, with the cost and the wish to stop in its last places.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from isthmus.config import TrainingConfig
from isthmus.errors import UsageError
from isthmus.models.abstract_model import AbstractModel, Output
from isthmus.models.autoencoder import coded
from isthmus.models.costs import penalty_weights, risen
from isthmus.parts.codes import Code
from isthmus.parts.corruptions import Pair
from isthmus.training.agreement import WISHES, AgreedRequests
from isthmus.training.dropout_slices import SlicedDropout
from isthmus.training.gradients import AbstractGradients, Learned
from isthmus.training.step_context import autocast


@final
class SharedGradients(AbstractGradients):
    """The slice of each batch that falls to this process of the agreement's group, and the sum over all of them.

    Raises: UsageError for parts whose answer for a batch is not made of its slices.
    """

    def __init__(
        self, agreement: AgreedRequests, model: AbstractModel, settings: TrainingConfig, device: torch.device
    ) -> None:
        refuse_coupled(model)
        self.agreement, self.group = agreement, agreement.group
        self.model, self.settings, self.device = model, settings, device
        self.weights = penalty_weights(model)
        self.summed = [name for term in model.terms if term.encodes for name in term.penalties]
        self.dropout = SlicedDropout(model)
        self.needs_all = bool(self.weights) or model.bottleneck.draws
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        sizes = [p.numel() for p in self.parameters]
        self.flat = torch.zeros(sum(sizes) + 1 + len(self.summed) + WISHES, device=device)
        self.places = [
            part.view_as(p)
            for part, p in zip(self.flat.split([*sizes, len(self.flat) - sum(sizes)]), self.parameters, strict=False)
        ]
        self.tail = self.flat[sum(sizes) :]

    def __call__(self, pair: Pair, generator: torch.Generator, done: float) -> Learned:
        B, own = len(pair.x_in), self.group.slice_of(len(pair.x_in))
        part = _sliced(pair, own)
        self.tail.zero_()
        for parameter in self.parameters:
            parameter.grad = None
        weights = risen(self.weights, done, self.settings)
        with self.dropout.of(own, B):
            if self.needs_all:
                means = self._through_code(part, own, B, generator, weights)
            else:
                with autocast(self.settings, self.device):
                    output = self.model(part.x_in, sample=True, generator=generator)
                means, _ = {}, self._learn_answer(output.params, part, B)
        self._sum()
        nll, *sums = self.tail[: 1 + len(self.summed)].clone()
        means |= {name: total / B for name, total in zip(self.summed, sums, strict=True)}
        cost, told = (self._cost(nll / B, means, w, part) for w in (weights, self.weights))
        return Learned(cost, told, means)

    def look(self) -> None:
        self.agreement.heed(self.tail[-WISHES:].tolist())

    def _through_code(
        self, part: Pair, own: slice, B: int, generator: torch.Generator, weights: dict[str, float]
    ) -> dict[str, Tensor]:
        """The pass by way of the whole batch's code; the means of the penalties that are known here."""
        model = coded(self.model)
        with autocast(self.settings, self.device):
            h = model.encoder(part.x_in)
            features = self._gathered(h.detach(), own, B).requires_grad_()
            code = model.bottleneck(features, sample=True, generator=generator)
            z = code.z.detach()[own].requires_grad_()
            params = model.decoder(z)
        self._learn_answer(params, part, B)
        penalties, own_penalties = dict(code.penalties), {}
        for term in model.terms:  # in their order, in which they draw
            if term.encodes:
                own_penalties |= term.of_part(model, part, own, B, generator)
            else:
                penalties |= term(model, part, Output(params.detach(), code), generator)
        self._learn_code(code, penalties, z, own, weights, part)
        assert features.grad is not None
        h.backward(features.grad[own])
        self._learn_slope(own_penalties, weights, part, B)
        return {name: penalty.detach().mean() for name, penalty in penalties.items()}

    def _learn_answer(self, params: Tensor, part: Pair, B: int) -> None:
        """Of the decoder's output for the own samples: gradients, and the sum of their nats."""
        nll = self.model.likelihood.nll(params.float(), part.target, part.weight).sum()
        self.tail[0] = nll.detach()
        torch.as_tensor(self.model.likelihood.readable(nll / (B * _size(part)))).backward()

    def _learn_code(
        self, code: Code, penalties: dict[str, Tensor], z: Tensor, own: slice, weights: dict[str, float], part: Pair
    ) -> None:
        """Brings the slope at the own codes, and of the penalties at all, to the features."""
        slope = torch.zeros_like(code.z)
        if z.grad is not None:
            slope[own] = z.grad
        nats = [weights[name] * penalty.mean() for name, penalty in penalties.items()]
        if nats:
            cost = self.model.likelihood.slope * torch.stack(nats).sum() / _size(part)
            torch.autograd.backward([code.z, cost], [slope, None])
        else:
            code.z.backward(slope)

    def _learn_slope(self, penalties: dict[str, Tensor], weights: dict[str, float], part: Pair, B: int) -> None:
        """Of penalties (b,) of the own samples, which passed the encoder for themselves: gradients, and their sums."""
        for name, penalty in penalties.items():
            self.tail[1 + self.summed.index(name)] = penalty.detach().sum()
            (self.model.likelihood.slope * weights[name] * penalty.sum() / (B * _size(part))).backward()

    def _gathered(self, h: Tensor, own: slice, B: int) -> Tensor:
        """The rows (B, …) of all processes, of which these are the own; a sum with zeros is exact."""
        rows = torch.zeros((B, *h.shape[1:]), device=h.device)
        rows[own] = h.float()
        return self.group.sum_(rows).to(h.dtype)

    def _sum(self) -> None:
        """Gradients, costs and wishes of all; the same bits in every process."""
        used = [i for i, p in enumerate(self.parameters) if p.grad is not None]
        for i in set(range(len(self.parameters))) - set(used):
            self.places[i].zero_()
        grads = [self.parameters[i].grad for i in used]
        torch._foreach_copy_([self.places[i] for i in used], grads)  # pyright: ignore
        self.tail[-WISHES:] = torch.tensor(self.agreement.wishes())
        self.group.sum_(self.flat)
        for i in used:
            self.parameters[i].grad = self.places[i]
        if self.device.type == "cpu":
            self.look()

    def _cost(self, nll: Tensor, means: dict[str, Tensor], weights: dict[str, float], part: Pair) -> Tensor:
        nats = nll
        for name, mean in means.items():
            nats = nats + weights[name] * mean
        return torch.as_tensor(self.model.likelihood.readable(nats / _size(part)))


def refuse_coupled(model: AbstractModel) -> None:
    """Raises: UsageError for batch normalization, which would normalize every slice by itself; and for a bottleneck
    with weights, whose penalties would count once for each process."""
    norm = next((m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)), None)
    if norm is not None:
        message = f"the module has a {type(norm).__name__}, which looks at all samples of a batch together."
        raise UsageError("USAGE-PROCESSES", message, fix="use GroupNorm or LayerNorm, or train in one process")
    if any(p.requires_grad for p in model.bottleneck.parameters()):
        message = (
            f"the bottleneck {model.config.bottleneck!r} has weights, and several processes train only those without."
        )
        raise UsageError("USAGE-PROCESSES", message, fix="train in one process")


def _sliced(pair: Pair, own: slice) -> Pair:
    weight = None if pair.weight is None else pair.weight.expand_as(pair.target)[own]
    return Pair(pair.x_in[own], pair.target[own], weight)


def _size(part: Pair) -> int:
    """D: the values of a sample, also of none."""
    return int(part.target.shape[1:].numel())


__all__ = ["SharedGradients", "refuse_coupled"]
