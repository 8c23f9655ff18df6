"""Cost and gradients of one batch that several processes compute together, each for its slice.

Every process draws the random numbers of the whole batch and uses its own part, so the sum of their gradients is that
of one process, up to rounding. Parts that use several samples (the bottleneck with its penalties, the terms) get the
features of the whole batch, a few numbers per sample, which the processes exchange. So they compute the same in each.

The gradients are exchanged as one flat tensor per step, whose last values are the cost and the requests to stop.

If the slice does not fit into memory, it is computed in pieces. Then the encoder runs twice: once for the features,
and once more, piece by piece, with the gradient of the features.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from isthmus.errors import PeerLostError, UsageError
from isthmus.models.abstract_model import AbstractModel, Output
from isthmus.models.autoencoder import coded
from isthmus.models.costs import Weights, penalty_weights, risen
from isthmus.parts.codes import Code
from isthmus.parts.corruptions import Pair
from isthmus.parts.terms import AbstractTerm
from isthmus.training.agreement import WISHES, AgreedRequests
from isthmus.training.dropout_slices import Dice, SlicedDropout
from isthmus.training.gradients import AbstractGradients, Learned
from isthmus.training.step_context import autocast
from isthmus.training_config import TrainingConfig


@final
class SharedGradients(AbstractGradients):
    """Computes this process's slice of each batch, and the sum over all processes of the group.

    Raises: UsageError for parts that cannot be computed in slices.
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
        self.n_pieces, self.is_repeated, self.dice = 1, False, Dice(device)
        # For the current step: features and code of the batch, and the states of the generators after them.
        self.shared: tuple[Tensor, Code, Tensor, Tensor] | None = None
        self.before: list[Tensor] = []

    def __call__(self, pair: Pair, generator: torch.Generator, done: float | Tensor) -> Learned:
        if not self.is_repeated:
            self.shared, self.dice = None, Dice(self.device)
            self.before = [buffer.clone() for buffer in self.model.bottleneck.buffers()]
        self.is_repeated = False
        B, own = len(pair.x_in), self.group.slice_of(len(pair.x_in))
        self.tail.zero_()
        for parameter in self.parameters:
            parameter.grad = None
        weights, means = risen(self.weights, done, self.settings), {}
        if self.needs_all:
            means = self._through_code(pair, own, generator, weights)
        else:
            for piece in self._pieces(own):
                self.dice.begin()
                with autocast(self.settings, self.device), self.dropout.of(piece, B):
                    output = self.model(pair.x_in[piece], sample=True, generator=generator)
                self._learn_answer(output.params, pair, piece)
        try:
            self._sum()
        except PeerLostError:  # the step is not finished, so changes of the bottleneck are undone as well
            for buffer, value in zip(self.model.bottleneck.buffers(), self.before, strict=True):
                buffer.copy_(value)
            raise
        nll, *sums = self.tail[: 1 + len(self.summed)].clone()
        means |= {name: total / B for name, total in zip(self.summed, sums, strict=True)}
        cost, told = (self._cost(nll / B, means, w, pair) for w in (weights, self.weights))
        return Learned(cost, told, means)

    def look(self) -> None:
        self.agreement.heed(self.tail[-WISHES:].tolist())

    def halve(self) -> int:
        """Repeats this step, and computes all later ones, in pieces half as large; returns the number of pieces.

        Values that the processes have already exchanged for the step are not exchanged again.
        """
        self.is_repeated, self.n_pieces = True, 2 * self.n_pieces
        return self.n_pieces

    def _pieces(self, own: slice) -> list[slice]:
        """The own slice in pieces; one empty piece if it is empty."""
        n, start = own.stop - own.start, own.start
        k = max(1, min(self.n_pieces, n))
        return [slice(start + n * i // k, start + n * (i + 1) // k) for i in range(k)]

    def _through_code(self, pair: Pair, own: slice, generator: torch.Generator, weights: Weights) -> dict[str, Tensor]:
        """The pass with the code of the whole batch; returns the means of the penalties that are known here."""
        pieces, model = self._pieces(own), coded(self.model)
        h = None
        if self.shared is None:
            with torch.set_grad_enabled(len(pieces) == 1):
                h = torch.cat([self._encoded(pair, piece) for piece in pieces])
            features = self._gathered(h.detach(), own, len(pair.x_in)).requires_grad_()
            with autocast(self.settings, self.device):
                code = model.bottleneck(features, sample=True, generator=generator)
            self.shared = features, code, generator.get_state(), self.dice.now()
        features, code, drawn, dropped = self.shared
        features.grad = None
        generator.set_state(drawn)
        z = code.z.detach()[own].requires_grad_()
        for piece in pieces:
            self.dice.begin(dropped)
            with autocast(self.settings, self.device), self.dropout.of(piece, len(pair.x_in)):
                params = model.decoder(z[piece.start - own.start : piece.stop - own.start])
            self._learn_answer(params, pair, piece)
        penalties = dict(code.penalties)
        for term in model.terms:  # in this order, because they draw random numbers
            if term.encodes:
                self._learn_slope(term, pair, pieces, generator, weights)
            else:
                penalties |= term(model, pair, Output(params.detach(), code), generator)
        self._learn_code(code, penalties, z, own, weights, pair)
        self._learn_features(features, h, pair, own, pieces)
        return {name: penalty.detach().mean() for name, penalty in penalties.items()}

    def _encoded(self, pair: Pair, piece: slice) -> Tensor:
        self.dice.begin()
        with autocast(self.settings, self.device), self.dropout.of(piece, len(pair.x_in)):
            return coded(self.model).encoder(pair.x_in[piece])

    def _learn_features(self, features: Tensor, h: Tensor | None, pair: Pair, own: slice, pieces: list[slice]) -> None:
        """Propagates the gradient of the own features to the encoder's weights."""
        assert features.grad is not None
        if h is not None and h.requires_grad:
            h.backward(features.grad[own])
            return
        for piece in pieces:
            self._encoded(pair, piece).backward(features.grad[piece])

    def _learn_answer(self, params: Tensor, pair: Pair, piece: slice) -> None:
        """Adds the gradients, and the sum of the nats, of the decoder's output for some of the own samples."""
        weight = None if pair.weight is None else pair.weight.expand_as(pair.target)[piece]
        nll = self.model.likelihood.nll(params.float(), pair.target[piece], weight).sum()
        self.tail[0] += nll.detach()
        torch.as_tensor(self.model.likelihood.readable(nll / pair.target.numel())).backward()

    def _learn_code(
        self, code: Code, penalties: dict[str, Tensor], z: Tensor, own: slice, weights: Weights, pair: Pair
    ) -> None:
        """Propagates the gradient of the own codes, and of the penalties of all, to the features."""
        slope = torch.zeros_like(code.z)
        if z.grad is not None:
            slope[own] = z.grad
        nats = [weights[name] * penalty.mean() for name, penalty in penalties.items()]
        if nats:
            cost = self.model.likelihood.slope * torch.stack(nats).sum() / pair.target[0].numel()
            torch.autograd.backward([code.z, cost], [slope, None], retain_graph=True)  # the step may be repeated
        else:
            code.z.backward(slope, retain_graph=True)

    def _learn_slope(
        self,
        term: AbstractTerm,
        pair: Pair,
        pieces: list[slice],
        generator: torch.Generator,
        weights: Weights,
    ) -> None:
        """Adds the gradients, and the sums of the penalties, of a term that runs the encoder itself."""
        drawn = generator.get_state()
        for piece in pieces:
            generator.set_state(drawn)
            part = _sliced(pair, piece)
            for name, penalty in term.of_part(coded(self.model), part, piece, len(pair.x_in), generator).items():
                self.tail[1 + self.summed.index(name)] += penalty.detach().sum()
                (self.model.likelihood.slope * weights[name] * penalty.sum() / pair.target.numel()).backward()

    def _gathered(self, h: Tensor, own: slice, B: int) -> Tensor:
        """The rows (B, …) of all processes, where h are the own ones; a sum with zeros is exact."""
        rows = torch.zeros((B, *h.shape[1:]), device=h.device)
        rows[own] = h.float()
        return self.group.sum_(rows).to(h.dtype)

    def _sum(self) -> None:
        """Adds up gradients, costs and wishes of all processes; the result has the same bits in each."""
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

    def _cost(self, nll: Tensor, means: dict[str, Tensor], weights: Weights, pair: Pair) -> Tensor:
        nats = nll
        for name, mean in means.items():
            nats = nats + weights[name] * mean
        return torch.as_tensor(self.model.likelihood.readable(nats / pair.target[0].numel()))


def refuse_coupled(model: AbstractModel) -> None:
    """Raises: UsageError for batch normalization, which would normalize every slice separately; and for a bottleneck
    with weights, whose penalties would count once per process."""
    norm = next((m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)), None)
    if norm is not None:
        message = f"the module has a {type(norm).__name__}, which needs all samples of a batch at once."
        raise UsageError("USAGE-PROCESSES", message, fix="use GroupNorm or LayerNorm, or train in one process")
    if any(p.requires_grad for p in model.bottleneck.parameters()):
        message = f"the bottleneck {model.config.bottleneck!r} has weights, which several processes cannot train."
        raise UsageError("USAGE-PROCESSES", message, fix="train in one process")


def _sliced(pair: Pair, own: slice) -> Pair:
    weight = None if pair.weight is None else pair.weight.expand_as(pair.target)[own]
    return Pair(pair.x_in[own], pair.target[own], weight)


__all__ = ["SharedGradients", "refuse_coupled"]
