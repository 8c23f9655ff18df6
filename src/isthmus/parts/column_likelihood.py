"""The likelihood for columns of several kinds: a weighted Gaussian, Bernoulli, categorical or Poisson cost for each."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.data.batching.encoding import Block, Encoding
from isthmus.parts.abstract_likelihood import AbstractLikelihood, per_sample
from isthmus.parts.codes import held_between
from isthmus.system.device_constants import constant

# The logarithm of a rate: e^-8 is practically none, e^25 more than any count.
LOG_RATE = (-8.0, 25.0)
LOG_SCALE = (-6.0, 3.0)  # as in `likelihoods.LOG_SCALE`
LEAST_SHARE = 1e-4  # share of a level at the start, because the logarithm of 0 is infinite
LEAST_COUNT = 1e-3  # smaller values are a count of 0 with float32's rounding
# Largest value of 1 / (the cost of the best constant - the noise floor, which is 0 here): 20 for an entropy of 0.05
# nats.
MOST_WEIGHT = 20.0


class Layout(NamedTuple):
    """For each of P outputs: its index among the values of x, its column, the index of its flag for a missing value (-1
    if there is none), its weight, and for a Poisson count the scale and the offset of its logarithm.
    """

    values: Tensor
    column: Tensor
    flag: Tensor
    weights: Tensor
    scale: Tensor
    offset: Tensor


class ColumnsLikelihood(AbstractLikelihood):
    """columns: a cost for each column by its kind; missing values cost nothing; variance=learned is for VAEs.

    Numbers and times: squared error; yes-no: binary cross-entropy; categories: cross-entropy; counts: Poisson deviance.
    The weight of each column is 1 / (cost of its best constant), so that no column dominates: a cost of 1 is no better
    than a constant, 0 is perfect. variance=learned uses no weights, but learns a standard deviation for every number:
    then the cost is in nats, as a Gaussian code needs it. Without an `encoding`, all values are numbers of deviation 1.
    """

    def __init__(self, *, variance: str = "fixed", encoding: Encoding | None = None) -> None:
        super().__init__()
        if variance not in {"fixed", "learned"}:
            raise ValueError(f"variance is {variance!r}, but must be 'fixed' or 'learned'")
        self.encoding, self.learned = encoding, variance == "learned"
        self.unit = "nats" if self.learned else "share of a constant's cost"
        if encoding is None:
            self.slope = 1.0
            return
        self._lay_out(encoding)
        self.slope = 1.0 if self.learned else encoding.size / len(encoding.blocks)
        if self.learned:
            self.log_scale = nn.Parameter(torch.zeros(len(self.parts["gaussian"])))

    def _lay_out(self, encoding: Encoding) -> None:
        """Sets the indices of the outputs of each kind, as plain lists: a loaded model is first built without memory,
        and would lose tensors that are not in its file.
        """
        blocks, places = encoding.blocks, encoding.places
        self.outputs = [(j, k) for j, k in enumerate(encoding.column_of) if not encoding.flags[j]]
        kinds = [_cost(blocks[k]) for _, k in self.outputs]
        names = ("gaussian", "bernoulli", "poisson", "category")
        self.parts = {name: [p for p, kind in enumerate(kinds) if kind == name] for name in names}
        categories = [k for k, block in enumerate(blocks) if block.kind == "category"]
        self.levels = [[p for p, (_, own) in enumerate(self.outputs) if own == k] for k in categories]
        self.flags = [places[k].stop - 1 if blocks[k].flagged else -1 for _, k in self.outputs]
        self._layouts: dict[tuple[torch.device, torch.dtype], Layout] = {}

    def _layout(self, like: Tensor) -> Layout:
        """The tensors for this device and type, made when they are first needed."""
        key = (like.device, like.dtype)
        if key not in self._layouts:
            assert self.encoding is not None
            blocks = self.encoding.blocks
            values, column = zip(*self.outputs, strict=True)
            weights = [1.0 if self.learned else _weight(blocks[k]) for k in column]
            counts = [blocks[column[p]] for p in self.parts["poisson"]]
            numbers = (weights, [b.scale for b in counts], [b.offset for b in counts])
            places = (torch.tensor(each, device=like.device) for each in (values, column, self.flags))
            self._layouts[key] = Layout(
                *places, *(torch.tensor(each, dtype=like.dtype, device=like.device) for each in numbers)
            )
        return self._layouts[key]

    def channels_out(self, C: int) -> int:
        return C if self.encoding is None else len(self.outputs)

    def nll(self, params: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        params = params.to(target.dtype)
        if self.encoding is None:
            return per_sample((params - target).square(), weight)
        costs = self._costs(params, target)
        return per_sample(costs, None if weight is None else weight[:, self._layout(target).values])

    def errors(self, params: Tensor, x: Tensor) -> Tensor:
        """The weighted cost of each column, (B, K), at least 0, and 0 for a missing value."""
        if self.encoding is None:
            return super().errors(params, x)
        costs = self._costs(params.to(x.dtype), x)
        found = costs.new_zeros(len(x), len(self.encoding.blocks))
        return found.index_add_(1, self._layout(x).column, costs)

    def _costs(self, params: Tensor, x: Tensor) -> Tensor:
        """The weighted cost of each output, (B, P)."""
        layout = self._layout(x)
        target, costs = x[:, layout.values], torch.zeros_like(params)
        at = self._places("gaussian", x)
        costs[:, at] = self._gaussian(params[:, at], target[:, at])
        at = self._places("bernoulli", x)  # targets are -1 and 1, and 0 for a missing value, which costs nothing
        costs[:, at] = target[:, at].abs() * F.softplus(-target[:, at].sign() * params[:, at])
        if self.parts["poisson"]:
            at = self._places("poisson", x)
            costs[:, at] = self._poisson(params[:, at], target[:, at], layout)
        for level in self.levels:
            at = constant(level, torch.int64, x.device)
            costs[:, at] = -target[:, at] * params[:, at].log_softmax(1)
        gaps = torch.where(layout.flag >= 0, x[:, layout.flag.clamp(min=0)], torch.zeros_like(target))
        return costs * (1 - gaps) * layout.weights

    def _places(self, kind: str, like: Tensor) -> Tensor:
        """The indices of the outputs of this kind, as a tensor, because a list would be copied to the device again."""
        return constant(self.parts[kind], torch.int64, like.device)

    def _gaussian(self, params: Tensor, target: Tensor) -> Tensor:
        if not self.learned:
            return (params - target).square() / 2
        log_scale = held_between(self.log_scale.to(params.dtype), *LOG_SCALE)
        return ((params - target) * (-log_scale).exp()).square() / 2 + log_scale

    def _poisson(self, params: Tensor, target: Tensor, layout: Layout) -> Tensor:
        """Half the deviance, x log(x / rate) - x + rate, which is 0 at rate = x."""
        log_rate = (params / layout.scale + layout.offset).clamp(*LOG_RATE)
        count = (target / layout.scale + layout.offset).expm1()
        apart = log_rate - count.clamp(min=LEAST_COUNT).log()  # so that large counts lose no digits
        return torch.where(count > LEAST_COUNT, count * (apart.expm1() - apart), log_rate.exp())

    def mean(self, params: Tensor) -> Tensor:
        if self.encoding is None:
            return params
        return self._with_flags([self._means(params[:, at], block) for at, block in self._outputs()], params)

    def draw(self, params: Tensor, generator: torch.Generator) -> Tensor:
        """x (B, D) drawn from the predicted distribution; only for a learned variance, because a fixed one does not
        describe the spread of numbers.
        """
        assert self.encoding is not None
        assert self.learned
        numbers = params.clone()
        at = self.parts["gaussian"]
        scale = held_between(self.log_scale.to(params.dtype), *LOG_SCALE).exp()
        noise = torch.randn(len(params), len(at), generator=generator, device=params.device, dtype=params.dtype)
        numbers[:, at] = params[:, at] + scale * noise
        return self._with_flags([_drawn(numbers[:, at], block, generator) for at, block in self._outputs()], params)

    def _with_flags(self, values: list[Tensor], params: Tensor) -> Tensor:
        """x from the values of each column, with flags that say that nothing is missing."""
        flags = [block.flagged for _, block in self._outputs()]
        none = torch.zeros_like(params[:, :1])
        return torch.cat([part for v, f in zip(values, flags, strict=True) for part in ([v, none] if f else [v])], 1)

    def _outputs(self) -> list[tuple[slice, Block]]:
        """The slice of the outputs of each column."""
        assert self.encoding is not None
        found, at = [], 0
        for block in self.encoding.blocks:
            found.append((slice(at, at + block.n_values), block))
            at += block.n_values
        return found

    def _means(self, params: Tensor, block: Block) -> Tensor:
        match _cost(block):
            case "bernoulli":
                return (params / 2).tanh()
            case "category":
                return params.softmax(1)
            case "poisson":
                log_rate = (params / block.scale + block.offset).clamp(*LOG_RATE)
                return (F.softplus(log_rate) - block.offset) * block.scale  # log(1 + rate), scaled
        return params

    def from_mean(self, x: Tensor) -> Tensor:
        if self.encoding is None:
            return x
        parts = zip(self.encoding.places, self.encoding.blocks, strict=True)
        return torch.cat([_params(x[:, at][:, : block.n_values], block) for at, block in parts], 1)


def _drawn(params: Tensor, block: Block, generator: torch.Generator) -> Tensor:
    """Random values (B, n_values) of one column; those of a Gaussian are random already."""
    match _cost(block):
        case "bernoulli":
            return 2 * torch.bernoulli(params.sigmoid(), generator=generator) - 1
        case "category":
            return F.one_hot(params.softmax(1).multinomial(1, generator=generator)[:, 0], params.shape[1]).to(params)
        case "poisson":
            rate = (params / block.scale + block.offset).clamp(*LOG_RATE).exp()
            return (torch.poisson(rate, generator=generator).log1p() - block.offset) * block.scale
    return params


def _params(x: Tensor, block: Block) -> Tensor:
    """The outputs whose mean is x (B, n_values)."""
    match _cost(block):
        case "bernoulli":
            return 2 * x.clamp(LEAST_SHARE - 1, 1 - LEAST_SHARE).atanh()
        case "category":
            return x.clamp(min=LEAST_SHARE).log()
        case "poisson":
            rate = (x / block.scale + block.offset).expm1().clamp(min=LEAST_COUNT)
            return (rate.log() - block.offset) * block.scale
    return x


def _cost(block: Block) -> str:
    """The cost of the values of a column."""
    if block.kind in {"yes-no", "category"}:
        return "bernoulli" if block.kind == "yes-no" else "category"
    return "poisson" if block.poisson else "gaussian"


def _weight(block: Block) -> float:
    """The weight of each value of a column; a time has a position, and cycles whose variance is 1/2."""
    most = MOST_WEIGHT if block.kind in {"yes-no", "category"} else math.inf
    return min(1 / block.constant, most) / (1 + len(block.cycles))


__all__ = ["ColumnsLikelihood"]
