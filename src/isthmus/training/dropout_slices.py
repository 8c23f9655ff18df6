"""Dropout on a part of a batch that drops the same units as dropout on the whole batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn


@final
class SlicedDropout:
    """The dropout layers of `model`. Inside `of(own, B)`, each layer draws for a whole batch of B samples and uses the
    part `own`; layers whose input does not have one row per sample are not changed.
    """

    def __init__(self, model: nn.Module) -> None:
        self.layers = [m for m in model.modules() if isinstance(m, nn.modules.dropout._DropoutNd)]
        self._own, self._B = slice(0), 0
        self._amid: set[nn.Module] = set()

    @contextmanager
    def of(self, own: slice, B: int) -> Iterator[None]:
        """`own` has a start and a stop."""
        self._own, self._B = own, B
        hooks = [layer.register_forward_pre_hook(self._embed) for layer in self.layers]
        hooks += [layer.register_forward_hook(self._cut) for layer in self.layers]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _embed(self, layer: nn.Module, given: tuple[Any, ...]) -> tuple[Tensor] | None:
        (x,), own = given, self._own
        if len(x) != own.stop - own.start:
            return None
        self._amid.add(layer)
        rest = x.shape[1:]
        return (torch.cat([x.new_zeros((own.start, *rest)), x, x.new_zeros((self._B - own.stop, *rest))]),)

    def _cut(self, layer: nn.Module, given: tuple[Any, ...], x: Tensor) -> Tensor | None:
        if layer not in self._amid:
            return None
        self._amid.remove(layer)
        return x[self._own]


@final
class Dice:
    """The state of PyTorch's global generator, which dropout uses, when this was created; `begin` restores it."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.first = self.now()

    def now(self) -> Tensor:
        """The current state."""
        return torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else torch.get_rng_state()

    def begin(self, state: Tensor | None = None) -> None:
        """Restores the first state, or `state`."""
        state = self.first if state is None else state
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(state, self.device)
        else:
            torch.set_rng_state(state)
